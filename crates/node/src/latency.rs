//! `LATENCY`: how long requests took, by command, and the moments at which something took too long.
//!
//! Each worker keeps its own figures; they are put together when someone asks. Of fast commands, of which a clock read each
//! would cost more than running one, some are timed for the others (`stats`), unless `latency-tracking` is `all`.
//!
//! Knows no clock: times and moments are told.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use base::Args;
use command::{Flags, NodeCommand, Spec};
use resp::Reply;

use crate::gather::{Answer, Question};
use crate::histogram::Histogram;
use crate::session::Session;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::worker::Worker;

/// Moments that are kept of an event: Redis's number.
const SAMPLES_MAX: usize = 160;
const GRAPH_WIDTH: usize = 80;
const GRAPH_ROWS: usize = 4;

/// The moments at which something took too long: at most one a second, its longest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Seconds since the Unix epoch, ascending, and milliseconds.
    samples: VecDeque<(u64, u64)>,
    max_ms: u64,
}

impl Series {
    fn note(&mut self, second: u64, millis: u64) {
        self.max_ms = self.max_ms.max(millis);
        match self.samples.back_mut() {
            Some((last, most)) if *last >= second => *most = millis.max(*most),
            _ => self.samples.push_back((second, millis)),
        }
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// Takes over the moments of others, seconds in order again.
    fn merge(all: &[Series]) -> Series {
        let mut samples: Vec<(u64, u64)> =
            all.iter().flat_map(|series| series.samples.iter().copied()).collect();
        samples.sort_unstable();
        let mut merged = Series::default();
        samples.into_iter().for_each(|(second, millis)| merged.note(second, millis));
        merged.max_ms = all.iter().map(|series| series.max_ms).max().unwrap_or(0);
        merged
    }
}

/// Events by name.
pub(crate) type Events = Vec<(&'static str, Series)>;

/// The events of one worker.
#[derive(Default)]
pub(crate) struct LatencyMonitor {
    threshold_ms: u64,
    events: BTreeMap<&'static str, Series>,
}

impl LatencyMonitor {
    pub(crate) fn new(settings: &Settings) -> LatencyMonitor {
        LatencyMonitor { threshold_ms: settings.latency_monitor_threshold, events: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, settings: &Settings) {
        self.threshold_ms = settings.latency_monitor_threshold;
    }

    /// Something took so long at this moment.
    #[inline]
    pub(crate) fn note(&mut self, event: &'static str, micros: u64, second: u64) {
        let millis = micros / 1000;
        if self.threshold_ms > 0 && millis >= self.threshold_ms {
            self.events.entry(event).or_default().note(second, millis);
        }
    }

    /// The event that a request of this command is.
    pub(crate) fn event_of(spec: &Spec) -> &'static str {
        if spec.flags.contains(Flags::FAST) { "fast-command" } else { "command" }
    }

    pub(crate) fn events(&self) -> Events {
        self.events.iter().map(|(name, series)| (*name, series.clone())).collect()
    }

    /// Forgets events, all if none is named; those that there were.
    pub(crate) fn reset(&mut self, names: &[Vec<u8>]) -> Events {
        let is_meant = |name: &str| names.is_empty() || names.iter().any(|other| other == name.as_bytes());
        let (gone, kept) = std::mem::take(&mut self.events).into_iter().partition(|(name, _)| is_meant(name));
        self.events = kept;
        let gone: BTreeMap<_, _> = gone;
        gone.into_iter().collect()
    }
}

impl Worker {
    pub(crate) fn run_latency(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        let names: Vec<Vec<u8>> = args.iter().skip(2).map(<[u8]>::to_vec).collect();
        let now = self.now.wall_us / 1_000_000;
        match command {
            NodeCommand::LatencyHistogram => {
                self.ask(
                    session,
                    Question::Stats,
                    Box::new(move |_, answers, reply| {
                        write_histograms(&answers, &names, reply);
                    }),
                );
            }
            NodeCommand::LatencyReset => {
                let question = Question::ResetLatency(names);
                self.ask(
                    session,
                    question,
                    Box::new(|_, answers, reply| reply.len_int(merged(answers).len())),
                );
            }
            NodeCommand::LatencyLatest => self.ask_events(session, |_, events, reply| {
                reply.array(events.len());
                for (name, series) in events {
                    let (second, millis) = series.samples.back().copied().unwrap_or_default();
                    reply.array(4);
                    reply.bulk(name.as_bytes());
                    [second, millis, series.max_ms].iter().for_each(|number| reply.int(*number as i64));
                }
            }),
            NodeCommand::LatencyHistory => self.ask_events(session, move |_, events, reply| {
                let samples = series_of(&events, &names).map(|series| &series.samples);
                reply.array(samples.map_or(0, VecDeque::len));
                for (second, millis) in samples.into_iter().flatten() {
                    reply.array(2);
                    reply.int(*second as i64);
                    reply.int(*millis as i64);
                }
            }),
            NodeCommand::LatencyGraph => self.ask_events(session, move |_, events, reply| {
                match (series_of(&events, &names), names.first()) {
                    (Some(series), Some(name)) => {
                        reply.verbatim(graph(&String::from_utf8_lossy(name), series, now).as_bytes());
                    }
                    (_, name) => {
                        let name = String::from_utf8_lossy(name.map_or(b"", Vec::as_slice));
                        reply.error(format!("ERR No samples available for event '{name}'"));
                    }
                }
            }),
            _ => self.ask_events(session, |worker, events, reply| {
                let threshold_ms = worker.settings.latency_monitor_threshold;
                reply.verbatim(advice(threshold_ms, &events, &worker.stats).as_bytes());
            }),
        }
    }

    fn ask_events(
        &mut self,
        session: &mut Session,
        finish: impl FnOnce(&mut Worker, Vec<(&'static str, Series)>, &mut Reply<'_>) + Send + 'static,
    ) {
        let finish = move |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            finish(worker, merged(answers), reply);
        };
        self.ask(session, Question::Latency, Box::new(finish));
    }
}

/// The events of all workers.
fn merged(answers: Vec<Answer>) -> Events {
    let mut all: BTreeMap<&'static str, Vec<Series>> = BTreeMap::new();
    for answer in answers {
        if let Answer::Latency(events) = answer {
            events.into_iter().for_each(|(name, series)| all.entry(name).or_default().push(series));
        }
    }
    all.into_iter().map(|(name, series)| (name, Series::merge(&series))).collect()
}

fn series_of<'e>(events: &'e Events, names: &[Vec<u8>]) -> Option<&'e Series> {
    let name = names.first()?;
    events.iter().find(|(event, _)| event.as_bytes() == name.as_slice()).map(|(_, series)| series)
}

