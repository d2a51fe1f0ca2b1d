//! How fresh what a client reads must be, and how that is made sure of: `CLIENT READ`, `READONLY` and `READWRITE`.

use base::Args;
use resp::Reply;

use crate::session::Session;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadLevel {
    /// The leader answers, by itself for as long as its steady clock says that nobody else can lead.
    Lease,
    /// The leader answers once a majority has confirmed after the request that it leads: no clock is relied on.
    Linear,
    /// Any replica answers with what it has, however old that may be.
    Stale,
}

impl ReadLevel {
    fn from_name(name: &[u8]) -> Option<ReadLevel> {
        let all = [ReadLevel::Lease, ReadLevel::Linear, ReadLevel::Stale];
        all.into_iter().find(|level| level.name().as_bytes().eq_ignore_ascii_case(name))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            ReadLevel::Lease => "lease",
            ReadLevel::Linear => "linear",
            ReadLevel::Stale => "stale",
        }
    }

    /// What is asked of a value that is compared with later: it must not be old.
    pub(crate) fn at_the_leader(self) -> ReadLevel {
        match self {
            ReadLevel::Stale => ReadLevel::Lease,
            ReadLevel::Lease | ReadLevel::Linear => self,
        }
    }
}

/// `CLIENT READ`.
pub(crate) fn run(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) {
    match args.get(2) {
        None => reply.bulk(session.reads.name().as_bytes()),
        Some(name) => match ReadLevel::from_name(name) {
            Some(level) => {
                session.reads = level;
                reply.ok();
            }
            None => reply.error("ERR read level must be lease, linear or stale"),
        },
    }
}
