//! Users and their rights: made on one node, valid on all, at once.

use std::time::{Duration, Instant};

use narf_tests::{Client, Data, Kind, Options, Server, Signal, eventually, signal, skip_unless_narf, within};

use crate::nodes::Cluster;

/// A connection of a user.
#[track_caller]
fn as_user(node: &Server, user: &str, password: &str) -> Client {
    let mut client = node.bare_client();
    assert_eq!(client.run_args(&["AUTH", user, password]).to_string(), "+OK", "AUTH {user}");
    client
}

const NO_SET: &str = "-NOPERM User ada has no permissions to run the 'set' command";
const NO_KEY: &str = "-NOPERM No permissions to access a key";
const NO_CHANNEL: &str = "-NOPERM No permissions to access a channel";
const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn a_user_may_do_what_its_rules_say_and_nothing_else() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut root = node.client();
    root.check("ACL SETUSER ada on >sesame ~a:* %R~r:* &news:* +@read +@write +@pubsub +@connection +@transaction -set", "+OK");
    let mut ada = as_user(&node, "ada", "sesame");
    ada.check_all(
        r#"
        PING => +PONG
        SET a:1 x => -NOPERM User ada has no permissions to run the 'set' command
        APPEND a:1 x => :1
        GET a:1 => "x"
        GET r:1 => nil
        APPEND r:1 x => -NOPERM No permissions to access a key
        COPY r:1 a:2 => :0
        COPY a:1 r:1 => -NOPERM No permissions to access a key
        MGET a:1 r:1 other => -NOPERM No permissions to access a key
        EXISTS a:1 other => -NOPERM No permissions to access a key
        ZUNION 1 a:9 => []
        ZUNION 2 a:9 => -NOPERM No permissions to access a key
        PUBLISH news:x y => :0
        PUBLISH other y => -NOPERM No permissions to access a channel
        SPUBLISH other y => -NOPERM No permissions to access a channel
        CONFIG GET port => -NOPERM User ada has no permissions to run the 'config|get' command
        ACL WHOAMI => -NOPERM User ada has no permissions to run the 'acl|whoami' command
        NARF.PUT a:1 0 x => -ERR unknown command 'NARF.PUT', with args beginning with: 'a:1' '0' 'x' |
        SUBSCRIBE other => -NOPERM No permissions to access a channel
        PSUBSCRIBE news:* => ["psubscribe", "news:*", :1]
        "#,
    );
    root.check("ACL SETUSER ada +acl|whoami", "+OK");
    let mut ada = as_user(&node, "ada", "sesame");
    ada.check("ACL WHOAMI", "\"ada\"");
    let clients = root.run("CLIENT LIST").text();
    assert!(clients.contains("user=ada") && clients.contains("user=default"), "{clients}");
    root.check("CLIENT KILL USER nobody", "-ERR No such user 'nobody'");
    ada.check("RESET", "+RESET");
    ada.check("ACL WHOAMI", "\"default\"");
}

