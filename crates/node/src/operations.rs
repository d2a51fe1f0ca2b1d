//! What an entry says, apart from its name: the leader's clock, a seed, and operations in wire form.
//!
//! The bytes of a group's data entry are a [`Stamp`] and a body; the log keeps the same things in an
//! [`EntryHeader`](crate::entry::EntryHeader) and a body. Does not know: groups, files, who waits for a reply.

use base::{Args, Cursor, DbIndex, Millis};
use bytes::Bytes;
use command::{DataCommand, Lookup, Run};
use resp::{Decoded, Decoder, Limits};

/// What all operations of an entry share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) time: Millis,
    pub(crate) seed: u64,
    pub(crate) operations: u32,
}

/// Limits for requests that were accepted before: theirs were kept then, perhaps under wider settings; and what a
/// request over several partitions made of a large value is one word.
pub(crate) const ACCEPTED: Limits =
    Limits { bulk_max: u32::MAX as usize, args_max: 1 << 24, request_max: usize::MAX, ..Limits::CLIENT };

/// Bytes of a [`Stamp`] before the body.
pub(crate) const STAMP_LEN: usize = 8 + 8 + 4;

impl Stamp {
    /// The data of an entry: none for one that says nothing, as a leader's first is.
    pub(crate) fn encode(&self, body: &[u8]) -> Vec<u8> {
        if *self == Stamp::default() {
            return Vec::new();
        }
        let mut data = Vec::with_capacity(STAMP_LEN + body.len());
        data.extend_from_slice(&self.time.0.to_le_bytes());
        data.extend_from_slice(&self.seed.to_le_bytes());
        data.extend_from_slice(&self.operations.to_le_bytes());
        data.extend_from_slice(body);
        data
    }

    /// The stamp and body of an entry's data; `None` if a peer sent something else.
    pub(crate) fn decode(data: &Bytes) -> Option<(Stamp, Bytes)> {
        if data.is_empty() {
            return Some((Stamp::default(), Bytes::new()));
        }
        let mut cursor = Cursor::new(data);
        let stamp = Stamp {
            time: Millis(cursor.u64().ok()?),
            seed: cursor.u64().ok()?,
            operations: cursor.u32().ok()?,
        };
        Some((stamp, data.slice(STAMP_LEN..)))
    }

    /// The seed of operation `number`: each draws from its own.
    #[inline]
    pub(crate) fn seed_of(&self, number: u32) -> u64 {
        seed_of(self.seed, number)
    }
}

/// Operations draw from the entry's seed, each its own.
#[inline]
pub(crate) fn seed_of(entry_seed: u64, number: u32) -> u64 {
    entry_seed ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// One operation of an entry.
pub(crate) struct Applied<'a> {
    pub(crate) number: u32,
    pub(crate) db: DbIndex,
    pub(crate) command: DataCommand,
    pub(crate) args: Args<'a>,
    /// The body from this operation on.
    pub(crate) rest: &'a [u8],
}

/// Visits the operations of a body in order. False, and the rest is not visited, if one of them is not a request
/// that this version knows.
pub(crate) fn each_operation(body: &[u8], operations: u32, visit: &mut dyn FnMut(Applied<'_>)) -> bool {
    let mut reader = Operations::new(body);
    for number in 0..operations {
        let Some((db, len)) = reader.next() else { return false };
        let args = reader.args();
        let Lookup::Found(spec) = command::lookup(args) else { return false };
        let Run::Data(command) = spec.run else { return false };
        if command == DataCommand::NarfOnce && engine::numbered_commands(args).is_none() {
            return false;
        }
        visit(Applied { number, db, command, args, rest: reader.body });
        reader.advance(len);
    }
    true
}

/// Visits the first argument of each of the first `count` operations of a body, as far as they are requests.
pub(crate) fn first_keys(body: &[u8], count: u32, visit: &mut dyn FnMut(DbIndex, &[u8])) {
    let mut reader = Operations::new(body);
    for _ in 0..count {
        let Some((db, len)) = reader.next() else { return };
        visit(db, reader.args().at(1));
        reader.advance(len);
    }
}

/// Reads the operations of an entry's body.
struct Operations<'a> {
    body: &'a [u8],
    decoder: Decoder,
}

impl<'a> Operations<'a> {
    fn new(body: &'a [u8]) -> Operations<'a> {
        Operations { body, decoder: Decoder::new(ACCEPTED) }
    }

    /// The database and length of the operation at the front.
    fn next(&mut self) -> Option<(DbIndex, usize)> {
        let (&db, request) = self.body.split_first()?;
        match self.decoder.decode(request) {
            Ok(Decoded::Request { len }) => Some((DbIndex::new(db)?, len + 1)),
            Ok(Decoded::Incomplete) | Err(_) => None,
        }
    }

    fn args(&self) -> Args<'_> {
        self.decoder.args(self.body.get(1..).unwrap_or_default())
    }

    fn advance(&mut self, len: usize) {
        self.body = self.body.get(len..).unwrap_or_default();
    }
}
