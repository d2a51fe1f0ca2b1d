//! The `CLIENT` family, `HELLO`, `AUTH`, `RESET`, `QUIT`.

use crate::net::{key_in, on_all, on_all_with};
use base::Millis;
use node::Peer;

#[test]
fn words_of_the_client_family_are_those_of_redis() {
    let cases: &[(&str, &str)] = &[
        ("CLIENT GETNAME", "nil"),
        ("CLIENT SETNAME", "(ERR wrong number of arguments for 'client|setname' command)"),
        (
            "CLIENT SETNAME \"a b\"",
            "(ERR Client names cannot contain spaces, newlines or special characters.)",
        ),
        ("CLIENT KILL", "(ERR wrong number of arguments for 'client|kill' command)"),
        ("CLIENT KILL a b", "(ERR syntax error)"),
        ("CLIENT KILL ID x", "(ERR client-id should be greater than 0)"),
        ("CLIENT KILL TYPE x", "(ERR Unknown client type 'x')"),
        ("CLIENT KILL USER x", "(ERR No such user 'x')"),
        ("CLIENT KILL SKIPME x", "(ERR syntax error)"),
        ("CLIENT KILL 1.2.3.4:1", "(ERR No such client)"),
        ("CLIENT LIST TYPE x", "(ERR Unknown client type 'x')"),
        ("CLIENT LIST ID", "(ERR syntax error)"),
        ("CLIENT LIST ID a", "(ERR Invalid client ID)"),
        ("CLIENT LIST x", "(ERR syntax error)"),
        ("CLIENT LIST TYPE pubsub", "\"\""),
        ("CLIENT NO-EVICT x", "(ERR syntax error)"),
        ("CLIENT TRACKINGINFO", "[\"flags\" [\"off\"] \"redirect\" -1 \"prefixes\" []]"),
        ("CLIENT GETREDIR", "-1"),
        ("CLIENT UNBLOCK a", "(ERR value is not an integer or out of range)"),
        ("CLIENT UNBLOCK 99", "0"),
        ("CLIENT UNBLOCK 99 foo", "(ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR)"),
        ("CLIENT REPLY x", "(ERR syntax error)"),
        ("CLIENT PAUSE -1", "(ERR timeout is negative)"),
        ("CLIENT PAUSE a", "(ERR timeout is not an integer or out of range)"),
        ("CLIENT PAUSE 10 x", "(ERR CLIENT PAUSE mode must be WRITE or ALL)"),
        (
            "CLIENT CACHING YES",
            "(ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled)",
        ),
        ("CLIENT FOO", "(ERR unknown subcommand 'FOO'. Try CLIENT HELP.)"),
        ("WAIT a 0", "(ERR value is not an integer or out of range)"),
        ("WAIT 0 a", "(ERR timeout is not an integer or out of range)"),
        ("WAIT 0 -1", "(ERR timeout is negative)"),
        ("WAIT -1 0", "0"),
        ("SLOWLOG GET -2", "(ERR count should be greater than or equal to -1)"),
        ("SLOWLOG GET a", "(ERR count should be greater than or equal to -1)"),
        (
            "SLOWLOG GET 1 2",
            "(ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.)",
        ),
        (
            "PUBSUB CHANNELS a b",
            "(ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.)",
        ),
        ("CONFIG SET nosuch 1", "(ERR Unknown option or number of arguments for CONFIG SET - 'nosuch')"),
        (
            "CONFIG SET slowlog-max-len -4",
            "(ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must be between 0 and 9223372036854775807 inclusive)",
        ),
        ("FLUSHALL SYNC x", "(ERR syntax error)"),
        ("SWAPDB a b", "(ERR invalid first DB index)"),
        ("SWAPDB 0 99", "(ERR DB index is out of range)"),
        ("SELECT 16", "(ERR DB index is out of range)"),
        ("SELECT a", "(ERR value is not an integer or out of range)"),
        ("SCAN x", "(ERR invalid cursor)"),
        ("SCAN 0 COUNT 0", "(ERR syntax error)"),
        ("SCAN 0 FOO", "(ERR syntax error)"),
        ("SHUTDOWN ABORT", "(ERR No shutdown in progress.)"),
        ("SHUTDOWN x", "(ERR syntax error)"),
        ("SHUTDOWN abort ABORT", "(ERR No shutdown in progress.)"),
        ("SHUTDOWN NOSAVE save", "(ERR syntax error)"),
        ("SHUTDOWN SAVE NOW NOSAVE", "(ERR syntax error)"),
        ("SHUTDOWN ABORT NOW", "(ERR syntax error)"),
        ("SHUTDOWN FORCE abort", "(ERR syntax error)"),
        ("SHUTDOWN ABORT SAVE", "(ERR syntax error)"),
        ("SHUTDOWN NOW x", "(ERR syntax error)"),
        ("INFO nosuch", "\"\""),
        ("PING a b", "(ERR wrong number of arguments for 'ping' command)"),
        ("HELLO 4", "(NOPROTO unsupported protocol version)"),
        ("HELLO x", "(ERR Protocol version is not an integer or out of range)"),
        ("HELLO 3 FOO", "(ERR Syntax error in HELLO option 'FOO')"),
        ("HELLO 3 SETNAME", "(ERR Syntax error in HELLO option 'SETNAME')"),
        (
            "AUTH a",
            "(ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?)",
        ),
        ("AUTH a b", "(WRONGPASS invalid username-password pair or user is disabled.)"),
        ("AUTH a b c", "(ERR syntax error)"),
        ("BGSAVE x", "(ERR syntax error)"),
        ("PUBSUB NUMSUB", "[]"),
        ("MODULE LIST", "[]"),
        ("ROLE", "[\"master\" 0 []]"),
        ("RANDOMKEY", "nil"),
        ("OBJECT FOO", "(ERR unknown subcommand 'FOO'. Try OBJECT HELP.)"),
    ];
    on_all(|net| {
        let client = net.connect(1);
        for (request, reply) in cases {
            assert_eq!(net.ask(client, request), *reply, "{request}");
        }
    });
}

