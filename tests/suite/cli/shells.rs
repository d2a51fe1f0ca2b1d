//! What the binary brings for shells and packages: completion that real shells load, and manual pages.

use std::process::{Command, Stdio};

use narf_tests::{Terminal, narf_binary, skip, skip_unless_narf};

use super::{Desk, text};

/// A server with a few names, and `narf` where a shell finds it.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut c = desk.server.client();
    c.check("MSET user:ada 1 user:bob 2 unique 3 \"uni two\" 4", "+OK");
    c.check("HSET card firstname ada lastname l", ":2");
    std::os::unix::fs::symlink(narf_binary(), desk.home().join("narf")).unwrap();
    desk
}

fn path(desk: &Desk) -> String {
    format!("{}:{}", desk.home().display(), std::env::var("PATH").unwrap())
}

/// Whether a program is there; if not, that is said.
fn is_installed(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = asked.is_ok_and(|status| status.success());
    if !is_there {
        skip(&format!("{program} is not installed"));
    }
    is_there
}

/// Types the beginning of a line and TAB, and waits until that has become this.
#[track_caller]
fn check(terminal: &mut Terminal, typed: &str, expect: &str) {
    terminal.keys(typed);
    terminal.press_until("\t", expect);
    // Away with the line.
    terminal.keys("\x05\x15");
}

#[track_caller]
fn check_all(desk: &Desk, shell: &str, args: &[&str], load: &str) {
    let (path, url) = (path(desk), desk.url());
    let environment = [("PATH", path.as_str()), ("NARF_URL", &url), ("PS1", "ready> ")];
    let mut terminal = Terminal::run(shell, desk.home(), args, &environment);
    terminal.line(load);
    // Apart, so that the line as typed is not taken for it.
    terminal.line("echo loa''ded");
    terminal.expect("loaded\n");
    check(&mut terminal, "narf serv", "narf serve ");
    check(&mut terminal, "narf cluster inv", "narf cluster invite ");
    check(&mut terminal, "narf serve --log-l", "narf serve --log-level ");
    check(&mut terminal, "narf cli hgeta", "narf cli hgetall ");
    check(&mut terminal, "narf cli config resets", "narf cli config resetstat ");
    check(&mut terminal, "narf get uniq", "narf get unique ");
    check(&mut terminal, "narf get user:a", "narf get user:ada ");
    check(&mut terminal, "narf del user:bob user:a", "narf del user:bob user:ada ");
    check(&mut terminal, "narf cli hget card last", "narf cli hget card lastname ");
    terminal.line("exit");
    assert_eq!(terminal.end().1.code(), Some(0));
}

#[test]
fn bash_completes_commands_flags_words_and_names() {
    if skip_unless_narf() {
        return;
    }
    let desk = desk();
    check_all(&desk, "bash", &["--norc", "--noprofile", "-i"], "source <(narf completions bash)");
}

#[test]
fn zsh_completes_commands_flags_words_and_names() {
    if skip_unless_narf() || !is_installed("zsh") {
        return;
    }
    let desk = desk();
    let load = "autoload -U compinit; compinit -u; source <(narf completions zsh)";
    check_all(&desk, "zsh", &["-f", "-i"], load);
}

#[test]
fn fish_completes_commands_flags_words_and_names() {
    if skip_unless_narf() || !is_installed("fish") {
        return;
    }
    let desk = desk();
    check_all(&desk, "fish", &["--no-config", "-i"], "narf completions fish | source");
}

#[test]
fn a_shell_that_nobody_knows_is_refused() {
    if skip_unless_narf() {
        return;
    }
    let output = Command::new(narf_binary()).args(["completions", "ksh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bash, zsh, fish, elvish, powershell"), "{}", text(&output.stderr));
    let asked =
        Command::new(narf_binary()).args(["--", "narf", "ser"]).env("NARF_COMPLETE", "ksh").output().unwrap();
    assert_eq!((asked.status.code(), asked.stdout.len()), (Some(2), 0));
}

#[test]
fn completion_without_a_server_is_quiet_and_quick() {
    if skip_unless_narf() {
        return;
    }
    let asked = Command::new(narf_binary())
        .args(["--", "narf", "cli", "-u", "127.0.0.1:1", "get", "k"])
        .env("NARF_COMPLETE", "bash")
        .output()
        .unwrap();
    assert_eq!(
        (asked.status.code(), text(&asked.stdout), text(&asked.stderr)),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn manual_pages_are_written_and_a_typesetter_finds_no_fault() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    let output = Command::new(narf_binary()).arg("man").arg(&pages).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let names: Vec<_> = std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(text(&output.stdout).starts_with(&format!("wrote {} pages into ", names.len())));
    for name in ["narf.1", "narf-serve.1", "narf-cli.1", "narf-cluster-status.1"] {
        assert!(pages.join(name).is_file(), "{name}");
    }
    let first = Command::new(narf_binary()).arg("man").output().unwrap();
    assert_eq!(text(&first.stdout), std::fs::read_to_string(pages.join("narf.1")).unwrap());
    if is_installed("groff") {
        for page in names {
            let set =
                Command::new("groff").args(["-man", "-Tutf8", "-P-cbou", "-ww"]).arg(&page).output().unwrap();
            assert_eq!(text(&set.stderr), "", "{}", page.display());
            assert!(text(&set.stdout).contains("SYNOPSIS"), "{}", page.display());
        }
    }
}
