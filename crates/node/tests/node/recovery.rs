//! The log says everything: what it holds is what the node was.

use crate::net::{ClientId, Net, Options, PARTITIONS, key_in};

/// A random request over few keys, so that they meet.
fn request(net: &mut Net) -> Vec<String> {
    let random = net.random();
    let mut pick = |n: u64| random.below(n);
    let key = |n: u64| key_in((n % 8) as u16, if n < 8 { "a" } else { "b" });
    let (a, b, n) = (key(pick(16)), key(pick(16)), pick(1000));
    let one = match pick(28) {
        0..3 => format!("SET {a} {n}"),
        3 => format!("SET {a} {n} PX {}", 1 + n),
        4 => format!("APPEND {a} {n}"),
        5 => format!("HSET h{a} f{} {n}", n % 40),
        6 => format!("HDEL h{a} f{}", n % 40),
        7 => format!("HINCRBYFLOAT h{a} g 1.5"),
        8 => format!("DEL {a} {b} h{a}"),
        9 => format!("RENAME {a} {b}"),
        10 => format!("COPY h{a} h{b} REPLACE"),
        11 => format!("COPY {a} {b} DB {} REPLACE", n % 4),
        12 => format!("MOVE {a} {}", 1 + n % 15),
        13 => format!("MSET {a} {n} {b} {n}"),
        14 => format!("MSETNX {a} {n} {b}x {n}"),
        15 => format!("PEXPIRE {a} {}", n % 300),
        16 => format!("PERSIST {a}"),
        17 => format!("GETEX {a} PX {}", 1 + n % 200),
        18 => format!("INCR {a}"),
        19 => format!("SETRANGE {a} {} xyz", n % 50),
        20 => format!("MGET {a} {b}"),
        21 => format!("GETDEL {a}"),
        22 => format!("EXPIRE h{a} {}", n % 2),
        23 if n < 30 => "FLUSHALL".to_owned(),
        23 if n < 60 => "FLUSHDB".to_owned(),
        23 if n < 90 => "DEBUG RELOAD".to_owned(),
        24 => format!("SELECT {}", n % 4),
        25 => format!("SET {a} {}", "long".repeat(n as usize)),
        26 => {
            let (c, d) = (key(pick(16)), key(pick(16)));
            return ["MULTI".to_owned(), format!("SET {a} {n} PX {}", 1 + n), format!("RENAME {b} {c}")]
                .into_iter()
                .chain([format!("HSET h{d} m {n}"), format!("DEL {b} {d}"), "EXEC".to_owned()])
                .collect();
        }
        _ => format!("GET {a}"),
    };
    vec![one]
}

