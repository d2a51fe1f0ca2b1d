//! Several nodes: how they find each other, that any client can use any of them, and what is left when some are killed.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use narf_tests::{
    Client, DEADLINE, Data, Kind, Options, Server, Signal, Value, eventually, free_port, narf_binary, pause,
    signal, skip_unless_narf,
};
use tempfile::TempDir;

use crate::nodes::{Cluster, default_options, options, write_anyhow};

#[test]
fn the_same_command_again_makes_a_cluster_that_serves_every_key_on_every_node() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut clients: Vec<Client> = cluster.nodes.iter().map(Server::client).collect();
    for number in 0..60 {
        clients[number % 3].check(&format!("SET key:{number} {number}"), "+OK");
    }
    for number in 0..60 {
        clients[(number + 1) % 3].check(&format!("GET key:{number}"), &format!("\"{number}\""));
    }
    clients[2].check("DBSIZE", ":60");
    // One client's requests stay in order, wherever they are served.
    for client in &mut clients {
        let lines: Vec<String> = (0..200).map(|number| format!("INCR count:{}", number % 7)).collect();
        let replies = client.pipeline(&lines);
        let sums: Vec<i64> = replies.iter().map(|reply| reply.int()).collect();
        for key in 0..7 {
            let of_key: Vec<i64> = sums.iter().copied().skip(key).step_by(7).collect();
            assert!(of_key.windows(2).all(|pair| pair[1] == pair[0] + 1), "{of_key:?}");
        }
    }
    clients[0].check("MSET a 1 b 2 c 3 d 4", "+OK");
    clients[1].check("MGET a b c d nothing", "[\"1\", \"2\", \"3\", \"4\", nil]");
    clients[2].check("DEL a b c d nothing", ":4");
}

#[test]
fn a_client_that_sends_faster_than_it_is_served_waits_and_is_not_cut_off() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    client.check("CONFIG SET client-query-buffer-limit 1mb", "+OK");
    let value = "v".repeat(1000);
    // Many times what may wait, none of it read before all is sent.
    let requests: String =
        (0..24_000).map(|number| format!("SET key:{} {value}\r\n", number % 500)).collect();
    client.send_raw(requests);
    // That it sends no more is no reason to hurry.
    client.finish_sending();
    for number in 0..24_000 {
        let reply = client.try_reply(DEADLINE).unwrap_or_else(|closed| panic!("reply {number}: {closed:?}"));
        assert_eq!(reply.text(), "OK");
    }
    cluster.nodes[1].client().check("DBSIZE", ":500");
}

#[test]
fn the_first_of_three_may_die_as_soon_as_the_others_say_so() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let start = || Server::start(default_options(&runtime.path().join("run")));
    let mut first = start();
    let keys: Vec<String> = (0..300).map(|number| format!("key:{number}")).collect();
    let sets: Vec<String> = keys.iter().map(|key| format!("SET {key} kept")).collect();
    first.client().pipeline(&sets).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    let (second, third) = (start(), start());
    let mut status = second.client3();
    eventually("a node that may be lost", || {
        (status.run("FABRIC STATUS").field("may-lose")?.int() == 1).then_some(())
    });
    first.kill9();
    for node in [&second, &third] {
        let mut client = node.client();
        for key in &keys {
            let get = format!("GET {key}");
            eventually("what was written", || (client.run(&get).text() == "kept").then_some(()));
            write_anyhow(&mut client, &format!("SET {key} kept"));
        }
    }
}

