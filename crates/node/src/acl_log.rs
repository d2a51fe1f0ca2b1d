//! `ACL LOG`: what was refused to whom, newest first, a bounded number. What happens again within a minute is one entry.
//!
//! The first worker keeps it for the node; the others tell it.

use std::collections::VecDeque;

use base::WorkerId;
use resp::Reply;

use crate::message::Message;
use crate::session::Session;
use crate::worker::Worker;

/// Same entries that are not further apart are one.
const GROUPED_MS: u64 = 60_000;
/// Bytes that are kept of a key or channel.
const OBJECT_MAX: usize = 256;

/// What was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The right to the command.
    Command,
    /// The right to a key.
    Key,
    /// The right to a channel.
    Channel,
    /// The right password.
    Auth,
}

/// Where it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// By itself.
    TopLevel,
    /// Between `MULTI` and `EXEC`.
    Queued,
    /// When the transaction was run.
    Exec,
}

/// One refusal, or the same several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedEntry {
    reason: Reason,
    is_in_multi: bool,
    object: Box<[u8]>,
    user: Box<[u8]>,
    client: String,
    count: u64,
    id: u64,
    /// Milliseconds since the Unix epoch.
    created: u64,
    updated: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct AclLog {
    entries: VecDeque<DeniedEntry>,
    next: u64,
}

impl AclLog {
    pub(crate) fn add(&mut self, mut entry: DeniedEntry, len_max: usize) {
        let is_same = |known: &DeniedEntry| {
            known.reason == entry.reason
                && known.is_in_multi == entry.is_in_multi
                && known.object == entry.object
                && known.user == entry.user
                && entry.updated.saturating_sub(known.updated) <= GROUPED_MS
        };
        match self.entries.iter().position(is_same).and_then(|at| self.entries.remove(at)) {
            Some(known) => {
                (entry.id, entry.created, entry.count) = (known.id, known.created, known.count + 1);
            }
            None => {
                entry.id = self.next;
                self.next += 1;
            }
        }
        self.entries.push_front(entry);
        self.entries.truncate(len_max);
    }

    pub(crate) fn newest(&self, count: usize) -> Vec<DeniedEntry> {
        self.entries.iter().take(count).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

impl Worker {
    /// Notes a refusal. `user` is who it was refused to, or who he said he is.
    pub(crate) fn note_denied(
        &mut self,
        session: &Session,
        reason: Reason,
        context: Context,
        object: &[u8],
        user: &[u8],
    ) {
        let now = self.now.millis().0;
        let cut = |bytes: &[u8]| Box::from(&bytes[..bytes.len().min(OBJECT_MAX)]);
        let entry = DeniedEntry {
            reason,
            is_in_multi: context != Context::TopLevel,
            object: cut(object),
            user: cut(user),
            client: self.describe(session),
            count: 1,
            id: 0,
            created: now,
            updated: now,
        };
        match self.id {
            WorkerId(0) => self.take_denied(entry),
            _ => self.outbox.messages.push((WorkerId(0), Message::Denied(Box::new(entry)))),
        }
    }

    pub(crate) fn take_denied(&mut self, entry: DeniedEntry) {
        let len_max = usize::try_from(self.settings.acllog_max_len).unwrap_or(usize::MAX);
        self.users.log.add(entry, len_max);
    }
}

/// Writes the reply of `ACL LOG`.
pub(crate) fn write_entries(entries: &[DeniedEntry], now_ms: u64, reply: &mut Reply<'_>) {
    reply.array(entries.len());
    for entry in entries {
        reply.map(10);
        reply.bulk(b"count");
        reply.int(entry.count.cast_signed());
        let mut text = |name: &str, value: &[u8]| {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        };
        let reason = match entry.reason {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        };
        text("reason", reason.as_bytes());
        text("context", if entry.is_in_multi { b"multi" } else { b"toplevel" });
        text("object", &entry.object);
        text("username", &entry.user);
        text("client-info", entry.client.as_bytes());
        reply.bulk(b"age-seconds");
        let age = now_ms.saturating_sub(entry.updated) as f64 / 1000.0;
        reply.double_text(age.to_string().as_bytes());
        let numbers = [
            ("entry-id", entry.id),
            ("timestamp-created", entry.created),
            ("timestamp-last-updated", entry.updated),
        ];
        for (name, number) in numbers {
            reply.bulk(name.as_bytes());
            reply.int(number.cast_signed());
        }
    }
}