#[test]
fn a_change_counts_for_connections_that_are_open() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut root = node.client();
    root.check("ACL SETUSER ada on >sesame ~* &* +@all", "+OK");
    let mut clients: Vec<Client> = (0..6).map(|_| as_user(&node, "ada", "sesame")).collect();
    clients.iter_mut().for_each(|ada| ada.check("SET k 1", "+OK"));
    let mut queued = as_user(&node, "ada", "sesame");
    queued.check_all(
        "
        MULTI => +OK
        SET k 2 => +QUEUED
        GET k => +QUEUED
        GET secret:1 => +QUEUED
        PUBLISH ch x => +QUEUED
        ",
    );
    let mut listening = as_user(&node, "ada", "sesame");
    listening.check("SUBSCRIBE open", r#"["subscribe", "open", :1]"#);
    let mut still = as_user(&node, "ada", "sesame");
    still.check("SUBSCRIBE news", r#"["subscribe", "news", :1]"#);
    root.check("ACL SETUSER ada -set resetkeys ~k resetchannels &news", "+OK");
    // As soon as the one who did it knows, all others are bound.
    clients.iter_mut().for_each(|ada| ada.check("SET k 2", NO_SET));
    clients[0].check("GET k", "\"1\"");
    clients[0].check("GET other", NO_KEY);
    let replies = queued.run("EXEC").items();
    let because = |why: &str| {
        format!(
            "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {why}"
        )
    };
    assert_eq!(replies[0].to_string(), because("no permission to execute the command or subcommand"));
    assert_eq!(replies[1].to_string(), "\"1\"");
    assert_eq!(replies[2].to_string(), because("no permission to touch the specified keys"));
    assert_eq!(
        replies[3].to_string(),
        because("no permission to access one of the channels used as arguments to the command")
    );
    listening.check_closed_after("");
    root.check("PUBLISH news x", ":1");
    still.check_push(r#"["message", "news", "x"]"#);
    // Switched off, who is in stays in, and nobody comes in.
    root.check("ACL SETUSER ada off", "+OK");
    clients[0].check("GET k", "\"1\"");
    assert_eq!(node.bare_client().run_args(&["AUTH", "ada", "sesame"]).to_string(), WRONG);
    root.check("ACL DELUSER ada nobody", ":1");
    still.check_closed_after("");
    clients.iter_mut().for_each(|ada| assert!(ada.try_run("GET k").is_err(), "the user is gone"));
    root.check("ACL DELUSER default", "-ERR The 'default' user cannot be removed");
    // Who deletes himself hears that it is done.
    root.check("ACL SETUSER eve on nopass ~* &* +@all", "+OK");
    let mut eve = as_user(&node, "eve", "anything");
    eve.check("ACL DELUSER eve", ":1");
    eve.check_closed_after("");
}

#[test]
fn queued_requests_are_asked_about_and_a_refusal_breaks_the_transaction() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    node.client().check("ACL SETUSER ada on nopass ~a +@all -set &*", "+OK");
    let mut ada = as_user(&node, "ada", "x");
    ada.check_all(
        "
        MULTI => +OK
        SET a 1 => -NOPERM User ada has no permissions to run the 'set' command
        GET a => +QUEUED
        EXEC => -EXECABORT Transaction discarded because of previous errors.
        MULTI => +OK
        GET b => -NOPERM No permissions to access a key
        EXEC => -EXECABORT Transaction discarded because of previous errors.
        WATCH b => -NOPERM No permissions to access a key
        ",
    );
    let log = node.client3().run("ACL LOG 2");
    let first = &log.items()[0];
    assert_eq!(first.field("object").unwrap().text(), "b");
    assert_eq!(first.field("context").unwrap().text(), "toplevel");
    assert_eq!(log.items()[1].field("context").unwrap().text(), "multi");
}

#[test]
fn what_is_refused_is_logged_and_the_same_again_is_counted() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut root = node.client3();
    root.check("ACL SETUSER ada on >sesame ~a &c +get +publish", "+OK");
    // On all workers; the log is one.
    for _ in 0..4 {
        let mut ada = as_user(&node, "ada", "sesame");
        ada.check("GET b", NO_KEY);
        ada.check("PUBLISH d x", NO_CHANNEL);
        ada.check("DEL a", "-NOPERM User ada has no permissions to run the 'del' command");
    }
    assert_eq!(node.bare_client().run("AUTH ada wrong").to_string(), WRONG);
    let log = eventually("the log has all", || {
        let log = root.run("ACL LOG");
        let counts: i64 = log.items().iter().map(|entry| entry.field("count").unwrap().int()).sum();
        (counts == 13).then_some(log)
    });
    let seen: Vec<String> = log
        .items()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry.field(name).unwrap().text();
            format!(
                "{} {} {} {}",
                text("reason"),
                text("object"),
                text("username"),
                entry.field("count").unwrap()
            )
        })
        .collect();
    assert_eq!(seen[0], "auth AUTH ada :1");
    for expected in ["command del ada :4", "channel d ada :4", "key b ada :4"] {
        assert!(seen.contains(&expected.to_owned()), "{seen:?}");
    }
    assert!(log.items()[0].field("client-info").unwrap().text().contains("user="), "{log}");
    assert_eq!(root.run("ACL LOG 2").items().len(), 2);
    root.check("ACL LOG -1", "[]");
    root.check("ACL LOG x", "-ERR value is not an integer or out of range");
    root.check("ACL LOG RESET", "+OK");
    root.check("ACL LOG", "[]");
}

