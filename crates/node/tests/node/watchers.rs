//! `MONITOR`, `SLOWLOG`, and what `INFO` counts.

use crate::net::{Net, Options, key_in, on_all, on_all_with};

/// Lines of a monitor without their times.
fn lines(net: &mut Net, monitor: crate::net::ClientId) -> Vec<String> {
    net.take(monitor)
        .into_iter()
        .map(|line| line.split_once(" [").map_or(line.clone(), |(_, rest)| rest.to_owned()))
        .collect()
}

#[test]
fn a_monitor_sees_each_request_once_and_no_secret() {
    on_all(|net| {
        let (monitor, client) = (net.connect(0), net.connect(1));
        assert_eq!(net.ask(monitor, "MONITOR"), "OK");
        let far = key_in(7, "m");
        net.talk(
            client,
            &[
                "PING",
                &format!("SET {far} \"a\\\"b\\n\\x01\""),
                "DBSIZE",
                "SELECT 3",
                &format!("MSET a 1 {far} 2"),
                "CONFIG SET requirepass hush",
                "CONFIG SET requirepass \"\"",
                "AUTH sesame",
                "AUTH default sesame",
                "HELLO 2 AUTH default sesame",
                "NOSUCH x",
                "GET",
                "CLIENT LIST",
            ],
        );
        let seen = lines(net, monitor);
        let peer = "127.0.0.1:1001]";
        let expect = [
            format!("0 {peer} \"PING\""),
            format!("0 {peer} \"SET\" \"{far}\" \"a\\\"b\\n\\x01\""),
            format!("0 {peer} \"DBSIZE\""),
            format!("0 {peer} \"SELECT\" \"3\""),
            format!("3 {peer} \"MSET\" \"a\" \"1\" \"{far}\" \"2\""),
            format!("3 {peer} \"AUTH\" \"(redacted)\""),
            format!("3 {peer} \"AUTH\" \"(redacted)\" \"(redacted)\""),
            format!("3 {peer} \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\""),
        ];
        assert_eq!(seen, expect);
        // In a transaction, and from the monitor itself.
        net.talk(client, &["SELECT 0", "MULTI", "INCR n", "EXEC", "MULTI", "INCR n", "DISCARD"]);
        let seen = lines(net, monitor);
        let said: Vec<&str> = seen.iter().map(|line| line.split_once("] ").unwrap().1).collect();
        assert_eq!(
            said,
            [
                "\"SELECT\" \"0\"",
                "\"MULTI\"",
                "\"INCR\" \"n\"",
                "\"EXEC\"",
                "\"MULTI\"",
                "\"INCR\" \"n\"",
                "\"DISCARD\""
            ]
        );
        assert_eq!(net.ask(client, "MULTI"), "OK");
        assert_eq!(
            net.talk(client, &["MONITOR", "EXEC"])[1],
            "[(ERR MONITOR isn't allowed for DENY BLOCKING client)]"
        );
        net.take(monitor);
        assert_eq!(net.ask(monitor, "GET a"), "(ERR Replica can't interact with the keyspace)");
        net.talk(monitor, &["RESET"]);
        net.talk(client, &["PING"]);
        assert_eq!(net.take(monitor), [""; 0]);
    });
}

#[test]
fn monitors_of_all_workers_see_all_and_none_is_left_behind() {
    on_all(|net| {
        let monitors: Vec<_> = (0..6).map(|n| net.connect(n)).collect();
        for &monitor in &monitors {
            net.talk(monitor, &["MONITOR"]);
        }
        for n in 0..3 {
            let client = net.connect(n);
            net.talk(client, &["ECHO x", "PING"]);
        }
        for monitor in monitors {
            assert_eq!(lines(net, monitor).iter().filter(|line| line.ends_with("\"ECHO\" \"x\"")).count(), 3);
            net.hang_up(monitor);
        }
        let client = net.connect(0);
        net.settle();
        assert_eq!(net.ask(client, "PING"), "PONG");
    });
}

