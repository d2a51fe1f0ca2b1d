//! Counters of one worker, and what they add up to for `INFO`.
//!
//! The hot path adds to plain fields; sums are made when someone asks.

mod calls;
mod errors;
mod snapshot;

use std::collections::BTreeMap;

use base::Now;
use command::{DataCommand, Flags, NodeCommand, Run, Spec};

use crate::histogram::Histogram;
use crate::settings::{LatencyTracking, Settings};

pub(crate) use calls::Calls;
pub(crate) use errors::ErrorCounts;
use errors::last_error;
pub(crate) use snapshot::{DbCount, Snapshot};

/// What rates are measured from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sampled {
    at_us: u64,
    commands: u64,
    /// Bytes from clients and to them.
    net: (u64, u64),
}

/// Counters of one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Requests taken up.
    pub commands: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections refused because there were too many.
    pub rejected_connections: u64,
    /// Bytes from clients.
    pub net_input_bytes: u64,
    /// Bytes to clients.
    pub net_output_bytes: u64,
    /// Reads from clients' sockets that brought something.
    pub reads: u64,
    /// Writes to clients' sockets that took something.
    pub writes: u64,
    /// Turns that deleted as many lapsed keys as one may, and left others for the next.
    pub expiry_cut_short: u64,
    /// Rounds of checkpoints that were written.
    pub checkpoints: u64,
    /// Keys deleted because their deadline had passed.
    pub expired_keys: u64,
    /// Keys deleted because memory was short.
    pub evicted_keys: u64,
    /// Error replies made by the node, where they were made: on several nodes by the one that ran the request.
    pub(crate) errors: ErrorCounts,
    /// Operations that changed something.
    pub changes: u64,
    /// Requests sent to other workers.
    pub calls_sent: u64,
    /// Messages handed to subscribers.
    pub delivered_messages: u64,
    /// Messages sent to other nodes for their subscribers, and those that came from other nodes.
    pub messages_to_nodes: u64,
    /// See above.
    pub messages_of_nodes: u64,
    /// Of those that came, the ones that nobody here listens to any more.
    pub messages_unwanted: u64,
    /// Messages that a node was not sent, for there was no way to it.
    pub messages_without_way: u64,
    /// Connections closed because too much was waiting to be sent.
    pub output_disconnections: u64,
    /// Connections closed because a request was too large.
    pub query_buffer_disconnections: u64,
    /// Wrong passwords.
    pub failed_auth: u64,
    /// Passwords that were not looked at, for too many wrong ones had come from there.
    pub refused_auth: u64,
    /// Connections closed because they spoke another protocol.
    pub cross_protocol: u64,
    /// Frames of peers, or messages in them, that could not be read.
    pub malformed_peer_frames: u64,
    /// Messages of peers that their group refused.
    pub refused_peer_messages: u64,
    /// Entries of leaders that were not taken, for the log has no room for them.
    pub entries_without_room: u64,
    /// Reads that a replica answered for clients that take what may be old.
    pub stale_reads: u64,
    /// How long ago, at most, a replica here heard of its leader, in milliseconds; as of when the figures were taken.
    pub replica_age_ms: u64,
    /// States of partitions sent to other nodes.
    pub snapshots_sent: u64,
    /// States of partitions received from other nodes.
    pub snapshots_received: u64,
    /// Comparisons of a partition's replicas that this node has led to an end.
    pub scrubs: u64,
    /// Replicas that were found to hold something else than their leader.
    pub scrub_differences: u64,
    /// Turns whose length was told.
    pub turns: u64,
    /// Of those, the ones that took longer than 2 ms: everyone on the worker waited meanwhile.
    pub long_turns: u64,
    /// The longest of them, in microseconds.
    pub longest_turn_us: u64,
    /// Requests a second, of late.
    pub commands_a_second: u64,
    /// Bytes from clients a second, and to them, of late.
    pub net_bytes_a_second: (u64, u64),
    sampled: Sampled,
    data: Vec<Calls>,
    node: Vec<Calls>,
    latencies: BTreeMap<&'static str, Histogram>,
    tracks: bool,
    time_fast: bool,
    time_slow: bool,
    /// A request is timed for others when so many were taken up.
    next_sample: u64,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            commands: 0,
            connections: 0,
            rejected_connections: 0,
            net_input_bytes: 0,
            net_output_bytes: 0,
            reads: 0,
            writes: 0,
            expiry_cut_short: 0,
            checkpoints: 0,
            expired_keys: 0,
            evicted_keys: 0,
            errors: ErrorCounts::default(),
            changes: 0,
            calls_sent: 0,
            delivered_messages: 0,
            messages_to_nodes: 0,
            messages_of_nodes: 0,
            messages_unwanted: 0,
            messages_without_way: 0,
            output_disconnections: 0,
            query_buffer_disconnections: 0,
            failed_auth: 0,
            refused_auth: 0,
            cross_protocol: 0,
            malformed_peer_frames: 0,
            refused_peer_messages: 0,
            entries_without_room: 0,
            stale_reads: 0,
            replica_age_ms: 0,
            snapshots_sent: 0,
            snapshots_received: 0,
            scrubs: 0,
            scrub_differences: 0,
            turns: 0,
            long_turns: 0,
            longest_turn_us: 0,
            commands_a_second: 0,
            net_bytes_a_second: (0, 0),
            sampled: Sampled::default(),
            data: vec![Calls::default(); DataCommand::ALL.len()],
            node: vec![Calls::default(); NodeCommand::ALL.len()],
            latencies: BTreeMap::new(),
            tracks: true,
            time_fast: false,
            time_slow: true,
            next_sample: 0,
        }
    }
}

