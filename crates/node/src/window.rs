//! Requests decoded ahead of their execution, so that what they will need of memory is on its way by then.
//!
//! A pipeline is taken up in windows: decode some requests, ask for the table slots of all their keys, then for
//! the entries, then run them in order. A look-up in a table that is larger than the caches waits for memory
//! twice; a window waits for all its look-ups at once. Does not know what requests mean: the first argument is
//! taken for a key, and where it is not, nothing is lost but a few nanoseconds.

use base::{Args, DbIndex, PartitionId, Span};
use engine::Keyspace;
use resp::{Decoded, Decoder, ProtocolError};

use crate::message::Calls;
use crate::worker::Worker;

/// Requests of a window: about as many as a processor can have memory accesses under way.
const REQUESTS: usize = 32;

/// Longer keys are not hashed ahead: it would cost more than it saves.
const KEY_MAX: usize = 128;

/// A request in wire form within the buffer it came in.
#[derive(Clone, Copy)]
pub(crate) struct Framed {
    pub(crate) start: usize,
    pub(crate) len: usize,
    spans_start: u32,
    spans_len: u32,
}

/// Why a window ends where it does.
pub(crate) enum End {
    /// It is full, or something follows that is decoded by itself.
    Full,
    /// The bytes end.
    Incomplete,
    /// What follows is no request. It counts once all before it has run.
    Broken(ProtocolError),
}

/// The window of a worker, reused.
#[derive(Default)]
pub(crate) struct Window {
    spans: Vec<Span>,
    requests: Vec<Framed>,
}

impl Window {
    /// Decodes requests from `at` on. Stops before an inline command, whose arguments may lie elsewhere.
    #[inline]
    pub(crate) fn fill(&mut self, decoder: &mut Decoder, bytes: &[u8], at: usize) -> End {
        self.spans.clear();
        self.requests.clear();
        let mut at = at;
        while self.requests.len() < REQUESTS {
            match bytes.get(at) {
                None => return End::Incomplete,
                Some(b'*') => {}
                Some(_) => return End::Full,
            }
            match decoder.decode(&bytes[at..]) {
                Ok(Decoded::Request { len }) => {
                    let spans = decoder.args(&bytes[at..at + len]).spans();
                    let (spans_start, spans_len) = (self.spans.len() as u32, spans.len() as u32);
                    self.spans.extend_from_slice(spans);
                    self.requests.push(Framed { start: at, len, spans_start, spans_len });
                    at += len;
                }
                Ok(Decoded::Incomplete) => return End::Incomplete,
                Err(error) => return End::Broken(error),
            }
        }
        End::Full
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Request `index`: its place, its arguments and its wire form.
    #[inline]
    pub(crate) fn get<'a>(&'a self, index: usize, bytes: &'a [u8]) -> (Framed, Args<'a>, &'a [u8]) {
        let framed = self.requests[index];
        let raw = &bytes[framed.start..framed.start + framed.len];
        let spans = &self.spans[framed.spans_start as usize..][..framed.spans_len as usize];
        (framed, Args::new(raw, spans), raw)
    }
}

/// Where a key may be.
#[derive(Clone, Copy)]
struct Lookup<'a> {
    id: PartitionId,
    db: DbIndex,
    key: &'a [u8],
}

impl Worker {
    /// Asks for the memory that the requests of a window will look at.
    pub(crate) fn prefetch(&self, db: DbIndex, window: &Window, bytes: &[u8]) {
        let keys = (0..window.len()).map(|index| {
            let key = first_key(window.get(index, bytes).1);
            Lookup { id: self.router.partition(db, key), db, key }
        });
        self.prefetch_keys(keys);
    }

    /// The same for requests of other workers' clients, from `from` on; for how many of them.
    pub(crate) fn prefetch_calls(&self, calls: &Calls, from: usize) -> usize {
        let keys = calls.iter_from(from).take(REQUESTS).map(|(head, args, _)| Lookup {
            id: head.partition,
            db: head.db,
            key: first_key(args),
        });
        self.prefetch_keys(keys)
    }

    /// First all slots, then all entries, so that they are fetched side by side; how many keys there were.
    #[inline]
    fn prefetch_keys<'a>(&self, keys: impl Iterator<Item = Lookup<'a>>) -> usize {
        let mut lookups = [Lookup { id: PartitionId(0), db: DbIndex::ZERO, key: b"" }; REQUESTS];
        let mut count = 0;
        for (place, lookup) in lookups.iter_mut().zip(keys) {
            *place = lookup;
            count += 1;
            if let Some(keyspace) = self.keyspace_at(lookup) {
                keyspace.prefetch(lookup.key);
            }
        }
        for lookup in &lookups[..count] {
            if let Some(keyspace) = self.keyspace_at(*lookup) {
                keyspace.prefetch_entry(lookup.key);
            }
        }
        count
    }

    #[inline]
    fn keyspace_at(&self, lookup: Lookup<'_>) -> Option<&Keyspace> {
        self.places.get(usize::from(lookup.id.0))?.partition.as_ref()?.existing(lookup.db)
    }
}

#[inline]
fn first_key(args: Args<'_>) -> &[u8] {
    args.get(1).filter(|key| key.len() <= KEY_MAX).unwrap_or_default()
}
