//! `INFO`: what a node says about itself, in the sections and field names that tools of Redis look for.

mod counts;
mod fabric;
mod lines;
mod node;

use base::{Args, HashMap};
use resp::Reply;

use crate::cluster_view::PartitionStanding;
use crate::gather::{Answer, Question};
use crate::host::Facts;
use crate::info::lines::Lines;
use crate::session::Session;
use crate::stats::{DbCount, Snapshot};
use crate::worker::Worker;

/// Sections in the order they are shown, and whether plain `INFO` shows them.
const SECTIONS: [(&str, bool); 14] = [
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("modules", true),
    ("commandstats", false),
    ("errorstats", true),
    ("latencystats", false),
    ("cluster", true),
    ("keyspace", true),
    ("types", true),
];

/// All workers' counters in one.
pub(crate) fn total(answers: Vec<Answer>) -> Snapshot {
    let mut total = Snapshot::default();
    for answer in answers {
        if let Answer::Stats(snapshot) | Answer::Report(snapshot, _) = answer {
            total.add(&snapshot);
        }
    }
    total
}

/// How all workers' partitions stand, if they were asked for that too.
fn standings(answers: &[Answer]) -> Vec<PartitionStanding> {
    let of = |answer: &Answer| match answer {
        Answer::Report(_, standings) => standings.clone(),
        _ => Vec::new(),
    };
    let mut standings: Vec<PartitionStanding> = answers.iter().flat_map(of).collect();
    standings.sort_by_key(|standing| standing.id);
    standings
}

impl Worker {
    pub(crate) fn info(&mut self, session: &mut Session, args: Args<'_>) {
        let wanted = wanted_sections(args);
        let has_groups = self.fabric.is_on && wanted.contains(&"cluster");
        let (channels, patterns) = (self.pubsub.channels(), self.pubsub.patterns());
        let finish = move |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let standings = standings(&answers);
            let (facts, total) = (worker.host.facts(), total(answers));
            let context = Context { facts, total, standings, worker, channels, patterns };
            let mut text = String::new();
            for (section, _) in SECTIONS.iter().filter(|(section, _)| wanted.contains(section)) {
                if !text.is_empty() {
                    text.push_str("\r\n");
                }
                context.write(section, &mut text);
            }
            reply.verbatim(text.as_bytes());
        };
        let question = if has_groups { Question::Report } else { Question::Stats };
        self.ask(session, question, Box::new(finish));
    }

    /// What this worker contributes; `asker` is the session that is taken out, if it is ours.
    pub(crate) fn snapshot(&self, asker: Option<&Session>) -> Snapshot {
        let mut dbs: HashMap<u8, DbCount> = HashMap::default();
        let (mut data_bytes, mut partitions, mut entries, mut lookups, mut lazy) = (0, 0, 0, (0, 0), (0, 0));
        let (mut client_sessions, mut client_session_bytes) = (0, 0);
        for place in &self.places {
            let Some(partition) = &place.partition else { continue };
            partitions += 1;
            entries += partition.last().index;
            client_sessions += partition.ledger().sessions() as u64;
            client_session_bytes += partition.ledger().bytes() as u64;
            for (db, keyspace) in partition.keyspaces() {
                data_bytes += keyspace.memory() as u64;
                lookups.0 += keyspace.lookups().hits;
                lookups.1 += keyspace.lookups().misses;
                let (pending, freed) = keyspace.lazily_freed();
                lazy = (lazy.0 + pending as u64, lazy.1 + freed);
                if !keyspace.is_empty() {
                    dbs.entry(db.number()).or_default().add_keyspace(keyspace);
                }
            }
        }
        let sessions = || self.sessions.iter().chain(asker);
        let mut stats = self.stats.clone();
        stats.replica_age_ms = self.replica_age_ms();
        Snapshot {
            stats,
            clients: self.sessions.len() as u64,
            pubsub_clients: sessions().filter(|session| session.subscriptions.count() > 0).count() as u64,
            blocked_clients: sessions().filter(|session| session.is_blocked).count() as u64,
            tracking_clients: sessions().filter(|session| session.tracking.is_some()).count() as u64,
            watching_clients: sessions().filter(|session| !session.watched.is_empty()).count() as u64,
            largest_buffers: (
                sessions().map(|session| session.input.capacity() as u64).max().unwrap_or(0),
                sessions().map(|session| session.output.memory() as u64).max().unwrap_or(0),
            ),
            client_bytes: sessions().map(|session| session.memory() as u64).sum(),
            data_bytes,
            client_sessions,
            client_session_bytes,
            uncounted: self.uncounted(),
            exceeded_ms: self.eviction.exceeded_ms(self.now.mono_millis()),
            lookups,
            dbs,
            slow: self.slowlog.len() as u64,
            partitions,
            checkpoint: self.checkpoint_figures(),
            lazy,
            peer_links: self.peer_links(),
            timed_clients: self.blocks.timed() + self.waits.timed(),
            entries,
        }
    }
}

/// The sections asked for; the usual ones if none is named.
fn wanted_sections(args: Args<'_>) -> Vec<&'static str> {
    let words: Vec<String> =
        args.iter().skip(1).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let wants = |section: &str, usual: bool| {
        words.iter().any(|word| match word.as_str() {
            "all" | "everything" => true,
            "default" => usual,
            word => word == section,
        }) || (words.is_empty() && usual)
    };
    SECTIONS.iter().filter(|(section, usual)| wants(section, *usual)).map(|(section, _)| *section).collect()
}

struct Context<'a> {
    facts: Facts,
    total: Snapshot,
    standings: Vec<PartitionStanding>,
    worker: &'a Worker,
    channels: (usize, usize),
    patterns: usize,
}

impl Context<'_> {
    fn write(&self, section: &str, text: &mut String) {
        let mut lines = Lines(text);
        match section {
            "server" => self.server(&mut lines),
            "clients" => self.clients(&mut lines),
            "memory" => self.memory(&mut lines),
            "persistence" => self.persistence(&mut lines),
            "stats" => self.stats(&mut lines),
            "replication" => self.replication(&mut lines),
            "cpu" => self.cpu(&mut lines),
            "modules" => lines.title("Modules"),
            "commandstats" => self.commandstats(&mut lines),
            "errorstats" => self.errorstats(&mut lines),
            "latencystats" => self.latencystats(&mut lines),
            "cluster" => self.cluster(&mut lines),
            "types" => self.types(&mut lines),
            _ => self.keyspace(&mut lines),
        }
    }
}
