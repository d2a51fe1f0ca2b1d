//! What is asked about before it is done: at a terminal, and nowhere else.

use narf_tests::{Server, Terminal, skip_unless_narf};

use super::Desk;

fn desk_with_keys() -> Desk {
    let desk = Desk::new();
    desk.server.client().check("MSET a 1 b 2 c 3", "+OK");
    desk
}

#[test]
fn a_command_that_deletes_much_is_asked_about_with_figures() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    for answer in ["", "n", "no", "flushdb"] {
        let mut terminal = desk.sit_down(&["flushdb"]);
        terminal.expect("FLUSHDB deletes all 3 keys of this database. Go on? [y/N] ");
        terminal.line(answer);
        terminal.expect("not done");
        assert_eq!(terminal.end().1.code(), Some(130), "{answer}");
    }
    desk.server.client().check("DBSIZE", ":3");
    let mut terminal = desk.sit_down(&["flushdb"]);
    terminal.expect("Go on? [y/N] ");
    terminal.line("y");
    terminal.expect("OK");
    assert_eq!(terminal.end().1.code(), Some(0));
    desk.server.client().check("DBSIZE", ":0");
}

#[test]
fn nobody_is_asked_in_a_script_or_who_said_yes() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    desk.check(&["flushall"], "", 0, "OK\n", "");
    desk.server.client().check("DBSIZE", ":0");
    desk.server.client().check("SET k v", "+OK");
    desk.check(&[], "flushdb\n", 0, "OK\n", "");
    desk.server.client().check("SET k v", "+OK");
    let (seen, status) = desk.sit_down(&["--yes", "flushall"]).end();
    assert_eq!((seen.trim(), status.code()), ("OK", Some(0)));
    // Nothing is there that could be lost.
    let (seen, status) = desk.sit_down(&["flushall"]).end();
    assert_eq!((seen.trim(), status.code()), ("OK", Some(0)));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let (seen, status) = desk.sit_down(&["--no-input", "flushall"]).end();
    assert!(seen.contains("--yes"), "{seen}");
    assert_eq!(status.code(), Some(2));
    desk.server.client().check("DBSIZE", ":3");
}

#[test]
fn the_prompt_asks_too() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    for command in ["flushall", "SHUTDOWN", "fabric leave"] {
        terminal.line(command);
        terminal.expect("Go on? [y/N] ");
        terminal.line("n");
        terminal.expect("not done");
        terminal.expect(&desk.prompt());
    }
    terminal.line("dbsize");
    terminal.expect("(integer) 3");
    terminal.line("flushall");
    terminal.expect("FLUSHALL deletes all 3 keys of every database. Go on? [y/N] ");
    terminal.line("yes");
    terminal.expect("OK");
    terminal.expect(&desk.prompt());
    terminal.line("dbsize");
    terminal.expect("(integer) 0");
}

#[test]
fn a_cluster_is_not_left_by_a_slip() {
    if skip_unless_narf() {
        return;
    }
    let mut server = Server::new();
    let home = tempfile::tempdir().unwrap();
    let url = format!("127.0.0.1:{}", server.port());
    let mut terminal = Terminal::start(home.path(), &["cluster", "leave", "-u", &url], &[]);
    terminal.expect("leaves the cluster and stops. Go on? [y/N] ");
    terminal.keys("\x03");
    assert_ne!(terminal.end().1.code(), Some(0));
    assert!(!server.has_ended());
}