#[test]
fn keys_of_a_slot_are_counted_and_named_by_any_node() {
    if skip_unless_narf() {
        return;
    }
    // One node that has all, and three that share it.
    let alone = Server::start(Options::new().kind(Kind::Narf).workers(2));
    let cluster = Cluster::of(3);
    let node = |number: usize| cluster.nodes[number].client();
    for mut clients in [vec![alone.client()], vec![node(0), node(1), node(2)]] {
        let slot = clients[0].run("CLUSTER KEYSLOT {tag}").int();
        for number in 0..5 {
            clients[0].check(&format!("SET {{tag}}{number} x"), "+OK");
            clients[0].check(&format!("SET other{number} x"), "+OK");
        }
        for client in &mut clients {
            client.check(&format!("CLUSTER COUNTKEYSINSLOT {slot}"), ":5");
            let mut keys: Vec<String> = client
                .run(&format!("CLUSTER GETKEYSINSLOT {slot} 10"))
                .items()
                .iter()
                .map(Value::text)
                .collect();
            keys.sort();
            assert_eq!(keys, ["{tag}0", "{tag}1", "{tag}2", "{tag}3", "{tag}4"]);
            assert_eq!(client.run(&format!("CLUSTER GETKEYSINSLOT {slot} 2")).items().len(), 2);
            client.check_all(
                r#"
                CLUSTER COUNTKEYSINSLOT 16384 => -ERR Invalid slot
                CLUSTER COUNTKEYSINSLOT x => -ERR value is not an integer or out of range
                CLUSTER GETKEYSINSLOT 0 -1 => -ERR Invalid slot or number of keys
                CLUSTER REPLICAS nobody => -ERR Unknown node nobody
                CLUSTER SLAVES nobody => -ERR Unknown node nobody
                CLUSTER COUNT-FAILURE-REPORTS nobody => -ERR Unknown node nobody
                "#,
            );
            let id = client.run("CLUSTER MYID").text();
            client.check(&format!("CLUSTER REPLICAS {id}"), "[]");
            client.check(&format!("CLUSTER SLAVES {id}"), "[]");
            client.check(&format!("CLUSTER COUNT-FAILURE-REPORTS {id}"), ":0");
            client.check("CLUSTER MYSHARDID", &format!("\"{id}\""));
        }
        let links = clients[0].run("CLUSTER LINKS");
        assert_eq!(links.items().len(), (clients.len() - 1) * 2, "{links}");
    }
}

#[test]
fn cluster_slots_tells_of_every_slot_once_and_who_leads_it() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let ports: BTreeSet<i64> = cluster.nodes.iter().map(|node| i64::from(node.port())).collect();
    for node in &cluster.nodes {
        let mut next = 0;
        let mut seen = BTreeSet::new();
        for range in node.client().run("CLUSTER SLOTS").items() {
            let range = range.items();
            assert_eq!(range[0].int(), next);
            next = range[1].int() + 1;
            assert_eq!(range.len(), 5, "three replicas");
            seen.extend(range[2..].iter().map(|node| node.items()[1].int()));
        }
        assert_eq!((next, &seen), (16384, &ports));
    }
}

#[test]
fn a_digest_is_of_all_that_a_node_holds_whichever_worker_is_asked() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    for number in 0..100 {
        client.check(&format!("SET key:{number} {number}"), "+OK");
    }
    client.check("SELECT 3", "+OK");
    client.check("RPUSH list a b c", ":3");
    // Several connections, so that all workers of a node have some.
    let mut clients: Vec<Client> = (0..12).map(|number| cluster.nodes[number % 3].client()).collect();
    eventually("replicas that are the same", || {
        let digests: BTreeSet<String> =
            clients.iter_mut().map(|client| client.run("DEBUG DIGEST").text()).collect();
        (digests.len() == 1).then_some(())
    });
    let before = client.run("DEBUG DIGEST").text();
    client.check("RPUSH list d", ":4");
    // A follower applies it within a step of time.
    eventually("the change", || (client.run("DEBUG DIGEST").text() != before).then_some(()));
}

