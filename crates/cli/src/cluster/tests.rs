//! What `narf cluster` shows: golden files for pictures and tables, texts for what is short.

use super::*;

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

fn map(pairs: Vec<(&str, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(name, value)| (bulk(name), value)).collect())
}

/// The same as RESP2 has it.
fn flat(value: &Value) -> Value {
    match value {
        Value::Map(pairs) => {
            Value::Array(pairs.iter().flat_map(|(name, value)| [flat(name), flat(value)]).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(flat).collect()),
        value => value.clone(),
    }
}

fn members(names: &[&str]) -> Value {
    let member = |(number, name): (usize, &&str)| {
        map(vec![
            ("name", bulk(name)),
            ("id", bulk(&format!("{number:032x}"))),
            ("state", bulk(if number == 1 { "down" } else { "up" })),
            ("kind", bulk("data")),
            ("address", bulk(&format!("10.0.0.{number}:6379"))),
            ("link", bulk(if number == 2 { "down" } else { "up" })),
            ("partitions", Value::Int(64)),
            ("leads", Value::Int(if number == 0 { 7 } else { 21 })),
        ])
    };
    Value::Array(names.iter().enumerate().map(member).collect())
}

const NAMES: [&str; 3] =
    ["quiet-otter", "brave-finch", "a-node-with-a-name-that-is-longer-than-it-should-be"];

/// Each node leads a third; nobody leads every 50th partition, and one copy is missing of the last four.
fn partitions(count: usize) -> Value {
    let partition = |number: usize| {
        let slots = 16384 / count;
        let leader = number * 3 / count;
        let holders = (0..3).filter(|node| number + 4 < count || *node != (leader + 1) % 3);
        map(vec![
            ("partition", Value::Int(number as i64)),
            ("first-slot", Value::Int((number * slots) as i64)),
            ("last-slot", Value::Int((number * slots + slots - 1) as i64)),
            ("leader", if number % 50 == 9 { Value::Null } else { bulk(NAMES[leader]) }),
            ("term", Value::Int(3)),
            ("nodes", Value::Array(holders.map(|node| bulk(NAMES[node])).collect())),
        ])
    };
    Value::Array((0..count).map(partition).collect())
}

const PLAIN: Look = Look { in_colour: false, is_terminal: false };

#[track_caller]
fn golden(shown: &str, name: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("NARF_GOLDEN").is_some() {
        std::fs::write(&path, shown).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expect, "differs from {path}; NARF_GOLDEN=1 rewrites it");
}

#[track_caller]
fn check(verb: &str, reply: &Value, look: Look, name: &str) {
    let shown = draw(verb, reply, || Some(members(&NAMES)), look).unwrap();
    golden(&shown, name);
    assert_eq!(draw(verb, &flat(reply), || Some(flat(&members(&NAMES))), look).unwrap(), shown, "in RESP2");
    if !look.is_terminal {
        assert!(shown.is_ascii(), "{shown}");
    }
    if verb == "map" && !look.in_colour {
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?}");
    }
}

fn status_of(state: &str) -> Value {
    map(vec![("state", bulk(state)), ("cluster", bulk("default")), ("nodes-up", Value::Int(3))])
}

fn clock_of(state: &str, offset: i64) -> Value {
    map(vec![
        ("state", bulk(state)),
        ("offset-ms", Value::Int(offset)),
        ("time-ms", Value::Int(1_700_000_000_000)),
    ])
}

#[test]
fn a_cluster_is_shown_to_people_as_in_the_golden_files() {
    for count in [16, 64, 256, 2000] {
        check("map", &partitions(count), PLAIN, &format!("map_{count}.txt"));
    }
    check("map", &partitions(64), Look { in_colour: true, is_terminal: true }, "map_coloured.txt");
    check("map", &partitions(64), Look { in_colour: false, is_terminal: true }, "map_terminal.txt");
    check("members", &members(&NAMES), PLAIN, "members.txt");
    check("status", &status_of("ready"), PLAIN, "status.txt");
    let partition = partitions(64).as_slice().unwrap()[9].clone();
    check("owner", &partition, PLAIN, "owner.txt");
    check("clock", &clock_of("alarm", -3_600_000), PLAIN, "clock.txt");
}