#[test]
fn client_list_shows_the_clients_of_all_workers_in_order_of_their_ids() {
    on_all(|net| {
        let clients: Vec<_> = (0..5).map(|n| net.connect(n)).collect();
        net.talk(clients[3], &["CLIENT SETNAME third", "SELECT 4", "MULTI", "PING"]);
        net.talk(clients[4], &["SUBSCRIBE a"]);
        let list = net.ask(clients[0], "CLIENT LIST");
        let lines: Vec<&str> = list.trim_matches('"').lines().collect();
        assert_eq!(lines.len(), 5, "{list}");
        for (number, line) in lines.iter().enumerate() {
            let begins =
                format!("id={} addr=127.0.0.1:{} laddr=127.0.0.1:6379 fd=", number + 1, 1000 + number);
            assert!(line.starts_with(&begins), "{line}");
        }
        assert!(lines[0].contains(" cmd=client|list user=default redir=-1 resp=2"), "{}", lines[0]);
        assert!(lines[0].contains(" flags=N ") && lines[4].contains(" flags=P "), "{list}");
        assert!(lines[3].contains(" name=third ") && lines[3].contains(" flags=x db=4 "), "{}", lines[3]);
        assert!(lines[3].contains(" multi=1 "), "{}", lines[3]);
        let some = net.ask(clients[1], "CLIENT LIST ID 2 5 77");
        assert_eq!(some.matches("id=").count(), 2, "{some}");
        assert_eq!(net.ask(clients[1], "CLIENT LIST TYPE pubsub").matches("id=").count(), 1);
        let info = net.ask(clients[1], "CLIENT INFO");
        assert!(info.contains(" cmd=client|info "), "{info}");
    });
}

#[test]
fn client_kill_ends_others_at_once_and_oneself_after_the_answer() {
    on_all(|net| {
        let clients: Vec<_> = (0..5).map(|n| net.connect(n)).collect();
        assert_eq!(net.ask(clients[0], "CLIENT KILL ID 2"), "1");
        assert_eq!(net.ask(clients[0], "CLIENT KILL 127.0.0.1:1002"), "OK");
        let open: Vec<bool> = clients.iter().map(|&client| net.is_open(client)).collect();
        assert_eq!(open, [true, false, false, true, true]);
        assert_eq!(net.ask(clients[0], "CLIENT KILL TYPE normal"), "2", "all but oneself");
        assert_eq!(net.talk(clients[0], &["CLIENT KILL TYPE normal SKIPME no", "PING"]), ["1"]);
        assert!(!net.is_open(clients[0]));
    });
}

