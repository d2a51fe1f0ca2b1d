//! Commands that wait are waited for, however short `--timeout` is.

use narf_tests::{Signal, pause, signal, skip_unless_narf};

use super::{Desk, text};

#[test]
fn a_command_that_waits_is_given_the_time_that_it_says() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let patience = ["--timeout", "300ms"];
    let asked = |words: &[&'static str]| [&patience, words].concat();
    desk.check(&asked(&["blpop", "none", "0.7"]), "", 5, "\n", "");
    desk.check(&asked(&["bzmpop", "0.7", "1", "none", "min"]), "", 5, "\n", "");
    desk.check(&patience, "blpop none 0.7\nping\n", 0, "\nPONG\n", "");
    let mut terminal = desk.prompted(&patience);
    terminal.line("brpop none 0.7");
    terminal.expect("(nil)");
    terminal.line("blpop none 0");
    terminal.keys("\x03");
    terminal.expect(&desk.prompt());
    // A server that stands still is waited for no longer, by them and by any other.
    pause(desk.server.pid());
    for words in [&["ping"][..], &["blpop", "none", "0.1"]] {
        let output = desk.run(&asked(words), &[], "");
        assert_eq!(output.status.code(), Some(3), "{words:?}: {}", text(&output.stderr));
    }
    let output = desk.run(&patience, &[], "blpop none 0.1\nping\n");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    signal(desk.server.pid(), Signal::Continue);
}

#[test]
fn no_end_can_be_set_to_the_waiting() {
    if skip_unless_narf() {
        return;
    }
    Desk::new().check(&["--timeout", "0", "ping"], "", 0, "PONG\n", "");
}
