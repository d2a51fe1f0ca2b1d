//! Passwords, what a stranger may do before giving one, and other protocols at the door.

use narf_tests::{Data, Options, Server, Value, skip_unless_narf};

const PASSWORD: &str = "a long password with 'quotes'";

fn locked() -> Server {
    Server::start(Options::new().password(PASSWORD))
}

#[test]
fn a_password_opens_the_door() {
    let node = locked();
    let mut c = node.bare_client();
    for line in [
        "GET k",
        "SET k v",
        "SUBSCRIBE ch",
        "MULTI",
        "CLIENT ID",
        "INFO",
        "COMMAND",
        "BANANA",
        "FLUSHALL",
        "RESET x",
    ] {
        let reply = c.run(line).to_string();
        assert!(
            reply.starts_with("-NOAUTH Authentication required.") || line == "RESET x" || line == "BANANA",
            "{line}: {reply}"
        );
    }
    c.check("PING", "-NOAUTH Authentication required.");
    c.check("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.");
    c.check("AUTH default wrong", "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(
        c.run_args(&["AUTH", "nobody", PASSWORD]).to_string(),
        "-WRONGPASS invalid username-password pair or user is disabled."
    );
    c.check("GET k", "-NOAUTH Authentication required.");
    assert_eq!(c.run_args(&["AUTH", PASSWORD]).to_string(), "+OK");
    c.check("GET k", "nil");
    c.check("RESET", "+RESET");
    c.check("GET k", "-NOAUTH Authentication required.");
    assert_eq!(c.run_args(&["AUTH", "default", PASSWORD]).to_string(), "+OK");
    c.check("PING", "+PONG");
    c.check("AUTH a b c", "-ERR syntax error");
}

