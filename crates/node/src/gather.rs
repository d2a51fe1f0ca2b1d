//! Questions to every worker of the node, and what is made of the answers: `CLIENT LIST`, `INFO`, `CONFIG SET`, …
//!
//! The asking worker answers first, the others by message; when all have, the reply is made and put where the
//! client waits for it. With one worker there is no waiting. The shell may ask, too, for a report.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ConnId, DbIndex, Millis, PartitionId, WorkerId};
use engine::Digest;
use resp::{Reply, Version};

use crate::acl_log::DeniedEntry;
use crate::client::{ClientLine, ClientQuery};
use crate::cluster_view::PartitionStanding;
use crate::hot_keys::HotReport;
use crate::latency::Series;
use crate::message::Message;
use crate::output::Ticket;
use crate::pause::PauseMode;
use crate::session::{Session, SessionRef, Stall, gate};
use crate::slowlog::SlowEntry;
use crate::stats::Snapshot;
use crate::tracking::{Redirect, Wish};
use crate::witness::Stranded;
use crate::worker::Worker;

/// A question to every worker.
#[derive(Clone, Debug)]
pub enum Question {
    /// Nothing: the answer says that all messages before it were seen.
    Barrier,
    /// The clients that match.
    Clients(ClientQuery),
    /// Close the clients that match; the answer counts them.
    Kill(ClientQuery),
    /// Let go a client that waits, as if its time were over or with an error; the answer counts it.
    Unblock { conn: ConnId, with_error: bool },
    /// Where a client is.
    Find(ConnId),
    /// Counters for `INFO`.
    Stats,
    /// Start counting anew.
    ResetStats,
    /// Change these settings, names and values. Not the settings as a whole: another worker may change others at
    /// the same time.
    Settings(Vec<(Vec<u8>, Vec<u8>)>),
    /// Hold requests until a moment of the steady clock.
    Pause(PauseMode, Millis),
    /// Stop holding them.
    Unpause,
    /// The newest entries of the slow log, at most so many.
    Slow(usize),
    /// Forget the slow log.
    ResetSlow,
    /// The newest entries of what was refused, at most so many; the first worker has them.
    AclLog(usize),
    /// Forget them.
    ResetAclLog,
    /// What took too long.
    Latency,
    /// Forget these events, or all; the answer says which there were.
    ResetLatency(Vec<Vec<u8>>),
    /// Give free memory back to the system.
    Purge,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    ActiveExpire(bool),
    /// A worker gained or lost `MONITOR` clients.
    Monitors(WorkerId, bool),
    /// Start writing checkpoints.
    Checkpoint,
    /// The same; the answer comes when all of the node's are on stable storage.
    Save,
    /// How each partition of the worker stands.
    Standings,
    /// What the keys of each database come to that the worker holds, led or followed.
    Digests,
    /// What a replica holds right behind an entry, or behind the last it has applied.
    DigestAt(PartitionId, Option<u64>),
    /// Counters and how partitions stand, for the shell.
    Report,
    /// Which keys are asked for most; go on counting for some time.
    HotKeys,
    /// Compare the replicas of what the worker leads; the answer counts partitions.
    Scrub,
    /// Take what replicas here have for all that they ever had, and give up what others had that are gone, if this says so.
    Trust { accepts_loss: bool },
}

