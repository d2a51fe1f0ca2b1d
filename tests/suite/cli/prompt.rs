//! The prompt, as one sees it who sits at a terminal.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use narf_tests::{Options, Server, Terminal, eventually, skip_unless_narf};

use super::Desk;

impl Desk {
    fn history(&self) -> PathBuf {
        self.home().join(".local/state/narf/cli_history")
    }

    /// A prompt that is ready.
    #[track_caller]
    pub(super) fn prompted(&self, args: &[&str]) -> Terminal {
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

#[test]
fn an_answer_goes_to_a_shell_command_or_a_file() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    ask(&desk, &mut terminal, "mset a 1 b 22 c 333");
    let answer = ask(&desk, &mut terminal, "mget a b c | sort -r | tr '\\n' '/'");
    assert!(answer.starts_with("333/22/1/"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "get a | false");
    assert!(answer.contains("the shell command ended with exit status: 1"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "incr x y | cat");
    assert!(answer.starts_with("ERR wrong number"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "get a |");
    assert!(answer.contains("\"|\""), "{answer:?}");
    // More than a pipe holds, to somebody who reads a line of it.
    ask(&desk, &mut terminal, "setrange long 300000 x");
    let answer = ask(&desk, &mut terminal, "get long | head -c 1 | wc -c");
    assert!(answer.trim_start().starts_with("1\n"), "{answer:?}");

    ask(&desk, &mut terminal, "mget a b > 'my file'");
    ask(&desk, &mut terminal, "get c >> 'my file'");
    let file = std::fs::read_to_string(desk.home().join("my file")).unwrap();
    assert_eq!(file, "1\n22\n333\n");
    let answer = ask(&desk, &mut terminal, "get a > /no/such/folder/file");
    assert!(answer.contains("cannot write to /no/such/folder/file"), "{answer:?}");
    // In quotes they are words.
    ask(&desk, &mut terminal, "set \"|\" \"a > b\"");
    let answer = ask(&desk, &mut terminal, "get '|'");
    assert!(answer.starts_with("\"a > b\"\n"), "{answer:?}");
}

#[test]
fn ctrl_c_stops_the_shell_command_and_not_the_prompt() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    terminal.line("ping | (cat; echo begun; sleep 1000)");
    terminal.expect("\nPONG\nbegun\n");
    terminal.keys("\x03");
    terminal.expect("the shell command ended with signal: 2");
    terminal.expect(&desk.prompt());
    terminal.line("echo alive");
    terminal.expect("\"alive\"");
}

#[test]
fn ctrl_c_ends_a_stream_and_not_the_prompt() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    terminal.line("subscribe news");
    terminal.expect("Ctrl-C ends it");
    terminal.expect("\"subscribe\"");
    desk.server.client().check("PUBLISH news hello", ":1");
    terminal.expect("\"hello\"");
    terminal.keys("\x03");
    terminal.expect(&desk.prompt());
    terminal.line("subscribe news | tr a-z A-Z");
    terminal.expect("Ctrl-C ends it");
    terminal.keys("\x03");
    terminal.expect(&desk.prompt());
    terminal.line("echo alive");
    terminal.expect("\"alive\"");
}

#[test]
fn a_long_answer_is_shown_page_by_page_unless_that_is_not_wanted() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let members: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    desk.server.client().check(&format!("SADD long {}", members.join(" ")), ":40");
    desk.server.client().check(&format!("SADD short {}", members[..20].join(" ")), ":20");
    let pager = [("NARF_PAGER", "sh -c 'echo paged; cat; echo end'")];
    let mut terminal = desk.sit_down_with(&[], &pager);
    terminal.expect(&desk.prompt());
    let answer = ask(&desk, &mut terminal, "smembers long");
    assert!(
        answer.starts_with("paged\n") && answer.contains("40~ ") && answer.contains("\nend\n"),
        "{answer:?}"
    );
    let answer = ask(&desk, &mut terminal, "smembers short");
    assert!(answer.contains("20~ ") && !answer.contains("paged"), "{answer:?}");
    let mut terminal = desk.sit_down_with(&["--no-pager"], &pager);
    terminal.expect(&desk.prompt());
    let answer = ask(&desk, &mut terminal, "smembers long");
    assert!(answer.contains("40~ ") && !answer.contains("paged"), "{answer:?}");
    // One that is not there is done without.
    for pager in ["", "no-such-pager"] {
        let mut terminal = desk.sit_down_with(&[], &[("NARF_PAGER", pager)]);
        terminal.expect(&desk.prompt());
        let answer = ask(&desk, &mut terminal, "smembers long");
        assert!(answer.contains("40~ "), "{answer:?}");
    }
}

#[test]
fn the_last_line_is_run_again() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    let answer = ask(&desk, &mut terminal, "!!");
    assert!(answer.starts_with("there is no line before this one"), "{answer:?}");
    ask(&desk, &mut terminal, "incr n");
    let answer = ask(&desk, &mut terminal, "!!");
    assert!(answer.starts_with("incr n\n(integer) 2\n"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "!! | sed s/3/three/");
    assert!(answer.contains("\nthree\n"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "3 incr n");
    assert!(answer.contains("(integer) 6\n"), "{answer:?}");
}

#[test]
fn json_and_messagepack_are_laid_out_when_asked_for() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    ask(&desk, &mut terminal, "set j '{\"name\":\"ada\",\"n\":[1]}'");
    let answer = ask(&desk, &mut terminal, "get j");
    assert!(answer.starts_with("\"{\\\"name\\\""), "{answer:?}");
    ask(&desk, &mut terminal, "\\x");
    let answer = ask(&desk, &mut terminal, "get j");
    assert!(answer.starts_with("(json)\n{\n  \"name\": \"ada\",\n  \"n\": [\n    1\n  ]\n}\n"), "{answer:?}");
    ask(&desk, &mut terminal, r#"set m "\x82\xa4name\xa3ada\xa1n\x91\x01""#);
    let answer = ask(&desk, &mut terminal, "get m");
    let expect = "(msgpack)\n{\n  \"name\": \"ada\",\n  \"n\": [\n    1\n  ]\n}\n";
    assert!(answer.starts_with(expect), "{answer:?}");
    ask(&desk, &mut terminal, "\\x");
    let answer = ask(&desk, &mut terminal, "get j");
    assert!(answer.starts_with("\"{\\\"name\\\""), "{answer:?}");
}

#[test]
fn pasted_lines_are_lines() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    // As a terminal marks what is pasted.
    terminal.keys("\x1b[200~set a 1\nset b 'x\ny'\nmget a b\x1b[201~\r");
    terminal.expect("1) \"1\"\n2) \"x\\ny\"");
    terminal.expect(&desk.prompt());
    let answer = ask(&desk, &mut terminal, "dbsize");
    assert!(answer.starts_with("(integer) 2\n"), "{answer:?}");
}

#[test]
fn the_end_of_the_server_is_the_answer_to_shutdown() {
    if skip_unless_narf() {
        return;
    }
    let mut desk = Desk::new();
    let mut terminal = desk.prompted(&["--yes"]);
    terminal.line("shutdown");
    terminal.expect("the server has stopped");
    terminal.expect("not connected> ");
    assert!(desk.server.wait().success());
    for (args, input) in [(&["shutdown"][..], ""), (&[], "set k v\nshutdown\nget k\n")] {
        let mut desk = Desk::new();
        let out = if args.is_empty() { "OK\n" } else { "" };
        desk.check(args, input, 0, out, "");
        assert!(desk.server.wait().success());
    }
}

#[test]
fn a_command_that_would_silence_the_server_is_refused() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let output = desk.run(&["client", "reply", "off"], &[], "");
    assert_eq!(output.status.code(), Some(2));
    let output = desk.run(&[], &[], "set k 1\nclient reply skip\nget k\n");
    assert_eq!((super::text(&output.stdout).as_str(), output.status.code()), ("OK\n1\n", Some(2)));
    assert!(super::text(&output.stderr).starts_with("line 2: CLIENT REPLY "));
    let mut terminal = desk.prompted(&[]);
    let answer = ask(&desk, &mut terminal, "client reply off");
    assert!(answer.starts_with("CLIENT REPLY OFF and SKIP"), "{answer:?}");
    let answer = ask(&desk, &mut terminal, "client reply on");
    assert!(answer.starts_with("OK\n"), "{answer:?}");
}

