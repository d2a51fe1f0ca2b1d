//! `MEMORY STATS`, `MEMORY DOCTOR`, `MEMORY PURGE`, `MEMORY MALLOC-STATS`, and the sums that `INFO` shows as well.

use command::NodeCommand;
use resp::Reply;

use crate::gather::{Answer, Question};
use crate::session::Session;
use crate::settings::MemoryPolicy;
use crate::stats::Snapshot;
use crate::worker::Worker;

const MIB: u64 = 1 << 20;

/// What memory is used for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemorySums {
    /// Bytes allocated.
    pub(crate) used: u64,
    /// Of those, keys and values.
    pub(crate) dataset: u64,
    /// Bytes allocated when the node started.
    pub(crate) at_start: u64,
    /// The most that was ever allocated.
    pub(crate) peak: u64,
    resident: u64,
}

impl MemorySums {
    /// All that is not keys and values.
    pub(crate) fn overhead(&self) -> u64 {
        self.used.saturating_sub(self.dataset)
    }

    pub(crate) fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }

    /// Of what was added since the start.
    pub(crate) fn dataset_percent(&self) -> f64 {
        percent(self.dataset, self.used.saturating_sub(self.at_start)).min(100.0)
    }

    pub(crate) fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }

    pub(crate) fn fragmentation_bytes(&self) -> i64 {
        self.resident.cast_signed() - self.used.cast_signed()
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

impl Worker {
    pub(crate) fn memory_sums(&self, total: &Snapshot, resident: u64) -> MemorySums {
        let used = self.memory.used_or(total.data_bytes + total.client_bytes);
        MemorySums {
            used,
            dataset: total.data_bytes,
            at_start: self.memory.at_start(),
            peak: self.memory.peak(),
            resident,
        }
    }

    pub(crate) fn run_memory(&mut self, session: &mut Session, command: NodeCommand) {
        match command {
            NodeCommand::MemoryPurge => {
                self.ask(session, Question::Purge, Box::new(|_, _, reply| reply.ok()));
            }
            NodeCommand::MemoryMallocStats => {
                let text = self.host.describe_allocator();
                let text = text.as_deref().unwrap_or("Stats not supported for the current allocator");
                Reply::new(session.output.end(), session.version).verbatim(text.as_bytes());
            }
            NodeCommand::MemoryStats => self.memory_stats(session),
            _ => self.memory_doctor(session),
        }
    }

    fn memory_stats(&mut self, session: &mut Session) {
        let finish = |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let total = crate::info::total(answers);
            let sums = worker.memory_sums(&total, worker.host.facts().resident_bytes);
            let keys = total.keys();
            let numbers = [
                ("peak.allocated", sums.peak),
                ("total.allocated", sums.used),
                ("startup.allocated", sums.at_start),
                ("replication.backlog", total.uncounted.replicas),
                ("clients.slaves", 0),
                ("clients.normal", total.client_bytes),
                ("aof.buffer", total.uncounted.log),
                ("lazyfree.pending", total.uncounted.condemned),
                ("overhead.total", sums.overhead()),
                ("keys.count", keys),
                ("keys.bytes-per-key", sums.dataset.checked_div(keys).unwrap_or(0)),
                ("dataset.bytes", sums.dataset),
                ("allocator.allocated", sums.used),
                ("allocator.resident", worker.host.facts().resident_bytes),
            ];
            let ratios = [
                ("dataset.percentage", sums.dataset_percent()),
                ("peak.percentage", sums.peak_percent()),
                ("fragmentation", sums.fragmentation()),
            ];
            reply.map(numbers.len() + ratios.len() + 1);
            for (name, value) in numbers {
                reply.bulk(name.as_bytes());
                reply.int(i64::try_from(value).unwrap_or(i64::MAX));
            }
            for (name, value) in ratios {
                reply.bulk(name.as_bytes());
                reply.double_text(value.to_string().as_bytes());
            }
            reply.bulk(b"fragmentation.bytes");
            reply.int(sums.fragmentation_bytes());
        };
        self.ask(session, Question::Stats, Box::new(finish));
    }

    fn memory_doctor(&mut self, session: &mut Session) {
        let finish = |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let total = crate::info::total(answers);
            let resident = worker.host.facts().resident_bytes;
            let text = worker.diagnosis(&total, resident);
            reply.verbatim(text.as_bytes());
        };
        self.ask(session, Question::Stats, Box::new(finish));
    }

    /// What `MEMORY DOCTOR` says: the figures, then each thing that is not well and what to do about it.
    fn diagnosis(&self, total: &Snapshot, resident: u64) -> String {
        let sums = self.memory_sums(total, resident);
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        let mut text = format!(
            "Keys take {:.1} MiB, client buffers {:.1} MiB; {:.1} MiB are allocated, the process holds {:.1} MiB.\n",
            mib(sums.dataset),
            mib(total.client_bytes),
            mib(sums.used),
            mib(resident)
        );
        if resident > 2 * sums.used + 64 * MIB {
            text.push_str(
                "More than twice what is allocated is held: MEMORY PURGE gives free memory back to the system.\n",
            );
        }
        if total.client_bytes > sums.dataset.max(64 * MIB) {
            text.push_str(
                "Client buffers hold more than the keys: look at CLIENT LIST for large omem and qbuf.\n",
            );
        }
        let limit = self.settings.maxmemory;
        if limit == 0 {
            text.push_str("There is no limit: CONFIG SET maxmemory sets one.\n");
            return text;
        }
        let policy = self.settings.maxmemory_policy;
        let counted = sums.used.saturating_sub(total.uncounted.sum(self.memory.is_counted()));
        text.push_str(&format!(
            "{:.1} MiB of {:.1} MiB count against maxmemory, whose policy is {}.\n",
            mib(counted),
            mib(limit),
            policy.name()
        ));
        if counted > limit && policy == MemoryPolicy::NoEviction {
            text.push_str(
                "Commands that add are refused: delete keys, raise maxmemory, or set a maxmemory-policy that evicts.\n",
            );
        } else if counted > limit && policy.only_lapsing() && total.dbs.values().all(|db| db.deadlines == 0) {
            text.push_str(
                "No key has a deadline, so none may go: set deadlines, or a policy for all keys.\n",
            );
        } else if sums.overhead() > limit / 2 {
            text.push_str(
                "More than half of the limit is no keys: it leaves little room, consider to raise it.\n",
            );
        }
        text
    }
}
