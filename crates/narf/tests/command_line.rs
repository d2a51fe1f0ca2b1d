//! The binary as a person types it: texts, exit codes, and where each goes.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs `narf` in `folder` with a clean environment.
fn narf(folder: &Path, line: &str, vars: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_narf"))
        .args(line.split_ascii_whitespace())
        .current_dir(folder)
        .env_clear()
        // Nodes of other tests are none of its business.
        .env("NARF_RUNTIME_DIR", folder.join("run"))
        .envs(vars.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Checks exit code, standard output and standard error, whole.
#[track_caller]
fn check(folder: &Path, line: &str, code: i32, out: &str, err: &str) {
    let output = narf(folder, line, &[]);
    assert_eq!(text(&output.stdout), out, "{line}");
    assert_eq!(text(&output.stderr), err, "{line}");
    assert_eq!(output.status.code(), Some(code), "{line}");
}

#[test]
fn version_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("narf {}\n", env!("CARGO_PKG_VERSION"));
    for words in ["version", "--version", "-V"] {
        check(folder.path(), words, 0, &line, "");
    }
}

#[test]
fn help_goes_to_standard_output_and_a_wrong_line_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let help = narf(folder.path(), "serve -h", &[]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Examples:"));
    assert!(text(&help.stdout).lines().count() <= 40);
    let wrong = narf(folder.path(), "sevre", &[]);
    assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0));
    assert!(text(&wrong.stderr).contains("'serve'"), "{}", text(&wrong.stderr));
}

#[test]
fn a_configuration_is_written_checked_and_shown_with_its_origins() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    check(here, "config check", 0, "no configuration file; flags, environment and defaults are fine\n", "");
    check(here, "config init", 0, "wrote narf.toml; every line is commented out\n", "");
    check(here, "config check", 0, "narf.toml: 0 settings, no problem\n", "");
    let again = narf(here, "config init", &[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("already there"));
    std::fs::write(here.join("narf.toml"), "port = 7000\nmaxclients = 5\n").unwrap();
    let shown = narf(here, "config show --origin -p 7001", &[("NARF_TIMEOUT", "9s")]);
    let shown = text(&shown.stdout);
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("port = 7001 ").ends_with("# flag --port"), "{shown}");
    assert!(line("timeout = \"9s\" ").ends_with("# environment NARF_TIMEOUT"), "{shown}");
    assert!(line("maxclients = 5 ").ends_with("# narf.toml:2"), "{shown}");
    assert!(line("ack = \"quorum\" ").ends_with("# default"), "{shown}");
}

#[test]
fn a_bad_file_stops_the_start_with_a_caret() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("narf.toml"), "prot = 7000\n").unwrap();
    let err = "\
error: unknown setting `prot`
 --> narf.toml:1:1
  |
1 | prot = 7000
  | ^^^^ did you mean `port`?
";
    for line in ["serve", "serve --daemon", "config check", "config show", "stop"] {
        check(folder.path(), line, 2, "", err);
    }
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = narf(folder.path(), "serve --requirepass hunter2", &[]);
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    assert!(err.contains("--password-file") && !err.contains("hunter2"), "{err}");
    let output = narf(folder.path(), "serve --http-token hunter2", &[]);
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    assert!(
        err.contains("NARF_HTTP_TOKEN") && !err.contains("REQUIREPASS") && !err.contains("hunter2"),
        "{err}"
    );
}

#[test]
fn an_open_address_without_a_password_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = narf(folder.path(), "serve --listen 0.0.0.0:0", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--insecure"), "{}", text(&output.stderr));
}

#[test]
fn stopping_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), "stop", 5, "", "no node runs here: nobody holds narf-data/narf.pid or narf.pid\n");
}

#[test]
fn a_daemon_returns_when_ready_and_stop_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let started = narf(here, "serve --daemon --port 0", &[]);
    let banner = text(&started.stdout);
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    assert!(banner.contains("redis://127.0.0.1:"), "{banner}");
    let pid = std::fs::read_to_string(here.join("narf-data/narf.pid")).unwrap();
    assert!(banner.contains(&format!("process {}; stop it with  narf stop", pid.trim())), "{banner}");
    // The same folder again: refused, and said by the command that was typed.
    let second = narf(here, "serve --daemon --port 0 --data narf-data", &[]);
    assert_ne!(second.status.code(), Some(0), "{}", text(&second.stdout));
    assert!(text(&second.stderr).starts_with("error: "), "{}", text(&second.stderr));
    check(here, "stop", 0, &format!("stopped narf (pid {})\n", pid.trim()), "");
    assert!(!here.join("narf-data/narf.pid").exists());
}

