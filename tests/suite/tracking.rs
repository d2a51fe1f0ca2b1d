//! `CLIENT TRACKING`: what a cache in a client is told, over the wire.

use std::process::Command;
use std::time::Duration;

use narf_tests::{Client, Server, eventually, on_one_and_two_workers, skip_unless_narf};

use crate::nodes::Cluster;
use crate::real_clients::{check, python, script};

on_one_and_two_workers!(
    wishes_are_granted_or_refused_in_the_words_of_redis,
    changes_are_told_behind_the_reply,
    a_flush_is_told_to_everybody_who_tracks,
    what_is_broadcast_is_told_in_one_message_a_prefix,
    another_connection_is_told_in_resp2,
    lists_and_figures_show_who_tracks,
    lapsed_and_evicted_keys_are_told,
);

fn wishes_are_granted_or_refused_in_the_words_of_redis(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        CLIENT TRACKING => -ERR wrong number of arguments for 'client|tracking' command
        CLIENT TRACKING maybe => -ERR syntax error
        CLIENT TRACKING on maybe => -ERR syntax error
        CLIENT TRACKING on redirect => -ERR syntax error
        CLIENT TRACKING on redirect x => -ERR value is not an integer or out of range
        CLIENT TRACKING on redirect 999999 => -ERR The client ID you want redirect to does not exist
        CLIENT TRACKING on redirect 0 => -ERR The client ID you want redirect to does not exist
        CLIENT TRACKING off redirect 999999 => -ERR The client ID you want redirect to does not exist
        CLIENT GETREDIR => :-1
        CLIENT TRACKING on prefix a => -ERR PREFIX option requires BCAST mode to be enabled
        CLIENT TRACKING on bcast optin => -ERR OPTIN and OPTOUT are not compatible with BCAST
        CLIENT TRACKING on optin optout => -ERR You can't specify both OPTIN mode and OPTOUT mode
        CLIENT CACHING yes => -ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled
        CLIENT TRACKING on optin => +OK
        CLIENT TRACKING on optout => -ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.
        CLIENT TRACKING on bcast => -ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.
        CLIENT CACHING no => -ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.
        CLIENT CACHING maybe => -ERR syntax error
        CLIENT CACHING yes => +OK
        CLIENT TRACKINGINFO => ["flags", ["on", "optin", "caching-yes"], "redirect", :0, "prefixes", []]
        GET k => nil
        CLIENT TRACKINGINFO => ["flags", ["on", "optin"], "redirect", :0, "prefixes", []]
        CLIENT TRACKING on noloop => +OK
        CLIENT CACHING yes => -ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.
        CLIENT TRACKING off prefix => -ERR syntax error
        CLIENT TRACKING off => +OK
        CLIENT TRACKING on bcast prefix ab prefix a => -ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not overlap.
        CLIENT TRACKING on bcast prefix b prefix a => +OK
        CLIENT TRACKING on bcast prefix abc => -ERR Prefix 'abc' overlaps with an existing prefix 'a'. Prefixes for a single client must not overlap.
        CLIENT TRACKING on bcast prefix c noloop => +OK
        CLIENT TRACKINGINFO => ["flags", ["on", "bcast", "noloop"], "redirect", :0, "prefixes", ["a", "b", "c"]]
        RESET => +RESET
        CLIENT TRACKINGINFO => ["flags", ["off"], "redirect", :-1, "prefixes", []]
        "#,
    );
}

