//! Starting, stopping, ports, pid files, banners, exit codes.

use std::net::TcpListener;
use std::process::{Command, Output};

use narf_tests::{Client, Data, Options, Server, Signal, eventually, narf_binary, signal, skip_unless_narf};

fn narf(args: &[&str]) -> Output {
    Command::new(narf_binary()).args(args).env_remove("NARF_BIN").output().unwrap()
}

#[test]
fn shutdown_ends_the_process_and_keeps_the_data() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE", "SHUTDOWN NOW"] {
        let mut node = Server::start(Options::new().data(Data::Temporary));
        let mut c = node.client();
        c.check("SET k v", "+OK");
        c.check("SHUTDOWN BANANA", "-ERR syntax error");
        c.send(line);
        c.check_closed_after("");
        assert!(node.wait().success(), "{line}");
        node.restart();
        node.client().check("GET k", r#""v""#);
    }
}

#[test]
fn signals_end_it_gracefully() {
    for which in [Signal::Terminate, Signal::Interrupt] {
        let mut node = Server::start(Options::new().data(Data::Temporary));
        let mut c = node.client();
        c.check("SET k v", "+OK");
        signal(node.pid(), which);
        assert!(node.wait().success(), "{which:?}");
        c.read_to_close();
        node.restart();
        node.client().check("GET k", r#""v""#);
    }
}

#[test]
fn a_taken_port_is_refused_when_asked_for() {
    if skip_unless_narf() {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = narf(&["serve", "--no-data", "--port", &port]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&port) && (text.contains("in use") || text.contains("is used")), "{text}");
}

#[test]
fn the_data_folder_belongs_to_one_process() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().data(Data::Temporary));
    let (status, text) =
        Server::start_in_vain(Options::new().data(Data::At(node.data_path())).expect_log(""));
    assert!(!status.success());
    assert!(text.contains("data"), "{text}");
    node.client().check("PING", "+PONG");
}

#[test]
fn another_address_needs_a_password() {
    if skip_unless_narf() {
        return;
    }
    let output = narf(&["serve", "--no-data", "--bind", "0.0.0.0", "--port", "0"]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("password"), "{text}");
}

#[test]
fn a_daemon_starts_writes_its_pid_and_is_stopped() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let pidfile = folder.path().join("pid");
    let pidfile = pidfile.to_str().unwrap();
    let socket = folder.path().join("sock");
    let status = Command::new(narf_binary())
        .args(["serve", "--daemon", "--no-data", "--port", "0", "--pidfile", pidfile, "--unix"])
        .arg(&socket)
        .arg("--log-file")
        .arg(folder.path().join("log"))
        .current_dir(folder.path())
        .env("NARF_RUNTIME_DIR", folder.path().join("run"))
        .status()
        .unwrap();
    assert!(status.success());
    // The command returns when the node is ready, so no waiting here.
    let mut c = Client::unix(&socket).expect("a started daemon takes connections");
    c.check("PING", "+PONG");
    let pid: u32 = std::fs::read_to_string(pidfile).unwrap().trim().parse().unwrap();
    assert!(c.run("INFO server").text().contains(&format!("process_id:{pid}\r\n")));
    let output = narf(&["stop", "--pidfile", pidfile]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    c.read_to_close();
    eventually("the pid file is gone", || (!std::path::Path::new(pidfile).exists()).then_some(()));
}

#[test]
fn a_wrong_setting_is_pointed_at() {
    if skip_unless_narf() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("narf.toml");
    std::fs::write(&file, "port = 7000\nmaxclient = 5\n").unwrap();
    let output = narf(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("maxclient") && text.contains("maxclients") && text.contains('^'), "{text}");
    let output = narf(&["serve", "--maxclientz", "5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--maxclients"));
}

#[test]
fn without_data_nothing_is_written_or_kept() {
    let mut node = Server::start(Options::new().data(Data::None));
    node.client().check("SET k v", "+OK");
    node.restart();
    node.client().check("GET k", "nil");
    if !skip_unless_narf() {
        assert!(!node.data_path().exists());
    }
}

#[test]
fn the_banner_says_where_to_go() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let log = eventually("the banner is there", || {
        let log = node.log();
        log.contains("Ctrl-C").then_some(log)
    });
    assert!(log.contains(&format!("redis://127.0.0.1:{}", node.port())), "{log}");
    assert!(log.lines().count() <= 14, "{log}");
}

#[test]
fn one_shot_commands_answer_and_set_exit_codes() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let url = format!("127.0.0.1:{}", node.port());
    let run = |args: &[&str]| {
        let output = narf(&[&["cli", "-u", url.as_str()], args].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run(&["SET", "k", "v"]), (Some(0), "OK\n".to_owned()));
    assert_eq!(run(&["GET", "k"]).0, Some(0));
    assert!(run(&["GET", "k"]).1.contains('v'));
    assert_eq!(run(&["INCR", "k"]).0, Some(1));
    let unreachable = narf(&["cli", "-u", "127.0.0.1:1", "PING"]);
    assert_eq!(unreachable.status.code(), Some(3));
}

/// Connections that come while the server is busy are announced to it once, however many they are.
#[test]
fn a_burst_of_connections_is_served_to_the_last() {
    let node = Server::start(Options::new().workers(1));
    let mut busy = node.client();
    busy.send("DEBUG SLEEP 1");
    let mut clients: Vec<Client> = (0..400).map(|_| node.bare_client()).collect();
    for client in &mut clients {
        client.check("PING", "+PONG");
    }
}
