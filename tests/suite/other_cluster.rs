//! `FABRIC JOIN`: a running node that is alone gives up its own cluster for another, or is told why it does not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use narf_tests::{
    Certificates, Client, Data, Kind, Options, Server, Signal, eventually, free_port, narf_binary, signal,
    skip_unless_narf,
};
use tempfile::TempDir;

use crate::nodes::options;
use crate::tls::sealed;

/// A node in a cluster of its own.
fn lone(runtime: &Path) -> Options {
    options(runtime).set("join", "found")
}

/// Runs `narf cluster` against a node: exit code, output, errors.
fn narf(node: &Server, words: &[&str]) -> (i32, String, String) {
    let url = format!("redis://127.0.0.1:{}", node.port());
    let output =
        Command::new(narf_binary()).arg("cluster").args(words).env("NARF_URL", url).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn wait_until_ready(node: &Server, count: i64) -> Client {
    eventually("a node that is ready", || {
        // Its connections are closed when it begins anew.
        let mut client = Client::tcp(node.address()).ok()?;
        client.try_run("HELLO 3").ok()?;
        let status = client.try_run("FABRIC STATUS").ok()?;
        let is_so = status.field("state")?.text() == "ready" && status.field("nodes-up")?.int() == count;
        is_so.then_some(client)
    })
}

/// Nothing is left to hand over when all are stopped at once.
fn kill_all<'a>(nodes: impl IntoIterator<Item = &'a mut Server>) {
    nodes.into_iter().for_each(Server::kill9);
}

#[test]
fn a_node_that_is_alone_joins_another_cluster_and_is_back_on_its_ports() {
    if skip_unless_narf() {
        return;
    }
    let http = free_port();
    let first = Server::start(Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 8));
    let second = Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 16).unix_socket();
    // What it was told is no longer so there.
    let second = second.expect_log("as asked for");
    let (certificates, tls) = (Certificates::new(), free_port());
    let second = sealed(second, &certificates, tls).set("tls-auth-clients", "no");
    let mut second = Server::start(second.set("http-port", http).workers(2));
    let mut client = second.client();
    let old = client.run("CLUSTER MYID").text();
    client.check("CONFIG SET slowlog-max-len 77", "+OK");
    client.check("ACL SETUSER ada on nopass", "+OK");
    std::fs::write(second.data_path().join("notes"), "not the node's").unwrap();
    let token = first.client().run("FABRIC INVITE 60").text();
    let mut idle = second.client();
    let (code, told, error) = narf(&second, &["join", &token]);
    assert!((code, told.trim()) == (0, "OK"), "{told} {error}");
    eventually("closed connections", || idle.try_run("PING").is_err().then_some(()));

    let mut client = wait_until_ready(&second, 2);
    assert_ne!(client.run("CLUSTER MYID").text(), old);
    client.check("SET k v", "+OK");
    first.client().check("GET k", "\"v\"");
    first.client().check("SET l w", "+OK");
    second.unix_client().check("GET l", "\"w\"");
    let tls = SocketAddr::from((Ipv4Addr::LOCALHOST, tls));
    Client::tls(tls, &certificates.config(None)).unwrap().check("GET l", "\"w\"");
    let mut page = TcpStream::connect(("127.0.0.1", http)).unwrap();
    page.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // What was set stays set; users are those of the cluster.
    assert_eq!(client.run("CONFIG GET slowlog-max-len").items()[1].text(), "77");
    assert_eq!(client.run("ACL USERS").items().len(), 1);
    assert!(second.data_path().join("notes").exists(), "what is not the node's stays");

    // It is a member for good, and nobody's token is good twice.
    let (code, _, error) = narf(&second, &["join", &token]);
    assert!(code == 1 && error.contains("one of 2 of the cluster"), "{error}");
    second.kill9();
    second.restart();
    let mut client = wait_until_ready(&second, 2);
    client.check("GET l", "\"w\"");
    signal(second.pid(), Signal::Interrupt);
    assert!(second.wait().success(), "{}", second.log());
    first.client().check("GET k", "\"v\"");
}

#[test]
fn a_node_without_data_joins_one_of_the_same_user_by_its_address_or_whichever_there_is() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let run = runtime.path().join("run");
    let mut first = Server::start(lone(&run));
    let mut others =
        [Server::start(lone(&run).data(Data::None)), Server::start(lone(&run).set("cluster", "elsewhere"))];
    let (code, _, error) = narf(&others[0], &["join", "127.0.0.1:1"]);
    assert!(code == 1 && error.contains(&format!("127.0.0.1:{}", first.port())), "{error}");
    let (code, _, error) = narf(&others[0], &["join", &format!("127.0.0.1:{}", others[0].port())]);
    assert!(code == 1 && error.contains("no other node"), "{error}");
    for (node, count) in others.iter().zip(2..) {
        let (code, _, error) = narf(node, &["join", &format!("localhost:{}", first.port())]);
        assert_eq!(code, 0, "{error}");
        wait_until_ready(node, count).check("SET k v", "+OK");
    }
    first.client().check("GET k", "\"v\"");
    // Of the same name there is only that cluster now.
    let mut last = Server::start(lone(&run));
    assert_eq!(narf(&last, &["join", "auto"]).0, 0);
    wait_until_ready(&last, 4).check("GET k", "\"v\"");
    kill_all([&mut first, &mut last].into_iter().chain(&mut others));
}

