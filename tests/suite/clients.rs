//! The `CLIENT` family: names, lists, kills, pauses, silence.

use narf_tests::{Kind, Options, Server, Value, eventually, on_one_and_two_workers};

on_one_and_two_workers!(
    names_and_ids_are_kept,
    the_list_shows_every_connection,
    connections_are_killed_by_filter,
    replies_are_switched_off_and_skipped,
    a_pause_holds_back_writes_or_everything,
    what_every_client_sends_at_connect_is_answered,
    tracking_is_told_and_refused_clearly,
    who_does_not_wait_is_not_unblocked,
    who_waits_is_unblocked,
);

fn names_and_ids_are_kept(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        CLIENT GETNAME => nil
        CLIENT SETNAME me => +OK
        CLIENT GETNAME => "me"
        CLIENT SETNAME 'a b' => -ERR Client names cannot contain spaces, newlines or special characters.
        CLIENT SETNAME '' => +OK
        CLIENT GETNAME => nil
        CLIENT NO-EVICT ON => +OK
        CLIENT NO-EVICT off => +OK
        CLIENT NO-EVICT maybe => -ERR syntax error
        CLIENT => -ERR wrong number of arguments for 'client' command
        CLIENT GETREDIR => :-1
        "#,
    );
    if node.kind() == Kind::Narf {
        // Newer than the Redis 7.0 that this suite is tried on.
        c.check_all(
            r#"
            CLIENT SETINFO LIB-NAME narf-tests => +OK
            CLIENT SETINFO lib-ver 1.2.3 => +OK
            CLIENT SETINFO lib-name 'a b' => -ERR lib-name cannot contain spaces, newlines or special characters.
            CLIENT SETINFO BANANA x => -ERR Unrecognized option 'BANANA'
            CLIENT NO-TOUCH on => +OK
            CLIENT NO-TOUCH maybe => -ERR syntax error
            "#,
        );
    }
    let first = c.run("CLIENT ID").int();
    let second = node.client().run("CLIENT ID").int();
    assert!(first > 0 && second != first);
    assert_eq!(c.run("CLIENT ID").int(), first);
    assert!(c.run("CLIENT HELP").items().len() > 10);
}

fn field(line: &str, name: &str) -> String {
    let found = line.trim_end().split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in: {line}")).to_owned()
}

fn the_list_shows_every_connection(node: &Server) {
    let mut c = node.client3();
    c.check("CLIENT SETNAME lister", "+OK");
    c.check("SELECT 5", "+OK");
    let mut sub = node.client();
    sub.run("SUBSCRIBE ch");
    sub.run("PSUBSCRIBE p*");
    let mut multi = node.client();
    multi.run("WATCH k");
    multi.run("MULTI");
    multi.run("GET k");
    let info = c.run("CLIENT INFO").text();
    for (name, expect) in [
        ("name", "lister"),
        ("db", "5"),
        ("sub", "0"),
        ("psub", "0"),
        ("multi", "-1"),
        ("resp", "3"),
        ("cmd", "client|info"),
        ("user", "default"),
        ("flags", "N"),
        ("redir", "-1"),
    ] {
        assert_eq!(field(&info, name), expect, "{name} in: {info}");
    }
    assert_eq!(field(&info, "addr"), c.local_address().to_string());
    assert_eq!(field(&info, "laddr"), node.address().to_string());
    assert_eq!(field(&info, "id"), c.run("CLIENT ID").int().to_string());
    for name in [
        "fd",
        "age",
        "idle",
        "ssub",
        "qbuf",
        "qbuf-free",
        "argv-mem",
        "multi-mem",
        "rbs",
        "rbp",
        "obl",
        "oll",
        "omem",
        "tot-mem",
        "events",
    ] {
        field(&info, name);
    }
    let list = c.run("CLIENT LIST").text();
    assert_eq!(list.lines().count(), 3, "{list}");
    let line_of = |port: u16| {
        list.lines().find(|line| field(line, "addr").ends_with(&format!(":{port}"))).unwrap().to_owned()
    };
    let subscriber = line_of(sub.local_address().port());
    assert_eq!(
        (field(&subscriber, "sub"), field(&subscriber, "psub"), field(&subscriber, "flags")),
        ("1".into(), "1".into(), "P".into())
    );
    let queueing = line_of(multi.local_address().port());
    assert_eq!((field(&queueing, "multi"), field(&queueing, "flags")), ("1".into(), "x".into()));
    assert_eq!(c.run("CLIENT LIST TYPE pubsub").text().lines().count(), 1);
    assert_eq!(c.run("CLIENT LIST TYPE normal").text().lines().count(), 2);
    assert_eq!(c.run("CLIENT LIST TYPE master").text().lines().count(), 0);
    let id = c.run("CLIENT ID").int();
    assert_eq!(c.run(&format!("CLIENT LIST ID {id} 999999")).text().lines().count(), 1);
    c.check("CLIENT LIST TYPE banana", "-ERR Unknown client type 'banana'");
    c.check("CLIENT LIST ID x", "-ERR Invalid client ID");
    c.check("CLIENT LIST BANANA", "-ERR syntax error");
}