#[test]
fn a_map_is_drawn_without_members_and_with_more_nodes_than_letters() {
    let shown = draw("map", &partitions(16), || None, PLAIN).unwrap();
    assert!(shown.contains("quiet-otter"), "{shown}");
    let names: Vec<String> = (0..70).map(|number| format!("node-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = draw("map", &partitions(16), || Some(members(&names)), PLAIN).unwrap();
    assert!(shown.contains("+  node-69"), "{shown}");
    assert!(draw("map", &Value::Array(Vec::new()), || None, PLAIN).is_some());
}

#[test]
fn what_a_server_says_cannot_drive_a_terminal() {
    let evil = map(vec![("state", bulk("x\x1b[2J\ny")), ("\x1b[1m", bulk("z"))]);
    let shown = draw("status", &evil, || None, PLAIN).unwrap();
    assert!(!shown.contains('\x1b') && shown.lines().count() == 2, "{shown:?}");
}

#[test]
fn short_replies_are_sentences() {
    let shown = |verb: &str, reply: &Value| draw(verb, reply, || None, PLAIN);
    let nothing = Value::Array(Vec::new());
    assert_eq!(shown("check", &nothing).as_deref(), Some("healthy: nothing to do\n"));
    let found = Value::Array(vec![bulk("one"), bulk("two")]);
    assert_eq!(shown("check", &found).as_deref(), Some("- one\n- two\n"));
    assert_eq!(shown("invite", &bulk("narf1.x")).as_deref(), Some("narf1.x\n"));
    assert_eq!(shown("rebalance", &nothing).as_deref(), Some("nothing to move: all is where it should be\n"));
    assert_eq!(shown("drain", &Value::Simple("OK".into())), None);
    assert_eq!(shown("status", &Value::Error("ERR no".into())), None);
}

#[test]
fn csv_has_a_header_and_a_row_for_each_thing() {
    let csv = |verb: &str, reply: &Value| {
        let rows =
            |reply| rows(verb, reply).map(|rows| Renderer::new(Format::Csv, false).csv(&rows)).unwrap();
        let shown = rows(reply);
        assert_eq!(rows(&flat(reply)), shown, "in RESP2");
        shown
    };
    assert_eq!(csv("status", &status_of("ready")), "state,cluster,nodes-up\nready,default,3\n");
    assert_eq!(csv("clock", &clock_of("alarm", -7)), "state,offset-ms,time-ms\nalarm,-7,1700000000000\n");
    let map = csv("map", &partitions(16));
    let mut lines = map.lines();
    assert_eq!(lines.next(), Some("partition,first-slot,last-slot,leader,term,nodes"));
    let nodes = NAMES.join(" ");
    assert_eq!(lines.next(), Some(format!("0,0,1023,quiet-otter,3,{nodes}").as_str()));
    assert_eq!(lines.nth(8), Some(format!("9,9216,10239,,3,{nodes}").as_str()), "no leader");
    assert_eq!(map.lines().count(), 17);
    assert_eq!(csv("check", &Value::Array(Vec::new())), "finding\n");
    assert_eq!(csv("check", &Value::Array(vec![bulk("a, b")])), "finding\n\"a, b\"\n");
    assert_eq!(csv("invite", &bulk("narf1.x")), "token\nnarf1.x\n");
    assert_eq!(csv("rebalance", &Value::Array(Vec::new())), "partition,now,then\n");
    assert_eq!(csv("members", &members(&NAMES)).lines().count(), 4);
    assert_eq!(rows("drain", &Value::Simple("OK".into())), None);
}

#[test]
fn only_a_ready_node_and_a_cluster_that_is_well_are_done() {
    for (state, exit) in
        [("ready", Exit::Done), ("joining", Exit::Degraded), ("moving", Exit::Degraded), ("", Exit::Degraded)]
    {
        assert_eq!(exit_of("status", &status_of(state)), exit, "{state}");
        assert_eq!(exit_of("status", &flat(&status_of(state))), exit, "{state}");
    }
    for (state, exit) in
        [("waits", Exit::Done), ("follows", Exit::Done), ("slower", Exit::Done), ("alarm", Exit::Degraded)]
    {
        assert_eq!(exit_of("clock", &clock_of(state, 0)), exit, "{state}");
    }
    assert_eq!(exit_of("check", &Value::Array(Vec::new())), Exit::Done);
    assert_eq!(exit_of("check", &Value::Array(vec![bulk("one")])), Exit::Degraded);
    assert_eq!(exit_of("members", &members(&NAMES)), Exit::Done);
}
