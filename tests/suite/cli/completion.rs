//! What TAB offers at the prompt, and what is shown while one types.

use narf_tests::{Terminal, pause, skip_unless_narf};

use super::Desk;

fn desk_with_keys() -> Desk {
    let desk = Desk::new();
    let mut c = desk.server.client();
    c.check("MSET user:ada 1 user:bob 2 unique 3 \"two words\" 4 a*b 5", "+OK");
    c.check("HSET card firstname ada lastname l", ":2");
    c.check("SADD colours red green", ":2");
    c.check("SELECT 3", "+OK");
    c.check("SET elsewhere 1", "+OK");
    desk
}

/// Types the beginning of a line and TAB, and waits until that has become this.
#[track_caller]
fn check(terminal: &mut Terminal, typed: &str, expect: &str) {
    terminal.keys(typed);
    terminal.press_until("\t", expect);
    // Away with the line.
    terminal.keys("\x05\x15");
}

#[test]
fn commands_keys_fields_and_settings_are_completed() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    check(&mut terminal, "hgeta", "hgetall");
    check(&mut terminal, "get uni", "get unique");
    check(&mut terminal, "del unique uni", "del unique unique");
    check(&mut terminal, "get user:a", "get user:ada");
    check(&mut terminal, "hget car", "hget card");
    check(&mut terminal, "hget card last", "hget card lastname");
    check(&mut terminal, "srem colours g", "srem colours green");
    check(&mut terminal, "config get appendfs", "config get appendfsync");
    check(&mut terminal, "get two", "get \"two words\"");
    check(&mut terminal, "get \"two w", "get \"two words\"");
    check(&mut terminal, "5 get uni", "5 get unique");
    check(&mut terminal, "2 hgeta", "2 hgetall");
    // A mark of patterns in the beginning is only itself.
    check(&mut terminal, "get a*", "get a*b");
    // Both are shown, and what they have in common is typed.
    terminal.keys("get use");
    terminal.press_until("\t", "get user:");
    terminal.press_until("\t", "user:ada");
    terminal.expect("user:bob");
    terminal.keys("\x05\x15");
    terminal.line("select 3");
    terminal.expect("[3]> ");
    check(&mut terminal, "get else", "get elsewhere");
    terminal.line("quit");
    assert_eq!(terminal.end().1.code(), Some(0));
}

/// A server that stands still costs the one who types a moment, and not the prompt.
#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    pause(desk.server.pid());
    terminal.keys("get uni\t\tx");
    terminal.expect("get unix");
    terminal.keys("\x05\x15");
    narf_tests::signal(desk.server.pid(), narf_tests::Signal::Continue);
    // Over a new connection.
    check(&mut terminal, "get uni", "get unique");
    terminal.line("ping");
    terminal.expect("PONG");
}

#[test]
fn completion_leaves_a_transaction_alone() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    terminal.line("multi");
    terminal.expect("(TX)> ");
    terminal.keys("get uni");
    terminal.press_until("\t", "get unique");
    terminal.keys("\r");
    terminal.expect("QUEUED");
    terminal.expect("(TX)> ");
    terminal.line("exec");
    terminal.expect("1) \"3\"");
    terminal.expect(&desk.prompt());
}

#[test]
fn colours_are_shown_where_they_are_wanted() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk_with_keys();
    let colours = |args: &[&str], environment: &[(&str, &str)]| {
        let mut terminal = desk.sit_down_with(args, environment);
        terminal.expect(&desk.prompt());
        terminal.line("strlen unique");
        terminal.expect("(integer) 1");
        terminal.expect(&desk.prompt());
        terminal.line("quit");
        let raw = terminal.raw();
        assert_eq!(terminal.end().1.code(), Some(0));
        // The command as it is typed, the reply, and how long it took.
        ["\x1b[1mstrlen\x1b[0m", "\x1b[36m(integer) 1\x1b[0m", "\x1b[2m("].map(|part| raw.contains(part))
    };
    assert_eq!(colours(&[], &[]), [true; 3]);
    assert_eq!(colours(&["--color", "never"], &[]), [false; 3]);
    assert_eq!(colours(&[], &[("NO_COLOR", "1")]), [false; 3]);
    assert_eq!(colours(&["--color", "always"], &[("NO_COLOR", "1")]), [true; 3]);
    desk.check(&["incr", "unique"], "", 0, "4\n", "");
    desk.check(&["--color", "always", "incr", "unique"], "", 0, "\x1b[36m(integer) 5\x1b[0m\n", "");
}

/// What is stored cannot drive the terminal that shows it, in no form.
#[test]
fn a_value_does_not_drive_the_terminal() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    desk.server.client().run_args(&["SET", "trap", "\x1b[2Jx\x1b]0;title\x07"]);
    for form in ["text", "json", "jsonl", "csv"] {
        let mut terminal = desk.sit_down(&["--color", "never", "-o", form, "get", "trap"]);
        terminal.expect("title");
        let raw = terminal.raw();
        assert!(!raw.contains('\x1b') && !raw.contains('\x07'), "{form}: {raw:?}");
        assert_eq!(terminal.end().1.code(), Some(0));
    }
}

/// `5 get k` repeats; `help` tells what the prompt itself understands.
#[test]
fn help_tells_what_can_be_typed() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    terminal.line("help");
    for part in ["help COMMAND", "TAB", "!!", "| wc -l", "> file", "\\x", "quit"] {
        terminal.expect(part);
    }
    terminal.expect(&desk.prompt());
    terminal.line("help hgetal");
    terminal.expect("did you mean HGETALL?");
    terminal.expect(&desk.prompt());
    // The arguments that are left are shown behind the line.
    terminal.keys("hset k ");
    terminal.expect("field value [field value ...]");
}
