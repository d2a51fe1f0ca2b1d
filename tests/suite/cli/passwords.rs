//! How a password comes to the command line, and what is said when it is missing or wrong.

use narf_tests::{Options, Server, Terminal, skip_unless_narf};

use super::{Desk, text};

fn locked() -> Desk {
    Desk::with(Server::start(Options::new().password("sesame")))
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let mut terminal = desk.sit_down(&["--askpass", "ping"]);
    terminal.expect(&format!("Password at {}: ", desk.url()));
    terminal.line("sesame");
    let (rest, status) = terminal.end();
    assert_eq!((rest.trim(), status.code()), ("PONG", Some(0)));
}

#[test]
fn the_prompt_asks_for_a_password_before_anything_else() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let mut terminal = desk.sit_down(&["--askpass"]);
    terminal.expect("Password at ");
    terminal.keys("wrong\x15sesane\x7f\x7fme\r");
    terminal.expect(&desk.prompt());
    terminal.line("echo open");
    terminal.expect("\"open\"");
    terminal.line("quit");
    assert!(!terminal.raw().contains("sesame"));
    assert_eq!(terminal.end().1.code(), Some(0));
}

#[test]
fn a_wrong_password_says_what_to_look_at() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let mut terminal = desk.sit_down(&["--askpass", "ping"]);
    terminal.expect(": ");
    terminal.line("open");
    terminal.expect("WRONGPASS");
    let (rest, status) = terminal.end();
    assert!(rest.contains("--askpass") && !rest.contains("PONG"), "{rest}");
    assert_eq!(status.code(), Some(4));
}

#[test]
fn ctrl_c_at_the_question_ends_it() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let mut terminal = desk.sit_down(&["--askpass", "ping"]);
    terminal.expect(": ");
    terminal.keys("ses\x03");
    let (rest, status) = terminal.end();
    assert_eq!((rest.trim(), status.code()), ("", Some(130)));
}

#[test]
fn a_shortcut_asks_as_well() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let mut terminal = Terminal::start(desk.home(), &["get", "-u", &desk.url(), "--askpass", "nothing"], &[]);
    terminal.expect(": ");
    terminal.line("sesame");
    let (rest, status) = terminal.end();
    assert_eq!((rest.trim(), status.code()), ("(nil)", Some(5)));
}

#[test]
fn without_a_terminal_the_question_is_refused_with_the_other_ways() {
    if skip_unless_narf() {
        return;
    }
    // A child of a test runner may have a terminal after all; one in a session of its own has none.
    let output = std::process::Command::new("setsid")
        .arg("--wait")
        .arg(narf_tests::narf_binary())
        .args(["cli", "--askpass", "ping"])
        .output()
        .unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("NARF_PASSWORD") && err.contains("--password-file"), "{err}");
}

#[test]
fn who_is_not_known_is_told_how_to_give_a_password() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let noauth = "NOAUTH Authentication required.\n";
    let advice = "narf: give the password: --askpass asks for it, NARF_PASSWORD or --password-file hold it\n";
    desk.check(&["get", "k"], "", 4, "", &format!("{noauth}{advice}"));
    desk.check(
        &["-o", "json", "get", "k"],
        "",
        4,
        "{\"error\":\"NOAUTH Authentication required.\"}\n",
        advice,
    );
    let lines = format!("line 1: {noauth}line 2: {noauth}{advice}");
    desk.check(&[], "get k\nget l\n", 4, "", &lines);
    let wrong = desk.run(&["ping"], &[("NARF_PASSWORD", "open")], "");
    assert_eq!(wrong.status.code(), Some(4));
    assert!(text(&wrong.stderr).starts_with("narf: WRONGPASS "), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains("--askpass"), "{}", text(&wrong.stderr));

    let mut terminal = desk.sit_down(&[]);
    terminal.expect(&desk.prompt());
    terminal.line("get k");
    terminal.expect("(error) NOAUTH");
    terminal.expect("auth PASSWORD");
    terminal.expect(&desk.prompt());
    terminal.line("auth sesame");
    terminal.expect("OK");
    terminal.expect(&desk.prompt());
    terminal.line("hset h field value");
    terminal.expect("(integer) 1");
    terminal.expect(&desk.prompt());
    // As one who was known from the beginning would see it.
    terminal.line("hgetall h");
    terminal.expect("1# \"field\" => \"value\"");
}

#[test]
fn a_user_without_a_password_is_not_taken_for_nobody() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::with(Server::new());
    for words in [&["--user", "ada", "ping"][..], &["-u", "redis://ada@127.0.0.1:1", "ping"]] {
        let output = desk.run(words, &[], "");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("the user ada") && err.contains("--askpass"), "{err}");
    }
    let output = desk.run(&["--user", "default", "ping"], &[("NARF_PASSWORD", "any")], "");
    assert_eq!(text(&output.stdout), "PONG\n");
}

#[test]
fn a_password_comes_from_the_environment_or_a_file() {
    if skip_unless_narf() {
        return;
    }
    let desk = locked();
    let file = desk.home().join("password");
    std::fs::write(&file, "sesame\n").unwrap();
    let output = desk.run(&["ping"], &[("NARF_PASSWORD", "sesame")], "");
    assert_eq!(text(&output.stdout), "PONG\n");
    desk.check(&["--password-file", file.to_str().unwrap(), "ping"], "", 0, "PONG\n", "");
    let output = desk.run(&["-u", "redis://:sesame@127.0.0.1", "ping"], &[], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(!text(&output.stderr).contains("sesame"), "{}", text(&output.stderr));
}

#[test]
fn a_password_among_the_words_of_a_command_is_refused_or_warned_about() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::with(Server::new());
    for words in [&["auth", "hush"][..], &["hello", "3", "auth", "default", "hush"]] {
        let output = desk.run(words, &[], "");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("--askpass") && !err.contains("hush"), "{err}");
    }
    let output = desk.run(&["config", "set", "requirepass", "hush"], &[], "");
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("OK\n", Some(0)));
    assert!(text(&output.stderr).contains("narf cli -x "), "{}", text(&output.stderr));
    // The way that it names. The end of the line is not of the password.
    let known = [("NARF_PASSWORD", "hush")];
    let output = desk.run(&["-x", "config", "set", "requirepass"], &known, "sesame\n");
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("OK\n", ""));
    let output = desk.run(&["ping"], &[("NARF_PASSWORD", "sesame")], "");
    assert_eq!(text(&output.stdout), "PONG\n");
}
