//! Whether a cluster does with several keys what the table says (`command::Scope`): refuses them unless they are in one
//! partition, cuts the request, or tries them in turn. The reference pages tell users so.

use std::collections::{BTreeMap, BTreeSet};

use command::{Run, Scope, all};
use narf_tests::{Client, skip_unless_narf};

use crate::nodes::Cluster;

/// A request of each command that can name several keys: `A` and `B` are keys, `T` one that holds text, `L` a list with one
/// element, and `Z` a sorted set. What is not set is absent.
const REQUESTS: &[&str] = &[
    "LCS A B",
    "MGET A B",
    "MSET A 1 B 2",
    "MSETEX 2 A 1 B 2",
    "MSETNX A 1 B 2",
    "SDIFF A B",
    "SDIFFCARD 2 A B",
    "SDIFFSTORE A B",
    "SINTER A B",
    "SINTERCARD 2 A B",
    "SINTERSTORE A B",
    "SMOVE A B x",
    "SUNION A B",
    "SUNIONCARD 2 A B",
    "SUNIONSTORE A B",
    "BLMOVE A B LEFT LEFT 0.01",
    "BLMOVEM A B LEFT LEFT 0.01",
    "BLMPOP 0.01 2 A B LEFT",
    "BLPOP A B 0.01",
    "BRPOP A B 0.01",
    "BRPOPLPUSH A B 0.01",
    "LMOVE A B LEFT LEFT",
    "LMOVEM A B LEFT LEFT",
    "LMPOP 2 A B LEFT",
    "RPOPLPUSH A B",
    "BZMPOP 0.01 2 A B MIN",
    "BZPOPMAX A B 0.01",
    "BZPOPMIN A B 0.01",
    "ZDIFF 2 A B",
    "ZDIFFSTORE A 1 B",
    "ZINTER 2 A B",
    "ZINTERCARD 2 A B",
    "ZINTERSTORE A 1 B",
    "ZMPOP 2 A B MIN",
    "ZRANGESTORE A B 0 -1",
    "ZUNION 2 A B",
    "ZUNIONSTORE A 1 B",
    "BITOP AND A B",
    "GEORADIUS A 0 0 1 KM STORE B",
    "GEORADIUSBYMEMBER A x 1 KM STORE B",
    "GEOSEARCHSTORE A B FROMLONLAT 0 0 BYRADIUS 1 KM",
    "PFCOUNT A B",
    "PFMERGE A B",
    "COPY A B",
    "DEL A B",
    "EXISTS A B",
    "RENAME A B",
    "RENAMENX A B",
    "SORT A STORE B",
    "TOUCH A B",
    "UNLINK A B",
    "WATCH A B",
    "DEBUG DIGEST-VALUE A B",
];

/// Refused whatever its keys.
const NOT_ASKED: &[&str] = &["migrate"];

fn requests() -> BTreeMap<&'static str, &'static str> {
    let of = |request: &&'static str| {
        let words = narf_tests::words(request);
        let args = words.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>();
        let request_words = base::Request::from_parts(args);
        let command::Lookup::Found(spec) = command::lookup(request_words.args()) else { panic!("{request}") };
        (spec.name, *request)
    };
    REQUESTS.iter().map(of).collect()
}

/// Runs a request with two keys; what is answered.
fn answer(client: &mut Client, request: &str, a: &str, b: &str) -> String {
    client.run("UNWATCH");
    let named = |word: &str| match word {
        "A" => a.to_owned(),
        "B" => b.to_owned(),
        other => other.to_owned(),
    };
    let line = request.split(' ').map(named).collect::<Vec<_>>().join(" ");
    client.run(&line).to_string()
}

#[test]
fn two_keys_are_served_on_several_nodes_as_the_table_says() {
    if skip_unless_narf() {
        return;
    }
    let requests = requests();
    let several = all().filter(|spec| spec.is_listed() && spec.names_several_keys());
    let wanted: BTreeSet<&str> =
        several.map(|spec| spec.name).filter(|name| !NOT_ASKED.contains(name)).collect();
    assert_eq!(requests.keys().copied().collect::<BTreeSet<_>>(), wanted, "commands with several keys");

    let cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    let (a, b) = ("key:0", "key:1");
    let slots: Vec<i64> =
        [a, b].iter().map(|key| client.run(&format!("CLUSTER KEYSLOT {key}")).int() / 2048).collect();
    assert_ne!(slots[0], slots[1], "keys of two partitions");
    for (name, request) in requests {
        let scope = command::lookup_name(name).unwrap().scope();
        let is_refused = |text: &str| text.starts_with("-CROSSSLOT");
        let apart = answer(&mut client, request, a, b);
        assert_eq!(is_refused(&apart), scope == Scope::Partition, "{request} in two partitions: {apart}");
        assert!(is_refused(&apart) || !apart.starts_with('-'), "{request}: {apart}");
        let together = answer(&mut client, request, "{t}a", "{t}b");
        assert!(!is_refused(&together), "{request} with one tag: {together}");
        client.check("SELECT 1", "+OK");
        let elsewhere = answer(&mut client, request, a, b);
        assert!(!is_refused(&elsewhere), "{request} in database 1: {elsewhere}");
        client.check("SELECT 0", "+OK");
    }
}

#[test]
fn what_concerns_all_partitions_is_answered_for_all_and_what_needs_a_lone_node_is_refused() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(2);
    let (mut client, mut other) = (cluster.nodes[0].client(), cluster.nodes[1].client());
    let sets = (0..40).map(|number| format!("SET key:{number} x"));
    client.pipeline(sets).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    let mut asked = BTreeSet::new();
    for spec in all().filter(|spec| matches!(spec.run, Run::Node(_)) && spec.is_listed()) {
        match (spec.scope(), spec.name) {
            (Scope::Database, name @ ("flushall" | "flushdb")) => {
                client.check("SET key:0 x", "+OK");
                other.check(name, "+OK");
                client.check("DBSIZE", ":0");
                client.pipeline((0..40).map(|number| format!("SET key:{number} x")));
            }
            (Scope::Database, "dbsize") => other.check("DBSIZE", ":40"),
            (Scope::Database, "keys") => assert_eq!(other.run("KEYS *").items().len(), 40),
            (Scope::Database, "randomkey") => assert!(other.run("RANDOMKEY").text().starts_with("key:")),
            (Scope::Database, "scan") => {
                let (mut cursor, mut count) = ("0".to_owned(), 0);
                loop {
                    let part = other.run(&format!("SCAN {cursor}")).items();
                    cursor = part[0].text();
                    count += part[1].items().len();
                    if cursor == "0" {
                        break;
                    }
                }
                assert_eq!(count, 40);
            }
            (Scope::Alone, "swapdb") => {
                let text = other.run("SWAPDB 0 1").to_string();
                assert!(text.contains("spread over several nodes"), "{text}");
            }
            (Scope::Database | Scope::Alone, name) => panic!("{name} is not asked here"),
            _ => continue,
        }
        asked.insert(spec.name);
    }
    assert_eq!(asked.len(), 7, "{asked:?}");
}
