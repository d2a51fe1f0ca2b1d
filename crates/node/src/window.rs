//! Requests decoded ahead of their execution, so that what they will need of memory is on its way by then.
//!
//! A pipeline is taken up in windows: decode some requests, ask for the table slots of all their keys, then for
//! the entries, then run them in order. A look-up in a table that is larger than the caches waits for memory
//! twice; a window waits for all its look-ups at once. What was found out about a key on the way, its partition and its
//! hash, is kept until its request runs. In large collections the same is done for the first member, in steps of its own.
//! Does not know what requests mean: the first argument is taken for a key, and where it is not, nothing is lost but a few
//! nanoseconds.

use std::cell::Cell;

use base::{Args, DbIndex, PartitionId, Span};
use command::{Lookup, Spec, lookup};
use engine::{Hashed, Keyspace, MemberAhead};
use resp::{Decoded, Decoder, ProtocolError};

use crate::message::Calls;
use crate::worker::Worker;

/// Requests of a window: about as many as a processor can have memory accesses under way.
const REQUESTS: usize = 32;

/// After a window whose members are in no large collection, so many are taken without looking for theirs.
const MEMBER_REST: u8 = 15;

/// So many keys of one request are looked up ahead: more would push each other out of the caches.
const KEYS_AHEAD_MAX: usize = 128;

/// Longer keys are not hashed ahead: it would cost more than it saves.
const KEY_MAX: usize = 128;

/// A request in wire form within the buffer it came in.
#[derive(Clone, Copy)]
pub(crate) struct Framed {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) lookup: Lookup<'static>,
    /// What is known of its key.
    pub(crate) ahead: Ahead,
    spans_start: u32,
    spans_len: u32,
}

/// What is known of a key before its request runs. It is known again by where its bytes lie, in the buffer of the window.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    db: DbIndex,
    id: PartitionId,
    pub(crate) hashed: Hashed,
}

impl Ahead {
    /// Nothing is known.
    pub(crate) const NONE: Ahead = Ahead { db: DbIndex::ZERO, id: PartitionId(0), hashed: Hashed::NONE };

    #[inline]
    fn is_known(&self) -> bool {
        self.hashed.is_known()
    }

    /// The partition of a key of a database, if this is that key.
    #[inline]
    pub(crate) fn partition(self, db: DbIndex, key: &[u8]) -> Option<PartitionId> {
        (self.db == db && self.hashed.is_of(key)).then_some(self.id)
    }
}

/// What is known of the keys of a request that has several, in its order.
#[derive(Default)]
pub(crate) struct KeysAhead {
    keys: Vec<Ahead>,
    /// The place of the key that was asked for last.
    last: Cell<usize>,
}

impl KeysAhead {
    /// The partition of a key of a database, if it is the one that was asked for last, the one behind that, or the first:
    /// who goes through the keys goes in their order.
    #[inline]
    pub(crate) fn partition(&self, db: DbIndex, key: &[u8]) -> Option<PartitionId> {
        let last = self.last.get();
        [last, last + 1, 0].into_iter().find_map(|at| {
            let id = self.keys.get(at)?.partition(db, key)?;
            self.last.set(at);
            Some(id)
        })
    }

    /// What lies where the keys lay is something else soon.
    pub(crate) fn forget(&mut self) {
        self.keys.clear();
        self.last.set(0);
    }
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
    /// Whether a request has a member to be looked up.
    has_members: bool,
}