#[test]
fn passwords_are_hashed_with_a_salt_and_known_again() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().set("slowlog-log-slower-than", 0));
    let mut root = node.client();
    root.check("ACL SETUSER ada on >sesame >hush +@all ~* &*", "+OK");
    let list = root.run("ACL LIST").to_string();
    assert_eq!(list.matches("#$argon2id$v=19$m=19456,t=2,p=1$").count(), 2, "{list}");
    // The same password again is no other.
    root.check("ACL SETUSER ada >hush", "+OK");
    assert_eq!(root.run("ACL LIST").to_string(), list);
    as_user(&node, "ada", "hush");
    // The quickest of several, which a busy machine slows down least: a look takes many times as long as knowing.
    let quickest = |tries: usize, password: &str, expect: &str| {
        let login = || {
            let mut client = node.bare_client();
            let start = Instant::now();
            assert_eq!(client.run_args(&["AUTH", "ada", password]).to_string(), expect);
            start.elapsed()
        };
        (0..tries).map(|_| login()).min().unwrap()
    };
    let (known, looked_at) = (quickest(40, "hush", "+OK"), quickest(3, "guess", WRONG));
    assert!(known * 4 < looked_at, "one that is known took {known:?}, one that is not {looked_at:?}");
    let mut ada = node.bare_client();
    assert!(ada.run("HELLO 3 AUTH ada hush SETNAME me").to_string().contains("proto"));
    ada.check("CLIENT GETNAME", "\"me\"");
    root.check("ACL SETUSER ada <hush", "+OK");
    root.check(
        "ACL SETUSER ada <hush",
        "-ERR Error in ACL SETUSER modifier '<hush': The password you are trying to remove from the user does not exist",
    );
    assert_eq!(node.bare_client().run("AUTH ada hush").to_string(), WRONG, "it was known, and is gone");
    as_user(&node, "ada", "sesame");
    // What Redis would have is taken as it is.
    let hash = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
    root.check(&format!("ACL SETUSER bob on #{hash}"), "+OK");
    as_user(&node, "bob", "alice");
    for line in ["SLOWLOG GET 100", "INFO everything", "CLIENT LIST", "ACL LIST", "ACL LOG", "CONFIG GET *"] {
        let text = root.run(line).to_string();
        assert!(!text.contains("sesame") || text.contains("wrong"), "{line} shows a password");
        assert!(!text.contains("hush"), "{line} shows a password");
    }
    assert!(!node.log().contains("sesame") && !node.log().contains("hush"), "the log shows a password");
}

#[test]
fn a_worker_serves_others_while_passwords_are_looked_at() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().workers(1).set("auth-failures-max", 0));
    let mut root = node.client();
    root.check("ACL SETUSER ada on >sesame +@all ~* &*", "+OK");
    let mut guessers: Vec<Client> = (0..20).map(|_| node.bare_client()).collect();
    for (number, guesser) in guessers.iter_mut().enumerate() {
        guesser.send(&format!("AUTH ada guess{number}"));
    }
    let start = Instant::now();
    for _ in 0..50 {
        root.check("PING", "+PONG");
    }
    let served = start.elapsed();
    guessers.iter_mut().for_each(|guesser| assert_eq!(guesser.reply().to_string(), WRONG));
    let guessed = start.elapsed();
    assert!(served * 2 < guessed, "fifty pings took {served:?}, twenty guesses {guessed:?}");
}