#[test]
fn a_node_that_died_while_it_left_leaves_when_it_is_told_again() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    for _ in 0..3 {
        let name = cluster.nodes[2].client3().run("FABRIC STATUS").field("node").unwrap().text();
        let mut client = cluster.nodes[2].client();
        cluster.nodes[0].client().check(&format!("FABRIC DRAIN {name}"), "+OK");
        eventually("a node that leaves", || {
            client
                .try_run("FABRIC MEMBERS")
                .map_or(Some(()), |members| members.to_string().contains("leaving").then_some(()))
        });
        cluster.nodes[2].kill9();
        // Started again it is to stay; that is said while it is told to leave once more.
        cluster.nodes[2].restart();
        signal(cluster.nodes[2].pid(), Signal::Interrupt);
        assert!(cluster.nodes[2].wait().success(), "{}", cluster.nodes[2].log());
        cluster.nodes[2].restart();
        cluster.wait_until_ready(3);
    }
}

#[test]
fn who_waits_for_a_node_that_is_drained_is_told_when_it_has_left_or_that_it_has_not() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let name = |node: &Server| node.client3().run("FABRIC STATUS").field("node").unwrap().text();
    let drain = |asked: &Server, name: &str, seconds: &str| {
        let output = Command::new(narf_binary())
            .args(["cluster", "drain", name, "--yes", "--wait", "--wait-timeout", seconds, "-u"])
            .arg(asked.address().to_string())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let gone = name(&cluster.nodes[2]);
    let (code, out, steps) = drain(&cluster.nodes[0], &gone, "60");
    assert_eq!((code, out), (Some(0), format!("{gone} has left\n")), "{steps}");
    assert!(cluster.nodes[2].wait().success(), "{}", cluster.nodes[2].log());
    assert!(!cluster.nodes[0].client().run("FABRIC MEMBERS").to_string().contains(&gone));
    // One that is down does not go by itself.
    cluster.nodes.pop();
    cluster.grow();
    cluster.wait_until_ready(3);
    let stuck = name(&cluster.nodes[2]);
    cluster.nodes[2].kill9();
    let (code, out, said) = drain(&cluster.nodes[0], &stuck, "1");
    assert_eq!((code, out.as_str()), (Some(6), ""), "{said}");
    assert!(said.contains(&format!("narf: {stuck} is ")) && said.contains("it goes on"), "{said}");
    // And the one that is asked.
    cluster.nodes[0].client().check(&format!("FABRIC REMOVE {stuck}"), "+OK");
    cluster.nodes.pop();
    let itself = name(&cluster.nodes[1]);
    let (code, out, said) = drain(&cluster.nodes[1], &itself, "60");
    assert_eq!((code, out), (Some(0), format!("{itself} has left\n")), "{said}");
}

#[test]
fn a_node_that_was_removed_is_told_so_when_it_comes_back() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let name = cluster.nodes[2].client3().run("FABRIC STATUS").field("node").unwrap().text();
    cluster.nodes[2].kill9();
    let mut gone = cluster.nodes.remove(2);
    let mut client = cluster.nodes[0].client();
    // Told to hand over what it has, it is replaced before it is taken for lost.
    client.check(&format!("FABRIC DRAIN {name}"), "+OK");
    eventually("a node that is struck off", || {
        (client.run(&format!("FABRIC REMOVE {name}")).text() == "OK").then_some(())
    });
    gone.expect_log("removed from its cluster");
    let begin = Instant::now();
    gone.begin_again();
    assert!(!gone.wait().success(), "{}", gone.log());
    // It does not wait for the cluster to hear where it is now.
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(gone.log().contains("removed from its cluster"), "{}", gone.log());
    cluster.wait_until_ready(2);
}

#[test]
fn a_message_reaches_subscribers_of_every_node() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut listeners: Vec<Client> = cluster.nodes.iter().map(Server::client3).collect();
    for listener in &mut listeners {
        listener.send("SUBSCRIBE news");
        listener.check_push(">[\"subscribe\", \"news\", :1]");
    }
    let mut publisher = cluster.nodes[1].client();
    for number in 0..50 {
        publisher.run(&format!("PUBLISH news {number}"));
    }
    for listener in &mut listeners {
        for number in 0..50 {
            listener.check_push(&format!(">[\"message\", \"news\", \"{number}\"]"));
        }
    }
}