/// Below this threshold of the slow log every request is timed; above, only those that may take long, because
/// reading a clock costs more than running a fast one.
const TIME_ALL_BELOW_US: i64 = 1000;

/// A request of so many bytes at most that costs what its words are long is a fast one.
const SHORT_BYTES: usize = 4096;

/// With each so many-th request, whatever it is, the clock is read for those that are not timed one by one. A prime: of
/// what repeats itself, such as pipelines of one length, all places are met.
const SAMPLE_EACH: u64 = 61;

/// Whether a command that Redis does not call fast mostly costs what its words are long. What its key held before may cost
/// more: it is dropped, and by the first change of a key while a checkpoint is written it is written out. That is seen
/// only by chance, in a sample, or in the length of the turn.
#[inline]
fn costs_its_words(spec: &Spec) -> bool {
    use DataCommand as D;
    matches!(spec.run, Run::Data(D::MSet | D::MSetEx | D::MSetNx | D::PSetEx | D::Set | D::SetEx))
}

/// A turn that takes longer is a long one.
const LONG_TURN_US: u64 = 2000;

impl Stats {
    /// A turn took so long, from waking to going to sleep again.
    pub(crate) fn note_turn(&mut self, micros: u64) {
        self.turns += 1;
        self.long_turns += u64::from(micros > LONG_TURN_US);
        self.longest_turn_us = self.longest_turn_us.max(micros);
    }

    pub(crate) fn set(&mut self, settings: &Settings) {
        let all = settings.latency_tracking == LatencyTracking::All || settings.latency_monitor_threshold > 0;
        self.tracks = settings.latency_tracking != LatencyTracking::No;
        self.time_fast = all || (0..TIME_ALL_BELOW_US).contains(&settings.slowlog_log_slower_than);
        self.time_slow = all || settings.slowlog_log_slower_than >= 0;
    }

    /// Whether each request of this command that has so many bytes is to be timed.
    #[inline]
    pub(crate) fn times_each(&self, spec: &Spec, bytes: usize) -> bool {
        let is_fast = spec.flags.contains(Flags::FAST) || bytes <= SHORT_BYTES && costs_its_words(spec);
        if is_fast { self.time_fast } else { self.time_slow }
    }

