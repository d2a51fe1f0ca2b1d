//! The wire itself: framing, malformed input, inline commands, pipelining, RESP3, order.

use std::io::Write;

use narf_tests::{Client, Server, Value, on_one_and_two_workers};

on_one_and_two_workers!(
    malformed_requests_are_answered_and_the_connection_closed,
    odd_but_legal_requests_are_taken,
    requests_may_come_in_any_pieces,
    unknown_commands_are_named,
    arity_is_checked_before_anything_else,
    a_hundred_thousand_requests_in_one_go_are_answered_in_order,
    replies_keep_their_order_across_partitions,
    a_client_that_sends_and_leaves_is_still_obeyed,
    a_large_string_comes_and_goes_in_pieces,
    hello_switches_the_protocol,
    reset_brings_back_a_new_connections_state,
    quit_answers_and_closes,
    many_connections_are_served_at_once,
);

fn malformed_requests_are_answered_and_the_connection_closed(node: &Server) {
    let table: &[(&[u8], &str)] = &[
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$99999999999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n"),
        (b"SET k \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"SET k 'unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"SET k \"a\"b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ];
    for (bytes, expect) in table {
        let mut c = node.bare_client();
        c.send_raw(bytes);
        c.check_closed_after(expect);
    }
    // What stood before the mistake is answered first.
    let mut c = node.bare_client();
    c.send_raw(b"*1\r\n$4\r\nPING\r\n*1\r\n$-5\r\n*1\r\n$4\r\nPING\r\n");
    c.check_closed_after("+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    // Too long for a line.
    for bytes in [
        vec![b'a'; 70_000],
        [b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat(),
        [b"*".as_slice(), &[b'1'; 70_000]].concat(),
    ] {
        let mut c = node.bare_client();
        // The server may close before it has read everything.
        let _ = c.try_send_raw(&bytes);
        let answer = String::from_utf8_lossy(&c.read_to_close()).into_owned();
        let known = [
            "",
            "-ERR Protocol error: too big inline request\r\n",
            "-ERR Protocol error: too big bulk count string\r\n",
            "-ERR Protocol error: too big mbulk count string\r\n",
        ];
        assert!(known.contains(&answer.as_str()), "{answer:?}");
    }
}

fn odd_but_legal_requests_are_taken(node: &Server) {
    let table: &[(&[u8], &str)] = &[
        (b"PING\r\n", "+PONG\r\n"),
        (b"PING\n", "+PONG\r\n"),
        (b"ping hi\r\n", "$2\r\nhi\r\n"),
        (b"\r\n\r\nPING\r\n", "+PONG\r\n"),
        (b"*0\r\nPING\r\n", "+PONG\r\n"),
        (b"*-1\r\nPING\r\n", "+PONG\r\n"),
        (b"   PING   \r\n", "+PONG\r\n"),
        (b"ECHO \"a\\x41\\n\\\"b\"\r\n", "$5\r\naA\n\"b\r\n"),
        (b"ECHO 'a\\'b'\r\n", "$3\r\na'b\r\n"),
        (b"ECHO \"\"\r\n", "$0\r\n\r\n"),
        (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "$0\r\n\r\n"),
        (b"*2\r\n$4\r\neChO\r\n$4\r\n\x00\r\n\xff\r\n", "$4\r\n\u{0}\r\n\u{fffd}\r\n"),
        (b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "+PONG\r\n+PONG\r\n+PONG\r\n"),
    ];
    for (bytes, expect) in table {
        let mut c = node.bare_client();
        c.send_raw(bytes);
        c.send_raw("QUIT\r\n");
        c.check_closed_after(&format!("{expect}+OK\r\n"));
    }
}

fn requests_may_come_in_any_pieces(node: &Server) {
    let whole = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nv\r\nlu\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nPING\r\n";
    for cut in 1..whole.len() {
        let mut c = node.bare_client();
        c.send_raw(&whole[..cut]);
        // A second connection's round trip gives the server time to see the first piece alone.
        node.bare_client().check("PING", "+PONG");
        c.send_raw(&whole[cut..]);
        let replies: Vec<_> = (0..3).map(|_| c.reply().to_string()).collect();
        assert_eq!(replies, ["+OK", r#""v\r\nlu""#, "+PONG"], "cut after {cut} bytes");
    }
    let mut c = node.bare_client();
    for byte in whole {
        c.send_raw([*byte]);
    }
    assert_eq!((0..3).map(|_| c.reply()).last().unwrap().to_string(), "+PONG");
}

fn unknown_commands_are_named(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        BANANA => -ERR unknown command 'BANANA', with args beginning with: |
        banana a b => -ERR unknown command 'banana', with args beginning with: 'a' 'b' |
        "BAD\r\nNAME" x => -ERR unknown command 'BAD  NAME', with args beginning with: 'x' |
        CLIENT BANANA => -ERR unknown subcommand 'BANANA'. Try CLIENT HELP.
        CONFIG BANANA x => -ERR unknown subcommand 'BANANA'. Try CONFIG HELP.
        narf.expire k => -ERR unknown command 'narf.expire', with args beginning with: 'k' |
        NARF.PUT k 0 v => -ERR unknown command 'NARF.PUT', with args beginning with: 'k' '0' 'v' |
        narf.flush => -ERR unknown command 'narf.flush', with args beginning with: |
        "#,
    );
    // Long names and arguments are cut in the text.
    let long = "x".repeat(300);
    let reply = c.run(&format!("{long} {long} {long}")).text();
    let expect = format!(
        "ERR unknown command '{}', with args beginning with: '{}' ",
        "x".repeat(128),
        "x".repeat(128)
    );
    assert_eq!(reply.trim_end(), expect.trim_end());
}

fn arity_is_checked_before_anything_else(node: &Server) {
    let mut c = node.client();
    for name in [
        "get",
        "set",
        "hset",
        "expire",
        "publish",
        "subscribe",
        "select",
        "echo",
        "mget",
        "watch",
        "scan",
        "config",
        "object",
    ] {
        c.check(name, &format!("-ERR wrong number of arguments for '{name}' command"));
        c.check(&name.to_uppercase(), &format!("-ERR wrong number of arguments for '{name}' command"));
    }
    c.check("GET a b", "-ERR wrong number of arguments for 'get' command");
    c.check("CLIENT GETNAME x", "-ERR wrong number of arguments for 'client|getname' command");
    c.check("PING a b", "-ERR wrong number of arguments for 'ping' command");
}

fn a_hundred_thousand_requests_in_one_go_are_answered_in_order(node: &Server) {
    let mut c = node.client();
    let mut bytes = Vec::new();
    for i in 0..100_000 {
        bytes.extend_from_slice(format!("*2\r\n$4\r\nECHO\r\n$6\r\n{i:06}\r\n").as_bytes());
    }
    // Sent by a thread of its own: if nobody read replies meanwhile, both sides would wait for each other.
    let mut sender = c.sender();
    let sending = std::thread::spawn(move || sender.write_all(&bytes));
    for i in 0..100_000 {
        assert_eq!(c.reply(), Value::bulk(format!("{i:06}")));
    }
    sending.join().unwrap().unwrap();
}

fn replies_keep_their_order_across_partitions(node: &Server) {
    let mut c = node.client();
    let lines = (0..5000).flat_map(|i| {
        [
            format!("SET key{i} value{i}"),
            format!("GET key{i}"),
            format!("MGET key{i} key{}", i / 2),
            "PING".to_owned(),
        ]
    });
    let replies = c.pipeline(lines);
    for (i, four) in replies.chunks(4).enumerate() {
        assert_eq!(four[0].to_string(), "+OK");
        assert_eq!(four[1].to_string(), format!("\"value{i}\""));
        assert_eq!(four[2].to_string(), format!("[\"value{i}\", \"value{}\"]", i / 2));
        assert_eq!(four[3].to_string(), "+PONG");
    }
}

fn a_client_that_sends_and_leaves_is_still_obeyed(node: &Server) {
    let mut c = node.client();
    c.send_raw("SET left yes\r\nGET left\r\n");
    c.finish_sending();
    c.check_closed_after("+OK\r\n$3\r\nyes\r\n");
    node.client().check("GET left", r#""yes""#);
}

fn a_large_string_comes_and_goes_in_pieces(node: &Server) {
    let mut c = node.client();
    let size = 100 * 1024 * 1024;
    let piece: Vec<u8> = (0..1024 * 1024u32).map(|i| (i % 251) as u8).collect();
    c.send_raw(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${size}\r\n"));
    for _ in 0..100 {
        c.send_raw(&piece);
    }
    c.send_raw("\r\n");
    assert_eq!(c.reply().to_string(), "+OK");
    c.check("STRLEN big", &format!(":{size}"));
    // Other clients are served meanwhile.
    c.send("GET big");
    node.client().check("PING", "+PONG");
    let value = c.reply();
    let bytes = value.bytes();
    assert!(
        bytes.len() == size && bytes.chunks(piece.len()).all(|chunk| chunk == piece),
        "100 MB come back as sent"
    );
    c.check("DEL big", ":1");
}

fn hello_switches_the_protocol(node: &Server) {
    let mut c = node.client();
    c.check("HGETALL none", "[]");
    let hello = c.run("HELLO 3");
    assert!(matches!(hello, Value::Map(_)), "{hello}");
    for (field, expect) in
        [("server", r#""redis""#), ("proto", ":3"), ("role", r#""master""#), ("modules", "[]")]
    {
        assert_eq!(hello.field(field).unwrap().to_string(), expect, "{field} of {hello}");
    }
    assert!(hello.field("version").unwrap().text().starts_with('7'));
    assert_eq!(hello.field("id").unwrap(), c.run("CLIENT ID"));
    c.check("HGETALL none", "{}");
    c.check("GET none", "null");
    // Without a version it only tells.
    assert_eq!(c.run("HELLO").field("proto").unwrap().to_string(), ":3");
    let hello = c.run("HELLO 2");
    assert!(matches!(hello, Value::Array(_)), "{hello}");
    assert_eq!(hello.field("proto").unwrap().to_string(), ":2");
    c.check("GET none", "nil");
    c.check("HELLO 4", "-NOPROTO unsupported protocol version");
    c.check("HELLO 1", "-NOPROTO unsupported protocol version");
    c.check("HELLO x", "-ERR Protocol version is not an integer or out of range");
    c.check("HELLO 3 BANANA", "-ERR Syntax error in HELLO option 'BANANA'");
    c.check("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'");
    c.check(
        "HELLO 3 SETNAME 'a b'",
        "-ERR Client names cannot contain spaces, newlines or special characters.",
    );
    c.check("GET none", "nil");
    assert!(!c.run("HELLO 3 SETNAME me").is_error());
    c.check("CLIENT GETNAME", r#""me""#);
}

fn reset_brings_back_a_new_connections_state(node: &Server) {
    let mut c = node.client3();
    c.check("CLIENT SETNAME me", "+OK");
    c.check("SELECT 3", "+OK");
    c.check("WATCH k", "+OK");
    c.check("MULTI", "+OK");
    c.check("GET k", "+QUEUED");
    c.check("RESET", "+RESET");
    c.check("EXEC", "-ERR EXEC without MULTI");
    c.check("GET none", "nil");
    c.check("CLIENT GETNAME", "nil");
    assert!(c.run("CLIENT INFO").text().contains(" db=0 "));
    c.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    c.check("RESET", "+RESET");
    c.check("GET none", "nil");
}

fn quit_answers_and_closes(node: &Server) {
    let mut c = node.client();
    c.send_raw("SET k v\r\nQUIT\r\nSET k w\r\n");
    c.check_closed_after("+OK\r\n+OK\r\n");
    node.client().check("GET k", r#""v""#);
}

fn many_connections_are_served_at_once(node: &Server) {
    let mut clients: Vec<Client> = (0..300).map(|_| node.client()).collect();
    for round in 0..3 {
        for (i, c) in clients.iter_mut().enumerate() {
            c.send(&format!("SET c{i} {round}"));
            c.send(&format!("GET c{i}"));
        }
        for c in &mut clients {
            assert_eq!(c.reply().to_string(), "+OK");
            assert_eq!(c.reply().to_string(), format!("\"{round}\""));
        }
    }
    clients[0].check("DBSIZE", ":300");
}