#[test]
fn guessing_has_its_limit_for_every_user_and_before_the_answers_come() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().expect_log("too many wrong passwords"));
    let mut root = node.client();
    root.check("ACL SETUSER ada on >sesame +@all ~* &*", "+OK");
    // All at once: no more than the free ones are told.
    let mut guessers: Vec<Client> = (0..30).map(|_| node.bare_client()).collect();
    for (number, guesser) in guessers.iter_mut().enumerate() {
        guesser.send(&format!("AUTH {} guess{number}", if number % 2 == 0 { "ada" } else { "nobody" }));
    }
    let told = guessers
        .iter_mut()
        .filter_map(|guesser| (guesser.reply().to_string() == WRONG).then_some(()))
        .count();
    assert!((5..=6).contains(&told), "{told} guesses were answered");
    let text = node.bare_client().run("AUTH ada sesame").to_string();
    assert!(text.starts_with("-WRONGPASS too many wrong passwords from your address"), "{text}");
}

#[test]
fn users_come_back_after_a_restart_however_it_ended() {
    if skip_unless_narf() {
        return;
    }
    for join in ["found", "none"] {
        let mut node = Server::start(Options::new().data(Data::Temporary).set("join", join));
        let mut root = node.client();
        root.check("ACL SETUSER ada on >sesame ~a:* +@read (+set ~w) &x", "+OK");
        root.check("ACL SETUSER default -flushall", "+OK");
        root.check("ACL SETUSER gone on nopass", "+OK");
        root.check("ACL DELUSER gone", ":1");
        let list = root.run("ACL LIST").to_string();
        node.kill9();
        node.restart();
        assert_eq!(node.client().run("ACL LIST").to_string(), list, "join {join}");
        as_user(&node, "ada", "sesame").check("GET b", NO_KEY);
        node.client()
            .check("FLUSHALL", "-NOPERM User default has no permissions to run the 'flushall' command");
        // What a checkpoint has made of the log changes nothing.
        node.client().check("SAVE", "+OK");
        node.client().check("SAVE", "+OK");
        node.kill9();
        node.restart();
        assert_eq!(node.client().run("ACL LIST").to_string(), list, "join {join}");
    }
}

#[test]
fn the_default_user_can_be_locked_and_requirepass_is_its_password() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().password("sesame"));
    let mut root = node.client();
    let list = root.run("ACL LIST").to_string();
    assert!(list.contains("user default on sanitize-payload #$argon2id$"), "{list}");
    root.check("ACL SETUSER ada on >hush +ping", "+OK");
    root.check("ACL SETUSER default off", "+OK");
    let mut stranger = node.bare_client();
    stranger.check("PING", "-NOAUTH Authentication required.");
    assert_eq!(stranger.run("AUTH sesame").to_string(), WRONG);
    assert_eq!(stranger.run("AUTH ada hush").to_string(), "+OK");
    stranger.check("PING", "+PONG");
    // The one who is in undoes it; a new password is that of the user, wherever he is kept.
    root.check("ACL SETUSER default on", "+OK");
    root.check("CONFIG SET requirepass other", "+OK");
    assert_eq!(node.bare_client().run("AUTH sesame").to_string(), WRONG);
    assert_eq!(node.bare_client().run("AUTH other").to_string(), "+OK");
    root.check("CONFIG GET requirepass", r#"["requirepass", "(redacted)"]"#);
    root.check("ACL SETUSER default nopass", "+OK");
    node.bare_client().check("PING", "+PONG");
}

#[test]
fn sort_reads_keys_that_others_name_for_who_may_read_all() {
    let node = Server::new();
    let mut root = node.client();
    root.check("ACL SETUSER ada on >hush +@all ~list*", "+OK");
    root.check("RPUSH list 2 1", ":2");
    let mut ada = as_user(&node, "ada", "hush");
    ada.check("SORT list BY nosort", "[\"2\", \"1\"]");
    for (line, option) in [
        ("SORT list BY list*", "BY"),
        ("SORT list GET #", "GET"),
        ("SORT_RO list BY nosort get list*", "GET"),
    ] {
        ada.check(line, &format!("-ERR {option} option of SORT denied due to insufficient ACL permissions"));
    }
    ada.check("SORT other BY list*", "-NOPERM No permissions to access a key");
}

