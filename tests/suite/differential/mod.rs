//! The same random commands to `redis-server` and to the server under test; replies must be equal.
//!
//! Three connections (RESP2 and RESP3, which they change on the way), four databases, ten keys, right and wrong
//! arguments, transactions, publishing and subscribing. Both servers get one pipelined batch of one connection at a
//! time, so the order of everything is known. What may differ is listed in [`compare`], with reasons.
//!
//! A difference is cut down to the few commands that show it before it is printed. `NARF_TEST_SEED` repeats a run,
//! `NARF_TEST_COMMANDS` changes its length.

mod blocking;
mod cluster;
mod compare;
mod generate;
mod listener;
mod pair;
mod shrink;
mod tracking;

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

use base::Random;
use narf_tests::{Kind, Options, Server, env_number};

use generate::Generator;
use pair::{Mismatch, Pair};

/// One command of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) connection: usize,
    pub(crate) args: Vec<Vec<u8>>,
}

impl Step {
    /// As a person would type it.
    fn text(&self) -> String {
        let word = |arg: &Vec<u8>| match arg.as_slice() {
            [first, .., last] if arg.len() > 100 => {
                format!("({} bytes {:?}..{:?})", arg.len(), *first as char, *last as char)
            }
            _ if !arg.is_empty()
                && arg.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte)) =>
            {
                String::from_utf8_lossy(arg).into_owned()
            }
            _ => format!("\"{}\"", arg.escape_ascii()),
        };
        format!("[{}] {}", self.connection, self.args.iter().map(word).collect::<Vec<_>>().join(" "))
    }
}

/// Commands kept to search the cause of a difference in.
const HISTORY: usize = 2_000;
/// Differences after which a run has told enough.
const DIFFERENCES_MAX: usize = 40;

#[test]
fn replies_equal_those_of_redis_with_one_worker() {
    compare_with_redis(1, env_number("NARF_TEST_SEED", 1), Turn::Usual);
}

#[test]
fn replies_equal_those_of_redis_with_two_workers() {
    compare_with_redis(2, env_number("NARF_TEST_SEED", 2), Turn::Usual);
}

/// Half of the time there is no memory left: what adds is refused, in a transaction everything is, with the same words.
#[test]
fn replies_equal_those_of_redis_while_memory_runs_out() {
    compare_with_redis(2, env_number("NARF_TEST_SEED", 3), Turn::NoMemory);
}

/// Somebody listens to what happens to keys, with one choice of classes after the other.
#[test]
fn events_equal_those_of_redis_with_one_worker() {
    compare_with_redis(1, env_number("NARF_TEST_SEED", 4), Turn::Events);
}

#[test]
fn events_equal_those_of_redis_with_two_workers() {
    compare_with_redis(2, env_number("NARF_TEST_SEED", 5), Turn::Events);
}

/// What a comparison is about beside the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Usual,
    NoMemory,
    Events,
}

/// Whether a step sorts by keys that its words do not name: that one of these is missed is not told.
fn looks_elsewhere(step: &Step) -> bool {
    step.args[0].to_ascii_uppercase().starts_with(b"SORT") && step.args.iter().any(|arg| arg.contains(&b'*'))
}

/// Batches between two changes of the limit.
const BATCHES_AT_A_LIMIT: usize = 15;