#[test]
fn hello_authenticates() {
    let node = locked();
    let mut c = node.bare_client();
    let reply = c.run("HELLO 3").to_string();
    assert!(
        reply.starts_with(
            "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        ),
        "{reply}"
    );
    c.check("HELLO 3 AUTH default wrong", "-WRONGPASS invalid username-password pair or user is disabled.");
    let hello = c.run_args(&["HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "me"]);
    assert!(matches!(hello, Value::Map(_)), "{hello}");
    c.check("CLIENT GETNAME", r#""me""#);
}

#[test]
fn without_a_password_auth_says_so() {
    let node = Server::new();
    let mut c = node.client();
    c.check("AUTH x", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?");
    c.check("AUTH default anything", "+OK");
    c.check("AUTH nobody anything", "-WRONGPASS invalid username-password pair or user is disabled.");
}

#[test]
fn the_password_can_be_changed_and_is_never_shown() {
    let node = Server::new();
    let mut c = node.client();
    c.check("CONFIG SET requirepass secret-word", "+OK");
    // Who is in stays in.
    c.check("PING", "+PONG");
    let mut other = node.bare_client();
    other.check("PING", "-NOAUTH Authentication required.");
    other.check("AUTH secret-word", "+OK");
    for line in ["SLOWLOG GET 100", "INFO everything", "CLIENT LIST"] {
        assert!(!c.run(line).to_string().contains("secret-word"), "{line} shows the password");
    }
    c.check("CONFIG SET requirepass ''", "+OK");
    node.bare_client().check("PING", "+PONG");
    assert!(!node.log().contains("secret-word"), "the log shows the password");
}

#[test]
fn strangers_are_kept_small() {
    let node = locked();
    let before: u64 = memory(&node);
    for (request, text) in [
        ("*11\r\n$4\r\nPING\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
        ("*2147483647\r\n", "-ERR Protocol error: "),
        ("*1\r\n$536870912\r\n", "-ERR Protocol error: "),
        ("*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"),
    ] {
        let mut c = node.bare_client();
        c.send_raw(request);
        let answer = String::from_utf8_lossy(&c.read_to_close()).into_owned();
        assert!(answer.starts_with(text), "{request:?} was answered {answer:?}");
    }
    // A line without an end.
    let mut c = node.bare_client();
    let _ = c.try_send_raw(&vec![b'x'; 1024 * 1024]);
    c.read_to_close();
    // Requests nobody reads the answers of: the connection is cut, or its input is no longer read.
    let mut flood = node.bare_client();
    flood.set_send_limit(std::time::Duration::from_millis(500));
    let pings = b"PING\r\n".repeat(10_000);
    for _ in 0..100 {
        if flood.try_send_raw(&pings).is_err() {
            break;
        }
    }
    let grown = memory(&node).saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "strangers made the server grow by {grown} bytes");
    node.client().check("SET k v", "+OK");
}

#[test]
fn strangers_are_shown_out_after_a_while() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().password(PASSWORD).set("auth-timeout", "200ms"));
    let mut known = node.client();
    let mut silent = node.bare_client();
    let mut talking = node.bare_client();
    talking.check("PING", "-NOAUTH Authentication required.");
    silent.read_to_close();
    talking.read_to_close();
    known.check("PING", "+PONG");
}

#[test]
fn who_guesses_passwords_must_wait_longer_and_longer() {
    if skip_unless_narf() {
        return;
    }
    let options = Options::new().password(PASSWORD).unix_socket().expect_log("too many wrong passwords");
    let node = Server::start(options);
    let mut inside = node.client();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    // A program with an old password tries it again and again: that is one guess.
    let mut old = node.bare_client();
    for _ in 0..20 {
        old.check("AUTH old", wrong);
    }
    // On as many connections as he likes, which several threads serve.
    for guess in ["AUTH a", "AUTH default b", "HELLO 3 AUTH default c", "AUTH d"] {
        node.bare_client().check(guess, wrong);
    }
    let refused =
        "-WRONGPASS too many wrong passwords from your address, this one was not looked at; try again in ";
    let mut guesser = node.bare_client();
    for words in [&["AUTH", "e"][..], &["AUTH", PASSWORD], &["HELLO", "3", "AUTH", "default", PASSWORD]] {
        let reply = guesser.run_args(words).to_string();
        assert!(reply.starts_with(refused), "{words:?}: {reply}");
    }
    guesser.check("GET k", "-NOAUTH Authentication required.");
    // Who is in stays in, the socket that only this user reaches is open, and the operator sees what goes on.
    let info = inside.run("INFO stats").text();
    for line in ["acl_access_denied_auth:24\r\n", "narf_auth_refused_unseen:3\r\n"] {
        assert!(info.contains(line), "{line:?} {info}");
    }
    assert_eq!(node.unix_client().run_args(&["AUTH", PASSWORD]).to_string(), "+OK");
    let warnings = node.log().lines().filter(|line| line.contains("too many wrong passwords")).count();
    assert_eq!(warnings, 1, "{}", node.log());
    // Without a limit nobody waits.
    inside.check("CONFIG SET auth-failures-max 0", "+OK");
    assert_eq!(guesser.run_args(&["AUTH", PASSWORD]).to_string(), "+OK");
}

#[test]
fn without_a_password_there_is_nothing_to_guess() {
    let node = Server::new();
    for number in 0..10 {
        let reply = node.bare_client().run(&format!("AUTH nobody {number}")).to_string();
        assert_eq!(reply, "-WRONGPASS invalid username-password pair or user is disabled.");
    }
    node.client().check("AUTH default anything", "+OK");
}

/// Resident bytes of the server.
fn memory(node: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn other_protocols_are_turned_away_before_any_command_runs() {
    let options = Options::new()
        .expect_log("cross")
        .expect_log("Possible SECURITY ATTACK")
        .expect_log("another protocol")
        .expect_log("protocol");
    let node = Server::start(options);
    let sneaked = "\r\nSET sneaked in\r\n";
    for hello in [
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "HEAD / HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n",
        "PUT /x HTTP/1.0\r\nHost: x\r\n",
        "post / http/1.1\r\nhost: x\r\n",
        "Host: localhost\r\n",
    ] {
        let mut c = node.bare_client();
        c.send_raw(format!("{hello}{sneaked}"));
        let answer = c.read_to_close();
        assert!(answer.len() < 300, "{hello:?} was answered {:?}", String::from_utf8_lossy(&answer));
    }
    let tls: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nSET sneaked in\r\n";
    let ssh: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\nSET sneaked in\r\n";
    if node.kind() == narf_tests::Kind::Narf {
        for hello in [tls, ssh] {
            let mut c = node.bare_client();
            c.send_raw(hello);
            c.read_to_close();
        }
    }
    node.client().check("EXISTS sneaked", ":0");
    if node.kind() == narf_tests::Kind::Narf {
        let log = node.log();
        let told = log.lines().filter(|line| line.contains("another protocol")).count();
        assert_eq!(told, 1, "once a source, not once a connection: {log}");
        let info = node.client().run("INFO stats").text();
        assert!(info.contains("cross_protocol_disconnections:9\r\n"), "{info}");
    }
    // A key that merely is called like that is nobody's business.
    node.client().check("SET Host: ok", "+OK");
}

#[test]
fn the_unix_socket_is_for_its_owner_only() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let mut node = Server::start(Options::new().unix_socket());
    let metadata = std::fs::metadata(node.unix_path()).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let mut c = node.unix_client();
    c.check("SET k v", "+OK");
    node.client().check("GET k", r#""v""#);
    let replies = c.pipeline((0..1000).map(|i| format!("ECHO {i}")));
    assert_eq!(replies[999].text(), "999");
    assert!(c.run("CLIENT INFO").text().contains("addr="));
    // Left behind by a crash, it is no obstacle.
    drop(c);
    node.kill9();
    assert!(node.unix_path().exists());
    node.restart_with(|options| options.data(Data::None));
    node.unix_client().check("PING", "+PONG");
    node.stop();
    assert!(!node.unix_path().exists(), "the socket is still there after a clean stop");
}
