//! Wall clocks that are set while nodes run. A process is lied to about its clock by a library that is preloaded
//! (`clock.c`); the steady clock stays what it is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use narf_tests::{Client, Kind, Options, Server, eventually, narf_binary, skip_unless_narf};
use tempfile::TempDir;

use crate::nodes::{Cluster, options, write_anyhow};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;
/// What the log says of a clock that was set.
const ALARM: &str = "the system's clock was set or is wrong";

/// The clocks of some processes, and the library that lies about them.
struct Clocks {
    folder: TempDir,
    files: Vec<File>,
}

impl Clocks {
    fn new(count: usize) -> Clocks {
        let folder = TempDir::with_prefix("narf-clock-").unwrap();
        let source = folder.path().join("clock.c");
        std::fs::write(&source, include_str!("clock.c")).unwrap();
        let mut compile = Command::new("gcc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let output = compile.arg(folder.path().join("clock.so")).arg(source).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut clocks = Clocks { folder, files: Vec::new() };
        for number in 0..count {
            clocks.files.push(File::create(clocks.path(number)).unwrap());
            clocks.set(number, 0);
        }
        clocks
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("clock-{number}"))
    }

    fn options(&self, number: usize, options: Options) -> Options {
        let library = self.folder.path().join("clock.so");
        options
            .variable("LD_PRELOAD", library.to_str().unwrap())
            .variable("NARF_TEST_CLOCK", self.path(number).to_str().unwrap())
            .expect_log(ALARM)
    }