#[test]
fn a_client_killed_while_it_waits_for_partitions_leaves_them_free() {
    on_all(|net| {
        for round in 0..10 {
            let (victim, killer) = (net.connect(0), net.connect(1));
            let id = net.ask(victim, "CLIENT ID");
            let (first, last) = (key_in(0, "v"), key_in(7, "v"));
            net.send(victim, &[&format!("MSET {first} 1 {last} 2"), "KEYS *", "INFO", "DBSIZE"]);
            net.send(killer, &[&format!("CLIENT KILL ID {id}")]);
            for _ in 0..round * 3 {
                net.step();
            }
            net.settle();
            assert!(!net.is_open(victim));
            assert_eq!(net.take(killer), ["1"]);
            let replies = net.talk(killer, &[&format!("MGET {first} {last}"), "DEL k", "FLUSHALL"]);
            assert_eq!(replies[2], "OK");
            net.hang_up(killer);
        }
    });
}

/// The place of a client that was killed and has hung up may be another's before the turn is over.
#[test]
fn a_kill_never_hits_the_client_that_comes_next() {
    let mut net = crate::net::Net::new(1, 1);
    let (victim, killer) = (net.connect(0), net.connect(0));
    let newcomer = net.kill_hang_up_and_accept_in_one_turn(killer, victim);
    assert!(net.is_open(newcomer));
    assert_eq!(net.ask(newcomer, "PING"), "PONG");
}

#[test]
fn a_pause_holds_requests_and_loses_none() {
    on_all(|net| {
        let (a, b) = (net.connect(0), net.connect(1));
        let (near, far) = (key_in(0, "z"), key_in(7, "z"));
        assert_eq!(net.ask(a, "CLIENT PAUSE 1000 WRITE"), "OK");
        let requests =
            ["PING", &*format!("GET {far}"), &format!("SET {far} 1"), &format!("SET {near} 2"), "DBSIZE"];
        assert_eq!(net.talk(b, &requests), ["PONG", "nil"]);
        assert_eq!(
            net.talk(a, &["MULTI", "PING", "EXEC"]),
            ["OK", "QUEUED", "[PONG]"],
            "a transaction that only reads"
        );
        net.pass(500);
        assert_eq!(net.take(b), [""; 0]);
        net.pass(600);
        assert_eq!(net.take(b), ["OK", "OK", "2"]);
        // Ended early; a held client that goes is no matter.
        assert_eq!(net.ask(a, "CLIENT PAUSE 100000"), "OK");
        let gone = net.connect(1);
        assert_eq!(net.talk(gone, &["SET k 1"]), [""; 0]);
        assert_eq!(net.talk(b, &["PING", "MSET a 1 b 2"]), [""; 0]);
        net.hang_up(gone);
        assert_eq!(net.ask(a, "CLIENT UNPAUSE"), "OK");
        assert_eq!(net.take(b), ["PONG", "OK"]);
        assert_eq!(net.ask(b, "EXISTS k"), "0");
    });
}

#[test]
fn writes_that_the_shell_holds_no_client_lets_go() {
    on_all(|net| {
        let (a, b) = (net.connect(0), net.connect(1));
        // Time begins at a second.
        let end = Millis(61_000);
        net.each_worker(|worker| worker.hold_writes(Some(end)));
        assert_eq!(net.talk(b, &["GET k", "SET k 1", "GET k"]), ["nil"]);
        assert_eq!(net.talk(a, &["CLIENT PAUSE 10 ALL", "CLIENT UNPAUSE"]), ["OK", "OK"]);
        assert_eq!(net.take(b), [""; 0]);
        net.each_worker(|worker| worker.hold_writes(None));
        net.tick();
        net.settle();
        assert_eq!(net.take(b), ["OK", "\"1\""]);
        net.each_worker(|worker| worker.hold_writes(Some(end)));
        assert_eq!(net.talk(b, &["SET k 2"]), [""; 0]);
        net.pass(61_000);
        assert_eq!(net.take(b), ["OK"]);
        assert_eq!(
            net.ask(a, "FABRIC JOIN auto"),
            "(ERR this node is on its own (`join none`); start it with another `join` to make it part of a cluster)"
        );
    });
}