fn connections_are_killed_by_filter(node: &Server) {
    let mut c = node.client();
    let me = c.run("CLIENT ID").int();
    let mut victim = node.client();
    let id = victim.run("CLIENT ID").int();
    c.check(&format!("CLIENT KILL ID {id}"), ":1");
    victim.read_to_close();
    c.check(&format!("CLIENT KILL ID {id}"), ":0");
    let mut victim = node.client();
    victim.check("PING", "+PONG");
    c.check(&format!("CLIENT KILL {}", victim.local_address()), "+OK");
    victim.read_to_close();
    c.check("CLIENT KILL 127.0.0.1:1", "-ERR No such client");
    let mut victim = node.client();
    victim.check("PING", "+PONG");
    c.check(&format!("CLIENT KILL ADDR {}", victim.local_address()), ":1");
    victim.read_to_close();
    let mut subscriber = node.client();
    subscriber.run("SUBSCRIBE ch");
    c.check("CLIENT KILL TYPE pubsub", ":1");
    subscriber.read_to_close();
    let mut victims: Vec<_> = (0..4).map(|_| node.client()).collect();
    for victim in &mut victims {
        victim.check("PING", "+PONG");
    }
    c.check(&format!("CLIENT KILL LADDR {} SKIPME yes", node.address()), ":4");
    for victim in &mut victims {
        victim.read_to_close();
    }
    c.check("CLIENT KILL USER nobody", "-ERR No such user 'nobody'");
    c.check("CLIENT KILL ID x", "-ERR client-id should be greater than 0");
    c.check("CLIENT KILL BANANA x", "-ERR syntax error");
    c.check("CLIENT KILL TYPE banana", "-ERR Unknown client type 'banana'");
    // Killing oneself: the answer comes, then the end.
    c.send(&format!("CLIENT KILL ID {me} SKIPME no"));
    c.check_closed_after(":1\r\n");
}

