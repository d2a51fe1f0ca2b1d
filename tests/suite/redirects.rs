//! Clients that are sent to the node that leads a key: by the setting, as they find it on Redis Cluster.

use std::process::{Command, Stdio};

use narf_tests::{Options, skip_unless_narf};

use crate::nodes::Cluster;
use crate::real_clients::{check, installed};

fn redirecting(_: usize, options: Options) -> Options {
    options.variable("NARF_REDIRECT", "yes")
}

#[test]
fn redis_cli_follows_to_the_node_that_leads() {
    if skip_unless_narf() || !installed("redis-cli") {
        return;
    }
    let cluster = Cluster::with(3, redirecting);
    let port = cluster.nodes[0].port().to_string();
    let cli = |words: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).stdin(Stdio::null()).output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    let mut moved = 0;
    for number in 0..30 {
        let (key, value) = (format!("key:{number}"), format!("{number}"));
        let plain = cli(&["SET", &key, &value]);
        if plain.starts_with("MOVED ") {
            moved += 1;
            assert!(cli(&["-c", "SET", &key, &value]).ends_with("OK\n"));
        } else {
            assert_eq!(plain, "OK\n");
        }
        assert!(cli(&["-c", "GET", &key]).ends_with(&format!("{value}\n")));
    }
    assert!((5..30).contains(&moved), "{moved} of 30 keys are led elsewhere");
    let mut client = cluster.nodes[0].client();
    client.check("MSET a 1 b 2", "-CROSSSLOT Keys in request don't hash to the same slot");
    client.check("CLIENT REDIRECT off", "+OK");
    client.check("MSET a 1 b 2", "+OK");
    client.check("CONFIG SET redirect no", "+OK");
    let mut client = cluster.nodes[0].client();
    client.check("MGET a b", r#"["1", "2"]"#);
}

#[test]
fn redis_py_finds_its_way_among_nodes_that_redirect() {
    let Some(python) = crate::real_clients::python().filter(|_| !skip_unless_narf()) else { return };
    let cluster = Cluster::with(3, redirecting);
    let ports = cluster.nodes.iter().map(|node| node.port().to_string());
    let mut command = Command::new(python);
    check(&command.arg(crate::real_clients::script("redirects.py")).args(ports).output().unwrap());
}
