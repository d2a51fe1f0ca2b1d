//! Transactions where partitions may be led by other nodes.
//!
//! All data of a transaction must be in one partition. Its data requests go to the leader as one errand and become
//! neighbours in one entry: all or nothing. Requests that the node answers itself run here, in their place, when the
//! leader has answered. A watch remembers what the key's value was; the leader compares when nothing is under way
//! before the transaction. So a value that was changed and changed back counts as unchanged, and a new leader can
//! judge as well as the old one.

use std::collections::BTreeMap;

use base::{Args, DbIndex, PartitionId};
use command::{Lookup, NodeCommand, Run, Spec};
use resp::Reply;

use crate::errand::{Dest, ErrandHead};
use crate::output::Ticket;
use crate::redirect::slots_inside;
use crate::scatter::CROSS_SLOT_TRANSACTION;
use crate::session::{Session, SessionRef, Stall, Watched, WatchedSince};
use crate::txn::{Transaction, db_of, is_keyspace_command};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// A transaction, or a watch, that waits for a leader's answer.
struct Waiting {
    at: SessionRef,
    ticket: Ticket,
    what: What,
}

enum What {
    Exec(Transaction),
    Watch(PartitionId, DbIndex, Vec<Box<[u8]>>),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Execs {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

impl Worker {
    /// `EXEC`, its data in the partitions `wanted`.
    pub(crate) fn exec_over_fabric(
        &mut self,
        session: &mut Session,
        wanted: &[PartitionId],
        mut transaction: Transaction,
    ) {
        let watched = std::mem::take(&mut session.watched);
        let refusal = match wanted {
            [_] => self.cannot_run(&transaction),
            _ => Some(CROSS_SLOT_TRANSACTION.to_owned()),
        };
        if let Some(refusal) = refusal {
            let text = format!("EXECABORT Transaction discarded because of: {refusal}");
            return Reply::new(session.output.end(), session.version).error(text);
        }
        let mut words: Vec<Vec<u8>> = vec![b"narf.exec".to_vec(), watched.len().to_string().into_bytes()];
        for Watched { db, key, since, .. } in &watched {
            let WatchedSince::Value(value) = since else {
                // Watched before the data was spread: what has happened to it since cannot be told.
                return Reply::new(session.output.end(), session.version).null_array();
            };
            words.extend([db.number().to_string().into_bytes(), key.to_vec(), value.clone()]);
        }
        let mut db = session.db;
        for request in &transaction.requests {
            let Lookup::Found(spec) = command::lookup(request.args()) else { continue };
            let denied = self.denied_in_exec(session, spec, request.args());
            transaction.denied.push(denied);
            if transaction.denied.last().is_some_and(Option::is_some) {
                continue;
            }
            match spec.run {
                Run::Data(_) => words.extend([db.number().to_string().into_bytes(), request.raw().to_vec()]),
                Run::Node(NodeCommand::Select) => db = db_of(request.args().at(1)).unwrap_or(db),
                Run::Node(_) | Run::Container => {}
            }
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let request = WireRequest::encode(&words);
        if transaction.writes {
            session.written.note(wanted[0]);
        }
        self.send_waiting(session, wanted[0], NodeCommand::NarfExec, &request, What::Exec(transaction));
    }

    /// Why a transaction cannot be sent to one leader, which does all of it at once.
    fn cannot_run(&self, transaction: &Transaction) -> Option<String> {
        transaction.requests.iter().find_map(|request| {
            let Lookup::Found(spec) = command::lookup(request.args()) else { return None };
            let Run::Node(command) = spec.run else { return self.write_refused(spec, request.raw().len()) };
            let name = spec.name.to_ascii_uppercase();
            let text = || {
                format!(
                    "{name} inside a transaction is not possible while the data is spread over several nodes"
                )
            };
            is_keyspace_command(command).then(text)
        })
    }

    fn send_waiting(
        &mut self,
        session: &mut Session,
        partition: PartitionId,
        command: NodeCommand,
        request: &WireRequest,
        what: What,
    ) {
        let slot = match &what {
            What::Exec(transaction) => slots_inside(&transaction.requests).next(),
            What::Watch(_, _, keys) => keys.first().map(|key| base::slot_of(key)),
        };
        let number = self.fabric.execs.next;
        self.fabric.execs.next += 1;
        let (at, ticket) = (session.at, session.output.open());
        self.fabric.execs.waiting.insert(number, Waiting { at, ticket, what });
        session.stall = Some(Stall::Drain);
        let (patience, deadline) = self.errand_times(request.raw().len());
        let reader = self.reader_of(session, partition);
        let head = ErrandHead {
            dest: Dest::Exec { worker: self.id, number },
            who: session.at.conn.0,
            partition,
            db: session.db,
            version: session.version,
            access: session.access(),
            ack: session.ack,
            reads: session.reads.at_the_leader(),
            redirect: session.redirect_from(slot),
            reader,
            spec: command.spec(),
            patience,
            deadline,
        };
        self.send_errand(head, request.args(), request.raw());
    }

    /// `WATCH`: asks what the keys' values are, a partition at a time.
    pub(crate) fn watch_over_fabric(&mut self, session: &mut Session, args: Args<'_>) {
        let keys: Vec<&[u8]> = args.iter().skip(1).collect();
        let partition = self.router.partition(session.db, keys[0]);
        if keys.iter().any(|key| self.router.partition(session.db, key) != partition) {
            return Reply::new(session.output.end(), session.version).error(CROSS_SLOT_TRANSACTION);
        }
        let mut words: Vec<&[u8]> = vec![b"narf.digests"];
        words.extend(&keys);
        let what = What::Watch(partition, session.db, keys.iter().map(|key| (*key).into()).collect());
        self.send_waiting(session, partition, NodeCommand::NarfDigests, &WireRequest::encode(&words), what);
    }

    /// The leader's answer.
    pub(crate) fn finish_exec(&mut self, number: u64, answer: &[u8]) {
        let Some(Waiting { at, ticket, what }) = self.fabric.execs.waiting.remove(&number) else { return };
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at.conn == at.conn {
            match what {
                What::Watch(partition, db, keys) => {
                    let mut out = Vec::new();
                    note_watches(&mut session, (partition, db), keys, answer, &mut out);
                    session.output.fill(ticket, &out);
                    self.settle(&mut session);
                }
                // Null, as it is if a watched key has changed, or an error.
                What::Exec(_) if answer.first() != Some(&b'*') || answer.starts_with(b"*-1") => {
                    session.output.fill(ticket, answer);
                    self.settle(&mut session);
                }
                What::Exec(transaction) => self.weave(&mut session, ticket, transaction, answer),
            }
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// Puts the leader's answers and those of the node's own commands into one reply, in the order of the requests.
    fn weave(&mut self, session: &mut Session, ticket: Ticket, transaction: Transaction, answer: &[u8]) {
        let mut rest = crate::scatter::after_header(answer).unwrap_or_default();
        self.run_in_reply(session, ticket, |worker, session| {
            Reply::new(session.output.end(), session.version).array(transaction.requests.len());
            for (number, request) in transaction.requests.iter().enumerate() {
                let (args, raw) = (request.args(), request.raw());
                let Lookup::Found(spec) = command::lookup(args) else { continue };
                worker.stats.count_inside(spec);
                if let Some(Some(text)) = transaction.denied.get(number) {
                    Reply::new(session.output.end(), session.version).error(text);
                    continue;
                }
                match spec.run {
                    Run::Node(command) => {
                        worker.run_node(session, command, spec, args, raw);
                    }
                    Run::Data(_) | Run::Container => {
                        let len = crate::scatter::reply_len(rest, 0).unwrap_or(rest.len());
                        let (element, after) = rest.split_at(len);
                        session.output.end().extend_from_slice(element);
                        rest = after;
                    }
                }
            }
            false
        });
    }
}

/// Remembers what the leader says of watched keys.
fn note_watches(
    session: &mut Session,
    (partition, db): (PartitionId, DbIndex),
    keys: Vec<Box<[u8]>>,
    answer: &[u8],
    out: &mut Vec<u8>,
) {
    let mut rest = match crate::scatter::after_header(answer) {
        Some(rest) if answer.first() == Some(&b'*') => rest,
        _ => return out.extend_from_slice(answer),
    };
    for key in keys {
        let Some(len) = crate::scatter::reply_len(rest, 0) else { break };
        let element = &rest[..len];
        let value = crate::scatter::after_header(element).and_then(|body| body.strip_suffix(b"\r\n"));
        let value = value.unwrap_or_default().to_vec();
        session.watched.push(Watched { partition, db, key, since: WatchedSince::Value(value) });
        rest = &rest[len..];
    }
    Reply::new(out, session.version).ok();
}

/// What `narf.exec` says.
pub(crate) struct ExecPlan<'a> {
    /// Database, key, and what told its value from others.
    pub(crate) watches: Vec<(DbIndex, &'a [u8], &'a [u8])>,
    pub(crate) requests: Vec<(DbIndex, &'static Spec, WireRequest)>,
}

impl<'a> ExecPlan<'a> {
    /// Reads the words; `None` if they are not of this form, or a request is not for data.
    pub(crate) fn parse(args: Args<'a>) -> Option<ExecPlan<'a>> {
        let count = count_watches(args);
        let watch = |number: usize| {
            let at = 2 + 3 * number;
            Some((db_of(args.get(at)?)?, args.get(at + 1)?, args.get(at + 2)?))
        };
        let watches = (0..count).map(watch).collect::<Option<Vec<_>>>()?;
        let rest = 2 + 3 * count;
        let request = |at: usize| {
            let request = WireRequest::parse(args.get(at + 1)?)?;
            match command::lookup(request.args()) {
                Lookup::Found(spec) if matches!(spec.run, Run::Data(_)) => {
                    Some((db_of(args.get(at)?)?, spec, request))
                }
                _ => None,
            }
        };
        let requests = (rest..args.len()).step_by(2).map(request).collect::<Option<Vec<_>>>()?;
        Some(ExecPlan { watches, requests })
    }
}

/// How many watches a transaction has.
pub(crate) fn count_watches(args: Args<'_>) -> usize {
    let count = args.get(1).and_then(base::parse_i64).and_then(|count| usize::try_from(count).ok());
    count.unwrap_or(0).min(args.len() / 3)
}