#[test]
fn the_slow_log_has_requests_of_all_workers_newest_first_and_no_secret() {
    on_all_with(&[("slowlog-log-slower-than", "0"), ("slowlog-max-len", "8")], |net| {
        let clients = [net.connect(0), net.connect(1), net.connect(2)];
        for (n, &client) in clients.iter().enumerate() {
            net.talk(client, &[&format!("CLIENT SETNAME c{n}"), "AUTH x y", "CONFIG SET requirepass \"\""]);
            net.pass(100);
        }
        let long = "x".repeat(200);
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        net.talk(clients[0], &[&format!("ECHO {long}"), &format!("DEL {}", many.join(" "))]);
        net.pass(100);
        assert_eq!(net.ask(clients[1], "SLOWLOG LEN"), "8");
        let log = net.ask(clients[1], "SLOWLOG GET 3");
        assert!(log.contains("... (72 more bytes)") && log.contains("... (10 more arguments)"), "{log}");
        let log = net.ask(clients[1], "SLOWLOG GET -1");
        assert!(!log.contains("\"y\"") && log.contains("\"AUTH\" \"(redacted)\" \"(redacted)\""), "{log}");
        assert!(log.contains("\"CONFIG\" \"SET\" \"requirepass\" \"(redacted)\""), "{log}");
        assert!(log.contains("\"127.0.0.1:1001\" \"c1\""), "{log}");
        assert_eq!(net.talk(clients[2], &["SLOWLOG GET 0", "SLOWLOG RESET"]), ["[]", "OK"]);
        let left = net.ask(clients[1], "SLOWLOG GET -1");
        assert_eq!(left.matches("SLOWLOG").count(), 1, "only its own resetting: {left}");
    });
}

#[test]
fn info_counts_all_workers() {
    on_all(|net| {
        let clients: Vec<_> = (0..4).map(|n| net.connect(n)).collect();
        for partition in 0..8 {
            net.talk(clients[0], &[&format!("SET {} 1 EX 100", key_in(partition, "i"))]);
        }
        net.talk(clients[1], &["SUBSCRIBE a"]);
        net.talk(clients[2], &["WATCH a"]);
        let info = net.ask(clients[3], "INFO everything");
        for line in [
            "connected_clients:4",
            "pubsub_clients:1",
            "watching_clients:1",
            "db0:keys=8,expires=8,avg_ttl=100000",
            "total_connections_received:4",
            "cmdstat_set:calls=8,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
            "redis_mode:standalone",
            "role:master",
        ] {
            assert!(info.contains(&format!("{line}\r\n")), "{line}\n{info}");
        }
        assert_eq!(net.talk(clients[3], &["WATCH b"]), ["OK"]);
        assert!(net.ask(clients[3], "INFO clients").contains("watching_clients:2\r\n"), "the asking one too");
        assert_eq!(net.ask(clients[3], "CONFIG RESETSTAT"), "OK");
        assert!(!net.ask(clients[3], "INFO commandstats").contains("cmdstat_set"));
    });
}

#[test]
fn settings_hold_for_all_workers_and_secrets_are_not_shown() {
    let mut net = Net::with(Options { workers: 3, seed: 1, logging: true, settings: Vec::new() });
    let clients = [net.connect(0), net.connect(1), net.connect(2)];
    assert_eq!(net.ask(clients[0], "CONFIG SET requirepass sesame slowlog-max-len 5"), "OK");
    for client in clients {
        let got = net.ask(client, "CONFIG GET requirepass slowlog-max-len");
        assert!(!got.contains("sesame") && got.contains("\"5\""), "{got}");
    }
    let late = net.connect(1);
    assert_eq!(net.ask(late, "PING"), "(NOAUTH Authentication required.)");
    assert_eq!(
        net.ask(clients[2], "CONFIG SET slowlog-max-len 6 nosuch 1"),
        "(ERR Unknown option or number of arguments for CONFIG SET - 'nosuch')"
    );
    assert!(net.ask(clients[1], "CONFIG GET slowlog-max-len").contains("\"5\""), "all or nothing");
}

/// Two operators at once, on different workers: neither undoes what the other did.
#[test]
fn settings_changed_at_the_same_time_all_hold() {
    on_all(|net| {
        let (a, b) = (net.connect(0), net.connect(1));
        net.send(a, &["CONFIG SET slowlog-max-len 5"]);
        net.send(b, &["CONFIG SET maxclients 77"]);
        net.settle();
        for client in [a, b] {
            assert_eq!(net.take(client), ["OK"]);
            let got = net.ask(client, "CONFIG GET slowlog-max-len maxclients");
            assert!(got.contains("\"5\"") && got.contains("\"77\""), "{got}");
        }
        let Some(node::Control::SettingsChanged(settings)) = net.controls.last() else {
            panic!("the shell is told: {:?}", net.controls)
        };
        assert_eq!((settings.slowlog_max_len, settings.maxclients), (5, 77));
    });
}