#[test]
fn a_node_without_subscribers_is_not_sent_messages() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    // Several connections, so that all workers of a node have some.
    let mut listeners: Vec<Client> = (0..4).map(|_| cluster.nodes[0].client3()).collect();
    for listener in &mut listeners {
        listener.send("SUBSCRIBE news");
        listener.check_push(">[\"subscribe\", \"news\", :1]");
    }
    let mut publishers: Vec<Client> = (0..4).map(|_| cluster.nodes[1].client()).collect();
    let received = |node: usize| -> u64 {
        let info = cluster.nodes[node].client().run("INFO stats").text();
        let line = info.lines().find_map(|line| line.strip_prefix("pubsub_messages_of_nodes:"));
        line.expect("INFO counts messages of other nodes").trim().parse().unwrap()
    };
    // A node that has just found the others sends them all it has until they have said what they want.
    eventually("nodes that know what the others listen to", || {
        let before = received(2);
        publishers.iter_mut().for_each(|publisher| drop(publisher.run("PUBLISH other x")));
        (received(2) == before).then_some(())
    });
    let before = (received(0), received(2));
    for number in 0..100 {
        publishers[number % 4].run(&format!("PUBLISH news {number}"));
    }
    // All of them, those of each publisher in order.
    for listener in &mut listeners {
        let mut next = [0, 1, 2, 3];
        for _ in 0..100 {
            let number: usize = listener.push().items()[2].text().parse().unwrap();
            assert_eq!(number, next[number % 4]);
            next[number % 4] += 4;
        }
    }
    assert_eq!((received(0), received(2)), (before.0 + 100, before.1));
}

#[test]
fn no_acknowledged_write_is_lost_when_one_node_after_the_other_is_killed() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let mut acknowledged = Vec::new();
    for victim in 0..3 {
        let survivor = (victim + 1) % 3;
        let mut client = cluster.nodes[survivor].client();
        for round in 0..200 {
            if round == 100 {
                cluster.nodes[victim].kill9();
            }
            let key = format!("key:{victim}:{round}");
            match client.run(&format!("SET {key} {round}")) {
                reply if reply.text() == "OK" => acknowledged.push((key, round)),
                reply => assert!(
                    reply.text().starts_with("CLUSTERDOWN") || reply.text().starts_with("UNKNOWNOUTCOME"),
                    "{reply:?}"
                ),
            }
        }
        let gap = write_anyhow(&mut client, "SET after the-kill");
        assert!(gap < Duration::from_secs(10), "{gap:?}");
        for (key, round) in &acknowledged {
            client.check(&format!("GET {key}"), &format!("\"{round}\""));
        }
        cluster.nodes[victim].restart();
        cluster.wait_until_ready(3);
    }
    assert!(acknowledged.len() > 400, "{} writes were acknowledged", acknowledged.len());
}

#[test]
fn a_cluster_that_was_killed_as_a_whole_comes_back_with_everything() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    for number in 0..100 {
        client.check(&format!("SET key:{number} {number}"), "+OK");
    }
    cluster.kill_all();
    cluster.nodes.iter_mut().for_each(Server::restart);
    cluster.wait_until_ready(3);
    let mut client = cluster.nodes[2].client();
    for number in 0..100 {
        client.check(&format!("GET key:{number}"), &format!("\"{number}\""));
    }
    client.check("DBSIZE", ":100");
}

#[test]
fn a_cluster_whose_nodes_all_moved_finds_itself_by_one_address() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    cluster.nodes[1].client().check("SET k v", "+OK");
    cluster.kill_all();
    // Nothing leads to the others but one address: each looks into a runtime folder of its own.
    let elsewhere = TempDir::with_prefix("narf-run-").unwrap();
    let place = format!("127.0.0.1:{}", free_port());
    for (number, node) in cluster.nodes.iter_mut().enumerate() {
        let runtime = elsewhere.path().join(number.to_string());
        node.restart_with(|options| match number {
            0 => options.runtime(&runtime).set("peer-port", place.rsplit_once(':').unwrap().1),
            _ => options.runtime(&runtime).set("join", &place),
        });
    }
    cluster.wait_until_ready(3);
    cluster.nodes[2].client().check("GET k", "\"v\"");
}

