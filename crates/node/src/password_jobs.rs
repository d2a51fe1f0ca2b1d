//! Passwords that are being looked at, away from the turn: who waits for which, and what becomes of the answer.
//!
//! A session that waits takes up nothing more. When its job is solved, its request is taken up again from the same bytes
//! and finds what was worked out. Does not know: whose password is right.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::WorkerId;

use crate::acl::password::{Job, Password, Solved};
use crate::message::Message;
use crate::session::{Session, SessionRef, Stall};
use crate::worker::Worker;

/// Jobs under way at once for one worker: each holds a thread for tens of milliseconds.
const JOBS_MAX: usize = 256;

/// The jobs of one worker.
#[derive(Default)]
pub(crate) struct Jobs {
    open: BTreeMap<u64, Looking>,
    next: u64,
}

/// Passwords being looked at.
struct Looking {
    /// Who waits for it. Many may come at once with the same password, as after a restart.
    waiting: Vec<SessionRef>,
    /// What tells a try of a password from others.
    attempt: Option<Attempt>,
}

/// Somebody tries to log in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// User and password, by a hash with the key of the process.
    pub(crate) digest: [u8; 32],
    /// From where; none if nobody there is held to a limit.
    pub(crate) source: Option<IpAddr>,
}

impl Worker {
    /// Has the shell look at passwords; the session's request is taken up again when that is done. False if too many
    /// are being looked at.
    pub(crate) fn begin_job(
        &mut self,
        session: &mut Session,
        mut job: Job,
        attempt: Option<Attempt>,
    ) -> bool {
        let same =
            self.users.jobs.open.values_mut().find(|other| attempt.is_some() && other.attempt == attempt);
        if let Some(same) = same {
            same.waiting.push(session.at);
            session.stall = Some(Stall::Password);
            return true;
        }
        if self.users.jobs.open.len() >= JOBS_MAX {
            return false;
        }
        job.number = self.users.jobs.next;
        self.users.jobs.next += 1;
        self.users.jobs.open.insert(job.number, Looking { waiting: vec![session.at], attempt });
        session.stall = Some(Stall::Password);
        self.outbox.passwords.push(job);
        true
    }

    /// The shell has looked at passwords.
    pub fn passwords_solved(&mut self, solved: Solved) {
        let Some(Looking { waiting, attempt }) = self.users.jobs.open.remove(&solved.number) else { return };
        let mut is_awaited = false;
        for at in waiting {
            let Some(session) = self.sessions.find_mut(at) else { continue };
            if session.stall == Some(Stall::Password) {
                is_awaited = true;
                session.stall = None;
                session.solved = Some(solved.known.clone());
                self.resumable.push(at);
            }
        }
        // Who goes before the answer comes has tried all the same.
        if let Some(source) = attempt.and_then(|attempt| attempt.source).filter(|_| !is_awaited) {
            let free = self.settings.auth_failures_max;
            let wrong = solved.known.iter().filter(|known| known.salted().is_none());
            wrong.for_each(|known| self.host.note_wrong_password(source, free, &known.word));
        }
        self.resume_sessions();
    }

    /// A password was right: who comes again need not wait, on no worker.
    pub(crate) fn note_verified(&mut self, hash: &Password, digest: [u8; 32]) {
        self.users.verified.insert(hash.clone(), digest);
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            self.outbox.messages.push((worker, Message::PasswordVerified(hash.clone(), digest)));
        }
    }
}
