//! `narf top`: in scripts, and at a terminal.

use std::process::{Command, Output};

use narf_tests::{Terminal, eventually, narf_binary, skip_unless_narf};

use super::{Desk, text};
use crate::nodes::Cluster;

impl Desk {
    fn top(&self, args: &[&str]) -> Output {
        let mut command = Command::new(narf_binary());
        command.arg("top").args(args).env_clear().env("NARF_URL", self.url()).output().unwrap()
    }
}

fn json(output: &Output) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_look_for_scripts_has_every_view() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut c = desk.server.client();
    c.check("CLIENT SETNAME web", "+OK");
    c.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    c.check("MSET a 1 b 2", "+OK");
    let seen = json(&desk.top(&["--once", "--every", "100ms", "-o", "json"]));
    let node = &seen["nodes"][0];
    assert_eq!((node["address"].as_str(), node["keys"].as_i64()), (Some(desk.url().as_str()), Some(2)));
    // The one that looks is one of them.
    assert_eq!(node["clients"], 2);
    // What looks is called as well.
    assert!(node["ops/s"].as_f64().unwrap() > 0.0, "{node}");
    let rows = |view: &str| seen[view].as_array().unwrap().clone();
    let mset = rows("commands").into_iter().find(|row| row["command"] == "mset").unwrap();
    assert_eq!(mset["calls"], 1);
    assert!(rows("clients").iter().any(|row| row["name"] == "web" && row["cmds/s"] == 0), "{seen}");
    assert!(rows("slow").iter().any(|row| row["request"] == "MSET a 1 b 2"), "{seen}");

    // Counting began with the first look, and goes on for some seconds.
    assert!(rows("hot").is_empty(), "{seen}");
    for _ in 0..30 {
        c.check("GET a", "\"1\"");
    }
    c.check("SET b 2", "+OK");
    let seen = json(&desk.top(&["--once", "--every", "10ms", "--view", "hot", "-o", "json"]));
    let hot = seen["hot"].as_array().unwrap();
    let names: Vec<_> =
        hot.iter().map(|row| (row["key"].as_str().unwrap(), row["command"].as_str().unwrap())).collect();
    assert_eq!(names, [("a", "get"), ("b", "set")], "{seen}");
    assert!(hot[0]["share%"].as_f64().unwrap() > 90.0, "{seen}");

    let shown = desk.top(&["--once", "--every", "10ms", "--view", "commands"]);
    let shown = text(&shown.stdout);
    assert!(shown.starts_with("nodes 1   ops/s ") && shown.contains("\ncommand "), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("mset ")), "{shown}");
}

#[test]
fn what_cannot_be_shown_says_why() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let refused = |args: &[&str]| {
        let output = desk.top(args);
        assert_eq!(output.stdout.len(), 0);
        (output.status.code(), text(&output.stderr))
    };
    assert!(matches!(refused(&[]), (Some(2), said) if said.contains("--once")));
    assert!(matches!(refused(&["--once", "-o", "csv"]), (Some(2), _)));
    assert!(
        matches!(refused(&["-u", "127.0.0.1:1", "--once"]), (Some(3), said) if said.contains("nothing listens"))
    );
}

#[test]
fn the_screen_shows_what_happens_and_leaves_the_terminal_as_it_was() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut c = desk.server.client();
    c.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    c.check("SET first 1", "+OK");
    let url = desk.url();
    let args = ["top", "--every", "100ms"];
    let mut terminal = Terminal::start(desk.home(), &args, &[("NARF_URL", url.as_str())]);
    terminal.expect("nodes 1 ");
    terminal.expect(&url);
    terminal.keys("2");
    terminal.expect("set ");
    terminal.keys("3");
    terminal.expect("narf-top");
    terminal.keys("4");
    terminal.expect("SET first 1");
    // Only rows with the word, then all again.
    c.check("SET second 2", "+OK");
    terminal.expect("SET second 2");
    terminal.keys("/secon");
    terminal.expect("/secon_");
    terminal.keys("\r");
    terminal.expect("with \"secon\"");
    terminal.keys("\x1b");
    terminal.keys("?");
    terminal.expect("Tab goes round");
    terminal.keys("p");
    terminal.expect("PAUSED");
    terminal.keys("q");
    assert_eq!(terminal.wait().code(), Some(0));
    let raw = terminal.raw();
    let (_, shown) = raw.split_once("\x1b[?1049h").expect("the other screen");
    let (_, after) = shown.split_once("\x1b[?1049l").expect("the screen that was there");
    assert!(shown.contains("\x1b[?25h") && !after.contains("nodes 1"), "{raw:?}");
}

#[test]
fn ctrl_c_leaves_the_screen_and_the_shell_behind_it_is_as_before() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    std::os::unix::fs::symlink(narf_binary(), desk.home().join("narf")).unwrap();
    let url = desk.url();
    let environment = [("NARF_URL", url.as_str()), ("PS1", "ready> ")];
    let mut terminal = Terminal::run("bash", desk.home(), &["--norc", "--noprofile", "-i"], &environment);
    terminal.expect("ready> ");
    terminal.line("stty -a > before; ./narf top --every 50ms; echo left with $?; stty -a > after");
    terminal.expect("nodes 1 ");
    terminal.keys("\x03");
    terminal.expect("left with 130\n");
    terminal.expect("ready> ");
    assert!(terminal.raw().contains("\x1b[?1049l"), "{:?}", terminal.raw());
    let read = |name: &str| std::fs::read_to_string(desk.home().join(name)).unwrap();
    assert_eq!(read("before"), read("after"));
    terminal.line("exit");
    assert_eq!(terminal.end().1.code(), Some(0));
}

#[test]
fn all_nodes_of_a_cluster_are_looked_at_and_one_that_dies_is_said_to_be_away() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let url = format!("127.0.0.1:{}", cluster.nodes[0].port());
    let look = |more: &[&str]| {
        let mut command = Command::new(narf_binary());
        command.args(["top", "-u", &url, "--once", "--every", "50ms", "-o", "json", "--view", "nodes"]);
        json(&command.args(more).env_clear().output().unwrap())["nodes"].as_array().unwrap().clone()
    };
    let nodes = look(&[]);
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    assert!(nodes.iter().all(|node| node["state"] == "ready"), "{nodes:?}");
    let mut ports: Vec<_> = nodes.iter().map(|node| node["address"].as_str().unwrap().to_owned()).collect();
    ports.sort();
    let mut expect: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    expect.sort();
    assert_eq!(ports, expect);
    assert_eq!(look(&["--alone"]).len(), 1);
    cluster.nodes[2].kill9();
    let gone = format!("127.0.0.1:{}", cluster.nodes[2].port());
    eventually("a node that is away", || {
        let nodes = look(&[]);
        let state = nodes.iter().find(|node| node["address"] == gone.as_str())?["state"].as_str()?.to_owned();
        state.contains("nothing listens").then_some(())
    });
}
