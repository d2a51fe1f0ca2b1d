//! Clients that idle, do not read, or send too much.

use crate::net::{on_all, on_all_with};

#[test]
fn idle_clients_are_closed_but_not_those_that_listen() {
    on_all_with(&[("timeout", "1")], |net| {
        let (idle, subscriber, monitor, busy) =
            (net.connect(0), net.connect(1), net.connect(2), net.connect(1));
        net.talk(subscriber, &["SUBSCRIBE a"]);
        net.talk(monitor, &["MONITOR"]);
        for _ in 0..5 {
            net.pass(500);
            net.talk(busy, &["PING"]);
        }
        let open = [idle, subscriber, monitor, busy].map(|client| net.is_open(client));
        assert_eq!(open, [false, true, true, true]);
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_closed_and_the_others_lose_nothing() {
    on_all_with(&[("client-output-buffer-limit", "pubsub 200000 100000 1")], |net| {
        let (stuck, slow, good) = (net.connect(0), net.connect(1), net.connect(2));
        for client in [stuck, slow, good] {
            net.talk(client, &["SUBSCRIBE a"]);
        }
        let publisher = net.connect(1);
        let publish = format!("PUBLISH a {}", "x".repeat(1000));
        net.set_deaf(stuck, true);
        net.set_deaf(slow, true);
        for _ in 0..120 {
            net.talk(publisher, &[&publish]);
        }
        assert!(net.is_open(stuck) && net.is_open(slow), "above the soft limit, for now");
        net.pass(500);
        net.set_deaf(slow, false);
        net.pass(1000);
        assert!(!net.is_open(stuck), "too long above the soft limit");
        assert!(net.is_open(slow));
        net.set_deaf(slow, true);
        for _ in 0..220 {
            net.talk(publisher, &[&publish]);
        }
        assert!(!net.is_open(slow), "above the hard limit");
        assert_eq!(net.take(good).len(), 340);
        assert_eq!(net.ask(publisher, &publish), "1");
        assert!(net.ask(publisher, "INFO stats").contains("client_output_buffer_limit_disconnections:2\r\n"));
    });
}

/// A client that says goodbye and does not read its answers must not stay for ever.
#[test]
fn a_client_that_is_closing_is_held_to_the_limits_too() {
    on_all_with(&[("timeout", "2"), ("client-output-buffer-limit", "normal 300000 0 0")], |net| {
        let client = net.connect(1);
        net.set_deaf(client, true);
        net.talk(client, &["PING", "QUIT"]);
        assert!(net.is_open(client), "its answers are still to be sent");
        net.pass(5000);
        assert!(!net.is_open(client));
    });
}

#[test]
fn a_request_that_never_ends_is_cut_off() {
    on_all_with(&[("client-query-buffer-limit", "1mb")], |net| {
        let client = net.connect(0);
        net.ask(client, "CLIENT PAUSE 100000");
        let flood = net.connect(1);
        net.write(flood, &b"*1\r\n$4\r\nPING\r\n".repeat(100_000));
        net.settle();
        assert!(!net.is_open(flood), "held requests are not kept without end");
        assert_eq!(net.take(flood), [""; 0]);
    });
}

#[test]
fn a_large_request_is_taken_in_pieces() {
    on_all(|net| {
        let client = net.connect(0);
        let value = "v".repeat(300_000);
        net.send(client, &[&format!("SET k {value}"), "STRLEN k"]);
        net.settle();
        assert_eq!(net.take(client), ["OK", "300000"]);
    });
}
