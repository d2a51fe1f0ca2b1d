//! Settings that say what the whole fabric does with its data: kept in the fabric's state, so that `CONFIG SET` of one on
//! any node holds on all of them, also on those that join later, and after restarts.
//!
//! Until one is set each node goes by its own configuration, and from then on by what was set. What a request becomes in
//! the log never hangs on them: replicas are the same while one node has heard of a change and another has not.
//!
//! A client is answered once this node goes by what it set; other nodes follow with the next message of the meta group.
//! A node that is on its own for good has no such state: there these are settings as any.

use base::{Millis, WorkerId};
use cluster::Command;

use crate::gather::Question;
use crate::message::Message;
use crate::meta::Asker;
use crate::session::{Session, Stall};
use crate::settings::find;
use crate::users::{WishDest, error_reply};
use crate::worker::Worker;

/// What stands before a setting's name in the fabric's state.
const PREFIX: &str = "config.";

/// How long this node may take to hear of what was agreed on. Later than that somebody else has set it again.
const SIGHT_MS: u64 = 1000;

/// A client wants settings of the fabric changed.
pub struct SharedWish {
    dest: WishDest,
    /// Name and value of each.
    shared: Vec<(&'static str, String)>,
    /// Settings of this node that go with them: changed once those are agreed on, and not if one is refused.
    own: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Pending {
    number: u64,
    wish: SharedWish,
    /// Answers of the fabric that are still to come.
    undecided: usize,
    refusal: Option<String>,
    /// Steady clock: until when this node has to have heard of it, once all is agreed on.
    seen_by: Millis,
}

/// Changes under way; on the first worker.
#[derive(Default)]
pub(crate) struct SharedSettings {
    next: u64,
    pending: Vec<Pending>,
}

impl Worker {
    /// Parts the settings of the fabric, by their names, from those of this node; all are this node's if it is on its own.
    pub(crate) fn part_shared(&self, pairs: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(&'static str, String)> {
        if !self.fabric.is_on {
            return Vec::new();
        }
        let shared_name = |given: &[u8]| {
            let row = std::str::from_utf8(given).ok().and_then(find)?;
            row.shared.then_some(row.name)
        };
        // Of two spellings of one setting the later wins, as without a fabric.
        let mut shared: Vec<(&'static str, String)> = Vec::new();
        pairs.retain(|(given, value)| {
            let Some(name) = shared_name(given) else { return true };
            shared.retain(|(earlier, _)| *earlier != name);
            shared.push((name, String::from_utf8_lossy(value).into_owned()));
            false
        });
        shared
    }

    /// Has settings of the fabric changed for a client, and this node's with them. The client is answered when that is so.
    pub(crate) fn wish_shared(
        &mut self,
        session: &mut Session,
        shared: Vec<(&'static str, String)>,
        own: Vec<(Vec<u8>, Vec<u8>)>,
    ) {
        let ticket = session.output.open();
        session.stall = Some(Stall::Drain);
        let wish = SharedWish { dest: WishDest::new(self.id, session.at, ticket), shared, own };
        match self.id {
            WorkerId(0) => self.take_shared_wish(wish),
            _ => self.outbox.messages.push((WorkerId(0), Message::ShareSettings(wish))),
        }
    }

    /// Asks the fabric for what a client of this node wants.
    pub(crate) fn take_shared_wish(&mut self, wish: SharedWish) {
        let number = self.shared_settings.next;
        self.shared_settings.next += 1;
        let commands: Vec<Command> = wish.shared.iter().map(|(name, value)| set(name, value)).collect();
        let (undecided, seen_by) = (commands.len(), Millis::NEVER);
        self.shared_settings.pending.push(Pending { number, wish, undecided, refusal: None, seen_by });
        for command in commands {
            self.ask_meta(command, Asker::Setting(number));
        }
    }

    /// What the fabric made of one setting of a wish.
    pub(crate) fn setting_agreed(&mut self, number: u64, result: Result<(), String>) {
        let seen_by = Millis(self.now.mono_millis().0 + SIGHT_MS);
        let mut all = self.shared_settings.pending.iter_mut();
        let Some(pending) = all.find(|pending| pending.number == number) else { return };
        pending.undecided -= 1;
        pending.refusal = pending.refusal.take().or(result.err());
        pending.seen_by = seen_by;
    }

    /// Answers who waited for this node to see what was agreed on. No session is taken out.
    pub(crate) fn settle_shared_settings(&mut self) {
        if self.shared_settings.pending.is_empty() {
            return;
        }
        let (now, meta) = (self.now.mono_millis(), &self.fabric.meta);
        let is_in_force = |(name, value): &(&str, String)| meta.setting(&key(name)) == Some(value);
        let is_done = |pending: &mut Pending| {
            let is_seen = || pending.seen_by <= now || pending.wish.shared.iter().all(is_in_force);
            pending.undecided == 0 && (pending.refusal.is_some() || is_seen())
        };
        let done: Vec<Pending> = self.shared_settings.pending.extract_if(.., is_done).collect();
        for Pending { wish, refusal, .. } in done {
            let reply = match refusal {
                Some(reason) => error_reply(&format!("ERR {reason}")),
                None => b"+OK\r\n".to_vec(),
            };
            if reply.starts_with(b"+") && !wish.own.is_empty() {
                self.have_all_do(Question::Settings(wish.own));
            }
            self.answer_wish(Some(wish.dest), &reply);
        }
    }

    /// Goes by what the fabric's state says. No session is taken out.
    pub(crate) fn use_shared_settings(&mut self) {
        let mut settings = crate::settings::Settings::clone(&self.settings);
        for (key, value) in self.fabric.meta.settings() {
            let row = key.strip_prefix(PREFIX).and_then(find).filter(|row| row.shared);
            // What a newer program has agreed on and this one cannot read is left as it is here.
            if let Some(row) = row {
                let _ = settings.set(row.name, value);
            }
        }
        if settings != *self.settings {
            self.adopt_settings(settings);
        }
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn set(name: &str, value: &str) -> Command {
    Command::Set { key: key(name), value: Some(value.to_owned()) }
}