#[test]
fn a_minority_refuses_writes_within_moments_and_goes_on_when_the_others_do() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    client.check("SET before 1", "+OK");
    for node in &cluster.nodes[1..] {
        pause(node.pid());
    }
    let begin = Instant::now();
    let refused =
        eventually("a refusal", || Some(client.run("SET during 1")).filter(|reply| reply.is_error()));
    let took = begin.elapsed();
    for node in &cluster.nodes[1..] {
        signal(node.pid(), Signal::Continue);
    }
    let text = refused.text();
    assert!(text.starts_with("CLUSTERDOWN") || text.starts_with("UNKNOWNOUTCOME"), "{text}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    write_anyhow(&mut client, "SET after 1");
    client.check("GET before", "\"1\"");
}

#[test]
fn ctrl_c_hands_everything_over_and_the_folder_is_free_for_another_node() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    for number in 0..100 {
        client.check(&format!("SET key:{number} {number}"), "+OK");
    }
    let id = cluster.nodes[2].client().run("CLUSTER MYID").text();
    signal(cluster.nodes[2].pid(), Signal::Interrupt);
    assert!(cluster.nodes[2].wait().success(), "{}", cluster.nodes[2].log());
    let left = cluster.nodes.split_off(2);
    cluster.wait_until_ready(2);
    for number in 0..100 {
        client.check(&format!("GET key:{number}"), &format!("\"{number}\""));
    }
    cluster.nodes.extend(left);
    cluster.nodes[2].restart();
    cluster.wait_until_ready(3);
    let mut client = cluster.nodes[2].client();
    assert_ne!(client.run("CLUSTER MYID").text(), id, "an id is never used again");
    client.check("DBSIZE", ":100");
}

#[test]
fn a_token_lets_one_node_in_and_no_other() {
    if skip_unless_narf() {
        return;
    }
    let first = Server::start(Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 8));
    let token = first.client().run("FABRIC INVITE 60").text();
    let elsewhere = || Options::new().kind(Kind::Narf).data(Data::Temporary).set("join", &token);
    let mut second = Server::start(elsewhere());
    let mut client = second.client3();
    eventually("a node that is ready", || {
        (client.run("FABRIC STATUS").field("state")?.text() == "ready").then_some(())
    });
    client.check("SET k v", "+OK");
    first.client().check("GET k", "\"v\"");
    let (status, log) = Server::start_in_vain(elsewhere());
    assert!(!status.success());
    assert!(log.contains("does not let this node in") && log.contains("used"), "{log}");
    let wrong = token.replace("narf1.", "narf1.0").replacen(&token[6..8], &token[6..7], 1);
    let (status, log) =
        Server::start_in_vain(Options::new().kind(Kind::Narf).data(Data::Temporary).set("join", wrong));
    assert!(!status.success() && log.contains("token"), "{log}");
    // Told to leave, the second gives back what it holds.
    let name = client.run("FABRIC STATUS").field("node").unwrap().text();
    first.client().check(&format!("FABRIC DRAIN {name}"), "+OK");
    assert!(second.wait().success(), "{}", second.log());
    first.client().check("GET k", "\"v\"");
    first.client().check("SET k w", "+OK");
}