    /// A clock is so many seconds off from now on.
    fn set(&self, number: usize, seconds: i64) {
        self.files[number].write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

fn seconds_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn jumps() -> [i64; 5] {
    [YEAR, -YEAR, -seconds_now(), HOUR, -HOUR]
}

fn number(node: &Server, field: &str) -> i64 {
    node.info(field).unwrap().parse().unwrap()
}

#[track_caller]
fn wait_for_alarm(node: &Server, is_on: i64) {
    eventually("the alarm", || (number(node, "narf_clock_alarm") == is_on).then_some(()));
}

/// Writes a key that lapses after so long, and sees to it that it does then, and not earlier.
#[track_caller]
fn check_lapses(client: &mut Client, key: &str, millis: u64) {
    let begun = Instant::now();
    client.check(&format!("SET {key} v PX {millis}"), "+OK");
    eventually("a key that lapses", || (client.run(&format!("EXISTS {key}")).int() == 0).then_some(()));
    let took = begun.elapsed();
    let least = Duration::from_millis(millis) * 9 / 10;
    assert!(took >= least, "{key} lapsed after {took:?} instead of {millis} ms");
    assert!(took < Duration::from_millis(millis + 2_000), "{key} lapsed only after {took:?}");
}

#[test]
fn no_key_dies_or_lives_longer_for_a_jump_which_is_told() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(1);
    let node = Server::start(clocks.options(0, Options::new().kind(Kind::Narf)));
    let mut client = node.client();
    assert_eq!((number(&node, "narf_clock_alarm"), number(&node, "narf_clock_offset_ms") / 1000), (0, 0));
    for (round, jump) in jumps().into_iter().enumerate() {
        let (begun, keys) = (Instant::now(), 200);
        for key in 0..keys {
            client.check(&format!("SET {round}:{key} v PX 60000"), "+OK");
        }
        clocks.set(0, jump);
        wait_for_alarm(&node, 1);
        let off = number(&node, "narf_clock_offset_ms") / 1000;
        assert!((off - jump).abs() <= 2, "{off} instead of {jump}");
        let seconds = client.run("TIME").items()[0].text().parse::<i64>().unwrap();
        assert!((seconds - seconds_now()).abs() <= 2, "{seconds}");
        check_lapses(&mut client, "short", 700);
        for key in 0..keys {
            let left = client.run(&format!("PTTL {round}:{key}")).int();
            let least = 60_000 - i64::try_from(begun.elapsed().as_millis()).unwrap() - 1_000;
            assert!((least..=60_000).contains(&left), "{left} instead of {least} or more");
        }
        assert!(client.run("FABRIC CHECK").to_string().contains("s clock of this node is"));
        clocks.set(0, 0);
        wait_for_alarm(&node, 0);
    }
    let told = node.log().lines().filter(|line| line.contains(ALARM)).count();
    assert_eq!(told, jumps().len(), "{}", node.log());
    assert_eq!(node.log().matches("the system's clock is followed").count(), jumps().len(), "{}", node.log());
}

#[test]
fn an_operator_accepts_a_clock_that_is_ahead_at_once_and_one_that_is_behind_by_going_slower() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(1);
    let node = Server::start(clocks.options(0, Options::new().kind(Kind::Narf)));
    let narf = |words: &[&str]| {
        let mut command = Command::new(narf_binary());
        command.args(["cluster", "clock"]).args(words).env("NARF_URL", format!("redis://{}", node.address()));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let mut client = node.client3();
    let (code, text) = narf(&[]);
    assert!(code == 0 && text.contains("follows: the node's time is the system's"), "{text}");
    client.check("SET minutes v EX 600", "+OK");
    client.check("SET hours v EX 7200", "+OK");
    clocks.set(0, HOUR);
    let (code, text) = narf(&["-o", "csv"]);
    let off_ms = text.strip_prefix("state,offset-ms,time-ms\nalarm,").and_then(|rest| rest.split(',').next());
    // The two clocks do not tick alike: their difference may be less than what was set, too.
    let off_ms: i64 = off_ms.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(code == 6 && (off_ms - 1000 * HOUR).abs() <= 2000, "{code} {text}");
    client.check("GET minutes", "\"v\"");
    let (code, text) = narf(&["--accept"]);
    assert!(code == 0 && text.contains("follows"), "{code} {text}");
    client.check("EXISTS minutes", ":0");
    let left = client.run("TTL hours").int();
    assert!((3590..=3600).contains(&left), "{left}");
    // And back: no key comes to life again, and none lives an hour longer.
    clocks.set(0, 0);
    let state = |client: &mut Client, line: &str| client.run(line).field("state").unwrap().text();
    assert_eq!(state(&mut client, "FABRIC CLOCK"), "alarm");
    assert_eq!(state(&mut client, "FABRIC CLOCK ACCEPT"), "slower");
    client.check("EXISTS minutes", ":0");
    check_lapses(&mut client, "short", 700);
    let (code, text) = narf(&[]);
    assert!(code == 0 && text.contains("slower"), "{code} {text}");
    assert_eq!(number(&node, "narf_clock_alarm"), 0);
    client.check("FABRIC CLOCK NOW", "-ERR syntax error");
}

/// Ends the load, however the test ends.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nodes_whose_clocks_jump_elect_nobody_and_keep_the_same_keys() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(3);
    let cluster = Cluster::with(3, |number, options| clocks.options(number, options));
    let terms = || -> Vec<i64> {
        let map = cluster.nodes[0].client3().run("FABRIC MAP").items();
        map.iter().map(|partition| partition.field("term").unwrap().int()).collect()
    };
    let (before, stop) = (terms(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let load = |node: &Server| {
            let (mut client, mut written) = (node.client(), 0);
            while !stop.load(Ordering::Relaxed) {
                let key = format!("load:{}:{}", node.port(), written % 500);
                client.check(&format!("SET {key} {written} PX 60000"), "+OK");
                client.check(&format!("GET {key}"), &format!("\"{written}\""));
                written += 1;
            }
            written
        };
        let loads: Vec<_> = cluster.nodes.iter().map(|node| scope.spawn(move || load(node))).collect();
        let _stops = Stops(&stop);
        let mut client = cluster.nodes[0].client();
        for (round, jump) in jumps().into_iter().enumerate() {
            let number = round % 3;
            for key in 0..100 {
                client.check(&format!("SET {round}:{key} v PX 60000"), "+OK");
            }
            clocks.set(number, jump);
            wait_for_alarm(&cluster.nodes[number], 1);
            check_lapses(&mut client, &format!("short:{round}"), 700);
            for key in 0..100 {
                client.check(&format!("GET {round}:{key}"), "\"v\"");
            }
            clocks.set(number, 0);
            wait_for_alarm(&cluster.nodes[number], 0);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(loads.into_iter().all(|load| load.join().unwrap() > 50));
    });
    assert_eq!(terms(), before);
    cluster.compare_replicas().unwrap();
}

/// Whether a node's time is that of the machine, which no process here is told.
#[track_caller]
fn check_time(node: &Server, ahead: i64) {
    let seconds = node.client().run("TIME").items()[0].text().parse::<i64>().unwrap();
    assert!((seconds - seconds_now() - ahead).abs() <= 2, "{} instead of {ahead}", seconds - seconds_now());
}

/// Keys with deadlines, and when they were written.
struct Lapsing {
    begun: Instant,
    count: usize,
}

impl Lapsing {
    const SECONDS: u64 = 1_000;