fn work(net: &mut Net, clients: &[ClientId], requests: usize) {
    for _ in 0..requests {
        let client = clients[net.random().below(clients.len() as u64) as usize];
        let lines = request(net);
        net.send(client, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..net.random().below(6) {
            net.step();
        }
        if net.random().chance(1, 30) {
            let millis = net.random().below(60);
            net.pass(millis);
        }
    }
    net.settle();
}

fn size_of_everything(net: &mut Net) -> Vec<String> {
    let client = net.connect(0);
    let mut sizes = Vec::new();
    for db in 0..16 {
        sizes.extend(net.talk(client, &[&format!("SELECT {db}"), "DBSIZE"]).pop());
    }
    net.hang_up(client);
    sizes
}

#[test]
fn replaying_the_log_gives_the_state() {
    for workers in 1..=3 {
        for seed in 0..12 {
            let mut net = Net::with(Options { workers, seed, logging: true, settings: Vec::new() });
            let clients: Vec<ClientId> = (0..4).map(|n| net.connect(n)).collect();
            for _ in 0..3 {
                work(&mut net, &clients, 150);
                let mut again = net.restarted(false);
                let sizes = size_of_everything(&mut again);
                assert_eq!(sizes, size_of_everything(&mut net), "{workers} workers, seed {seed}");
                assert_eq!(again.digest(), net.digest(), "{workers} workers, seed {seed}");
            }
        }
    }
}

#[test]
fn checkpoints_taken_under_writes_and_the_log_after_them_give_the_state() {
    for workers in 1..=3 {
        for seed in 100..112 {
            let mut net = Net::with(Options { workers, seed, logging: true, settings: Vec::new() });
            let clients: Vec<ClientId> = (0..4).map(|n| net.connect(n)).collect();
            work(&mut net, &clients, 200);
            for round in 0..3 {
                net.checkpoints.clear();
                net.begin_checkpoints();
                for _ in 0..400 {
                    work(&mut net, &clients, 1);
                    net.tick();
                }
                assert_eq!(net.checkpoints.len(), usize::from(PARTITIONS), "all were written");
                work(&mut net, &clients, 50);
                let mut again = net.restarted(true);
                let sizes = size_of_everything(&mut again);
                assert_eq!(
                    sizes,
                    size_of_everything(&mut net),
                    "{workers} workers, seed {seed}, round {round}"
                );
                assert_eq!(again.digest(), net.digest(), "{workers} workers, seed {seed}, round {round}");
            }
        }
    }
}

#[test]
fn a_restarted_node_goes_on_where_the_log_ends() {
    let mut net = Net::new(2, 5);
    let clients = [net.connect(0), net.connect(1)];
    work(&mut net, &clients, 100);
    let mut second = net.restarted(false);
    second.frames = [net.frames.clone(), second.frames].concat();
    let clients = [second.connect(0), second.connect(1)];
    work(&mut second, &clients, 100);
    assert_eq!(second.restarted(false).digest(), second.digest());
}

/// `DEBUG RELOAD` in the middle of a checkpoint loses nothing, neither from memory nor from the checkpoint.
#[test]
fn reloading_while_a_checkpoint_is_written_keeps_both_whole() {
    for workers in 1..=3 {
        let mut net = Net::with(Options { workers, seed: 8, logging: true, settings: Vec::new() });
        let client = net.connect(0);
        for n in 0..300 {
            net.send(client, &[&format!("SET key{n} {}", "v".repeat(5000)), &format!("EXPIRE key{n} 1000")]);
        }
        net.settle();
        net.take(client);
        let before = net.digest();
        net.begin_checkpoints();
        let mut reloads = 0;
        while net.checkpoints.len() < usize::from(PARTITIONS) {
            net.tick();
            if net.random().chance(1, 3) {
                assert_eq!(net.ask(client, "DEBUG RELOAD"), "OK");
                reloads += 1;
            }
        }
        assert!(reloads > 2);
        assert_eq!(net.ask(client, "DBSIZE"), "300");
        assert_eq!(net.digest(), before);
        assert_eq!(net.restarted(true).digest(), before);
        assert_eq!(net.restarted(false).digest(), before);
    }
}

/// The clock was set back while the node was down: what had lapsed before the checkpoint stays so, and the time of
/// entries does not go back.
#[test]
fn time_does_not_go_back_behind_a_checkpoint() {
    let mut net = Net::new(2, 6);
    let client = net.connect(0);
    net.talk(
        client,
        &["DEBUG SET-ACTIVE-EXPIRE 0", "SET short 1 PX 500", "SET long 1 PX 5000", "MSET a 1 b 2 c 3"],
    );
    net.pass(1000);
    net.begin_checkpoints();
    while net.checkpoints.len() < usize::from(PARTITIONS) {
        net.tick();
    }
    let mut again = net.restarted(true);
    again.now.wall_us -= 900_000;
    let client = again.connect(0);
    assert_eq!(again.talk(client, &["EXISTS short", "PTTL long", "SET a 2"]), ["0", "4000", "OK"]);
    let times = |net: &Net| -> Vec<u64> {
        let frames = net.frames.iter().flat_map(|frame| node::entry::records(frame));
        let time = |record| match record {
            Ok(node::entry::Record::Entry(header, _)) => Some(header.time.0),
            _ => None,
        };
        frames.filter_map(time).collect()
    };
    assert!(times(&again).into_iter().min() >= times(&net).into_iter().max());
}

#[test]
fn a_node_that_starts_from_checkpoints_alone_leads_in_a_later_term() {
    let mut net = Net::new(1, 6);
    for _ in 0..3 {
        let client = net.connect(0);
        let keys: Vec<String> = (0..PARTITIONS).map(|p| format!("{} 1", key_in(p, "t"))).collect();
        net.talk(client, &[&format!("MSET {}", keys.join(" "))]);
        net.checkpoints.clear();
        net.begin_checkpoints();
        while net.checkpoints.len() < usize::from(PARTITIONS) {
            net.tick();
        }
        let last_term = net.checkpoint_terms().into_iter().max();
        net = net.restarted(true);
        let opened = net.frames[0].clone();
        for record in node::entry::records(&opened) {
            let Ok(node::entry::Record::Term { term, .. }) = record else { panic!("{record:?}") };
            assert!(Some(term) > last_term, "{term} {last_term:?}");
        }
    }
}
