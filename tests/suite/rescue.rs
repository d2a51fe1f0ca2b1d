//! `narf rescue`: a cluster that has lost its majority for good, and the one that is made of its folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use narf_tests::{Client, Data, Options, Server, eventually, narf_binary, skip_unless_narf};
use tempfile::TempDir;

use crate::chaos::load::{Load, audit};
use crate::nodes::{Cluster, default_options, options, write_anyhow};

const SESSION: &str = "018bcfe5-6800-7000-8000-0000000000aa";

/// Runs `narf rescue` with these words.
fn rescue(words: &[&str]) -> Output {
    Command::new(narf_binary()).arg("rescue").args(words).output().unwrap()
}

fn path(server: &Server) -> String {
    server.data_path().to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All files of a folder, by name.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// A place for a new folder, and what is to be removed with it.
fn place() -> (TempDir, String) {
    let folder = TempDir::with_prefix("narf-rescue-").unwrap();
    let path = folder.path().join("new").to_str().unwrap().to_owned();
    (folder, path)
}

/// Writes something of every kind, through all nodes.
fn fill(cluster: &Cluster) {
    let mut clients: Vec<Client> = cluster.nodes.iter().map(Server::client).collect();
    let nodes = clients.len();
    for number in 0..300 {
        clients[number % nodes].check(&format!("SET key:{number} {number}"), "+OK");
    }
    let client = &mut clients[0];
    client.check_all(
        r#"
        SET short 1 EX 1000 => +OK
        HSET hash a 1 b 2 => :2
        HEXPIRE hash 1000 FIELDS 1 a => [:1]
        ZADD scores 1 a 2 b => :2
        SELECT 5 => +OK
        RPUSH list a b c => :3
        SELECT 0 => +OK
        ACL SETUSER ada on >secret ~* +@all => +OK
        "#,
    );
    client.check(&format!("CLIENT SESSION SEQ {SESSION} 1"), "+OK");
    client.check("INCR counter", ":1");
}

/// Whether all of that is there.
fn check_filled(server: &Server) {
    let mut client = server.client();
    for number in 0..300 {
        client.check(&format!("GET key:{number}"), &format!("\"{number}\""));
    }
    assert!((1..=1000).contains(&client.run("TTL short").int()));
    assert!((1..=1000).contains(&client.run("HTTL hash FIELDS 1 a").items()[0].int()));
    client.check("ZSCORE scores b", "\"2\"");
    client.check("AUTH ada secret", "+OK");
    client.check("SELECT 5", "+OK");
    client.check("LRANGE list 0 -1", "[\"a\", \"b\", \"c\"]");
    // Sent again, it is answered as it was and not done again.
    let mut client = server.client();
    client.check(&format!("CLIENT SESSION SEQ {SESSION} 1"), "+OK");
    client.check("INCR counter", ":1");
    client.check("GET counter", "\"1\"");
}

/// Waits until all nodes have the same, and says what that is.
fn settled_digest(cluster: &Cluster) -> String {
    let mut clients: Vec<Client> = cluster.nodes.iter().map(Server::client).collect();
    eventually("replicas that are the same", || {
        let mut digests: Vec<String> =
            clients.iter_mut().map(|client| client.run("DEBUG DIGEST").text()).collect();
        digests.dedup();
        (digests.len() == 1).then(|| digests.remove(0))
    })
}

#[test]
fn out_of_all_folders_comes_all_that_was_acknowledged() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    fill(&cluster);
    let digest = settled_digest(&cluster);
    // No time for anybody to catch up with these.
    let mut client = cluster.nodes[1].client();
    let late: Vec<String> = (0..200).map(|number| format!("SET late:{number} {number}")).collect();
    client.pipeline(&late).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    cluster.kill_all();
    let folders: Vec<String> = cluster.nodes.iter().map(path).collect();
    let before: Vec<_> = folders.iter().map(|folder| contents(Path::new(folder))).collect();
    let (_keep, new) = place();
    let done = rescue(&[&folders[0], &folders[1], &folders[2], "--data", &new]);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    assert!(said.contains("nothing that was acknowledged is missing"), "{said}");
    assert!(said.contains(&format!("next: narf serve --data {new}")), "{said}");
    let after: Vec<_> = folders.iter().map(|folder| contents(Path::new(folder))).collect();
    assert!(before == after, "folders that are read stay as they are");
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let mut server = Server::start(options(&runtime.path().join("run")).data(Data::At(new.into())));
    for _ in 0..2 {
        check_filled(&server);
        let mut client = server.client();
        client.check("DBSIZE", &format!(":{}", 300 + 4 + 200));
        for number in 0..200 {
            client.check(&format!("GET late:{number}"), &format!("\"{number}\""));
        }
        server.kill9();
        server.restart();
    }
    let mut client = server.client();
    let delete: Vec<String> = (0..200).map(|number| format!("DEL late:{number}")).collect();
    client.pipeline(&delete);
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
}

