//! A leader stands still while another takes over and writes go on. Who asks it afterwards, or asked it meanwhile, never gets
//! a value older than one that was acknowledged before the question: neither of a leader that trusts its lease, nor of one
//! that asks the majority.

use std::time::{Duration, Instant};

use base::Random;
use narf_tests::{Client, Signal, env_number, pause, signal, skip_unless_narf};

use super::{gap_of, is_long, key_led_by, rounds};
use crate::nodes::Cluster;

/// Writes elsewhere while it stands still, each followed by questions to it.
const WRITES: u64 = 100;
const LEVELS: [&str; 2] = ["LEASE", "LINEAR"];

/// Who asks the leader, in one of the ways.
struct Reader {
    client: Client,
    answered: u64,
}

impl Reader {
    fn start(mut client: Client, level: &str, key: &str) -> Reader {
        client.check(&format!("CLIENT READ {level}"), "+OK");
        client.check(&format!("GET {key}"), "\"0\"");
        Reader { client, answered: 0 }
    }

    /// The next answer is not older than that.
    fn check(&mut self, level: &str, least: u64) {
        let answer = self.client.reply();
        if answer.is_error() {
            return;
        }
        self.answered += 1;
        let value: u64 = answer.text().parse().unwrap();
        assert!(value >= least, "{level}: {value} was read after {least} was acknowledged");
    }
}

#[test]
fn stale_after_pause() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    let mut answered = [0; LEVELS.len()];
    let pauses = rounds(3);
    for round in 0..pauses {
        let victim = (round % 3) as usize;
        let key = key_led_by(&cluster, victim);
        let mut writer = cluster.nodes[(victim + 1) % 3].client();
        writer.check(&format!("SET {key} 0"), "+OK");
        let mut readers = LEVELS.map(|level| Reader::start(cluster.nodes[victim].client(), level, &key));
        pause(cluster.nodes[victim].pid());
        let length = Duration::from_millis(if is_long() { 1000 + random.below(9000) } else { 0 });
        let begun = Instant::now();
        gap_of(&mut writer, &key, 1);
        for number in 1..=WRITES {
            writer.check(&format!("SET {key} {number}"), "+OK");
            readers.iter_mut().for_each(|reader| reader.client.send(&format!("GET {key}")));
        }
        std::thread::sleep(length.saturating_sub(begun.elapsed()));
        signal(cluster.nodes[victim].pid(), Signal::Continue);
        for (level, reader) in LEVELS.iter().zip(&mut readers) {
            (1..=WRITES).for_each(|number| reader.check(level, number));
            // As long as it takes to know better.
            for _ in 0..WRITES {
                reader.client.send(&format!("GET {key}"));
                reader.check(level, WRITES);
            }
        }
        answered.iter_mut().zip(readers).for_each(|(sum, reader)| *sum += reader.answered);
        cluster.wait_until_ready(3);
    }
    assert!(answered.iter().all(|count| *count > 0), "only errors were answered: {answered:?}");
    println!("stale-after-pause: {pauses} pauses, {answered:?} reads of {LEVELS:?}, none stale");
}
