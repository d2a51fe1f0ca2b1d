//! Keyspace notifications over the wire: deadlines, the setting, real clients, nodes that are far away. What each command
//! tells is compared with `redis-server` in `differential`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use narf_tests::{Client, DEADLINE, Data, Kind, Options, Server, Value, skip_unless_narf};

use crate::nodes::Cluster;

fn listener(node: &Server, subscribe: &str) -> Client {
    let mut listener = node.client();
    listener.run(subscribe);
    listener
}

/// Channel and payload of the next message.
#[track_caller]
fn heard(listener: &mut Client) -> String {
    match listener.next(DEADLINE) {
        Ok(Some(Value::Array(parts))) => {
            let text: Vec<String> = parts.iter().rev().take(2).rev().map(Value::text).collect();
            text.join(" ")
        }
        other => panic!("no message: {other:?}"),
    }
}

#[test]
fn a_deadline_that_comes_is_told_once_and_the_key_is_gone() {
    let node = Server::new();
    let mut c = node.client();
    c.check("CONFIG SET notify-keyspace-events KExg", "+OK");
    let mut all = listener(&node, "PSUBSCRIBE __key*__:*");
    c.check("SELECT 3", "+OK");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    for n in 0..20 {
        c.check(&format!("SET k{n} v PXAT {}", now + 100 + n * 5), "+OK");
        for kind in ["__keyspace@3__:k{n} expire", "__keyevent@3__:expire k{n}"] {
            assert_eq!(heard(&mut all), kind.replace("{n}", &n.to_string()));
        }
    }
    let mut expired: Vec<String> = (0..40).map(|_| heard(&mut all)).collect();
    c.check("DBSIZE", ":0");
    expired.sort();
    let both = |n: usize| [format!("__keyspace@3__:k{n} expired"), format!("__keyevent@3__:expired k{n}")];
    let mut expect: Vec<String> = (0..20).flat_map(both).collect();
    expect.sort();
    assert_eq!(expired, expect);
    // Nothing more: the next message is of the next change.
    c.check("SET last v", "+OK");
    c.check("DEL last", ":1");
    assert_eq!(heard(&mut all), "__keyspace@3__:last del");
}

#[test]
fn what_is_chosen_is_shown_as_redis_shows_it() {
    for node in [Server::new(), Server::start(Options::new().kind(Kind::Redis))] {
        let mut c = node.client();
        for (letters, shown) in
            [("", ""), ("KEA", "AKE"), ("Kn", "nK"), ("mEg", "gEm"), ("An", "A"), ("g$lshzxetdKE", "AKE")]
        {
            c.check(&format!("CONFIG SET notify-keyspace-events '{letters}'"), "+OK");
            let expect = format!("[\"notify-keyspace-events\", \"{shown}\"]");
            c.check("CONFIG GET notify-keyspace-events", &expect);
        }
        let refusal = "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        assert_eq!(c.run("CONFIG SET notify-keyspace-events KEq").to_string().trim_end(), refusal);
    }
}

#[test]
fn a_choice_of_the_start_holds_and_is_written_whole() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::TempDir::with_prefix("narf-config-").unwrap();
    let file = folder.path().join("narf.toml");
    std::fs::write(&file, "notify-keyspace-events = \"KEx\"\n").unwrap();
    let options = Options::new().data(Data::Temporary).set("config", file.display());
    let mut node = Server::start(options);
    let mut c = node.client();
    c.check("CONFIG GET notify-keyspace-events", "[\"notify-keyspace-events\", \"xKE\"]");
    c.check("CONFIG SET notify-keyspace-events AKn", "+OK");
    c.check("CONFIG REWRITE", "+OK");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"AnK\""), "{written}");
    node.restart();
    let mut all = listener(&node, "PSUBSCRIBE __key*__:*");
    node.client().check("SET k v", "+OK");
    assert_eq!(heard(&mut all), "__keyspace@0__:k new");
    assert_eq!(heard(&mut all), "__keyspace@0__:k set");
}

#[test]
fn a_listener_on_any_node_hears_of_keys_on_all_of_them() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    cluster.nodes.iter().for_each(|node| node.config_set("notify-keyspace-events", "KA"));
    let mut listeners: Vec<Client> =
        cluster.nodes.iter().map(|node| listener(node, "PSUBSCRIBE __keyspace@*:key:*")).collect();
    let mut c = cluster.nodes[0].client();
    for n in 0..60 {
        c.check(&format!("RPUSH key:{n} a"), ":1");
        c.check(&format!("LPOP key:{n}"), "\"a\"");
    }
    for listener in &mut listeners {
        let mut told: Vec<String> = (0..180).map(|_| heard(listener)).collect();
        // Of one key in order; a stable sort keeps that.
        told.sort_by_key(|message| message.split(' ').next().unwrap().to_owned());
        for of_key in told.chunks(3) {
            let events: Vec<&str> = of_key.iter().map(|message| message.split(' ').nth(1).unwrap()).collect();
            assert_eq!(events, ["rpush", "lpop", "del"], "{of_key:?}");
        }
        assert!(matches!(listener.next(Duration::from_millis(50)), Ok(None)), "nothing comes twice");
    }
}