#[test]
fn a_token_of_another_cluster_is_refused_at_once() {
    if skip_unless_narf() {
        return;
    }
    let found = || Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 8);
    let (mine, mut other) = (Server::start(found()), Server::start(found()));
    let invite = |node: &Server| node.client().run("FABRIC INVITE 60").text();
    let (token, of_other) = (invite(&mine), invite(&other));
    // Where the other cluster was nobody is, or mine.
    let (words, place) = of_other.rsplit_once(".0.0.1:").unwrap();
    let words = words.strip_suffix("127").unwrap();
    let (_, my_place) = token.rsplit_once(":").unwrap();
    other.kill9();
    let begin = Instant::now();
    for places in
        [format!("127.0.0.1:{my_place},127.0.0.1:{place}"), format!("127.0.0.1:{place},127.0.0.1:{my_place}")]
    {
        let join =
            Options::new().kind(Kind::Narf).data(Data::Temporary).set("join", format!("{words}{places}"));
        let (status, log) = Server::start_in_vain(join);
        assert!(!status.success() && log.contains("is not of the cluster that the token is from"), "{log}");
    }
    // Nor does a member take it for its own.
    let folder = Data::At(other.data_path());
    let (status, log) = Server::start_in_vain(found().data(folder).set("join", &token));
    assert!(!status.success() && log.contains("of another cluster than the token"), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn narf_cluster_shows_the_cluster_and_changes_it() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(2);
    let port = cluster.nodes[1].port();
    let narf = |words: &[&str]| {
        let url = format!("redis://127.0.0.1:{port}");
        let output =
            Command::new(narf_binary()).arg("cluster").args(words).env("NARF_URL", url).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let name = cluster.nodes[0].client3().run("FABRIC STATUS").field("node").unwrap().text();
    let (code, status, _) = narf(&["status"]);
    assert!(code == 0 && status.contains("ready"), "{status}");
    let (code, members, _) = narf(&["members"]);
    assert!(code == 0 && members.contains(&name), "{members}");
    let (code, map, _) = narf(&["map"]);
    assert!(code == 0 && map.contains("16383") && map.contains(&format!("  {name}  ")), "{map}");
    let (code, map, _) = narf(&["map", "-o", "csv"]);
    assert!(code == 0 && map.starts_with("partition,first-slot,last-slot,leader,term,nodes\n0,0,"), "{map}");
    let (_, status, _) = narf(&["status", "-o", "csv"]);
    assert!(status.starts_with("state,cluster,") && status.lines().count() == 2, "{status}");
    let (code, owner, _) = narf(&["-o", "json", "owner", "foo"]);
    assert_eq!(code, 2, "flags stand behind the subcommand: {owner}");
    let (code, owner, _) = narf(&["owner", "-o", "json", "foo"]);
    assert!(code == 0 && owner.contains("12182"), "{owner}");
    let (code, token, _) = narf(&["invite", "60"]);
    assert!(code == 0 && token.starts_with("narf1."), "{token}");
    let (code, found, _) = narf(&["check"]);
    assert!(code == 6 && found.contains("3 copies of each partition are wanted"), "{found}");
    assert!(found.contains("start 1 more"), "{found}");
    assert_eq!(narf(&["replicas", "2"]).0, 0);
    eventually("a cluster that is well", || (narf(&["check"]).0 == 0).then_some(()));
    assert_eq!(narf(&["check"]).1, "healthy: nothing to do\n");
    let (code, _, error) = narf(&["remove", "nobody"]);
    assert!(code == 1 && error.contains("no node is called 'nobody'; there are "), "{error}");
    // By its port, whatever the environment says; and without a name, all are named.
    let asked = cluster.nodes[0].port().to_string();
    let (code, _, error) = narf(&["drain", "-p", &asked]);
    assert!(code == 1 && error.contains("name a node: ") && error.contains(&name), "{error}");
    let (code, status, _) = narf(&["status", "-p", &asked, "-o", "json"]);
    assert!(code == 0 && status.contains(&name), "{status}");
    cluster.nodes[0].kill9();
    let found = eventually("a node that is missed", || {
        let (code, found, _) = narf(&["check"]);
        (code == 6 && found.contains("cannot be written to")).then_some(found)
    });
    assert!(found.contains(&format!("node {name} (")) && found.contains("narf cluster remove"), "{found}");
    let (code, status, _) = narf(&["status"]);
    assert!(code == 6 && status.contains("degraded"), "{status}");
    let left = &cluster.nodes[1];
    assert_eq!(left.info("narf_state").as_deref(), Some("degraded"));
    assert_eq!(left.info("narf_nodes_that_may_be_lost").as_deref(), Some("0"));
    let told = ["narf_groups_led", "narf_groups_followed", "narf_groups_in_doubt", "narf_groups_with_lease"];
    told.iter().for_each(|name| assert!(left.info(name).is_some(), "{name}"));
}

#[test]
fn a_node_that_was_told_to_stay_alone_does() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let _first = Server::start(options(&runtime.path().join("run")));
    let second = Server::start(options(&runtime.path().join("run")).set("join", "none"));
    let mut client = second.client();
    assert!(client.run("FABRIC STATUS").text().contains("on its own"));
    assert!(client.run("CLUSTER SLOTS").text().contains("cluster support disabled"));
    let (status, log) =
        Server::start_in_vain(options(&runtime.path().join("run")).set("join", "10.0.0.1:6379"));
    assert!(!status.success() && log.contains("narf cluster invite"), "{log}");
}