#[test]
fn a_password_that_one_node_is_given_closes_all_of_them() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut root = cluster.nodes[0].client();
    root.check("CONFIG SET requirepass sesame", "+OK");
    for node in &cluster.nodes {
        eventually("a node that is closed", || {
            (node.bare_client().run("GET k").to_string() == "-NOAUTH Authentication required.").then_some(())
        });
        let mut stranger = node.bare_client();
        assert_eq!(stranger.run("AUTH wrong").to_string(), WRONG);
        assert_eq!(stranger.run("AUTH sesame").to_string(), "+OK");
        stranger.check("GET k", "nil");
    }
    // And opens them.
    root.check("CONFIG SET requirepass ''", "+OK");
    for node in &cluster.nodes {
        eventually("a node that is open", || (node.bare_client().run("PING").text() == "PONG").then_some(()));
    }
}

#[test]
fn a_node_without_a_password_is_closed_by_that_of_the_cluster_which_it_joins() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::with(1, |_, options| options.password("sesame"));
    cluster.grow();
    for _ in 0..2 {
        let node = &cluster.nodes[1];
        let mut stranger = node.bare_client();
        stranger.check("GET k", "-NOAUTH Authentication required.");
        assert_eq!(stranger.run("AUTH sesame").to_string(), "+OK");
        let log = eventually("a line of the log", || {
            Some(node.log()).filter(|log| log.contains("that of the cluster holds"))
        });
        assert!(!log.contains("everybody in"), "{log}");
        cluster.nodes[1].restart();
    }
    let mut admin = cluster.nodes[0].client();
    admin.check("CONFIG SET requirepass other", "+OK");
    for node in &cluster.nodes {
        let mut client = eventually("the new password", || {
            let mut client = node.bare_client();
            (client.run("AUTH other").to_string() == "+OK").then_some(client)
        });
        client.check("CONFIG GET requirepass", r#"["requirepass", "(redacted)"]"#);
    }
    admin.check("CONFIG SET requirepass ''", "+OK");
    for node in &cluster.nodes {
        let mut client = eventually("a node that is open", || {
            let mut client = node.bare_client();
            (client.run("PING").text() == "PONG").then_some(client)
        });
        client.check("CONFIG GET requirepass", r#"["requirepass", ""]"#);
    }
}

#[test]
fn the_file_of_users_is_written_and_read() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::TempDir::with_prefix("narf-acl-").unwrap();
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user default on nopass ~* &* +@all\nuser ada on >sesame ~a:* (+get ~b)\n")
        .unwrap();
    let mut node = Server::start(Options::new().data(Data::Temporary).set("aclfile", path.display()));
    let mut root = node.client();
    as_user(&node, "ada", "sesame").check("GET b", "nil");
    root.check("ACL SETUSER bob on nopass +ping", "+OK");
    let list = root.run("ACL LIST").to_string();
    root.check("ACL SAVE", "+OK");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("user bob on nopass sanitize-payload resetchannels -@all +ping\n"), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let mut bob = as_user(&node, "bob", "x");
    root.check("ACL SETUSER eve on nopass", "+OK");
    root.check("ACL LOAD", "+OK");
    assert_eq!(root.run("ACL LIST").to_string(), list);
    bob.check("PING", "+PONG");
    std::fs::write(&path, "user ada on >hush\nuser eve on +nope\nbob\n").unwrap();
    let shown = path.display();
    root.check(
        "ACL LOAD",
        &format!(
            "-ERR {shown}:3: should start with user keyword followed by the username. WARNING: ACL errors detected, no \
             change to the previously active ACL rules was performed"
        ),
    );
    std::fs::write(&path, "user ada on >hush\nuser eve on +nope\n").unwrap();
    root.check(
        "ACL LOAD",
        &format!(
            "-ERR {shown}:2: Unknown command or category name in ACL. WARNING: ACL errors detected, no change to the \
             previously active ACL rules was performed"
        ),
    );
    assert_eq!(root.run("ACL LIST").to_string(), list);
    std::fs::write(&path, "user ada on >hush +@all ~*\n").unwrap();
    root.check("ACL LOAD", "+OK");
    as_user(&node, "ada", "hush");
    assert!(bob.try_run("PING").is_err(), "bob is not in the file");
    // Once there is a list of users, the file waits until someone asks for it.
    std::fs::write(&path, "user eve on nopass\n").unwrap();
    node.restart();
    as_user(&node, "ada", "hush");
    let (status, log) =
        Server::start_in_vain(Options::new().set("aclfile", folder.path().join("none").display()));
    assert!(!status.success() && log.contains("none") && log.contains("aclfile"), "{log}");
    Server::new().client().check("ACL SAVE", "-ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.");
}

