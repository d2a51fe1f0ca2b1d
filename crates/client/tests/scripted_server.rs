//! The client against a server that says what a test tells it to.
#![expect(clippy::disallowed_methods, reason = "the server of a test is a thread")]
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use client::{ClientError, Connection, Options, Target, Value, Version};

/// Waits for each request in turn (its exact bytes) and answers it, then closes.
fn serve(script: Vec<(Vec<u8>, Vec<u8>)>) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (expect, answer) in script {
            let mut got = vec![0; expect.len()];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(got.escape_ascii().to_string(), expect.escape_ascii().to_string());
            stream.write_all(&answer).unwrap();
        }
        until_closed(stream);
    });
    (target, server)
}

fn until_closed(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
}

fn request(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    resp::write_request(&mut bytes, parts);
    bytes
}

fn step(parts: &[&str], answer: &str) -> (Vec<u8>, Vec<u8>) {
    (request(parts), answer.as_bytes().to_vec())
}

#[test]
fn resp3_is_asked_for_with_the_password_and_the_database() {
    let (mut target, server) = serve(vec![
        step(&["HELLO", "3", "AUTH", "ada", "pw"], "%1\r\n+proto\r\n:3\r\n"),
        step(&["CLIENT", "SETNAME", "me"], "+OK\r\n"),
        step(&["SELECT", "4"], "+OK\r\n"),
        step(&["GET", "k"], "_\r\n"),
    ]);
    (target.user, target.password, target.db) = (Some("ada".into()), Some("pw".into()), 4);
    let options = Options { name: Some("me".into()), ..Options::default() };
    let mut connection = Connection::open(&target, &options).unwrap();
    assert_eq!(connection.version(), Version::Resp3);
    assert_eq!(connection.call(["GET", "k"]).unwrap(), Value::Null);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_server_without_hello_is_spoken_to_in_resp2() {
    let (mut target, server) = serve(vec![
        step(&["HELLO", "3", "AUTH", "default", "pw"], "-ERR unknown command 'HELLO'\r\n"),
        step(&["AUTH", "pw"], "+OK\r\n"),
    ]);
    target.password = Some("pw".into());
    let connection = Connection::open(&target, &Options::default()).unwrap();
    assert_eq!(connection.version(), Version::Resp2);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_wrong_password_is_an_error_that_says_so() {
    let (mut target, server) =
        serve(vec![step(&["HELLO", "3", "AUTH", "default", "x"], "-WRONGPASS invalid\r\n")]);
    target.password = Some("x".into());
    let error = Connection::open(&target, &Options::default()).err().unwrap();
    assert!(error.is_denied());
    assert_eq!(error.code(), Some("WRONGPASS"));
    server.join().unwrap();
}

#[test]
fn push_messages_do_not_take_the_place_of_replies() {
    let (target, server) = serve(vec![
        step(&["HELLO", "3"], "%0\r\n"),
        step(&["GET", "k"], ">2\r\n+message\r\n+hi\r\n$1\r\nv\r\n>1\r\n+late\r\n"),
    ]);
    let mut connection = Connection::open(&target, &Options::default()).unwrap();
    assert_eq!(connection.call(["GET", "k"]).unwrap(), Value::Bulk(b"v".to_vec()));
    let push = |parts: &[&str]| Value::Push(parts.iter().map(|p| Value::Simple(p.to_string())).collect());
    assert_eq!(connection.take_push(), Some(push(&["message", "hi"])));
    assert_eq!(connection.take_push(), None);
    assert_eq!(connection.next_message(None).unwrap(), Some(push(&["late"])));
    assert_eq!(connection.next_message(Some(Duration::from_millis(1))).unwrap(), None);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn pipelined_replies_come_in_order_past_the_window() {
    let count = 20_000;
    let mut all = request(&["HELLO", "3"]);
    let mut script = vec![(std::mem::take(&mut all), b"%0\r\n".to_vec())];
    script.extend((0..count).map(|n| (request(&["ECHO", &n.to_string()]), format!(":{n}\r\n").into_bytes())));
    let (target, server) = serve(script);
    let mut connection = Connection::open(&target, &Options::default()).unwrap();
    let replies = connection.pipeline((0..count).map(|n| ["ECHO".to_string(), n.to_string()])).unwrap();
    assert_eq!(replies, (0..count).map(Value::Int).collect::<Vec<_>>());
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_large_reply_in_small_pieces_arrives_whole() {
    let body = "x".repeat(3_000_000);
    let (target, server) = serve(vec![
        step(&["HELLO", "3"], "%0\r\n"),
        step(&["GET", "k"], &format!("${}\r\n{body}\r\n", body.len())),
    ]);
    let mut connection = Connection::open(&target, &Options::default()).unwrap();
    assert_eq!(connection.call(["GET", "k"]).unwrap().as_text(), Some(body.as_str()));
    drop(connection);
    server.join().unwrap();
}

#[test]
fn after_a_timeout_the_connection_refuses_to_be_used() {
    let (target, server) = serve(vec![step(&["HELLO", "3"], "%0\r\n"), step(&["GET", "k"], "$1\r\n")]);
    let options = Options { timeout: Some(Duration::from_millis(20)), ..Options::default() };
    let mut connection = Connection::open(&target, &options).unwrap();
    assert!(matches!(connection.call(["GET", "k"]), Err(ClientError::TimedOut { .. })));
    assert!(matches!(connection.call(["GET", "k"]), Err(ClientError::Unusable { .. })));
    drop(connection);
    server.join().unwrap();
}

#[test]
fn nothing_listening_is_told_from_other_failures_and_has_a_hint() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Connection::open(&Target::tcp("127.0.0.1", port), &Options::default()).err().unwrap();
    assert_eq!(error.to_string(), format!("nothing listens on 127.0.0.1:{port}"));
    assert_eq!(error.hint(), Some("start one: narf serve"));
    let error = Connection::open(&Target::unix("/nowhere/narf.sock"), &Options::default()).err().unwrap();
    assert_eq!(error.to_string(), "nothing listens on /nowhere/narf.sock");
}

#[test]
fn another_protocol_is_recognized() {
    let (target, server) = serve(vec![step(&["HELLO", "3"], "HTTP/1.1 400 Bad Request\r\n")]);
    let error = Connection::open(&target, &Options::default()).err().unwrap();
    assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
    server.join().unwrap();
}