#[test]
fn what_a_folder_with_data_cannot_be_any_more_is_said() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let data = runtime.path().join("data");
    let start = || options(&runtime.path().join("run")).data(Data::At(data.clone()));
    let mut node = Server::start(start().set("partitions", 8));
    assert!(!node.log().contains("as asked for"));
    node.stop();
    let (status, log) = Server::start_in_vain(start().set("join", "none"));
    assert!(
        !status.success() && log.contains("is of a node of a cluster, and `join none` stays alone"),
        "{log}"
    );
    let node = Server::start(start().set("partitions", 32).expect_log("as asked for"));
    let said = eventually("what is said of partitions", || {
        Some(node.log())
            .filter(|log| log.contains("Partitions       8, as the cluster was begun with, and not 32"))
    });
    assert!(
        said.contains("\"partitions: 8, as the cluster was begun with, and not 32 as asked for"),
        "{said}"
    );
}

#[test]
fn a_node_that_lost_its_folder_comes_back_to_its_port_as_another_node() {
    if skip_unless_narf() {
        return;
    }
    let keep_nothing =
        |number, options: Options| if number == 2 { options.data(Data::None) } else { options };
    let mut cluster = Cluster::with(3, keep_nothing);
    let mut first = cluster.nodes[0].client3();
    first.check("SET k v", "+OK");
    let id = |client: &mut Client| client.run("CLUSTER MYID").text();
    let old = id(&mut cluster.nodes[2].client());
    // At its port, and at that for nodes, which is chosen by it.
    cluster.nodes[2].kill9();
    cluster.nodes[2].begin_again_in_place();
    cluster.nodes[2].wait_until_up();
    let mut third = cluster.nodes[2].client();
    assert_ne!(id(&mut third), old);
    cluster.wait_until_ready(3);
    third.check("GET k", "\"v\"");
    third.check("SET k w", "+OK");
    cluster.compare_replicas().unwrap();
    let nodes = third.run("CLUSTER NODES").text();
    assert!(nodes.contains(&format!("{old} :0@0 master,fail,noaddr")), "{nodes}");
    // What is left of the old one is a name, which is struck off by hand.
    first.check(&format!("FABRIC REMOVE {old}"), "+OK");
    assert_eq!(first.run("FABRIC MEMBERS").items().len(), 3);
}

