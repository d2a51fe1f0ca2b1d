//! The level in force, as a node lives with it: it keeps it in its folder, stops when it is one that it does not know, and
//! shows and raises it for an operator.
//!
//! Whatever is written or sent in a new way asks [`Fabric::level`](crate::fabric::Fabric::level), and nothing else.
//! Does not know: how a level comes into force (`cluster::Meta` does).

use base::{Args, NodeId};
use cluster::{Command, Level, Meta};
use resp::Reply;

use crate::cluster_view::ALONE;
use crate::outbox::Control;
use crate::session::Session;
use crate::worker::Worker;

impl Worker {
    /// The fabric's state is this from now on. One worker has the folder told, before anybody hears of the state.
    pub(crate) fn follow_level(&mut self, state: &Meta) {
        let level = state.level();
        if let Err(unknown) = self.fabric.levels.check(level, || state.versions_of_level()) {
            return self.outbox.control.push(Control::Fail(unknown.to_string()));
        }
        if level != self.fabric.meta.level() && self.fabric.meta_replica.is_some() {
            self.outbox.level = Some(level);
        }
    }

    /// A peer speaks at a level that this program does not know: it was started after the level had been raised.
    #[cold]
    pub(crate) fn outlive_level(&mut self, from: NodeId, level: Level) {
        if let Err(unknown) = self.fabric.levels.check(level, || format!("that of node {from}")) {
            self.outbox.control.push(Control::Fail(unknown.to_string()));
        }
    }

    /// `FABRIC UPGRADE`.
    pub(crate) fn upgrade(&mut self, session: &mut Session, args: Args<'_>) {
        let finishes = args.len() == 3 && args.at(2).eq_ignore_ascii_case(b"finish");
        let refusal = match (self.fabric.is_on, args.len()) {
            (false, _) => Some(ALONE),
            (true, 2) => None,
            (true, _) => (!finishes).then_some("ERR syntax error"),
        };
        if let Some(text) = refusal {
            return Reply::new(session.output.end(), session.version).error(text);
        }
        let meta = &self.fabric.meta;
        if !finishes {
            return show(meta, &mut Reply::new(session.output.end(), session.version));
        }
        // If there is none that all know, whoever stands in the way is named.
        let level = if meta.level_possible() > meta.level() { meta.level_possible() } else { newest(meta) };
        let mut out = Vec::new();
        Reply::new(&mut out, session.version).int(i64::from(level.0));
        self.ask_for_client(session, Command::Raise { level }, out);
    }
}

/// The newest level that any live member knows.
fn newest(meta: &Meta) -> Level {
    meta.live_members().map(|member| member.levels.newest()).max().unwrap_or_default()
}

/// A row for each live member.
fn show(meta: &Meta, reply: &mut Reply<'_>) {
    let (level, newest) = (meta.level(), newest(meta));
    reply.array(meta.live_members().count());
    for member in meta.live_members() {
        reply.map(8);
        let state = member.state.name();
        let id = member.node.to_string();
        for (name, value) in
            [("name", &*member.name), ("id", &id), ("state", state), ("version", &member.version)]
        {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        let numbers =
            [("oldest", member.levels.oldest()), ("newest", member.levels.newest()), ("level", level)];
        for (name, Level(value)) in numbers {
            reply.bulk(name.as_bytes());
            reply.int(i64::from(value));
        }
        reply.bulk(b"in-the-way");
        reply.int(i64::from(!member.levels.include(newest)));
    }
}
