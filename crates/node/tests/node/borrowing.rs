//! Partitions on loan: nobody waits for ever, nothing is lost, order holds.

use crate::net::{Net, Options, PARTITIONS, key_in, on_all};

/// Counters over all partitions, moved about by requests that need several at once, while single requests go on.
#[test]
fn random_writers_over_several_partitions_all_get_their_answers() {
    for workers in 1..=3 {
        for seed in 0..20 {
            let mut net = Net::with(Options { workers, seed, logging: true, settings: Vec::new() });
            let clients: Vec<_> = (0..6).map(|n| net.connect(n)).collect();
            let mut sent = vec![0; clients.len()];
            let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "c")).collect();
            for _ in 0..200 {
                let who = net.random().below(6) as usize;
                let mut key = || keys[net.random().below(8) as usize].clone();
                let (a, b, c) = (key(), key(), key());
                let what = net.random().below(7);
                let lines: Vec<String> = match what {
                    0 => vec![format!("MSET {a} 1 {b} 2 {c} 3")],
                    1 => vec![format!("MGET {a} {b} {c}")],
                    2 => vec!["MULTI".into(), format!("INCR {a}"), format!("INCR {b}"), "EXEC".into()],
                    3 => vec![format!("WATCH {a} {b}"), "UNWATCH".into()],
                    4 => vec!["DBSIZE".into(), format!("DEL {a} {b}")],
                    5 => vec!["KEYS *".into(), format!("RENAMENX {a} {b}")],
                    _ => vec![format!("INCR {a}"), format!("GET {b}")],
                };
                sent[who] += lines.len();
                net.send(clients[who], &lines.iter().map(String::as_str).collect::<Vec<_>>());
                for _ in 0..net.random().below(5) {
                    net.step();
                }
            }
            net.settle();
            for (client, sent) in clients.into_iter().zip(sent) {
                assert_eq!(net.take(client).len(), sent, "{workers} workers, seed {seed}");
            }
        }
    }
}

/// Money is moved between accounts of different partitions; every look at all of them sees the same sum.
#[test]
fn every_look_at_several_partitions_sees_one_moment() {
    on_all(|net| {
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "acc")).collect();
        let setup = net.connect(0);
        net.talk(
            setup,
            &[&format!("MSET {}", keys.iter().map(|key| format!("{key} 100")).collect::<Vec<_>>().join(" "))],
        );
        let movers = [net.connect(0), net.connect(1), net.connect(2)];
        let lookers = [net.connect(0), net.connect(1), net.connect(2)];
        for _ in 0..30 {
            for &mover in &movers {
                let (a, b) = (net.random().below(8) as usize, net.random().below(8) as usize);
                let (a, b) = (&keys[a], &keys[b]);
                net.send(mover, &["MULTI", &format!("DECRBY {a} 7"), &format!("INCRBY {b} 7"), "EXEC"]);
            }
            for &looker in &lookers {
                net.send(looker, &[&format!("MGET {}", keys.join(" "))]);
            }
            net.step();
        }
        net.settle();
        for looker in lookers {
            for reply in net.take_values(looker) {
                let sum: i64 = reply.as_slice().unwrap().iter().map(|value| value.as_int().unwrap()).sum();
                assert_eq!(sum, 800);
            }
        }
    });
}

/// A long line behind one partition is served without a call for each place in it.
#[test]
fn thousands_may_wait_for_a_partition_that_is_away() {
    let mut net = Net::with(Options { workers: 2, seed: 1, logging: true, settings: Vec::new() });
    let (near, near2, far) = (key_in(0, "l"), key_in(1, "l"), key_in(7, "l"));
    let borrower = net.connect(1);
    let waiting: Vec<_> = (0..3000).map(|_| net.connect(0)).collect();
    // Lent to the other worker: what comes now stands in line.
    net.send(borrower, &[&format!("MSET {near} 0 {far} 0")]);
    let mut steps = 0;
    while net.borrowed_by_other(0) == 0 {
        assert!(net.step(), "the loan happens");
        steps += 1;
        assert!(steps < 1000);
    }
    for &client in &waiting {
        net.send_now(client, &format!("MSET {near} 1 {near2} 1"));
    }
    net.settle();
    for client in waiting {
        assert_eq!(net.take(client), ["OK"]);
    }
}

/// One worker's stream of requests does not keep another's borrower away for ever.
#[test]
fn a_borrower_gets_its_turn_among_many_local_requests() {
    let mut net = Net::with(Options { workers: 3, seed: 9, logging: true, settings: Vec::new() });
    let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "f")).collect();
    let streams: Vec<_> = (0..3).map(|n| net.connect(n)).collect();
    let borrower = net.connect(1);
    for &stream in &streams {
        for n in 0..2000 {
            net.send(stream, &[&format!("MSET {} {n} {} {n}", keys[n % 8], keys[(n + 3) % 8])]);
        }
    }
    for _ in 0..50 {
        net.step();
    }
    net.send(borrower, &["DBSIZE"]);
    let mut steps = 0;
    while net.take(borrower).is_empty() {
        assert!(net.step());
        steps += 1;
        assert!(steps < 3000, "the borrower starves");
    }
}