#[test]
fn what_was_acknowledged_under_load_is_in_any_majority_of_the_folders() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 8);
    load.wait_for(3000);
    // One after the other: for a moment two go on without the first.
    cluster.kill_all();
    (0..3).for_each(|node| load.set_place(node, None));
    let ledgers = load.stop();
    let folders: Vec<String> = cluster.nodes.iter().map(path).collect();
    for nodes in [&[0, 1, 2][..], &[0, 1], &[2, 1], &[2, 0]] {
        let (_keep, new) = place();
        let words = nodes.iter().map(|node| folders[*node].as_str()).chain(["--data", &new]);
        let done = rescue(&words.collect::<Vec<_>>());
        let said = text(&done.stdout);
        assert!(said.contains("nothing that was acknowledged is missing"), "{said}{}", text(&done.stderr));
        let runtime = TempDir::with_prefix("narf-run-").unwrap();
        let server = Server::start(options(&runtime.path().join("run")).data(Data::At(new.into())));
        let (checked, wrong) = audit(std::slice::from_ref(&server), &ledgers);
        assert!(wrong.is_empty(), "{nodes:?}: {} of {checked}: {wrong:#?}", wrong.len());
        assert!(checked > 1000);
    }
}

#[test]
fn one_survivor_becomes_a_cluster_that_new_nodes_join_and_old_ones_never() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    fill(&cluster);
    let digest = settled_digest(&cluster);
    let status = cluster.nodes[0].client3().run("FABRIC STATUS");
    let old_cluster = status.field("cluster-id").unwrap().text();
    assert!(status.field("rescued").is_none());
    cluster.nodes[0].kill9();
    cluster.nodes[1].kill9();
    let mut client = cluster.nodes[2].client3();
    eventually("a word on the way out", || {
        client.run("FABRIC CHECK").to_string().contains("`narf rescue`").then_some(())
    });
    let (_keep, new) = place();
    let survivor = path(&cluster.nodes[2]);
    let refused = rescue(&[&survivor, "--data", &new]);
    assert!(text(&refused.stderr).contains("is in use by process"), "{}", text(&refused.stderr));
    assert!(!refused.status.success() && !Path::new(&new).exists());
    cluster.nodes[2].kill9();
    let done = rescue(&[&survivor, "--data", &new, "-o", "json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(said.contains("\"partitions\":8,\"missing\":0") && said.contains("never reached"), "{said}");
    assert!(said.contains(&format!("\"next\":\"narf serve --data {new}\"")), "{said}");
    // Where a node of the old one can be found, too.
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let run = runtime.path().join("run");
    let first = Server::start(options(&run).data(Data::At(new.clone().into())).set("log-level", "info"));
    check_filled(&first);
    assert_eq!(first.client().run("DEBUG DIGEST").text(), digest);
    assert!(first.log().contains("made out of what was left of another"), "{}", first.log());
    let status = first.client3().run("FABRIC STATUS");
    assert_ne!(status.field("cluster-id").unwrap().text(), old_cluster);
    let rescued = status.field("rescued").unwrap().text();
    assert!(rescued.starts_with(&format!("from cluster {old_cluster} (")), "{rescued}");
    let second = Server::start(options(&run));
    let mut client = second.client3();
    eventually("a new node that has its data", || {
        (client.run("FABRIC STATUS").field("replicas")?.int() == 2).then_some(())
    });
    assert_eq!(settled(&[&first, &second]), digest);
    // An old node starts again on the same machine, and is told where one of the new ones is.
    let told = peer_address_of(&first);
    cluster.nodes[0].restart_with(|options| options.runtime(&run).set("join", told));
    let mut old = cluster.nodes[0].client3();
    let is_cut_off = |reply: &str| reply.contains("CLUSTERDOWN");
    eventually("an old node that serves nothing", || {
        is_cut_off(&old.run("SET key:1 old").to_string()).then_some(())
    });
    assert_eq!(client.run("FABRIC MEMBERS").items().len(), 2);
    assert_eq!(old.run("FABRIC MEMBERS").items().len(), 3, "it knows of its own cluster only");
    write_anyhow(&mut client, "SET key:1 new");
    first.client().check("GET key:1", "\"new\"");
}