#[test]
fn a_cluster_begins_with_the_users_of_the_configuration_and_keeps_its_own() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::TempDir::with_prefix("narf-users-").unwrap();
    let path = folder.path().join("narf.toml");
    let write = |users: &str| {
        std::fs::write(&path, format!("users = [{users}]\n")).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
    };
    write("'default off', 'ada on >sesame ~* &* +@all', 'bob on >hush ~b:* +@read'");
    let runtime = folder.path().join("run");
    let options = || crate::nodes::options(&runtime).set("config", path.display());
    let mut node = Server::start(options());
    node.bare_client().check("PING", "-NOAUTH Authentication required.");
    let mut ada = as_user(&node, "ada", "sesame");
    let mut bob = as_user(&node, "bob", "hush");
    bob.check("GET b:1", "nil");
    assert!(bob.run("GET a").to_string().starts_with("-NOPERM"));
    ada.check("ACL SETUSER bob ~c:*", "+OK");
    node.expect_log("no other node is there to take the data over");
    // Another node of the cluster, with other users in its file: those of the cluster count.
    write("'ada off', 'eve on nopass'");
    let mut other = Server::start(options());
    as_user(&other, "ada", "sesame").check("ACL USERS", r#"["ada", "bob", "default"]"#);
    // It leaves, with what it has taken of its share by then.
    signal(other.pid(), Signal::Interrupt);
    assert!(other.wait().success(), "{}", other.log());
    node.restart();
    let mut bob = as_user(&node, "bob", "hush");
    bob.check("GET c:1", "nil");
    let mut ada = as_user(&node, "ada", "sesame");
    ada.check("ACL USERS", r#"["ada", "bob", "default"]"#);

    // A list without a `default` does not open a node whose configuration keeps it closed.
    let (runtime, data) = (folder.path().join("run2"), folder.path().join("data"));
    let beside = || crate::nodes::options(&runtime).data(Data::At(data.clone()));
    let mut open = Server::start(beside());
    open.client().check("ACL SETUSER bob on >hush +@all", "+OK");
    open.client().check("ACL USERS", r#"["bob", "default"]"#);
    open.stop();
    write("'default off'");
    let closed = Server::start(beside().set("config", path.display()));
    closed.bare_client().check("PING", "-NOAUTH Authentication required.");
    as_user(&closed, "bob", "hush").check("PING", "+PONG");

    // Nor does that of a node which was on its own, when it founds a cluster.
    let (runtime, data) = (folder.path().join("run3"), folder.path().join("data3"));
    let alone = || crate::nodes::options(&runtime).data(Data::At(data.clone())).set("join", "none");
    let mut open = Server::start(alone());
    open.client().check("ACL SETUSER bob on >hush +@all", "+OK");
    open.stop();
    let closed = Server::start(alone().set("join", "auto").set("config", path.display()));
    closed.bare_client().check("PING", "-NOAUTH Authentication required.");
    as_user(&closed, "bob", "hush").check("PING", "+PONG");

    // What is wrong is said before anything is started.
    write("'ada on >sesame +nope'");
    let (status, log) = Server::start_in_vain(options());
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("narf.toml:1:10") && log.contains("'+nope'") && !log.contains("sesame"), "{log}");
}

#[test]
fn the_other_commands_answer_as_redis_does() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut c = node.client();
    c.check_all(
        r#"
        ACL WHOAMI => "default"
        ACL USERS => ["default"]
        ACL LIST => ["user default on nopass sanitize-payload ~* &* +@all"]
        ACL GETUSER nobody => nil
        ACL GETUSER default => ["flags", ["on", "nopass", "sanitize-payload"], "passwords", [], "commands", "+@all", "keys", "~*", "channels", "&*", "selectors", []]
        ACL CAT transaction => ["discard", "exec", "multi", "unwatch", "watch"]
        ACL CAT nope => -ERR Unknown category 'nope'
        ACL SETUSER => -ERR wrong number of arguments for 'acl|setuser' command
        ACL SETUSER "a b" => -ERR Usernames can't contain spaces or null characters
        ACL SETUSER u (~a => -ERR Unmatched parenthesis in acl selector starting at '(~a'.
        ACL SETUSER u => +OK
        ACL GETUSER u => ["flags", ["off", "sanitize-payload"], "passwords", [], "commands", "-@all", "keys", "", "channels", "", "selectors", []]
        ACL DRYRUN u get x => "User u has no permissions to run the \'get\' command"
        ACL SETUSER u +@all ~a &c => +OK
        ACL DRYRUN u get x => "User u has no permissions to access the \'x\' key"
        ACL DRYRUN u get a => +OK
        ACL DRYRUN u publish x y => "User u has no permissions to access the \'x\' channel"
        ACL DRYRUN u get => -ERR wrong number of arguments for 'get' command
        ACL DRYRUN u nope => -ERR Command 'nope' not found
        ACL DRYRUN u narf.put a 0 x => -ERR Command 'narf.put' not found
        ACL DRYRUN nobody get x => -ERR User 'nobody' not found
        ACL GENPASS 0 => -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
        ACL GENPASS x => -ERR value is not an integer or out of range
        ACL nope => -ERR unknown subcommand 'nope'. Try ACL HELP.
        "#,
    );
    let word = c.run("ACL GENPASS").text();
    assert!(word.len() == 64 && word != c.run("ACL GENPASS").text(), "{word}");
    assert_eq!(c.run("ACL GENPASS 5").text().len(), 2);
    assert_eq!(
        c.run("ACL HELP").items()[0].text(),
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    );
    node.client3().check(
        "ACL GETUSER u",
        r#"{"flags": ~["off", "sanitize-payload"], "passwords": [], "commands": "+@all", "keys": "~a", "channels": "&c", "selectors": []}"#,
    );
}

#[test]
fn a_user_made_on_one_node_is_valid_on_all_and_changed_on_all_at_once() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let mut roots: Vec<Client> = cluster.nodes.iter().map(Server::client).collect();
    roots[0].check("ACL SETUSER ada on >sesame ~* &* +@all", "+OK");
    // Whoever asked sees it at once, the others as soon as they hear of it.
    roots[0].check("ACL USERS", r#"["ada", "default"]"#);
    let start = Instant::now();
    for root in &mut roots {
        // Asked by list: names that are not known yet would count as guesses of passwords.
        within(Duration::from_secs(5), || root.run("ACL USERS").to_string().contains("ada").then_some(()))
            .expect("the user is known on all nodes");
    }
    assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
    cluster.nodes.iter().for_each(|node| drop(as_user(node, "ada", "sesame")));
    let mut open: Vec<Client> = cluster.nodes.iter().map(|node| as_user(node, "ada", "sesame")).collect();
    for (number, client) in open.iter_mut().enumerate() {
        client.check(&format!("SET k{number} 1"), "+OK");
        client.check_all("MULTI => +OK\nSET {t} 1 => +QUEUED\nGET {t} => +QUEUED");
    }
    roots[1].check("ACL SETUSER ada -set", "+OK");
    for root in &mut roots {
        eventually("all nodes know", || root.run("ACL LIST").to_string().contains("-set").then_some(()));
    }
    for client in &mut open {
        let replies = client.run("EXEC").items();
        assert!(replies[0].to_string().starts_with("-NOPERM ACLs rules changed"), "{}", replies[0]);
        assert_eq!(replies[1].to_string(), "nil", "what is still allowed is run");
        client.check("SET k 1", NO_SET);
        client.check("GET k0", "\"1\"");
    }
    // Changes on several nodes at once: none is lost.
    for round in 0..10 {
        for (number, root) in roots.iter_mut().enumerate() {
            root.send(&format!("ACL SETUSER many ~n{number}:r{round}"));
        }
        for root in &mut roots {
            assert_eq!(root.reply().to_string(), "+OK");
        }
    }
    let list = eventually("all nodes have the same list", || {
        let lists: Vec<String> =
            roots.iter_mut().map(|root| root.run("ACL GETUSER many").to_string()).collect();
        lists.iter().all(|list| *list == lists[0]).then(|| lists[0].clone())
    });
    for round in 0..10 {
        (0..3).for_each(|number| assert!(list.contains(&format!("~n{number}:r{round}")), "{list}"));
    }
    roots[2].check("ACL DELUSER ada", ":1");
    for client in &mut open {
        eventually("the connections of a user who is gone are closed", || client.try_run("PING").err());
    }
    // All of it comes back.
    let before = roots[0].run("ACL LIST").to_string();
    cluster.kill_all();
    cluster.nodes.iter_mut().for_each(Server::restart);
    for node in &cluster.nodes {
        let mut client = node.client();
        eventually("the list as it was", || (client.run("ACL LIST").to_string() == before).then_some(()));
    }
}

#[test]
fn a_node_that_joins_knows_the_users_from_its_first_moment() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(1);
    let mut root = cluster.nodes[0].client();
    root.check("ACL SETUSER ada on >sesame ~* &* +@all", "+OK");
    root.check("ACL SETUSER default off", "+OK");
    cluster.grow();
    let mut stranger = cluster.nodes[1].bare_client();
    stranger.check("SET k 1", "-NOAUTH Authentication required.");
    assert_eq!(stranger.run("AUTH ada sesame").to_string(), "+OK");
    root.check("ACL SETUSER default on", "+OK");
}