fn compare_with_redis(workers: usize, seed: u64, turn: Turn) {
    let total: usize = env_number("NARF_TEST_COMMANDS", 100_000);
    let reference = Server::start(Options::new().kind(Kind::Redis));
    let subject = Server::start(Options::new().workers(workers));
    let mut pair = Pair::new(&reference, &subject);
    let mut generator = Generator::new(Random::new(seed));
    let mut history: VecDeque<Step> = VecDeque::new();
    let mut differences: BTreeMap<String, String> = BTreeMap::new();
    let (mut sent, mut batches) = (0, 0_usize);
    while sent < total && differences.len() < DIFFERENCES_MAX {
        if turn == Turn::NoMemory && batches.is_multiple_of(BATCHES_AT_A_LIMIT) {
            // Nothing fits into a byte.
            let limit = if (batches / BATCHES_AT_A_LIMIT).is_multiple_of(2) { "0" } else { "1" };
            [&reference, &subject].iter().for_each(|server| server.config_set("maxmemory", limit));
        }
        batches += 1;
        let mut batch = generator.batch(pair.shadows());
        if turn == Turn::NoMemory {
            // Redis does not look at what is queued once a watched key has changed, so that it may say nil here instead.
            batch.retain(|step| !step.args[0].eq_ignore_ascii_case(b"WATCH"));
        }
        if turn == Turn::Events {
            // A subscription to everything would have the events too, in the midst of its replies.
            batch.retain(|step| !pair::is_subscription(step) && !looks_elsewhere(step));
            generator.choose_events(pair.shadows(), &mut batch);
        }
        sent += batch.len();
        history.extend(batch.iter().cloned());
        history.drain(..history.len().saturating_sub(HISTORY));
        if let Err(mismatch) = pair.run(&batch) {
            drop(pair);
            let steps: Vec<Step> = history.iter().cloned().collect();
            // One of a kind is enough; the others would mostly be the same mistake.
            if let Entry::Vacant(place) = differences.entry(mismatch.kind()) {
                place.insert(explain(&reference, &subject, mismatch, &steps));
            }
            // From here on the servers may hold different data: both start again from nothing.
            pair = Pair::new(&reference, &subject);
            history.clear();
        }
    }
    let count = differences.len();
    let report: Vec<String> = differences.into_values().collect();
    assert!(
        count == 0,
        "{count} kinds of difference within {sent} commands; repeat with NARF_TEST_SEED={seed} cargo nextest run -p narf-tests differential\n\n{}",
        report.join("\n\n")
    );
}

fn explain(reference: &Server, subject: &Server, mismatch: Mismatch, steps: &[Step]) -> String {
    let (mismatch, steps, note) = match shrink::shrink(reference, subject, &mismatch, steps) {
        Some((mismatch, steps)) => (mismatch, steps, "the fewest commands that show it"),
        None => (
            mismatch,
            steps[steps.len().saturating_sub(30)..].to_vec(),
            "it does not show again; the last commands",
        ),
    };
    let lines: Vec<String> = steps.iter().map(|step| format!("    {}", step.text())).collect();
    format!("{mismatch}\n  {note} (connection 1 starts in RESP3):\n{}", lines.join("\n"))
}

#[test]
fn every_data_command_is_generated_or_newer_than_the_reference_and_held_to_tests() {
    let mut generator = Generator::new(Random::new(7));
    let to_clients = command::DataCommand::ALL.iter().filter(|command| !command.spec().is_internal());
    for command in to_clients {
        let name = command.spec().name;
        let tests = generate::NEWER.iter().find(|(_, names)| names.contains(&name)).map(|(file, _)| file);
        if !generate::is_known(*command) {
            let file =
                tests.unwrap_or_else(|| panic!("`{name}` needs a generator, or tests that NEWER names"));
            let path = format!("{}/suite/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.contains(&format!("{} ", name.to_ascii_uppercase())),
                "{path} does not try `{name}`"
            );
            continue;
        }
        assert!(tests.is_none(), "the reference has `{name}`");
        // Some are asked for with another command ahead of them, or instead, now and then.
        let makes_it = (0..50).any(|_| {
            let args = generate::data(*command, &mut generator);
            let spec = command::lookup_name(&args[0]);
            spec.is_some_and(|spec| spec.name.split('|').next() == name.split('|').next())
        });
        assert!(makes_it, "`{name}` is not what its generator makes");
    }
}

#[test]
fn every_node_command_is_generated_or_excluded_for_a_reason() {
    let names: Vec<_> = command::all()
        // Internal ones are refused from clients, as unknown.
        .filter(|spec| matches!(spec.run, command::Run::Node(_)) && !spec.is_internal())
        .map(|spec| spec.name)
        .collect();
    for name in &names {
        let generated = generate::NODE_COMMANDS.contains(name);
        let excluded = generate::EXCLUDED.iter().any(|(other, _)| other == name);
        assert!(generated != excluded, "`{name}` must be in exactly one of NODE_COMMANDS and EXCLUDED");
    }
}