impl Window {
    /// Decodes requests from `at` on and has each one's key looked up ahead. Stops before an inline command, whose
    /// arguments may lie elsewhere.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        decoder: &mut Decoder,
        bytes: &[u8],
        at: usize,
        look_up: impl Fn(&[u8]) -> Ahead,
    ) -> End {
        self.spans.clear();
        self.requests.clear();
        self.has_members = false;
        let mut at = at;
        while self.requests.len() < REQUESTS {
            match bytes.get(at) {
                None => return End::Incomplete,
                Some(b'*') => {}
                Some(_) => return End::Full,
            }
            let spans_start = self.spans.len();
            match decoder.decode_onto(&bytes[at..], &mut self.spans) {
                Ok(Decoded::Request { len }) => {
                    let args = Args::new(&bytes[at..at + len], &self.spans[spans_start..]);
                    let lookup = lookup(args);
                    let ahead = match lookup {
                        Lookup::Found(spec) if spec.keys.first > 0 => {
                            self.has_members |= spec.member > 0;
                            look_up(first_key(args))
                        }
                        Lookup::Found(_) | Lookup::UnknownSubcommand(_) | Lookup::Unknown => Ahead::NONE,
                    };
                    let (spans_start, spans_len) = (spans_start as u32, args.len() as u32);
                    self.requests.push(Framed { start: at, len, lookup, ahead, spans_start, spans_len });
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

impl Worker {
    /// Fills a window and asks for the memory that its requests will look at: slots while it is filled, then entries,
    /// so that each are fetched side by side.
    #[inline]
    pub(crate) fn fill_window(
        &self,
        window: &mut Window,
        decoder: &mut Decoder,
        (db, bytes, at): (DbIndex, &[u8], usize),
    ) -> End {
        let look_up = |key: &[u8]| self.prefetch_slots(db, self.router.partition(db, key), key);
        let end = window.fill(decoder, bytes, at, look_up);
        if window.len() > 1 {
            let ahead = window.requests.iter_mut().map(|framed| &mut framed.ahead);
            ahead.filter(|ahead| ahead.is_known()).for_each(|ahead| self.prefetch_entry(ahead));
            if window.has_members {
                self.prefetch_members((0..window.len()).map(|index| {
                    let (framed, args, _) = window.get(index, bytes);
                    (framed.ahead, member_at(framed.lookup), args)
                }));
            }
        }
        end
    }

    /// The same for requests of other workers' clients, from `from` on; for how many of them.
    pub(crate) fn prefetch_calls(&self, calls: &Calls, from: usize) -> usize {
        let mut ahead = [Ahead::NONE; REQUESTS];
        let (mut count, mut has_members) = (0, false);
        for (place, (head, args, _)) in ahead.iter_mut().zip(calls.iter_from(from)) {
            *place = self.prefetch_slots(head.db, head.partition, first_key(args));
            has_members |= head.spec.member > 0;
            count += 1;
        }
        ahead[..count].iter_mut().for_each(|ahead| self.prefetch_entry(ahead));
        if has_members {
            let calls = ahead[..count].iter().zip(calls.iter_from(from));
            self.prefetch_members(calls.map(|(ahead, (head, args, _))| (*ahead, head.spec.member, args)));
        }
        count
    }

    /// The steps for the members of requests: what is known of the key, where the member stands, the arguments.
    fn prefetch_members<'a>(&self, requests: impl Iterator<Item = (Ahead, u8, Args<'a>)>) {
        let rest = self.member_rest.get();
        if rest > 0 {
            return self.member_rest.set(rest - 1);
        }
        let mut members = [const { None::<MemberAhead<'_>> }; REQUESTS];
        let mut count = 0;
        for (ahead, at, args) in requests {
            let Some(member) = args.get(usize::from(at)).filter(|member| at > 0 && member.len() <= KEY_MAX)
            else {
                continue;
            };
            members[count] = self
                .keyspace_at(ahead.db, ahead.id)
                .and_then(|keyspace| keyspace.member_ahead(ahead.hashed, member));
            count += usize::from(members[count].is_some());
        }
        if count == 0 {
            self.member_rest.set(MEMBER_REST);
        }
        members[..count].iter().flatten().for_each(MemberAhead::second);
        members[..count].iter().flatten().for_each(MemberAhead::third);
    }

    /// The first step, for each key; then comes the second for each.
    // A call of its own for each key would cost a fifth of it.
    #[inline(always)]
    fn prefetch_slots(&self, db: DbIndex, id: PartitionId, key: &[u8]) -> Ahead {
        let Some(keyspace) = self.keyspace_at(db, id) else { return Ahead::NONE };
        Ahead { db, id, hashed: keyspace.prefetch(key) }
    }

    /// The second step.
    // As the first.
    #[inline(always)]
    fn prefetch_entry(&self, ahead: &mut Ahead) {
        if let Some(keyspace) = self.keyspace_at(ahead.db, ahead.id) {
            keyspace.prefetch_entry(&mut ahead.hashed);
        }
    }

    #[inline]
    fn keyspace_at(&self, db: DbIndex, id: PartitionId) -> Option<&Keyspace> {
        self.places.get(usize::from(id.0))?.partition.as_ref()?.existing(db)
    }

    /// The partition of a key of the request that runs.
    #[inline]
    pub(crate) fn partition_of(&self, db: DbIndex, key: &[u8]) -> PartitionId {
        self.ahead.partition(db, key).unwrap_or_else(|| self.router.partition(db, key))
    }

    /// Asks for what the keys of a request need of memory, if it has several: as a window does for the first of each of
    /// its requests. What is found out is to be forgotten when the request has run.
    pub(crate) fn look_ahead(&mut self, db: DbIndex, spec: &Spec, args: Args<'_>) {
        let keys = spec.keys_of(args);
        if keys.len() < 2 {
            return;
        }
        let mut ahead = std::mem::take(&mut self.keys_ahead.keys);
        ahead.extend(keys.take(KEYS_AHEAD_MAX).map(|at| {
            let key = args.at(at);
            self.prefetch_slots(db, self.router.partition(db, key), key)
        }));
        ahead.iter_mut().for_each(|ahead| self.prefetch_entry(ahead));
        self.keys_ahead.keys = ahead;
    }
}

/// Where a request has its first member; 0 if it has none.
#[inline]
fn member_at(lookup: Lookup<'static>) -> u8 {
    match lookup {
        Lookup::Found(spec) => spec.member,
        Lookup::UnknownSubcommand(_) | Lookup::Unknown => 0,
    }
}

#[inline]
fn first_key(args: Args<'_>) -> &[u8] {
    args.get(1).filter(|key| key.len() <= KEY_MAX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_again_in_their_order_and_from_the_front() {
        let request = b"abcd";
        let keys: Vec<&[u8]> = request.chunks(1).collect();
        let keyspace = Keyspace::new(base::KeyHasher::new(1));
        let ahead = |(number, key): (usize, &&[u8])| Ahead {
            db: DbIndex::ZERO,
            id: PartitionId(number as u16),
            hashed: keyspace.prefetch(key),
        };
        let mut known =
            KeysAhead { keys: keys.iter().enumerate().map(ahead).collect(), last: Cell::default() };
        let find = |known: &KeysAhead, at: usize| known.partition(DbIndex::ZERO, keys[at]).map(|id| id.0);
        let found: Vec<_> = [0, 0, 1, 2, 3, 0, 1].map(|at| find(&known, at)).into();
        assert_eq!(found, [0, 0, 1, 2, 3, 0, 1].map(Some));
        assert_eq!(find(&known, 3), None, "who leaps is told nothing, and looks for itself");
        assert_eq!(known.partition(DbIndex::ZERO, b"a"), None, "other bytes are another key");
        assert!(DbIndex::new(1).is_some_and(|one| known.partition(one, keys[1]).is_none()));
        known.forget();
        assert_eq!(find(&known, 0), None);
    }
}