#[test]
fn redis_cli_logs_in_as_a_user() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().kind(Kind::Narf));
    node.client().check("ACL SETUSER ada on >sesame ~a:* +get", "+OK");
    let cli = |words: &[&str]| {
        let output = std::process::Command::new("redis-cli")
            .args(["-p", &node.port().to_string(), "--no-auth-warning", "--user", "ada", "--pass", "sesame"])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(cli(&["get", "a:1"]), "");
    assert_eq!(cli(&["get", "b"]), NO_KEY.trim_start_matches('-'));
    assert_eq!(cli(&["set", "a:1", "x"]), NO_SET.trim_start_matches('-'));
}

#[test]
fn many_who_come_at_once_with_one_password_wait_for_one_look() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().workers(1));
    node.client().check("ACL SETUSER ada on >sesame +@all ~* &*", "+OK");
    let mut clients: Vec<Client> = (0..400).map(|_| node.bare_client()).collect();
    let start = Instant::now();
    clients.iter_mut().for_each(|client| client.send("AUTH ada sesame"));
    clients.iter_mut().for_each(|client| assert_eq!(client.reply().to_string(), "+OK"));
    assert!(start.elapsed() < Duration::from_secs(2), "400 in {:?}", start.elapsed());
}

#[test]
fn who_goes_before_the_answer_comes_has_tried_all_the_same() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().expect_log("too many wrong passwords"));
    node.client().check("ACL SETUSER ada on >sesame +@all ~* &*", "+OK");
    for number in 0..6 {
        node.bare_client().send(&format!("AUTH ada guess{number}"));
    }
    eventually("the source is known", || {
        let text = node.bare_client().run("AUTH ada sesame").to_string();
        text.starts_with("-WRONGPASS too many wrong passwords").then_some(())
    });
}
