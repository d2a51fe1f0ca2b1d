//! `CLIENT PAUSE`: requests that are held until a moment.
//!
//! Each worker holds its own clients; the moment and mode are the same on all.

use base::Millis;
use command::{NodeCommand, Run, Spec};

use crate::session::{Session, SessionRef, Stall};
use crate::worker::Worker;

/// Which requests are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    /// Those that may change data.
    Write,
    /// All.
    All,
}

/// The pause of a worker.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<(PauseMode, Millis)>,
    parked: Vec<SessionRef>,
}

impl Pause {
    pub(crate) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// When it ends, on the steady clock.
    pub(crate) fn ends(&self) -> Millis {
        self.until.map_or(Millis::NEVER, |(_, end)| end)
    }

    pub(crate) fn holds(&self, session: &Session, spec: &Spec, now: Millis) -> bool {
        let Some((mode, end)) = self.until else { return false };
        if now >= end || is_exempt(spec) {
            return false;
        }
        match mode {
            PauseMode::All => true,
            PauseMode::Write => spec.is_write() || changes_or_publishes(session, spec),
        }
    }

    pub(crate) fn park(&mut self, session: SessionRef) {
        self.parked.push(session);
    }

    /// Begins a pause, or makes one longer: as in Redis the later end and the stricter mode win.
    pub(crate) fn begin(&mut self, mode: PauseMode, end: Millis) {
        self.until = Some(match self.until {
            Some((PauseMode::All, old)) => (PauseMode::All, old.max(end)),
            Some((PauseMode::Write, old)) => (mode, old.max(end)),
            None => (mode, end),
        });
    }
}

fn is_exempt(spec: &Spec) -> bool {
    matches!(spec.run, Run::Node(NodeCommand::ClientPause | NodeCommand::ClientUnpause))
}

/// Whether a request may change data or is heard elsewhere, although its row does not call it a write.
pub(crate) fn changes_or_publishes(session: &Session, spec: &Spec) -> bool {
    use NodeCommand as N;
    match spec.run {
        Run::Node(N::Publish | N::SPublish | N::FlushAll | N::FlushDb | N::SwapDb) => true,
        Run::Node(N::Exec) => session.transaction.as_ref().is_some_and(|transaction| transaction.writes),
        Run::Node(_) | Run::Data(_) | Run::Container => false,
    }
}

impl Worker {
    /// Ends the pause if its time has come.
    pub(crate) fn end_pause_if_due(&mut self) {
        if self.pause.ends() <= self.now.mono_millis() {
            self.end_pause();
        }
    }

    /// Ends the pause; held requests are taken up.
    pub(crate) fn end_pause(&mut self) {
        self.pause.until = None;
        for at in std::mem::take(&mut self.pause.parked) {
            if let Some(session) = self.sessions.find_mut(at)
                && session.stall == Some(Stall::Paused)
            {
                session.stall = None;
                self.resumable.push(at);
            }
        }
    }
}