/// A machine that sleeps, and one that is told the same address behind another.
#[test]
fn a_member_whose_address_another_got_says_so_and_takes_it_again_when_it_is_free() {
    if skip_unless_narf() {
        return;
    }
    let (place, silent) = (free_port(), 2);
    let at =
        |number, options: Options| if number == silent { options.set("peer-port", place) } else { options };
    let mut cluster = Cluster::with(3, at);
    cluster.nodes[silent].expect_log("has the address of this node");
    cluster.nodes[silent].expect_log("is down");
    let mut first = cluster.nodes[0].client3();
    let id = cluster.nodes[silent].client().run("CLUSTER MYID").text();
    let token = first.run("FABRIC INVITE 300").text();
    let mut member = |what: &str, is_so: fn(&Value) -> bool| {
        eventually(what, || {
            let members = first.run("FABRIC MEMBERS");
            let mut members = members.items().into_iter();
            members
                .find(|member| member.field("id").is_some_and(|found| found.text() == id) && is_so(member))
                .map(|_| ())
        });
    };
    signal(cluster.nodes[silent].pid(), Signal::Stop);
    member("a member that is down", |member| member.field("state").unwrap().text() == "down");
    let guest =
        Options::new().kind(Kind::Narf).data(Data::None).host([127, 0, 0, 2].into()).set("join", token);
    let mut guest = Server::start(guest.set("cluster-announce-ip", "127.0.0.1").set("peer-port", place));
    member("a member that is nowhere", |member| member.field("peer-address").unwrap().text().is_empty());
    signal(cluster.nodes[silent].pid(), Signal::Continue);
    eventually("a warning", || {
        cluster.nodes[silent].log().contains("another member has the address of this node").then_some(())
    });
    guest.kill9();
    member("a member that is found again", |member| !member.field("peer-address").unwrap().text().is_empty());
    eventually("a good end", || cluster.nodes[silent].log().contains("no other member has").then_some(()));
}

#[test]
fn replicas_are_compared_on_demand_and_by_themselves() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::with(3, |_, options| options.set("scrub-interval", 1));
    let mut clients: Vec<Client> = cluster.nodes.iter().map(Server::client).collect();
    for number in 0..300 {
        clients[number % 3].check(&format!("SET key:{number} {number}"), "+OK");
    }
    let counted = |client: &mut Client, name: &str| -> u64 {
        let info = client.run("INFO cluster").text();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|number| number.trim().parse().ok()).unwrap()
    };
    eventually("comparisons", || {
        (clients.iter_mut().map(|client| counted(client, "narf_scrubs")).sum::<u64>() >= 16).then_some(())
    });
    clients[0].check("CONFIG SET scrub-interval 0", "+OK");
    let led: i64 = clients.iter_mut().map(|client| client.run("FABRIC SCRUB").int()).sum();
    assert_eq!(led, 8);
    for client in &mut clients {
        assert_eq!(counted(client, "narf_scrub_differences"), 0);
        assert_eq!(client.run("FABRIC CHECK").items().len(), 0);
    }
}

#[test]
fn a_copied_data_folder_is_no_second_node() {
    if skip_unless_narf() {
        return;
    }
    const DOUBLED: &str = "another process runs as this node";
    let mut cluster = Cluster::of(3);
    let folder = TempDir::new().unwrap();
    cluster.nodes[2].stop();
    let copy = folder.path().join("copy");
    let copied = Command::new("cp").arg("-r").arg(cluster.nodes[2].data_path()).arg(&copy).status().unwrap();
    assert!(copied.success());
    cluster.nodes[2].begin_again();
    cluster.nodes[2].wait_until_up();
    cluster.wait_until_ready(3);
    cluster
        .nodes
        .iter_mut()
        .for_each(|node| node.expect_log("a second process says to be a node that is heard"));
    let mut second = Server::start(options(&cluster.runtime_path()).data(Data::At(copy)).expect_log(DOUBLED));
    assert!(!second.wait().success());
    assert!(second.log().contains(DOUBLED), "{}", second.log());
    // Nobody took it for the first.
    cluster.wait_until_ready(3);
    for (number, node) in cluster.nodes.iter_mut().enumerate() {
        node.client().check(&format!("SET key:{number} kept"), "+OK");
        assert!(!node.has_ended());
    }
}