    fn write(client: &mut Client, count: usize) -> Lapsing {
        let begun = Instant::now();
        for number in 0..count {
            write_anyhow(client, &format!("SET lapsing:{number} v EX {}", Lapsing::SECONDS));
        }
        Lapsing { begun, count }
    }

    /// None is gone, and none lives longer than it should, by more than a second.
    #[track_caller]
    fn check(&self, client: &mut Client) {
        // Whoever served it may be gone, and who leads then is found.
        eventually("a leader for each", || {
            let lines = (0..self.count).map(|number| format!("PTTL lapsing:{number}"));
            let replies = client.pipeline(lines);
            replies.iter().all(|reply| !reply.to_string().starts_with('-')).then_some(())
        });
        for number in 0..self.count {
            let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
            let left = client.run(&format!("PTTL lapsing:{number}")).int();
            let most = Lapsing::SECONDS.cast_signed() * 1000 + 1_000;
            assert!((most - 2_000 - passed..=most).contains(&left), "{left} ms are left after {passed}");
        }
    }
}

#[test]
fn a_node_that_starts_with_a_wrong_clock_takes_the_time_of_those_who_run() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(3);
    let offs = [0, HOUR, -HOUR];
    let mut cluster = Cluster::with(3, |number, options| {
        clocks.set(number, offs[number]);
        clocks.options(number, options)
    });
    for (node, off) in cluster.nodes.iter().zip(offs) {
        check_time(node, 0);
        assert_eq!(number(node, "narf_clock_alarm"), i64::from(off != 0));
        assert!((number(node, "narf_clock_offset_ms") / 1000 - off).abs() <= 2);
        let check = || node.client().run("FABRIC CHECK").to_string();
        eventually("a word on both", || (check().matches("s clock of").count() == 2).then_some(()));
        assert!(!check().contains("the time of node"), "{}", check());
    }
    let keys = Lapsing::write(&mut cluster.nodes[1].client(), 500);
    // Each in turn is gone, and comes back with another clock; so all are led by each.
    for (round, number) in [0, 1, 2, 0].into_iter().enumerate() {
        cluster.nodes[number].kill9();
        let mut client = cluster.nodes[(number + 1) % 3].client();
        keys.check(&mut client);
        eventually("a write", || {
            (client.run(&format!("SET gone:{round} v PX 700")).to_string() == "+OK").then_some(())
        });
        check_lapses(&mut client, &format!("short:{round}"), 700);
        clocks.set(number, [HOUR, YEAR, -seconds_now(), 0][round]);
        cluster.nodes[number].restart();
        cluster.wait_until_ready(3);
        check_time(&cluster.nodes[number], 0);
        wait_for_alarm(&cluster.nodes[number], i64::from(round != 3));
        keys.check(&mut cluster.nodes[number].client());
    }
    cluster.compare_replicas().unwrap();
}