/// Histograms of all commands that were timed, or of those named; of a parent, those of its subcommands.
fn write_histograms(answers: &[Answer], names: &[Vec<u8>], reply: &mut Reply<'_>) {
    let mut total = Stats::default();
    for answer in answers {
        if let Answer::Stats(snapshot) = answer {
            total.add(&snapshot.stats);
        }
    }
    let all = total.latencies();
    let wanted: Vec<(&&'static str, &Histogram)> = match names {
        [] => all.iter().collect(),
        names => {
            let specs = names.iter().filter_map(command::lookup_name);
            let with_subcommands = specs.flat_map(|spec| std::iter::once(spec).chain(spec.subcommands()));
            with_subcommands.filter_map(|spec| all.get_key_value(spec.name)).collect()
        }
    };
    reply.map(wanted.len());
    for (name, histogram) in wanted {
        let steps = histogram.steps();
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(histogram.total() as i64);
        reply.bulk(b"histogram_usec");
        reply.map(steps.len());
        for (bound, sum) in steps {
            reply.int(bound as i64);
            reply.int(sum as i64);
        }
    }
}

/// Moments as columns, the latest to the right, each with its age below.
fn graph(name: &str, series: &Series, now: u64) -> String {
    let skipped = series.samples.len().saturating_sub(GRAPH_WIDTH);
    let samples: Vec<(u64, u64)> = series.samples.iter().skip(skipped).copied().collect();
    let low = samples.iter().map(|(_, millis)| *millis).min().unwrap_or(0);
    let high = samples.iter().map(|(_, millis)| *millis).max().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max_ms);
    text.push_str(&"-".repeat(GRAPH_WIDTH));
    text.push('\n');
    let (steps, range) = ((GRAPH_ROWS * 3) as u64, (high - low).max(1));
    for row in (0..GRAPH_ROWS as u64).rev() {
        for (_, millis) in &samples {
            let step = ((millis - low).saturating_mul(steps) / range).min(steps - 1);
            text.push(match step.checked_sub(row * 3) {
                None => ' ',
                Some(0) => '_',
                Some(1) => 'o',
                Some(2) => '#',
                Some(_) => '|',
            });
        }
        text.push('\n');
    }
    let ages: Vec<Vec<char>> =
        samples.iter().map(|(second, _)| age(now.saturating_sub(*second)).chars().collect()).collect();
    text.push('\n');
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.get(row).copied().unwrap_or(' ')));
        text.push('\n');
    }
    text
}