    /// Whether the request of this command that comes now is to be timed.
    #[inline]
    pub(crate) fn times(&self, spec: &Spec, bytes: usize) -> bool {
        self.times_each(spec, bytes) || self.commands >= self.next_sample
    }

    fn of(&mut self, spec: &Spec) -> Option<&mut Calls> {
        match spec.run {
            Run::Data(command) => self.data.get_mut(command as usize),
            Run::Node(command) => self.node.get_mut(command as usize),
            Run::Container => None,
        }
    }

    #[inline]
    pub(crate) fn count(&mut self, spec: &Spec) {
        self.commands += 1;
        if let Some(calls) = self.of(spec) {
            calls.calls += 1;
        }
    }

    /// The same of one inside a transaction, whose time is that of `EXEC`.
    pub(crate) fn count_inside(&mut self, spec: &Spec) {
        self.count(spec);
        if let Some(calls) = self.of(spec) {
            calls.inside += 1;
        }
    }

    pub(crate) fn count_rejected(&mut self, spec: &Spec) {
        if let Some(calls) = self.of(spec) {
            calls.rejected += 1;
        }
    }

    /// A call took so long, of a command of which each is timed.
    pub(crate) fn time(&mut self, spec: &Spec, nanos: u64) {
        if let Some(calls) = self.of(spec) {
            calls.time(nanos, 1);
        }
        self.track(spec, nanos, 1);
    }

    /// A call took so long that stands for those of its command since the last that did. Before it is counted.
    pub(crate) fn sample_call(&mut self, spec: &Spec, nanos: u64) {
        self.next_sample = self.commands + SAMPLE_EACH;
        let Some(calls) = self.of(spec) else { return };
        let weight = 1 + calls.calls.saturating_sub(calls.covered + calls.inside);
        calls.time(nanos, weight);
        self.track(spec, nanos, weight);
    }

    fn track(&mut self, spec: &Spec, nanos: u64, weight: u64) {
        if self.tracks {
            self.latencies.entry(spec.name).or_default().note(nanos, weight);
        }
    }

    /// A request of this command was answered with the error that ends these replies.
    #[cold]
    pub(crate) fn note_failed(&mut self, spec: &Spec, replies: &[u8]) {
        if let Some(text) = last_error(replies) {
            self.note_failure(spec, text);
        }
    }

    /// A request of this command was answered with an error of this text.
    pub(crate) fn note_failure(&mut self, spec: &Spec, text: &[u8]) {
        self.errors.note(text);
        if let Some(calls) = self.of(spec) {
            calls.failed += 1;
        }
    }

    /// A request was answered with an error before it ran.
    #[cold]
    pub(crate) fn note_refused(&mut self, text: impl AsRef<[u8]>) {
        self.errors.note(text.as_ref());
    }