fn replies_are_switched_off_and_skipped(node: &Server) {
    let mut c = node.client();
    for line in ["CLIENT REPLY OFF", "SET k 1", "INCR k", "BANANA", "CLIENT REPLY ON"] {
        c.send(line);
    }
    assert_eq!(c.reply().to_string(), "+OK");
    c.check("GET k", r#""2""#);
    c.send("CLIENT REPLY SKIP");
    c.send("INCR k");
    c.check("GET k", r#""3""#);
    c.check("CLIENT REPLY BANANA", "-ERR syntax error");
    c.check("MULTI", "+OK");
    c.check("CLIENT REPLY ON", "+QUEUED");
    c.check("EXEC", "[+OK]");
}

fn a_pause_holds_back_writes_or_everything(node: &Server) {
    let mut c = node.client();
    let mut writer = node.client();
    let mut reader = node.client();
    c.check("SET k v", "+OK");
    c.check("CLIENT PAUSE 100000 WRITE", "+OK");
    writer.send("SET k w");
    reader.check("GET k", r#""v""#);
    assert_eq!(
        writer.next(std::time::Duration::from_millis(100)),
        Ok(None),
        "a write is answered during the pause"
    );
    c.check("CLIENT UNPAUSE", "+OK");
    assert_eq!(writer.reply().to_string(), "+OK");
    reader.check("GET k", r#""w""#);
    c.check("CLIENT PAUSE 150", "+OK");
    let start = std::time::Instant::now();
    reader.check("GET k", r#""w""#);
    assert!(
        start.elapsed().as_millis() >= 100,
        "a read was answered {:?} into a pause of 150 ms",
        start.elapsed()
    );
    c.check("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range");
    c.check("CLIENT PAUSE -1", "-ERR timeout is negative");
    c.check("CLIENT PAUSE 10 BANANA", "-ERR CLIENT PAUSE mode must be WRITE or ALL");
}

fn what_every_client_sends_at_connect_is_answered(node: &Server) {
    let mut c = node.client();
    assert!(!c.run("HELLO 3 SETNAME app").is_error());
    // An error is tolerated by clients, silence or a closed connection is not.
    c.run("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip");
    c.run("CLIENT SETINFO LIB-NAME redis-py");
    c.run("CLIENT SETINFO LIB-VER 8.1.0");
    c.check("SELECT 7", "+OK");
    let info = c.run("INFO").text();
    for line in ["loading:0", "role:master", "maxmemory_policy:noeviction"] {
        assert!(info.lines().any(|got| got.trim() == line), "INFO has no {line}");
    }
    // Who asks for the mode and who looks whether there is a cluster find the same.
    let is_cluster = info.lines().any(|line| line.trim() == "cluster_enabled:1");
    let mode = if is_cluster { "cluster" } else { "standalone" };
    assert!(info.contains(&format!("redis_mode:{mode}\r\n")), "{info}");
    assert_eq!(c.run("HELLO 3").field("mode").unwrap().text(), mode);
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    assert!(version.starts_with('7'), "redis_version is {version}");
    assert!(c.run("COMMAND DOCS").items().len() > 100);
    assert!(c.run("COMMAND COUNT").int() > 80);
    assert!(c.run("CONFIG GET databases").field("databases").is_some());
}

fn tracking_is_told_and_refused_clearly(node: &Server) {
    let mut c = node.client3();
    let info = c.run("CLIENT TRACKINGINFO");
    assert_eq!(info.field("redirect").unwrap().to_string(), ":-1");
    assert!(c.run("CLIENT TRACKING BANANA").is_error());
    c.check("CLIENT TRACKING off", "+OK");
    c.check("CLIENT CACHING yes", "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled");
}

fn who_does_not_wait_is_not_unblocked(node: &Server) {
    let mut c = node.client();
    let id = c.run("CLIENT ID").int();
    c.check(&format!("CLIENT UNBLOCK {id}"), ":0");
    c.check("CLIENT UNBLOCK 999999 ERROR", ":0");
    c.check("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range");
    c.check("CLIENT UNBLOCK 1 BANANA", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
}

fn who_waits_is_unblocked(node: &Server) {
    let (mut waiting, mut other) = (node.client(), node.client());
    let id = waiting.run("CLIENT ID").int();
    for (reason, expect) in
        [("", ":0"), (" TIMEOUT", ":0"), (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK")]
    {
        waiting.send("WAIT 5 0");
        // Until the request has been taken up.
        eventually("it waits", || {
            (other.run(&format!("CLIENT UNBLOCK {id}{reason}")).to_string() == ":1").then_some(())
        });
        assert_eq!(waiting.reply().to_string(), expect);
        waiting.check("PING", "+PONG");
    }
}

#[test]
fn too_many_clients_are_refused() {
    let node = Server::start(Options::new().set("maxclients", 10));
    let mut clients: Vec<_> = (0..9).map(|_| node.client()).collect();
    for c in &mut clients {
        c.check("PING", "+PONG");
    }
    eventually("the tenth is the last", || {
        let mut c = node.bare_client();
        if c.try_send_raw(b"PING\r\n").is_err() {
            return None;
        }
        match c.next_reply(narf_tests::DEADLINE) {
            Ok(Some(reply)) if reply.is_error() => {
                assert_eq!(reply.to_string(), "-ERR max number of clients reached");
                Some(())
            }
            Ok(_) => {
                clients.push(c);
                None
            }
            Err(_) => None,
        }
    });
    // A place is free again once a client leaves.
    clients.truncate(5);
    let mut c = eventually("a place becomes free", || {
        let mut c = node.bare_client();
        (c.try_run("PING") == Ok(Value::Simple(b"PONG".to_vec()))).then_some(c)
    });
    assert!(node.info("rejected_connections").unwrap().parse::<u64>().unwrap() > 0);
    c.check("CONFIG SET maxclients 20", "+OK");
}

#[test]
fn idle_clients_are_closed() {
    let node = Server::new();
    let mut idle = node.client();
    idle.check("PING", "+PONG");
    let mut subscriber = node.client();
    subscriber.run("SUBSCRIBE ch");
    node.config_set("timeout", "1");
    idle.read_to_close();
    // Who listens is not idle.
    node.client().check("PUBLISH ch x", ":1");
    subscriber.check_push(r#"["message", "ch", "x"]"#);
}