fn changes_are_told_behind_the_reply(node: &Server) {
    let (mut reader, mut writer) = (node.client3(), node.client());
    reader.check("CLIENT TRACKING on", "+OK");
    reader.check("GET k", "null");
    reader.send("SET k 1");
    assert_eq!(reader.next(Duration::from_secs(10)).unwrap().unwrap().to_string(), "+OK");
    reader.check_push(r#">["invalidate", ["k"]]"#);
    // What was told once is told again only when it was read again.
    writer.check("SET k 2", "+OK");
    reader.check("GET k", "\"2\"");
    assert!(reader.take_pushes().is_empty());
    reader.check_all(
        "MULTI => +OK\nGET k => +QUEUED\nSET k 3 => +QUEUED\nGET k => +QUEUED\nEXEC => [\"2\", +OK, \"3\"]",
    );
    reader.check_push(r#">["invalidate", ["k"]]"#);
    writer.check("APPEND k x", ":2");
    reader.check_push(r#">["invalidate", ["k"]]"#);
}

fn a_flush_is_told_to_everybody_who_tracks(node: &Server) {
    let (mut a, mut b, mut writer) = (node.client3(), node.client3(), node.client());
    a.check("CLIENT TRACKING on", "+OK");
    b.check("CLIENT TRACKING on BCAST PREFIX x", "+OK");
    for command in ["FLUSHALL", "FLUSHDB"] {
        writer.check(command, "+OK");
        a.check_push(r#">["invalidate", null]"#);
        b.check_push(r#">["invalidate", null]"#);
    }
    a.check("FLUSHALL", "+OK");
    a.check_push(r#">["invalidate", null]"#);
}

fn what_is_broadcast_is_told_in_one_message_a_prefix(node: &Server) {
    let (mut reader, mut writer) = (node.client3(), node.client());
    reader.check("CLIENT TRACKING on BCAST PREFIX a PREFIX b", "+OK");
    writer.check("MSET a1 1 b1 1 a0 1 c 1", "+OK");
    reader.check_push(r#">["invalidate", ["a0", "a1"]]"#);
    reader.check_push(r#">["invalidate", ["b1"]]"#);
    reader.check("SET a1 2", "+OK");
    reader.check_push(r#">["invalidate", ["a1"]]"#);
    reader.check("CLIENT TRACKING on BCAST NOLOOP PREFIX d", "+OK");
    reader.check("SET a1 2", "+OK");
    writer.check("SET d 2", "+OK");
    reader.check_push(r#">["invalidate", ["d"]]"#);
}

fn another_connection_is_told_in_resp2(node: &Server) {
    let (mut reader, mut listener, mut writer) = (node.client(), node.client(), node.client());
    let id = listener.run("CLIENT ID").int();
    listener.check("SUBSCRIBE __redis__:invalidate", r#"["subscribe", "__redis__:invalidate", :1]"#);
    reader.check(&format!("CLIENT TRACKING on REDIRECT {id}"), "+OK");
    reader.check("CLIENT GETREDIR", &format!(":{id}"));
    for n in 0..5 {
        reader.run("GET k");
        writer.check(&format!("SET k {n}"), "+OK");
        assert_eq!(listener.reply().to_string(), r#"["message", "__redis__:invalidate", ["k"]]"#);
    }
    writer.check("FLUSHALL", "+OK");
    assert_eq!(listener.reply().to_string(), r#"["message", "__redis__:invalidate", nil]"#);
    drop(listener);
    eventually("the listener is gone", || {
        (!writer.run("CLIENT LIST").text().contains(&format!("id={id} "))).then_some(())
    });
    reader.hello3();
    reader.run("GET k");
    writer.check("SET k 1", "+OK");
    reader.check_push(&format!(r#">["tracking-redir-broken", :{id}]"#));
    assert!(writer.run("CLIENT LIST").text().contains("flags=tR"));
}

fn lists_and_figures_show_who_tracks(node: &Server) {
    let (mut a, mut b) = (node.client3(), node.client3());
    let number = |client: &mut Client, name: &str| -> i64 {
        let info = client.run("INFO everything").text();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO has no {name}")).trim().parse().unwrap()
    };
    a.check("CLIENT TRACKING on", "+OK");
    b.check("CLIENT TRACKING on BCAST PREFIX x PREFIX y", "+OK");
    a.run("MGET k l m");
    let list = a.run("CLIENT LIST").text();
    assert!(list.contains("flags=t ") && list.contains("flags=tB ") && list.contains("redir=0 "), "{list}");
    for (name, expect) in [
        ("tracking_clients", 2),
        ("tracking_total_keys", 3),
        ("tracking_total_items", 3),
        ("tracking_total_prefixes", 2),
    ] {
        assert_eq!(number(&mut a, name), expect, "{name}");
    }
    a.check("CLIENT TRACKING off", "+OK");
    drop(b);
    eventually("nobody tracks", || (number(&mut a, "tracking_clients") == 0).then_some(()));
    assert_eq!(number(&mut a, "tracking_total_prefixes"), 0);
    let config = a.run("CONFIG GET tracking-table-max-keys");
    assert_eq!(config.field("tracking-table-max-keys").unwrap().text(), "1000000");
}

fn lapsed_and_evicted_keys_are_told(node: &Server) {
    let (mut reader, mut writer) = (node.client3(), node.client());
    reader.check("CLIENT TRACKING on", "+OK");
    writer.check("SET k 1 PX 30", "+OK");
    reader.run("GET k");
    reader.check_push(r#">["invalidate", ["k"]]"#);
    for n in 0..50 {
        writer.check(&format!("SET key:{n} {}", "x".repeat(100)), "+OK");
        reader.run(&format!("GET key:{n}"));
    }
    writer.check("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1", "+OK");
    let mut told = 0;
    eventually("all that was read is evicted", || {
        writer.run("SET another 1");
        reader.run("PING");
        told += reader.take_pushes().len();
        (told >= 50).then_some(())
    });
    writer.check("CONFIG SET maxmemory 0", "+OK");
}

/// A change made through any node is told to whoever has read the key through any other, also when leaders fall.
#[test]
fn caches_on_any_node_are_told_of_changes_made_on_any_other() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut reader = cluster.nodes[0].client3();
    reader.check("CLIENT TRACKING on", "+OK");
    let mut listener = cluster.nodes[1].client3();
    listener.check("CLIENT TRACKING on BCAST PREFIX key:", "+OK");
    let mut writer = cluster.nodes[2].client();
    // Leads move for a while after nodes have come: then everything is to be forgotten.
    let mut in_a_row = 0;
    for n in 0..2000 {
        if in_a_row == 20 {
            return;
        }
        let (key, forget) = (format!(r#">["invalidate", ["key:{n}"]]"#), r#">["invalidate", null]"#);
        reader.run(&format!("GET key:{n}"));
        writer.check(&format!("SET key:{n} 1"), "+OK");
        in_a_row += 1;
        for client in [&mut reader, &mut listener] {
            loop {
                let told = client.push().to_string();
                if told == key {
                    break;
                }
                in_a_row = 0;
                // Who was told to forget everything need not hear of the key, and hears of an earlier one now at the latest.
                if told == forget {
                    break;
                }
                assert!(told.starts_with(r#">["invalidate", ["key:"#), "{told}");
            }
        }
    }
    panic!("caches are told to forget everything again and again");
}

#[test]
fn redis_py_keeps_a_cache_that_is_told() {
    let Some(python) = python() else { return };
    let node = Server::new();
    let mut command = Command::new(&python);
    check(&command.arg(script("redis_py_cache.py")).arg(node.port().to_string()).output().unwrap());
    if skip_unless_narf() {
        return;
    }
    // The same against three nodes, each client at another.
    let cluster = Cluster::of(3);
    let ports = cluster.nodes.iter().map(|node| node.port().to_string());
    check(&Command::new(&python).arg(script("redis_py_cache.py")).args(ports).output().unwrap());
}