    /// How long requests took, by command: each that was timed, as often as it stands for others.
    pub(crate) fn latencies(&self) -> &BTreeMap<&'static str, Histogram> {
        &self.latencies
    }

    /// Updates the rate of requests; call every tenth of a second or so.
    pub(crate) fn sample(&mut self, now: Now) {
        let last = &self.sampled;
        let elapsed = now.mono_us.saturating_sub(last.at_us);
        if elapsed >= 500_000 {
            let rate = |now: u64, then: u64| (now - then) * 1_000_000 / elapsed;
            self.commands_a_second = rate(self.commands, last.commands);
            self.net_bytes_a_second =
                (rate(self.net_input_bytes, last.net.0), rate(self.net_output_bytes, last.net.1));
            let net = (self.net_input_bytes, self.net_output_bytes);
            self.sampled = Sampled { at_us: now.mono_us, commands: self.commands, net };
        }
    }

    /// `CONFIG RESETSTAT`. Changes go on: it is told how many there were since the last checkpoint.
    pub(crate) fn reset(&mut self) {
        let Stats { tracks, time_fast, time_slow, changes, .. } = *self;
        *self = Stats { tracks, time_fast, time_slow, changes, ..Stats::default() };
    }

    /// Commands that were called or refused, by name.
    pub(crate) fn by_command(&self) -> Vec<(&'static str, Calls)> {
        let data = DataCommand::ALL.iter().map(|command| command.spec().name).zip(&self.data);
        let node = NodeCommand::ALL.iter().map(|command| command.spec().name).zip(&self.node);
        let used = data.chain(node).filter(|(_, calls)| **calls != Calls::default());
        used.map(|(name, calls)| (name, *calls)).collect()
    }

    /// Adds another worker's counters.
    pub(crate) fn add(&mut self, other: &Stats) {
        self.commands += other.commands;
        self.connections += other.connections;
        self.rejected_connections += other.rejected_connections;
        self.net_input_bytes += other.net_input_bytes;
        self.net_output_bytes += other.net_output_bytes;
        self.reads += other.reads;
        self.writes += other.writes;
        self.expiry_cut_short += other.expiry_cut_short;
        self.checkpoints = self.checkpoints.max(other.checkpoints);
        self.expired_keys += other.expired_keys;
        self.evicted_keys += other.evicted_keys;
        self.errors.add(&other.errors);
        self.changes += other.changes;
        self.calls_sent += other.calls_sent;
        self.delivered_messages += other.delivered_messages;
        self.messages_to_nodes += other.messages_to_nodes;
        self.messages_of_nodes += other.messages_of_nodes;
        self.messages_unwanted += other.messages_unwanted;
        self.messages_without_way += other.messages_without_way;
        self.output_disconnections += other.output_disconnections;
        self.query_buffer_disconnections += other.query_buffer_disconnections;
        self.failed_auth += other.failed_auth;
        self.refused_auth += other.refused_auth;
        self.cross_protocol += other.cross_protocol;
        self.malformed_peer_frames += other.malformed_peer_frames;
        self.refused_peer_messages += other.refused_peer_messages;
        self.entries_without_room += other.entries_without_room;
        self.stale_reads += other.stale_reads;
        self.replica_age_ms = self.replica_age_ms.max(other.replica_age_ms);
        self.snapshots_sent += other.snapshots_sent;
        self.snapshots_received += other.snapshots_received;
        self.scrubs += other.scrubs;
        self.scrub_differences += other.scrub_differences;
        self.turns += other.turns;
        self.long_turns += other.long_turns;
        self.longest_turn_us = self.longest_turn_us.max(other.longest_turn_us);
        self.commands_a_second += other.commands_a_second;
        self.net_bytes_a_second.0 += other.net_bytes_a_second.0;
        self.net_bytes_a_second.1 += other.net_bytes_a_second.1;
        for (mine, theirs) in
            self.data.iter_mut().chain(&mut self.node).zip(other.data.iter().chain(&other.node))
        {
            mine.add(theirs);
        }
        for (name, histogram) in &other.latencies {
            self.latencies.entry(name).or_default().add(histogram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_take_long_is_timed_each_time_and_short_writes_are_not() {
        let stats = Stats::default();
        let times = |name: &str, bytes| command::lookup_name(name).map(|spec| stats.times_each(spec, bytes));
        for fast in ["get", "set", "mset", "lpush"] {
            assert_eq!(times(fast, 100), Some(false), "{fast}");
        }
        for slow in ["lrange", "keys", "sort"] {
            assert_eq!(times(slow, 100), Some(true), "{slow}");
        }
        assert_eq!(times("set", SHORT_BYTES + 1), Some(true), "a long value takes long");
    }

    /// Runs so many calls as dispatch does, which take `nanos`; how many of them were timed.
    fn call(stats: &mut Stats, name: &str, count: u64, nanos: impl Fn(u64) -> u64) -> u64 {
        let spec = command::lookup_name(name).expect("a command");
        let before = stats.of(spec).expect("it is counted").timed;
        for number in 0..count {
            match (stats.times(spec, 100), stats.times_each(spec, 100)) {
                (true, true) => stats.time(spec, nanos(number)),
                (true, false) => stats.sample_call(spec, nanos(number)),
                (false, _) => {}
            }
            stats.count(spec);
        }
        stats.of(spec).expect("it is counted").timed - before
    }

    fn calls(stats: &Stats, name: &str) -> Calls {
        stats.by_command().into_iter().find(|(other, _)| *other == name).expect("it was called").1
    }

    #[test]
    fn no_call_stands_for_those_inside_transactions() {
        let mut stats = Stats::default();
        let set = DataCommand::Set.spec();
        call(&mut stats, "set", 1, |_| 9_000);
        (0..500).for_each(|_| stats.count_inside(set));
        stats.sample_call(set, 2_000);
        stats.count(set);
        let set = calls(&stats, "set");
        assert_eq!((set.calls, set.covered, set.micros()), (502, 2, 11));
    }

    #[test]
    fn one_call_of_many_stands_for_the_others_and_what_it_adds_up_to_never_shrinks() {
        let mut stats = Stats::default();
        assert_eq!(call(&mut stats, "set", 1, |_| 9_000), 1, "the first is timed");
        assert_eq!(calls(&stats, "set").micros(), 9);
        let mut last = 9;
        for _ in 0..1000 {
            call(&mut stats, "set", 1, |_| 2_000);
            let now = calls(&stats, "set").micros();
            assert!(now >= last);
            last = now;
        }
        let set = calls(&stats, "set");
        assert_eq!((set.calls, set.timed), (1001, 1 + 1000 / SAMPLE_EACH));
        assert_eq!(set.covered, 1 + 1000 / SAMPLE_EACH * SAMPLE_EACH, "for the rest no other stands yet");
        assert_eq!(stats.latencies()["set"].total(), set.covered, "it is told of as many");
        assert_eq!(set.micros(), 9 + 2 * (set.covered - 1));
        // Long ones are timed each, and stand for themselves.
        assert_eq!(call(&mut stats, "lrange", 5, |number| number * 1_000), 5);
        let lrange = calls(&stats, "lrange");
        assert_eq!((lrange.covered, lrange.micros(), lrange.micros_each()), (5, 10, 2.0));
        // Two workers together.
        let mut sum = stats.clone();
        sum.add(&stats);
        assert_eq!(calls(&sum, "set").micros(), 2 * set.micros());
        assert!((calls(&sum, "set").micros_each() - set.micros_each()).abs() < 1e-9);
    }

    #[test]
    fn of_commands_that_take_turns_each_has_its_time() {
        let mut stats = Stats::default();
        for _ in 0..100 * SAMPLE_EACH {
            call(&mut stats, "set", 1, |_| 3_000);
            call(&mut stats, "get", 3, |_| 1_000);
        }
        for (name, each) in [("set", 3.0), ("get", 1.0)] {
            let calls = calls(&stats, name);
            assert_eq!(calls.micros_each(), each);
            assert!(calls.calls - calls.covered < 5 * SAMPLE_EACH, "{calls:?}");
        }
    }

    #[test]
    fn a_pipeline_of_one_length_is_sampled_at_all_its_places() {
        for depth in [1, 2, 10, 16, 50, 64, 100, 128] {
            let mut stats = Stats::default();
            let rounds = 100 * SAMPLE_EACH;
            // The first of each is dear.
            call(
                &mut stats,
                "set",
                depth * rounds,
                |number| if number % depth == 0 { 10_000 } else { 1_000 },
            );
            let expect = (10.0 + (depth - 1) as f64) / depth as f64;
            let each = calls(&stats, "set").micros_each();
            assert!((each / expect - 1.0).abs() < 0.02, "{depth}: {each} for {expect}");
        }
    }
}