fn settled(servers: &[&Server]) -> String {
    let mut clients: Vec<Client> = servers.iter().map(|server| server.client()).collect();
    eventually("replicas that are the same", || {
        let mut digests: Vec<String> =
            clients.iter_mut().map(|client| client.run("DEBUG DIGEST").text()).collect();
        digests.dedup();
        (digests.len() == 1).then(|| digests.remove(0))
    })
}

fn peer_address_of(server: &Server) -> String {
    let members = server.client3().run("FABRIC MEMBERS");
    let port = server.port().to_string();
    let is_it = |member: &&narf_tests::Value| member.to_string().contains(&port);
    let member = members.items().iter().find(is_it).unwrap().clone();
    member.field("peer-address").unwrap().text()
}

/// A folder of a cluster of one node, with something in it.
fn folder_of_one(keys: usize) -> (TempDir, Server) {
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let mut server = Server::start(options(&runtime.path().join("run")));
    let lines: Vec<String> = (0..keys).map(|number| format!("SET key:{number} {:0>200}", number)).collect();
    for lines in lines.chunks(1000) {
        server.client().pipeline(lines).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    }
    server.kill9();
    (runtime, server)
}

#[track_caller]
fn check_refused(words: &[&str], expect: &str) {
    let done = rescue(words);
    let said = text(&done.stderr);
    assert!(done.status.code() == Some(1) && said.contains(expect), "{said}");
}