/// One worker's answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// A number.
    Count(u64),
    /// How many replicas do not wait for others any more, and what is still waited for.
    Trusted(usize, Vec<Stranded>),
    /// Clients.
    Clients(Vec<ClientLine>),
    /// It is a client of this worker.
    Found(WorkerId, SessionRef),
    /// Counters.
    Stats(Box<Snapshot>),
    /// Slow requests.
    Slow(Vec<SlowEntry>),
    /// What was refused.
    AclLog(Vec<DeniedEntry>),
    /// Events and when they were.
    Latency(Vec<(&'static str, Series)>),
    /// How partitions stand.
    Standings(Vec<PartitionStanding>),
    /// Keys that are asked for most.
    HotKeys(HotReport),
    /// What keys come to, by database.
    Digests(Vec<(DbIndex, Digest)>),
    /// A digest of what a replica holds right behind this entry; or it could not be made, and up to which entry is applied.
    DigestAt { index: u64, digest: Result<u128, u64> },
    /// Counters, and how partitions stand.
    Report(Box<Snapshot>, Vec<PartitionStanding>),
    /// Whether a round of checkpoints was written; or it was not begun.
    Saved(bool),
}

/// Makes the reply once all have answered.
pub(crate) type Finish = Box<dyn FnOnce(&mut Worker, Vec<Answer>, &mut Reply<'_>) + Send>;

struct Gather {
    missing: usize,
    answers: Vec<Answer>,
    then: Then,
}

/// What becomes of the answers.
enum Then {
    /// A client's reply.
    Reply((SessionRef, Ticket, Version), Finish),
    /// What a client wishes that asked where another is.
    Track(SessionRef, Ticket, Wish),
    /// A report to the shell, by the number that it gave.
    Report(u64),
}

/// The questions of a worker that are not wholly answered.
#[derive(Default)]
pub(crate) struct Gathers {
    open: BTreeMap<u64, Gather>,
    next: u64,
}

impl Worker {
    /// Asks all workers and lets `finish` write the reply. The session takes up nothing more until then.
    pub(crate) fn ask(&mut self, session: &mut Session, question: Question, finish: Finish) {
        let number = self.gathers.next;
        let mine = self.answer(&question, Some(session), self.id, number);
        let others = usize::from(self.router.workers()) - 1;
        let missing = others + usize::from(mine.is_none());
        if let (0, Some(mine)) = (others, &mine) {
            let mine = mine.clone();
            let version = session.version;
            let mut out = Vec::new();
            finish(self, vec![mine], &mut Reply::new(&mut out, version));
            session.output.end().extend_from_slice(&out);
            return;
        }
        let ticket = session.output.open();
        self.gathers.next += 1;
        session.stall = Some(Stall::Drain);
        let then = Then::Reply((session.at, ticket, session.version), finish);
        self.gathers.open.insert(number, Gather { missing, answers: mine.into_iter().collect(), then });
        self.ask_others(number, question);
    }

    /// Asks all workers where a client is that another wants to stand in for it.
    pub(crate) fn ask_for_tracking(&mut self, session: &mut Session, question: Question, wish: Wish) {
        let number = self.gathers.next;
        let mine = self.answer(&question, Some(session), self.id, number);
        let answers: Vec<Answer> = mine.into_iter().collect();
        let missing = usize::from(self.router.workers()) - 1;
        if missing == 0 {
            return self.use_tracking(session, wish, redirect_to(&answers), None);
        }
        let ticket = session.output.open();
        self.gathers.next += 1;
        session.stall = Some(Stall::Drain);
        let then = Then::Track(session.at, ticket, wish);
        self.gathers.open.insert(number, Gather { missing, answers, then });
        self.ask_others(number, question);
    }

    fn found_for_tracking(&mut self, at: SessionRef, ticket: Ticket, wish: Wish, answers: &[Answer]) {
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at == at {
            self.use_tracking(&mut session, wish, redirect_to(answers), Some(ticket));
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    fn find_client(&self, conn: ConnId, asker: Option<&Session>) -> Option<SessionRef> {
        let here = self.sessions.iter().chain(asker);
        here.map(|session| session.at).find(|at| at.conn == conn)
    }

    /// Asks all workers for what the shell wants to know; it comes as a [`Control::Reported`](crate::Control::Reported) with this number.
    pub fn ask_report(&mut self, number: u64) {
        let mine = (Box::new(self.snapshot(None)), self.partition_standings());
        let missing = usize::from(self.router.workers()) - 1;
        let answers = vec![Answer::Report(mine.0, mine.1)];
        if missing == 0 {
            return self.report(number, answers);
        }
        let gather = self.gathers.next;
        self.gathers.next += 1;
        self.gathers.open.insert(gather, Gather { missing, answers, then: Then::Report(number) });
        self.ask_others(gather, Question::Report);
    }

    /// Has all workers do something that nobody is told of. No session is taken out.
    pub(crate) fn have_all_do(&mut self, question: Question) {
        // Answers to a number that is not open are passed over.
        let number = self.gathers.next;
        self.gathers.next += 1;
        self.answer(&question, None, self.id, number);
        self.ask_others(number, question);
    }

    fn ask_others(&mut self, number: u64, question: Question) {
        let question = Arc::new(question);
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            let question = Arc::clone(&question);
            self.outbox.messages.push((worker, Message::Ask { from: self.id, gather: number, question }));
        }
    }

    /// Another worker answered.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer) {
        let Some(gather) = self.gathers.open.get_mut(&number) else { return };
        gather.answers.push(answer);
        gather.missing -= 1;
        if gather.missing > 0 {
            return;
        }
        let Some(gather) = self.gathers.open.remove(&number) else { return };
        let ((at, ticket, version), finish) = match gather.then {
            Then::Reply(client, finish) => (client, finish),
            Then::Track(at, ticket, wish) => {
                return self.found_for_tracking(at, ticket, wish, &gather.answers);
            }
            Then::Report(number) => return self.report(number, gather.answers),
        };
        let mut out = Vec::new();
        finish(self, gather.answers, &mut Reply::new(&mut out, version));
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at.conn == at.conn {
            self.note_late_failure(&session, &out);
            self.fill_ticket(&mut session, ticket, &out);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// This worker's answer to a question of before.
    pub(crate) fn answer_late_to(&mut self, asker: WorkerId, gather: u64, answer: Answer) {
        match asker == self.id {
            true => self.answered(gather, answer),
            false => self.outbox.messages.push((asker, Message::Answer { gather, answer })),
        }
    }

    /// This worker's answer; none if it comes later. `asker` is the session that is taken out, if it is ours.
    pub(crate) fn answer(
        &mut self,
        question: &Question,
        asker: Option<&mut Session>,
        from: WorkerId,
        gather: u64,
    ) -> Option<Answer> {
        Some(match question {
            // None of a round that is under way.
            Question::Save if self.is_checkpointing() => Answer::Count(0),
            Question::Save if self.begin_awaited_checkpoint(from, gather) => return None,
            Question::Save => Answer::Saved(false),
            Question::Barrier => Answer::Done,
            Question::Clients(query) => Answer::Clients(self.list_clients(query, asker)),
            Question::Kill(query) => {
                return self.kill_clients(query, asker, (from, gather)).map(Answer::Count);
            }
            Question::Unblock { conn, with_error } => {
                let is_unblocked = self.unblock(*conn, *with_error, (from, gather))?;
                Answer::Count(u64::from(is_unblocked))
            }
            Question::Find(conn) => match self.find_client(*conn, asker.as_deref()) {
                Some(at) => Answer::Found(self.id, at),
                None => Answer::Done,
            },
            Question::Stats => Answer::Stats(Box::new(self.snapshot(asker.as_deref()))),
            Question::Trust { accepts_loss } => {
                let (given_up, left) = self.give_up_lost(*accepts_loss);
                Answer::Trusted(self.trust_own_log() + given_up, left)
            }
            Question::ResetStats => {
                self.stats.reset();
                self.eviction.over_ms = 0;
                let partitions = self.places.iter_mut().filter_map(|place| place.partition.as_deref_mut());
                for partition in partitions {
                    partition.keyspaces_mut().for_each(|(_, keyspace)| keyspace.reset_counts());
                }
                Answer::Done
            }
            Question::Settings(pairs) => {
                self.change_settings(pairs);
                if let Some(session) = asker {
                    self.renew_rights(session);
                    session.new_limits = Some(self.limits(!session.has_gate(gate::UNAUTHENTICATED)));
                }
                Answer::Done
            }
            Question::Pause(mode, end) => {
                self.pause.begin(*mode, *end);
                Answer::Done
            }
            Question::Unpause => {
                self.end_pause();
                Answer::Done
            }
            Question::Latency => Answer::Latency(self.latency.events()),
            Question::ResetLatency(names) => Answer::Latency(self.latency.reset(names)),
            Question::Slow(count) => Answer::Slow(self.slowlog.newest(*count)),
            Question::AclLog(count) => self.answer_acl_log(*count),
            Question::ResetAclLog => {
                self.users.log.clear();
                Answer::Done
            }
            Question::ResetSlow => {
                self.slowlog.clear();
                Answer::Done
            }
            Question::Purge => {
                self.host.purge_memory();
                Answer::Done
            }
            Question::ActiveExpire(on) => {
                self.expiry.set(*on);
                Answer::Done
            }
            Question::Monitors(worker, on) => {
                self.monitors.note(*worker, *on);
                Answer::Done
            }
            Question::Digests => Answer::Digests(self.db_digests()),
            Question::DigestAt(id, index) => return self.digest_at(*id, *index, (from, gather)),
            Question::Standings => Answer::Standings(self.partition_standings()),
            Question::Report => {
                Answer::Report(Box::new(self.snapshot(asker.as_deref())), self.partition_standings())
            }
            Question::HotKeys => self.report_hot_keys(),
            Question::Scrub => self.begin_round(),
            Question::Checkpoint => Answer::Count(u64::from(self.begin_checkpoint())),
        })
    }
}

/// The client that was asked for, if it is there.
fn redirect_to(answers: &[Answer]) -> Option<Redirect> {
    answers.iter().find_map(|answer| match answer {
        Answer::Found(worker, at) => Some(Redirect { worker: *worker, at: *at }),
        _ => None,
    })
}

/// The sum of the counts.
pub(crate) fn sum(answers: &[Answer]) -> u64 {
    let count = |answer: &Answer| match answer {
        Answer::Count(count) => *count,
        Answer::Done
        | Answer::Trusted(..)
        | Answer::Clients(_)
        | Answer::Found(..)
        | Answer::Stats(_)
        | Answer::Slow(_)
        | Answer::AclLog(_)
        | Answer::Latency(_)
        | Answer::Standings(_)
        | Answer::HotKeys(_)
        | Answer::Digests(_)
        | Answer::DigestAt { .. }
        | Answer::Report(..)
        | Answer::Saved(_) => 0,
    };
    answers.iter().map(count).sum()
}