#[test]
fn a_node_that_may_not_join_another_cluster_serves_on_as_before() {
    if skip_unless_narf() {
        return;
    }
    let alone = || Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 8);
    let (mut first, mut second) = (Server::start(alone()), Server::start(alone()));
    let mut client = second.client();
    let id = client.run("CLUSTER MYID").text();
    client.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    let token = || first.client().run("FABRIC INVITE 60").text();
    let mut refused = |words: &str, expect: &str| {
        let answer = client.run(&format!("FABRIC JOIN {words}")).text();
        assert!(answer.contains(expect), "{words}: {answer}");
    };
    refused("somewhere", "no join token");
    refused(&token()[..50], "ends before its secret");
    refused("auto", "no other node of yours");
    let own = second.client().run("FABRIC INVITE 60").text();
    refused(&own, "this node's own cluster");
    // Used by somebody who is not here any more, expired, or of nobody.
    let used = token();
    let mut third = Server::start(alone());
    third.client().check(&format!("FABRIC JOIN {used}"), "+OK");
    refused(&used, "was used by");
    let brief = first.client().run("FABRIC INVITE 1").text();
    std::thread::sleep(Duration::from_millis(1100));
    refused(&brief, "expired");
    let parts: Vec<&str> = used.splitn(4, '.').collect();
    let other = |secret: &str, places: &str| format!("{}.{}.{secret}.{places}", parts[0], parts[1]);
    refused(&other(&"00".repeat(16), parts[3]), "not known");
    refused(&other(parts[2], "192.0.2.1:16379"), "could not reach it");
    // Where nobody is it asks for a while, and holds writes meanwhile.
    let nowhere = other(parts[2], &format!("127.0.0.1:{}", free_port()));
    let begin = Instant::now();
    let mut both = [second.client(), second.client()];
    both.iter_mut().for_each(|client| client.send(&format!("FABRIC JOIN {nowhere}")));
    let moment = Duration::from_millis(20);
    let told = |client: &mut Client| client.next_reply(moment).unwrap().map(|reply| reply.text());
    let first_told = eventually("one of two that is told that another is under way", || {
        both.iter_mut().position(|client| told(client).is_some_and(|text| text.contains("already")))
    });
    let mut other = second.client();
    other.check("GET k", "nil");
    other.check("CLIENT UNPAUSE", "+OK");
    other.check("SET k v", "+OK");
    assert!(begin.elapsed() > Duration::from_secs(5), "{:?}", begin.elapsed());
    let answer = both[1 - first_told].reply().text();
    assert!(answer.contains("cannot speak with a node"), "{answer}");
    let (code, _, error) = narf(&second, &["join", &token()]);
    assert!(code == 1 && error.contains("holds 1 key,") && error.contains("FLUSHALL"), "{error}");
    let mut client = second.client();
    client.check("SELECT 3", "+OK");
    client.check("SET other 1", "+OK");
    let answer = client.run(&format!("FABRIC JOIN {}", token())).text();
    assert!(answer.contains("holds 2 keys,"), "{answer}");
    client.check("MULTI", "+OK");
    client.check("FABRIC JOIN auto", "-ERR Command not allowed inside a transaction");
    client.check("DISCARD", "+OK");
    client.check("CLUSTER MYID", &format!("\"{id}\""));
    // It lets others in still, and then it is not alone.
    let guest = second.client().run("FABRIC INVITE 60").text();
    let mut guest = Server::start(alone().set("join", guest));
    wait_until_ready(&guest, 2).check("SELECT 3", "+OK");
    let answer = client.run(&format!("FABRIC JOIN {}", token())).text();
    assert!(answer.contains("one of 2 of the cluster"), "{answer}");
    let slow = second.client().run("SLOWLOG GET 100").to_string();
    assert!(slow.contains("JOIN") && !slow.contains(&used[..20]), "a token is in the slow log: {slow}");
    kill_all([&mut first, &mut second, &mut third, &mut guest]);
}

#[test]
fn a_node_that_is_to_stay_on_its_own_joins_nobody() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().kind(Kind::Narf).data(Data::None).set("join", "none"));
    let (code, _, error) = narf(&node, &["join", "auto"]);
    assert!(code == 1 && error.contains("on its own"), "{error}");
}
