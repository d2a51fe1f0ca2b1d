//! Limits on open files: as many clients as they leave, and never so many that the node itself lacks one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use narf_tests::{Certificates, Client, Data, Options, Server, eventually, free_port, skip_unless_narf};

use crate::tls::sealed;

const TOO_MANY: &str = "-ERR max number of clients reached";

/// A server whose process may have so many files open: softly, and at most.
fn limited(soft: u32, hard: u32, options: Options) -> Server {
    Server::start(options.under(&["prlimit", &format!("--nofile={soft}:{hard}"), "--"]))
}

fn open_files(node: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count()
}

fn maxclients(node: &Server) -> usize {
    node.client().run("CONFIG GET maxclients").field("maxclients").unwrap().text().parse().unwrap()
}

/// CPU time of the process, in hundredths of a second.
fn cpu_ticks(node: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Connects clients that say nothing until one is refused: those that were let in.
fn fill(connect: impl Fn() -> Client, most: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..=most {
        let mut c = connect();
        if let Ok(reply) = c.try_run("PING")
            && reply.to_string() == TOO_MANY
        {
            return clients;
        }
        clients.push(c);
    }
    panic!("{} clients were let in, and at most {most} may be", clients.len());
}

#[test]
fn the_soft_limit_is_raised_for_as_many_clients_as_are_wanted() {
    if skip_unless_narf() {
        return;
    }
    let node = limited(256, 4096, Options::new().set("maxclients", 3000));
    assert_eq!(maxclients(&node), 3000);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u32 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!((3001..=4096).contains(&soft), "{line}");
    assert!(!node.log().contains("maxclients is lowered"), "{}", node.log());
}

#[test]
fn clients_at_the_limit_leave_the_log_its_files() {
    if skip_unless_narf() {
        return;
    }
    let options = Options::new()
        .data(Data::Temporary)
        .set("log-segment-size", "1mb")
        .set("checkpoint-log-size", "4mb")
        .expect_log("maxclients is lowered");
    let node = limited(128, 256, options);
    let most = maxclients(&node);
    assert!((100..256).contains(&most), "maxclients is {most}");
    assert!(node.log().contains("maxclients is lowered"), "{}", node.log());
    let mut clients = fill(|| node.bare_client(), most);
    assert!(clients.len() + 2 >= most, "{} were let in of {most}", clients.len());
    assert!(open_files(&node) < 256);
    // The log is rotated and checkpoints are written meanwhile, and who is too many is still told.
    let value = "x".repeat(100_000);
    for number in 0..200 {
        let reply = clients[number % 7].run_args(&["SET", &format!("key-{number}"), &value]);
        assert_eq!(reply.to_string(), "+OK");
        if number % 20 == 0 {
            node.bare_client().check_closed_after(&format!("{TOO_MANY}\r\n"));
        }
    }
    eventually("a checkpoint is there", || node.log().contains("checkpoint complete").then_some(()));
    // A place that becomes free is taken again.
    clients.truncate(most / 2);
    eventually("a place becomes free", || {
        node.bare_client().try_run("PING").ok().filter(|reply| !reply.is_error())
    });
}

#[test]
fn clients_of_all_listeners_count_and_need_no_password_to_be_refused() {
    if skip_unless_narf() {
        return;
    }
    let certificates = Certificates::new();
    let tls = free_port();
    let options = sealed(Options::new(), &certificates, tls)
        .password("secret")
        .unix_socket()
        .set("tls-auth-clients", "no")
        .expect_log("maxclients is lowered");
    let node = limited(256, 256, options);
    let most = maxclients(&node);
    let config = certificates.config(None);
    let over_tls = || Client::tls(([127, 0, 0, 1], tls).into(), &config).unwrap();
    let some: Vec<Client> = (0..most / 3).map(|_| node.unix_client()).collect();
    let others: Vec<Client> = (0..most / 3).map(|_| over_tls()).collect();
    let rest = fill(|| node.bare_client(), most);
    assert!(some.len() + others.len() + rest.len() <= most);
    Client::unix(Path::new(&node.unix_path())).unwrap().check_closed_after(&format!("{TOO_MANY}\r\n"));
    over_tls().check_closed_after(&format!("{TOO_MANY}\r\n"));
    assert!(open_files(&node) < 256);
}

#[test]
fn more_clients_than_can_be_had_are_refused_as_redis_does() {
    if skip_unless_narf() {
        return;
    }
    let node = limited(256, 1024, Options::new().set("maxclients", 100));
    let mut c = node.client();
    c.check("CONFIG SET maxclients 500", "+OK");
    let refused = c.run("CONFIG SET maxclients 5000").to_string();
    let expect = "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able \
                  to handle the specified number of clients, try with ";
    let most: u32 = refused.strip_prefix(expect).unwrap_or_else(|| panic!("{refused}")).parse().unwrap();
    assert_eq!(maxclients(&node), 500);
    c.check(&format!("CONFIG SET maxclients {most}"), "+OK");
    assert!(c.run(&format!("CONFIG SET maxclients {}", most + 1)).is_error());
}

#[test]
fn too_few_files_for_a_node_are_said_at_the_start() {
    if skip_unless_narf() {
        return;
    }
    let (status, log) = Server::start_in_vain(Options::new().under(&["prlimit", "--nofile=50:50", "--"]));
    assert!(!status.success());
    assert!(log.contains("50 open files are too few") && log.contains("ulimit -n"), "{log}");
}

#[test]
fn a_connection_that_finds_no_descriptor_waits_for_one_and_costs_nothing() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().expect_log("cannot accept a connection"));
    let limit_to = |files: usize| {
        let pid = node.pid().to_string();
        let words = ["--pid", &pid, &format!("--nofile={files}:4096")];
        assert!(Command::new("prlimit").args(words).status().unwrap().success());
    };
    let mut before = node.client();
    before.check("PING", "+PONG");
    // From below, as nothing else keeps a node from its last descriptor.
    limit_to(8);
    let mut waits = node.bare_client();
    waits.send("PING");
    eventually("it is said", || node.log().contains("cannot accept a connection").then_some(()));
    before.check("PING", "+PONG");
    let began = cpu_ticks(&node);
    assert_eq!(waits.next_reply(Duration::from_secs(1)), Ok(None));
    let ticks = cpu_ticks(&node) - began;
    assert!(ticks < 50, "{ticks} hundredths of a second of CPU time went into a second of waiting");
    limit_to(4096);
    assert_eq!(waits.reply().to_string(), "+PONG");
    assert_eq!(node.log().matches("cannot accept a connection").count(), 1);
}

#[test]
fn http_without_descriptors_says_so_once_and_that_it_is_over() {
    if skip_unless_narf() {
        return;
    }
    let port = free_port();
    let node =
        Server::start(Options::new().set("http-port", port).expect_log("HTTP cannot take connections"));
    let limit_to = |soft: usize| {
        let (pid, limit) = (node.pid().to_string(), format!("--nofile={soft}:"));
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
        assert!(status.success());
    };
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /health/live HTTP/1.0\r\n\r\n").unwrap();
        stream
    };
    let count = |what: &str| node.log().matches(what).count();
    let refused = || count("HTTP cannot take connections");
    for round in 1..=2 {
        // Whatever numbers are free above those that every process has.
        limit_to(3);
        let mut waiting = ask();
        eventually("a line of the log", || (refused() == round).then_some(()));
        // It is tried again ten times a second.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(refused(), round, "{}", node.log());
        limit_to(1000);
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("live"), "{answer}");
        assert_eq!(count("HTTP takes connections again"), round, "{}", node.log());
    }
}