#[test]
fn a_paused_client_is_not_taken_for_an_idle_one() {
    on_all_with(&[("timeout", "1")], |net| {
        let (a, b) = (net.connect(0), net.connect(1));
        assert_eq!(net.ask(a, "CLIENT PAUSE 3000"), "OK");
        assert_eq!(net.talk(b, &["PING"]), [""; 0]);
        net.pass(2500);
        assert!(net.is_open(b) && !net.is_open(a));
        net.pass(600);
        assert_eq!(net.take(b), ["PONG"]);
    });
}

const PASSWORD: &[(&str, &str)] = &[("requirepass", "sesame")];
const NOAUTH: &str = "(NOAUTH Authentication required.)";

#[test]
fn without_the_password_only_the_door_is_open() {
    on_all_with(PASSWORD, |net| {
        let client = net.connect(1);
        for request in ["GET k", "PING", "INFO", "MULTI", "SUBSCRIBE a", "CLIENT LIST", "DBSIZE", "MONITOR"] {
            assert_eq!(net.ask(client, request), NOAUTH, "{request}");
        }
        assert!(net.ask(client, "HELLO").starts_with("(NOAUTH HELLO must be called with"));
        let wrong = "(WRONGPASS invalid username-password pair or user is disabled.)";
        assert_eq!(net.ask(client, "AUTH open"), wrong);
        assert_eq!(net.ask(client, "AUTH other sesame"), wrong);
        assert_eq!(net.ask(client, "HELLO 3 AUTH default sesam"), wrong);
        assert_eq!(net.ask(client, "PING"), NOAUTH, "and it is still RESP2, still outside");
        assert_eq!(
            net.talk(client, &["AUTH sesame", "SET k 1", "RESET", "GET k"]),
            ["OK", "OK", "RESET", NOAUTH]
        );
        let hello =
            net.talk(client, &["HELLO 3 AUTH default sesame SETNAME me", "CLIENT GETNAME", "GET nokey"]);
        assert!(hello[0].starts_with("{\"server\":\"redis\""), "{}", hello[0]);
        assert_eq!(hello[1..], ["\"me\"", "nil"]);
        let quitter = net.connect(0);
        assert_eq!(net.ask(quitter, "QUIT"), "OK");
    });
}

#[test]
fn limits_are_tight_before_the_password_and_wide_after_it() {
    on_all_with(PASSWORD, |net| {
        let long = "x".repeat(20_000);
        let client = net.connect(0);
        net.send(client, &["AUTH sesame", &format!("ECHO {long}"), "MSET a 1 b 2 c 3 d 4 e 5 f 6"]);
        net.settle();
        let replies = net.take(client);
        assert_eq!((replies.len(), replies[1].len()), (3, long.len() + 2), "also when sent in one go");
        let stranger = net.connect(1);
        assert_eq!(
            net.talk(stranger, &[&format!("ECHO {long}"), "PING"]),
            ["(ERR Protocol error: unauthenticated bulk length)"]
        );
        assert!(!net.is_open(stranger));
        let stranger = net.connect(1);
        assert_eq!(
            net.talk(stranger, &["MSET a 1 b 2 c 3 d 4 e 5 f 6", "PING"]),
            ["(ERR Protocol error: unauthenticated multibulk length)"]
        );
    });
}

#[test]
fn a_stranger_must_authenticate_in_time_and_read_its_answers() {
    on_all_with(&[("requirepass", "sesame"), ("auth-timeout", "1s")], |net| {
        let (slow, quick, talker) = (net.connect(0), net.connect(1), net.connect(1));
        net.talk(quick, &["AUTH sesame"]);
        net.set_deaf(talker, true);
        for _ in 0..1000 {
            net.send(talker, &["PING"]);
        }
        net.settle();
        assert!(!net.is_open(talker), "more than 16 KiB of refusals wait to be read");
        net.pass(2000);
        assert!(!net.is_open(slow) && net.is_open(quick));
    });
}

