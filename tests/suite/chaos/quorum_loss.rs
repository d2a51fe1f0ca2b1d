//! One of three goes on alone: it says within moments what it cannot do, nothing of that is there later, and once the
//! others are back, so is all.

use std::time::{Duration, Instant};

use narf_tests::{Client, Signal, Value, eventually, pause, signal, skip_unless_narf};

use super::load::Load;
use super::{check_limit, gap_of, is_long, percentiles, rounds, settle};
use crate::nodes::Cluster;

/// Who is alone says so within.
const TOLD_MAX: Duration = Duration::from_secs(1);
/// What is under way when the others go is told once it is known that they are gone.
const UNDER_WAY_MAX: Duration = Duration::from_secs(2);
const RECOVERED_MAX: Duration = Duration::from_secs(3);
/// Requests of each kind, at least.
const ASKED: u64 = 10;
/// How long it is alone once, in a long run.
const ALONE: Duration = Duration::from_secs(30);

/// What who is alone answers.
#[derive(Default)]
struct Alone {
    /// How long it took to be told, once it was known that nobody is there; and before.
    known: Vec<Duration>,
    under_way: Vec<Duration>,
}

impl Alone {
    /// Takes the answer to what was sent at `begin`.
    fn take(&mut self, client: &mut Client, begin: Instant) -> Value {
        let answer = client.reply();
        let took = begin.elapsed();
        let text = answer.text();
        match text.split(' ').next().unwrap() {
            "CLUSTERDOWN" => self.known.push(took),
            "UNKNOWNOUTCOME" => self.under_way.push(took),
            _ => panic!("who is alone answers {answer}"),
        }
        answer
    }
}

#[test]
fn quorum_loss() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let (mut alone, mut reads) = (Alone::default(), Alone::default());
    // Keys whose writes were refused: not applied.
    let (mut refused, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..rounds(2) {
        load.wait_for(300);
        let survivor = (round % 3) as usize;
        let others: Vec<usize> = (0..3).filter(|node| *node != survivor).collect();
        let [mut client, mut reader, mut linear] = [(); 3].map(|()| cluster.nodes[survivor].client());
        client.check(&format!("SET known {round}"), "+OK");
        linear.check("CLIENT READ LINEAR", "+OK");
        // A replica hears some moments later what is committed; what it has not heard of it cannot show when it is alone.
        reader.check("READONLY", "+OK");
        let known = format!("\"{round}\"");
        eventually("the replica of who is to be alone has it", || {
            (reader.run("GET known").to_string() == known).then_some(())
        });
        for &node in &others {
            load.set_place(node, None);
            pause(cluster.nodes[node].pid());
        }
        let (begun, length) = (Instant::now(), if is_long() && round == 0 { ALONE } else { Duration::ZERO });
        let mut number = 0;
        while number < ASKED || begun.elapsed() < length {
            let (key, begin) = (format!("alone:{round}:{number}"), Instant::now());
            client.send(&format!("SET {key} x"));
            linear.send("GET known");
            if alone.take(&mut client, begin).text().starts_with("CLUSTERDOWN") {
                refused.push(key);
            }
            reads.take(&mut linear, begin);
            number += 1;
        }
        reader.check("GET known", &known);
        for &node in &others {
            signal(cluster.nodes[node].pid(), Signal::Continue);
            load.set_place(node, Some(cluster.nodes[node].address()));
        }
        recoveries.push(gap_of(&mut client, "known", 1));
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    let mut client = cluster.nodes[0].client();
    for key in &refused {
        assert_eq!(client.run(&format!("EXISTS {key}")).int(), 0, "{key} was refused, and is there");
    }
    let most = |times: &[Duration]| times.iter().copied().max().unwrap_or_default();
    let longest = [most(&alone.known), most(&reads.known), most(&alone.under_way), most(&recoveries)];
    println!("quorum-loss, writes refused: {}", percentiles(alone.known));
    println!("quorum-loss, linear reads refused: {}", percentiles(reads.known));
    println!(
        "quorum-loss, fate not known: {} writes, after {:.2?} at most",
        alone.under_way.len(),
        longest[2]
    );
    println!("quorum-loss, written again: {}", percentiles(recoveries));
    println!(
        "quorum-loss: {acknowledged} writes acknowledged, none lost; of {} refused none is there",
        failures.len() + refused.len()
    );
    assert_eq!(reads.under_way.len(), 0, "a read has no outcome that is not known");
    check_limit("quorum-loss, a write is refused", longest[0], TOLD_MAX);
    check_limit("quorum-loss, a linear read is refused", longest[1], TOLD_MAX);
    check_limit("quorum-loss, fate not known", longest[2], UNDER_WAY_MAX);
    check_limit("quorum-loss, written again", longest[3], RECOVERED_MAX);
}