#[test]
fn help_needs_no_server() {
    if skip_unless_narf() {
        return;
    }
    let output = std::process::Command::new(narf_tests::narf_binary())
        .args(["cli", "-u", "127.0.0.1:1", "help", "hget"])
        .output()
        .unwrap();
    assert!(super::text(&output.stdout).starts_with("HGET key field\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn ctrl_c_gives_up_a_command_and_not_the_prompt() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.prompted(&[]);
    terminal.line("wait 1 0");
    // The server has it, and the prompt waits.
    let mut other = desk.server.client();
    eventually("it waits", || other.run("CLIENT LIST").text().contains("cmd=wait").then_some(()));
    terminal.keys("\x03");
    terminal.expect("not waited for");
    terminal.expect(&desk.prompt());
    terminal.line("echo alive");
    terminal.expect("\"alive\"");
}

#[test]
fn a_wrong_password_is_not_in_the_way_of_the_right_one() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::with(Server::start(Options::new().password("sesame")));
    let mut terminal = desk.sit_down_with(&[], &[("NARF_PASSWORD", "wrong")]);
    terminal.expect("WRONGPASS");
    terminal.expect("not connected> ");
    terminal.line("auth worse");
    terminal.expect("(error) WRONGPASS");
    terminal.expect(&desk.prompt());
    terminal.line("auth sesame");
    terminal.expect("OK");
    terminal.expect(&desk.prompt());
    terminal.line("echo alive");
    terminal.expect("\"alive\"");
}

/// `narf cli > file` at a terminal: the prompt is for the one who types, the replies are for the file.
#[test]
fn replies_go_to_a_file_and_the_prompt_does_not() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let line = format!("{} cli > replies", narf_tests::narf_binary().display());
    let mut terminal = Terminal::run("/bin/sh", desk.home(), &["-c", &line], &[("NARF_URL", &desk.url())]);
    terminal.expect(&desk.prompt());
    terminal.line("echo alive");
    terminal.expect(&desk.prompt());
    terminal.line("quit");
    assert_eq!(terminal.end().1.code(), Some(0));
    assert_eq!(std::fs::read_to_string(desk.home().join("replies")).unwrap(), "alive\n");
}