#[test]
fn what_a_stranger_sends_and_is_sent_is_bounded_together_and_at_once() {
    on_all_with(PASSWORD, |net| {
        // A whole read of short requests: the answers are cut off at the limit, not made and then counted.
        let talker = net.connect(0);
        net.set_deaf(talker, true);
        let watcher = net.connect_as(1, Peer::InProcess);
        net.write(talker, &b"x\r\n".repeat(20_000));
        net.settle();
        assert!(!net.is_open(talker));
        let info = net.ask(watcher, "INFO stats");
        let refusals = info.split("total_error_replies:").nth(1).unwrap_or_default();
        let refusals: String = refusals.chars().take_while(char::is_ascii_digit).collect();
        let refusals: usize = refusals.parse().unwrap();
        assert!(refusals < 1500, "{refusals} refusals were made for a stranger");
        // Part of a request, within the limit of one, beside answers that wait to be read.
        let (patient, greedy) = (net.connect(1), net.connect(1));
        for (client, answers, is_open) in [(patient, 10, true), (greedy, 480, false)] {
            net.set_deaf(client, true);
            net.write(client, &b"PING\r\n".repeat(answers));
            let part = format!(
                "*3\r\n$4\r\nAUTH\r\n$12000\r\n{}\r\n$12000\r\n{}",
                "x".repeat(12_000),
                "x".repeat(9_000)
            );
            net.write(client, part.as_bytes());
            net.settle();
            assert_eq!(net.is_open(client), is_open);
        }
    });
}

#[test]
fn the_program_that_holds_the_node_needs_no_password_even_after_reset() {
    on_all_with(PASSWORD, |net| {
        let client = net.connect_as(1, Peer::InProcess);
        assert_eq!(net.talk(client, &["SET k 1", "RESET", "GET k"]), ["OK", "RESET", "\"1\""]);
    });
}

#[test]
fn reset_takes_back_everything_a_client_said() {
    on_all(|net| {
        let (client, other) = (net.connect(0), net.connect(1));
        net.talk(
            client,
            &["HELLO 3", "SELECT 5", "CLIENT SETNAME x", "SUBSCRIBE a", "WATCH k", "MULTI", "SET k 1"],
        );
        assert_eq!(net.talk(client, &["RESET"]), ["RESET"]);
        let info = net.ask(client, "CLIENT INFO");
        for part in [" name= ", " db=0 ", " sub=0 ", " multi=-1 ", " watch=0 ", " flags=N ", " resp=2 "] {
            assert!(info.contains(part), "{part} {info}");
        }
        assert_eq!(net.talk(client, &["EXISTS k", "EXEC"]), ["0", "(ERR EXEC without MULTI)"]);
        assert_eq!(net.ask(other, "PUBLISH a x"), "0");
    });
}

#[test]
fn a_changed_limit_holds_for_clients_that_are_there_already() {
    on_all(|net| {
        let (client, other) = (net.connect(0), net.connect(1));
        net.talk(other, &["PING"]);
        assert_eq!(net.ask(client, "CONFIG SET proto-max-bulk-len 1mb"), "OK");
        let long = "x".repeat(1_100_000);
        for client in [client, other] {
            assert_eq!(
                net.talk(client, &[&format!("ECHO {long}")]),
                ["(ERR Protocol error: invalid bulk length)"]
            );
        }
    });
}

#[test]
fn a_client_that_waits_is_let_go_by_another() {
    on_all(|net| {
        let (waiting, other) = (net.connect(0), net.connect(1));
        let id = net.id_of(waiting);
        for (wait, how, expect) in [
            ("WAIT 1 0", "", "0"),
            ("WAIT 1 0", "TIMEOUT", "0"),
            ("WAITAOF 0 1 0", "", "[1 0]"),
            ("WAIT 1 100000", "error", "(UNBLOCKED client unblocked via CLIENT UNBLOCK)"),
        ] {
            assert_eq!(net.talk(waiting, &[wait, "PING"]), [""; 0], "it waits, and what is behind it too");
            assert_eq!(net.ask(other, &format!("CLIENT UNBLOCK {id} {how}")), "1");
            assert_eq!(net.take(waiting), [expect, "PONG"], "{wait} {how}");
            assert_eq!(net.ask(other, &format!("CLIENT UNBLOCK {id} {how}")), "0");
        }
    });
}

#[test]
fn more_clients_than_allowed_are_sent_away() {
    let mut net = crate::net::Net::with(crate::net::Options {
        workers: 2,
        seed: 1,
        logging: false,
        settings: vec![("maxclients", "2")],
    });
    net.connect(0);
    net.connect(1);
    let refused = net.worker(0).accept(base::ConnId(9), Peer::InProcess, 3);
    assert_eq!(refused, Err(b"-ERR max number of clients reached\r\n".as_slice()));
}
