//! The prompt, as one sees it who sits at a terminal.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use narf_tests::{Terminal, skip_unless_narf};

use super::Desk;

impl Desk {
    fn history(&self) -> PathBuf {
        self.home().join(".local/state/narf/cli_history")
    }

    /// A prompt that is ready.
    #[track_caller]
    fn prompted(&self, args: &[&str]) -> Terminal {
        let mut terminal = self.sit_down(args);
        terminal.expect(&self.prompt());
        terminal
    }
}

/// Types a line and waits for the prompt behind its answer, which is given.
#[track_caller]
fn ask(desk: &Desk, terminal: &mut Terminal, line: &str) -> String {
    terminal.line(line);
    // The line as typed is drawn with the prompt before it; what comes then is the answer.
    terminal.expect("\n");
    terminal.expect(&desk.prompt())
}

#[test]
fn replies_say_how_long_they_took() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    let answer = ask(&desk, &mut terminal, "set k v");
    assert!(answer.starts_with("OK\n(") && answer.contains(" ms)\n"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "get nothing");
    assert!(answer.starts_with("(nil)\n("), "{answer:?}");
}

#[test]
fn history_is_the_owners_alone_and_has_no_secret() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    for line in [
        "set first 1",
        "auth hush1",
        "auth \"hush2",
        "hello 3 auth default hush3",
        "config set requirepass \"\" appendfsync hush4",
        "config set requirepass 'hush5",
        "acl setuser ada >hush6",
        "2 auth hush7",
        " set hush8 begins-with-a-blank",
        "set last 1",
    ] {
        ask(&desk, &mut terminal, line);
    }
    // An arrow brings back the last line that was kept.
    terminal.keys("\x1b[A");
    terminal.expect("set last 1");
    terminal.keys("\r");
    terminal.expect("OK");
    terminal.expect(&desk.prompt());
    terminal.line("quit");
    assert_eq!(terminal.end().1.code(), Some(0));
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(desk.history()), 0o600);
    assert_eq!(mode(desk.history().parent().unwrap().to_owned()), 0o700);
    let kept = std::fs::read_to_string(desk.history()).unwrap();
    assert!(kept.contains("set first 1") && kept.contains("set last 1"), "{kept}");
    assert!(!kept.contains("hush"), "{kept}");
}

#[test]
fn an_old_history_that_others_could_read_is_theirs_no_more() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    std::fs::create_dir_all(desk.history().parent().unwrap()).unwrap();
    std::fs::write(desk.history(), "echo before\n").unwrap();
    std::fs::set_permissions(desk.history(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut terminal = desk.prompted(&[]);
    terminal.keys("\x1b[A");
    terminal.expect("echo before");
    terminal.keys("\r");
    terminal.expect("\"before\"");
    terminal.expect(&desk.prompt());
    terminal.keys("\x04");
    assert_eq!(terminal.end().1.code(), Some(0));
    let mode = std::fs::metadata(desk.history()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_lost_server_is_found_again() {
    if skip_unless_narf() {
        return;
    }
    let mut desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    desk.server.kill9();
    terminal.line("get k");
    terminal.expect("closed the connection");
    terminal.expect("not connected> ");
    terminal.line("get k");
    terminal.expect("nothing listens on");
    terminal.expect("narf serve");
    terminal.expect("not connected> ");
    terminal.line("quit");
    assert_eq!(terminal.end().1.code(), Some(0));
}