/// A time in its largest unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `LATENCY DOCTOR`: what was seen, and what to look at next.
fn advice(threshold_ms: u64, events: &Events, stats: &Stats) -> String {
    if threshold_ms == 0 && events.is_empty() {
        return "Events are not watched. CONFIG SET latency-monitor-threshold 100 notes all that take 100 ms or \
                longer; slow requests are in SLOWLOG GET all the same.\n"
            .into();
    }
    if events.is_empty() {
        return format!("Nothing has taken {threshold_ms} ms or longer.\n");
    }
    let mut text = String::new();
    for (name, series) in events {
        let count = series.samples.len() as u64;
        let mean = series.samples.iter().map(|(_, millis)| millis).sum::<u64>() / count.max(1);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name}: {count} moments, {mean} ms on average, {} ms at most. {}",
            series.max_ms,
            match *name {
                "turn" => "While a turn runs, nobody else on its worker is served.",
                _ => "SLOWLOG GET tells which requests, LATENCY HISTOGRAM how common they are.",
            }
        );
    }
    let _ = writeln!(
        text,
        "Of {} turns {} took longer than 2 ms on the worker that you asked.",
        stats.turns, stats.long_turns
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_longest_moment_and_old_ones_are_dropped() {
        let mut monitor = LatencyMonitor { threshold_ms: 5, ..LatencyMonitor::default() };
        monitor.note("command", 4_999, 1);
        assert!(monitor.events().is_empty());
        for second in 0..300 {
            monitor.note("command", 7_000, second);
            monitor.note("command", 9_000 + second, second);
            monitor.note("command", 8_000, second);
        }
        let events = monitor.events();
        let (name, series) = &events[0];
        assert_eq!((*name, series.samples.len(), series.max_ms), ("command", SAMPLES_MAX, 9));
        assert_eq!(series.samples[0], (140, 9));
        monitor.note("turn", 5_000, 1);
        assert_eq!(monitor.reset(&[b"turn".to_vec(), b"none".to_vec()]).len(), 1);
        assert_eq!(monitor.reset(&[]).len(), 1);
        assert!(monitor.events().is_empty());
    }

    #[test]
    fn workers_are_put_together_by_second() {
        let series = |samples: &[(u64, u64)]| {
            let mut series = Series::default();
            samples.iter().for_each(|(second, millis)| series.note(*second, *millis));
            series
        };
        let merged = Series::merge(&[series(&[(1, 5), (3, 9)]), series(&[(1, 7), (2, 6)])]);
        assert_eq!(Vec::from(merged.samples), [(1, 7), (2, 6), (3, 9)]);
        assert_eq!(merged.max_ms, 9);
    }

    #[test]
    fn moments_are_drawn_with_their_ages() {
        let mut series = Series::default();
        [(0, 10), (100, 20), (199, 40)].into_iter().for_each(|(second, millis)| series.note(second, millis));
        let drawn = graph("command", &series, 200);
        let expect = format!(
            "command - high 40 ms, low 10 ms (all time high 40 ms)\n{}\n  #\n  |\n o|\n_||\n\n311\nmms\n",
            "-".repeat(80)
        );
        assert_eq!(drawn, expect);
        assert_eq!([age(59), age(3_700), age(200_000)], ["59s", "1h", "2d"]);
    }
}