#[test]
fn what_cannot_be_rescued_is_refused_and_nothing_is_left_behind() {
    if skip_unless_narf() {
        return;
    }
    let (_runtime, server) = folder_of_one(100);
    let (keep, new) = place();
    let folder = path(&server);
    check_refused(&[&new, "--data", &new], "cannot open data folder");
    check_refused(&[keep.path().to_str().unwrap(), "--data", &new], "is not the data folder of a node");
    check_refused(&[&folder, &folder, "--data", &new], "are of the same node");
    check_refused(&[&folder, "--data", &folder], "is not empty");
    check_refused(&[&folder, "--data", &format!("{folder}/new")], "must stay as it is");
    check_refused(&[&folder, "--data", &format!("{folder}/a/b/new")], "must stay as it is");
    assert!(!Path::new(&folder).join("a").exists());
    let mut alone = Server::start(Options::new().data(Data::Temporary).set("join", "none"));
    alone.kill9();
    check_refused(&[&path(&alone), "--data", &new], "is of a node on its own");
    let (_other_runtime, other) = folder_of_one(1);
    check_refused(&[&folder, &path(&other), "--data", &new], "is of another cluster");
    // A damaged file is named, with the place.
    let segment = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .unwrap();
    let whole = fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[5000] ^= 1;
    fs::write(&segment, &damaged).unwrap();
    check_refused(&[&folder, "--data", &new], "is damaged at offset");
    fs::write(&segment, &whole).unwrap();
    let left: Vec<_> = fs::read_dir(keep.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    // An empty folder will do, and a path that is to be made.
    fs::create_dir(&new).unwrap();
    assert!(rescue(&[&folder, "--data", &new]).status.success());
    check_refused(&[&folder, "--data", &new], "is not empty");
    assert!(rescue(&[&folder, "--data", &format!("{new}-2/a/b")]).status.success());
}

#[test]
fn a_rescue_that_is_killed_leaves_nothing_that_starts() {
    if skip_unless_narf() {
        return;
    }
    let (runtime, server) = folder_of_one(60_000);
    let (keep, new) = place();
    let unfinished = format!("{new}.unfinished");
    let (mut kills, mut tried) = (0, 0);
    for millis in (1..2000).step_by(7) {
        let mut child =
            Command::new(narf_binary()).args(["rescue", &path(&server), "--data", &new]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        if Path::new(&new).exists() {
            break;
        }
        if !Path::new(&unfinished).exists() {
            continue;
        }
        kills += 1;
        let has = |part: &str| {
            let mut names = fs::read_dir(&unfinished).unwrap().map(|entry| entry.unwrap().file_name());
            names.any(|name| name.to_string_lossy().contains(part))
        };
        if tried < 2 && has(".ckp") && !has("node.meta") {
            tried += 1;
            let options = default_options(&runtime.path().join("other"));
            let (status, log) = Server::start_in_vain(options.data(Data::At(unfinished.clone().into())));
            assert!(!status.success() && log.contains("node.meta"), "{log}");
        }
        check_refused(&[&path(&server), "--data", &new], "delete it and try again");
        fs::remove_dir_all(&unfinished).unwrap();
    }
    assert!(kills > 0, "it was too quick");
    if !Path::new(&new).exists() {
        assert!(rescue(&[&path(&server), "--data", &new]).status.success());
    }
    let whole = Server::start(options(&keep.path().join("run")).data(Data::At(new.into())));
    whole.client().check("DBSIZE", ":60000");
}

#[test]
fn a_witness_has_nothing_to_be_rescued() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let options = || options(&runtime.path().join("run"));
    let mut nodes: Vec<Server> = (0..2).map(|_| Server::start(options())).collect();
    nodes.push(Server::start(options().variable("NARF_WITNESS", "yes")));
    let mut client = nodes[0].client3();
    eventually("a cluster of two and a witness", || {
        (client.run("FABRIC STATUS").field("may-lose")?.int() == 1).then_some(())
    });
    write_anyhow(&mut client, "SET k v");
    nodes.iter_mut().for_each(Server::kill9);
    let (_keep, new) = place();
    check_refused(&[&path(&nodes[2]), "--data", &new], "a witness holds no data");
    let done = rescue(&[&path(&nodes[2]), &path(&nodes[0]), &path(&nodes[1]), "--data", &new]);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(said.contains("a witness, which holds no data"), "{said}");
    assert!(said.contains("nothing that was acknowledged is missing"), "two of three have all: {said}");
}

#[test]
fn partitions_that_no_folder_has_are_named_and_start_empty_if_that_is_accepted() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(5);
    let mut client = cluster.nodes[0].client();
    let sets: Vec<String> = (0..200).map(|number| format!("SET key:{number} {number}")).collect();
    client.pipeline(&sets).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    settled_replicas(&cluster);
    // Who held all when the cluster began has let go of what is to be elsewhere: 8 partitions, 3 replicas of each.
    eventually("no more replicas than are wanted", || {
        let held = |node: &Server| {
            ["narf_groups_led:", "narf_groups_followed:"]
                .iter()
                .filter_map(|field| {
                    node.client()
                        .run("INFO cluster")
                        .text()
                        .split_once(field)?
                        .1
                        .lines()
                        .next()?
                        .parse::<u64>()
                        .ok()
                })
                .sum::<u64>()
        };
        (cluster.nodes.iter().map(held).sum::<u64>() == 24).then_some(())
    });
    let mut names = Vec::new();
    for node in &cluster.nodes {
        names.push(node.client3().run("FABRIC STATUS").field("node").unwrap().text());
    }
    cluster.kill_all();
    let (_keep, new) = place();
    let folder = path(&cluster.nodes[0]);
    let refused = rescue(&[&folder, "--data", &new]);
    let said = text(&refused.stderr);
    assert!(
        said.contains("nothing was found, to start empty; was to be on ") && said.contains("(slots "),
        "{said}"
    );
    assert!(names[1..].iter().any(|name| said.contains(name)), "{said}");
    assert!(said.contains("--accept-loss") && !Path::new(&new).exists(), "{said}");
    let done = rescue(&[&folder, "--data", &new, "--accept-loss"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(said.contains("nothing was found, to start empty"), "{said}");
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let server = Server::start(options(&runtime.path().join("run")).data(Data::At(new.into())));
    let mut client = server.client();
    let left = client.run("DBSIZE").int();
    assert!((1..200).contains(&left), "{left}");
    assert!(
        said.starts_with(&folder) && said.contains(&format!("\n{left} keys and 0 users rescued")),
        "{said}"
    );
    client.pipeline(&sets).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    client.check("DBSIZE", ":200");
    assert!(client.run("FABRIC STATUS").to_string().contains("with loss accepted"));
}

/// Waits until each replica has all that its leader has.
fn settled_replicas(cluster: &Cluster) {
    let mut clients: Vec<Client> = cluster.nodes.iter().map(Server::client3).collect();
    eventually("replicas that have all", || {
        clients.iter_mut().all(|client| client.run("FABRIC CHECK").items().is_empty()).then_some(())
    });
}
