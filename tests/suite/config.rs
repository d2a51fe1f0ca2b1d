//! CONFIG GET, SET, REWRITE, RESETSTAT.

use narf_tests::{Data, Kind, Options, Server, skip_unless_narf};

#[test]
fn settings_are_read_by_pattern() {
    let node = Server::new();
    let mut c = node.client();
    for name in [
        "maxclients",
        "timeout",
        "databases",
        "maxmemory",
        "maxmemory-policy",
        "save",
        "appendonly",
        "bind",
        "port",
        "requirepass",
        "slowlog-log-slower-than",
        "slowlog-max-len",
        "client-output-buffer-limit",
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "proto-max-bulk-len",
    ] {
        let reply = c.run(&format!("CONFIG GET {name}"));
        assert!(reply.field(name).is_some(), "CONFIG GET {name} gave {reply}");
    }
    c.check("CONFIG GET databases", r#"["databases", "16"]"#);
    c.check("CONFIG GET no-such-setting", "[]");
    assert!(c.run("CONFIG GET *").items().len() > 20);
    assert_eq!(c.run("CONFIG GET maxclients databases").items().len(), 4);
    c.check("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command");
    let mut c = node.client3();
    c.check("CONFIG GET databases", r#"{"databases": "16"}"#);
    assert_eq!(node.info("tcp_port").unwrap(), node.port().to_string());
}

#[test]
fn settings_are_changed_together_or_not_at_all() {
    let node = Server::new();
    let mut c = node.client();
    c.check_all(
        r#"
        CONFIG SET timeout 100 => +OK
        CONFIG GET timeout => ["timeout", "100"]
        CONFIG SET timeout 50 slowlog-max-len 10 => +OK
        CONFIG GET slowlog-max-len => ["slowlog-max-len", "10"]
        CONFIG SET proto-max-bulk-len 100mb => +OK
        CONFIG GET proto-max-bulk-len => ["proto-max-bulk-len", "104857600"]
        CONFIG SET timeout => -ERR wrong number of arguments for 'config|set' command
        CONFIG SET hash-max-listpack-entries 4 => +OK
        HSET h a 1 b 2 c 3 d 4 => :4
        OBJECT ENCODING h => "listpack"
        HSET h e 5 => :1
        OBJECT ENCODING h => "hashtable"
        "#,
    );
    let reply = c.run("CONFIG SET no-such-setting 1").text();
    assert!(
        reply.starts_with("ERR Unknown option or number of arguments for CONFIG SET - 'no-such-setting'"),
        "{reply}"
    );
    let reply = c.run("CONFIG SET timeout 60 slowlog-max-len banana").text();
    assert!(
        reply.starts_with("ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len')"),
        "{reply}"
    );
    c.check("CONFIG GET timeout", r#"["timeout", "50"]"#);
    let reply = c.run("CONFIG SET port 1 databases 3").text();
    assert!(reply.starts_with("ERR CONFIG SET failed"), "{reply}");
    let reply = c.run("CONFIG SET timeout 1 timeout 2").text();
    assert!(
        reply.starts_with(
            "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"
        ),
        "{reply}"
    );
}

#[test]
fn rewritten_settings_hold_after_a_restart() {
    if skip_unless_narf() {
        return;
    }
    let mut node = Server::start(Options::new().data(Data::Temporary));
    let mut c = node.client();
    c.check("CONFIG SET slowlog-max-len 7", "+OK");
    let reply = c.run("CONFIG REWRITE").to_string();
    // Without a file there is nothing to rewrite, and that is said.
    if reply == "+OK" {
        node.restart();
        node.client().check("CONFIG GET slowlog-max-len", r#"["slowlog-max-len", "7"]"#);
    } else {
        assert!(reply.starts_with("-ERR The server is running without a config file"), "{reply}");
    }
}

#[test]
fn statistics_are_reset() {
    let node = Server::new();
    let mut c = node.client();
    c.check("SET k v", "+OK");
    c.check("GET k", r#""v""#);
    c.check("GET none", "nil");
    assert_eq!(node.info("keyspace_hits").unwrap(), "1");
    assert_eq!(node.info("keyspace_misses").unwrap(), "1");
    c.check("CONFIG RESETSTAT", "+OK");
    assert_eq!(node.info("keyspace_hits").unwrap(), "0");
    let commands: u64 = node.info("total_commands_processed").unwrap().parse().unwrap();
    assert!(commands < 10, "{commands} commands after a reset");
}

#[test]
fn without_a_file_there_is_nothing_to_rewrite() {
    let node = Server::new();
    let reply = node.client().run("CONFIG REWRITE").to_string();
    let known = ["-ERR The server is running without a config file"];
    assert!(known.contains(&reply.as_str()) || node.kind() == Kind::Narf && reply == "+OK", "{reply}");
}
