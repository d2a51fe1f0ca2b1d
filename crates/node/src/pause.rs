//! `CLIENT PAUSE`: requests that are held until a moment; and writes that the shell has held while it gives up the cluster.
//!
//! Each worker holds its own clients; the moment and mode are the same on all. What the shell holds no client lets go.

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
    /// For the shell: writes, until then at most.
    shell_until: Option<Millis>,
    parked: Vec<SessionRef>,
}

impl Pause {
    pub(crate) fn is_on(&self) -> bool {
        self.until.is_some() || self.shell_until.is_some()
    }

    /// When it ends, or one of two does, on the steady clock.
    pub(crate) fn ends(&self) -> Millis {
        let shell = self.shell_until.unwrap_or(Millis::NEVER);
        self.until.map_or(shell, |(_, end)| end.min(shell))
    }

    pub(crate) fn holds(&self, session: &Session, spec: &Spec, now: Millis) -> bool {
        let lasts = |end: &Millis| now < *end;
        let mode = self.until.filter(|(_, end)| lasts(end)).map(|(mode, _)| mode);
        let mode = mode.or(self.shell_until.filter(lasts).map(|_| PauseMode::Write));
        match mode.filter(|_| !is_exempt(spec)) {
            None => false,
            Some(PauseMode::All) => true,
            Some(PauseMode::Write) => spec.is_write() || changes_or_publishes(session, spec),
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
        let now = self.now.mono_millis();
        if self.pause.shell_until.is_some_and(|end| end <= now) {
            self.hold_writes(None);
        }
        if self.pause.until.is_some_and(|(_, end)| end <= now) {
            self.end_pause();
        }
    }

    /// Holds requests that may change data until a moment of the steady clock, or lets them go.
    pub fn hold_writes(&mut self, until: Option<Millis>) {
        self.pause.shell_until = until;
        if until.is_none() {
            self.take_up_parked();
            self.resume_sessions();
        }
    }

    /// Ends the pause; held requests are taken up.
    pub(crate) fn end_pause(&mut self) {
        self.pause.until = None;
        self.take_up_parked();
    }

    fn take_up_parked(&mut self) {
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