#[test]
fn each_daemon_of_one_place_has_its_own_log_which_follows_a_rename() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let read = |name: &str| std::fs::read_to_string(here.join(name)).unwrap_or_default();
    let folders = ["narf-data", "narf-data-2", "narf-data-3"];
    for data in folders {
        let started = narf(here, "serve --daemon --port 0 --join none", &[]);
        assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
        let banner = text(&started.stdout);
        let stop = if data == "narf-data" {
            "narf stop\n"
        } else {
            &*format!("narf stop --pidfile {data}/narf.pid\n")
        };
        assert!(banner.contains(stop), "{banner}");
    }
    for data in folders {
        let log = read(&format!("{data}/narf.log"));
        assert_eq!(log.matches("\"ready\"").count(), 1, "{data}: {log}");
        std::fs::rename(here.join(data).join("narf.log"), here.join(data).join("old")).unwrap();
        let stopped = narf(here, &format!("stop --data {data}"), &[]);
        assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
        assert!(read(&format!("{data}/narf.log")).contains("stopping"), "{data}");
        assert!(!read(&format!("{data}/old")).contains("stopping"), "{data}");
    }
}

#[test]
fn a_daemon_without_data_has_its_log_and_its_pid_where_it_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for stem in ["narf", "narf-2"] {
        let started = narf(here, "serve --daemon --no-data --port 0 --join none", &[]);
        assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
        let banner = text(&started.stdout);
        assert!(banner.contains(&format!("narf stop --pidfile {stem}.pid\n")), "{banner}");
        let log = std::fs::read_to_string(here.join(format!("{stem}.log"))).unwrap();
        assert_eq!(log.matches("\"ready\"").count(), 1, "{log}");
    }
    let pid =
        |stem: &str| std::fs::read_to_string(here.join(format!("{stem}.pid"))).unwrap().trim().to_owned();
    let pids = [pid("narf"), pid("narf-2")];
    check(here, "stop", 0, &format!("stopped narf (pid {})\n", pids[0]), "");
    check(here, "stop --pidfile narf-2.pid", 0, &format!("stopped narf (pid {})\n", pids[1]), "");
    check(here, "stop", 5, "", "no node runs here: nobody holds narf-data/narf.pid or narf.pid\n");
    check(here, "stop --no-data", 5, "", "no node runs here: nobody holds narf.pid\n");
}

#[test]
fn a_wrong_token_is_a_wrong_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for token in ["garbage", "narf1.garbage"] {
        let output = narf(folder.path(), &format!("serve --no-data --port 0 --join {token}"), &[]);
        assert_eq!(output.status.code(), Some(2), "{token}");
        assert!(text(&output.stderr).starts_with("error: "), "{}", text(&output.stderr));
    }
}

#[test]
fn a_switch_takes_its_value_with_or_without_an_equals_sign() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["--mdns no", "--mdns=no"] {
        let shown = text(&narf(folder.path(), &format!("config show {line}"), &[]).stdout);
        assert!(shown.lines().any(|line| line.starts_with("mdns = false")), "{shown}");
    }
    let output = narf(folder.path(), "config show --mdns perhaps", &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn who_reads_no_further_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["config show", "exit-codes"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_narf"))
            .args(line.split(' '))
            .current_dir(folder.path())
            .env_clear()
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{line}");
    }
}

#[test]
fn a_taken_port_that_was_asked_for_is_a_wrong_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for line in [format!("serve --no-data -p {port}"), format!("serve --no-data --daemon -p {port}")] {
        let output = narf(folder.path(), &line, &[]);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let err = text(&output.stderr);
        assert!(err.starts_with(&format!("error: port {port} is used by ")), "{err}");
        assert!(err.contains(&format!("(pid {})", std::process::id())), "{err}");
    }
}