#[test]
fn nodes_that_all_start_at_once_agree_on_the_time_of_most() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(3);
    let mut cluster = Cluster::with(3, |number, options| clocks.options(number, options));
    let keys = Lapsing::write(&mut cluster.nodes[0].client(), 100);
    cluster.kill_all();
    (0..3).zip([HOUR, 0, -HOUR]).for_each(|(number, off)| clocks.set(number, off));
    cluster.nodes.iter_mut().for_each(Server::begin_again);
    cluster.nodes.iter_mut().for_each(Server::wait_until_up);
    cluster.wait_until_ready(3);
    for (node, alarm) in cluster.nodes.iter().zip([1, 0, 1]) {
        check_time(node, 0);
        wait_for_alarm(node, alarm);
        keys.check(&mut node.client());
    }
}

#[test]
fn of_two_that_disagree_the_earlier_is_taken_and_both_say_so() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(2);
    let mut cluster = Cluster::with(2, |number, options| clocks.options(number, options));
    let keys = Lapsing::write(&mut cluster.nodes[0].client(), 100);
    cluster.kill_all();
    clocks.set(0, HOUR);
    cluster.nodes.iter_mut().for_each(Server::begin_again);
    cluster.nodes.iter_mut().for_each(Server::wait_until_up);
    cluster.wait_until_ready(2);
    for node in &cluster.nodes {
        check_time(node, 0);
        keys.check(&mut node.client());
        let told = || node.client().run("FABRIC CHECK").to_string().contains("s clock of");
        eventually("a word on the clocks", || told().then_some(()));
    }
    assert_eq!([0, 1].map(|node| number(&cluster.nodes[node], "narf_clock_alarm")), [1, 0]);
}

#[test]
fn nodes_say_that_their_times_differ_until_one_takes_that_of_the_others() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(3);
    let apart = "the time of another node is not this one's";
    let with = |number, options| clocks.options(number, options).expect_log(apart);
    let mut cluster = Cluster::with(3, with);
    clocks.set(2, HOUR);
    wait_for_alarm(&cluster.nodes[2], 1);
    cluster.nodes[2].client3().run("FABRIC CLOCK ACCEPT");
    check_time(&cluster.nodes[2], HOUR);
    for (node, way) in cluster.nodes.iter().zip(["3600 s ahead of", "3600 s ahead of", "3600 s behind"]) {
        eventually("a word on times that differ", || {
            let check = node.client().run("FABRIC CHECK").to_string();
            (check.contains("the time of node") && check.contains(way)).then_some(())
        });
    }
    assert_eq!(cluster.nodes[0].log().matches(apart).count(), 1, "{}", cluster.nodes[0].log());
    // The others do not follow it.
    check_time(&cluster.nodes[0], 0);
    cluster.nodes[2].kill9();
    cluster.nodes[2].restart();
    cluster.wait_until_ready(3);
    check_time(&cluster.nodes[2], 0);
    eventually("no word on times that differ", || {
        let says = |node: &Server| node.client().run("FABRIC CHECK").to_string().contains("the time of node");
        (!cluster.nodes.iter().any(says)).then_some(())
    });
}

#[test]
fn a_node_that_has_all_data_asks_the_witness_what_time_it_is() {
    if skip_unless_narf() {
        return;
    }
    let clocks = Clocks::new(2);
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let options = |number| clocks.options(number, options(&runtime.path().join("run")));
    let mut node = Server::start(options(0));
    let mut witness = Server::start(options(1).variable("NARF_WITNESS", "yes"));
    let keys = Lapsing::write(&mut node.client(), 100);
    for off in [HOUR, YEAR, -HOUR] {
        node.kill9();
        clocks.set(0, off);
        node.restart();
        check_time(&node, 0);
        keys.check(&mut node.client());
        wait_for_alarm(&node, 1);
    }
    // Without it the node goes by its log and its own clock.
    clocks.set(0, 0);
    witness.kill9();
    node.kill9();
    node.restart();
    keys.check(&mut node.client());
    wait_for_alarm(&node, 0);
}
