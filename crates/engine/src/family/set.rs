//! Set commands on one key, and `SMOVE`.

use base::{Args, I64_TEXT_MAX, Random};
use command::DataCommand;
use resp::Reply;

use super::draw::write_repeated;
use super::options::integer;
use super::scan::{ScanOptions, ScanOver, answer_scan, parse_cursor};
use super::{Applied, Operation, Parsed, check_some};
use crate::{Event, Member, NewValue, RequestError, SetMut, SetRef, Store};

/// The set under `key`; refuses any other type.
#[inline]
fn find_set<'s, 'e>(store: &'s mut Store<'_>, key: &[u8]) -> Result<Option<SetRef<'s>>, RequestError<'e>> {
    store.tell_miss(key);
    seek_set(store, key)
}

/// The same for a command that changes sets.
#[inline]
fn seek_set<'s, 'e>(store: &'s mut Store<'_>, key: &[u8]) -> Result<Option<SetRef<'s>>, RequestError<'e>> {
    match store.seek(key) {
        Some(entry) => entry.value().set().map(Some).ok_or(RequestError::WrongType),
        None => Ok(None),
    }
}

/// Changes the set under `key`, which is made if it is not there. `edit` must leave a member in a new one.
fn edit_set<'e, T>(
    store: &mut Store<'_>,
    key: &[u8],
    edit: impl FnOnce(&mut SetMut<'_, '_>) -> T,
) -> Result<T, RequestError<'e>> {
    let mut entry = match store.find_mut(key) {
        Some(entry) => entry,
        None => match store.insert(key, NewValue::EmptySet, None) {
            Some(entry) => entry,
            // Not borrowed; see `Store::keyspace_of`.
            None => return Err(RequestError::CrossSlot),
        },
    };
    let mut set = entry.set_value().ok_or(RequestError::WrongType)?;
    let result = edit(&mut set);
    debug_assert!(!set.is_empty(), "an empty set would be left behind");
    Ok(result)
}

/// Writes a member.
pub(crate) fn write_member(member: Member<'_>, reply: &mut Reply<'_>) {
    reply.bulk(member.text(&mut [0; I64_TEXT_MAX]));
}

/// `SADD`.
pub(crate) struct SAdd<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> SAdd<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SAdd<'a>> {
        check_some(DataCommand::SAdd, args.tail(2))?;
        Ok(SAdd { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for SAdd<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let members = self.members;
        let added = edit_set(store, self.key, |set| {
            let is_new = |member: &&[u8]| !set.view().contains(member);
            // A set that gets nothing new keeps its form too; a big one keeps it anyway, and need not be searched for it.
            if !set.is_big() && (set.is_empty() || members.iter().any(|member| is_new(&member))) {
                set.expect(members.len(), members.at(0));
            }
            members.iter().filter(|member| set.add(member)).count()
        })?;
        if added > 0 {
            store.tell(Event::SAdd, self.key);
        }
        reply.len_int(added);
        Ok(())
    }
}

/// `SREM`.
pub(crate) struct SRem<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> SRem<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SRem<'a>> {
        Ok(SRem { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for SRem<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.int(0);
            return Ok(());
        };
        let mut set = entry.set_value().ok_or(RequestError::WrongType)?;
        let removed = self.members.iter().filter(|member| set.remove(member)).count();
        let is_empty = set.is_empty();
        if removed > 0 {
            store.tell(Event::SRem, self.key);
        }
        if is_empty {
            store.remove(self.key);
        }
        reply.len_int(removed);
        Ok(())
    }
}

/// What is told of one set: `SCARD`, `SISMEMBER`.
pub(crate) struct SCount<'a> {
    key: &'a [u8],
    /// Whether this is a member; without it, how many there are.
    member: Option<&'a [u8]>,
}

impl<'a> SCount<'a> {
    /// `SCARD`.
    pub(crate) fn all(args: Args<'a>) -> Parsed<'a, SCount<'a>> {
        Ok(SCount { key: args.at(1), member: None })
    }

    /// `SISMEMBER`.
    pub(crate) fn one(args: Args<'a>) -> Parsed<'a, SCount<'a>> {
        Ok(SCount { key: args.at(1), member: Some(args.at(2)) })
    }
}

impl<'a> Operation<'a> for SCount<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let set = find_set(store, self.key)?;
        reply.len_int(set.map_or(0, |set| match self.member {
            Some(member) => usize::from(set.contains(member)),
            None => set.len(),
        }));
        Ok(())
    }
}

/// `SMISMEMBER`.
pub(crate) struct SMIsMember<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> SMIsMember<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SMIsMember<'a>> {
        Ok(SMIsMember { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for SMIsMember<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let set = find_set(store, self.key)?;
        reply.array(self.members.len());
        for member in self.members.iter() {
            reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
        }
        Ok(())
    }
}

/// `SMEMBERS`.
pub(crate) struct SMembers<'a>(&'a [u8]);

impl<'a> SMembers<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SMembers<'a>> {
        Ok(SMembers(args.at(1)))
    }
}

impl<'a> Operation<'a> for SMembers<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let set = find_set(store, self.0)?;
        reply.set(set.map_or(0, |set| set.len()));
        set.iter().flat_map(SetRef::iter).for_each(|member| write_member(member, reply));
        Ok(())
    }
}

/// `SPOP`: with a count several, answered as a set.
pub(crate) struct SPop<'a> {
    key: &'a [u8],
    count: Option<usize>,
}

impl<'a> SPop<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SPop<'a>> {
        if args.len() > 3 {
            return Err(RequestError::Syntax);
        }
        let count = match args.get(2) {
            None => None,
            Some(text) => {
                let count = base::parse_i64(text).and_then(|count| usize::try_from(count).ok());
                Some(count.ok_or(RequestError::NotPositive)?)
            }
        };
        Ok(SPop { key: args.at(1), count })
    }
}

impl<'a> Operation<'a> for SPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut random = Random::new(store.seed);
        let Some(mut entry) = store.find_mut(self.key) else {
            match self.count {
                Some(_) => reply.set(0),
                None => reply.null(),
            }
            return Ok(());
        };
        let mut set = entry.set_value().ok_or(RequestError::WrongType)?;
        let count = self.count.unwrap_or(1);
        if count >= set.len() {
            write_popped(set.view().iter(), set.len(), self.count, reply);
            store.tell(Event::SPop, self.key);
            store.remove(self.key);
            return Ok(());
        }
        let popped = set.pop(count, &mut random);
        write_popped(popped.iter().map(|member| Member::Text(member)), popped.len(), self.count, reply);
        if count > 0 {
            store.tell(Event::SPop, self.key);
        }
        Ok(())
    }
}

fn write_popped<'m>(
    popped: impl Iterator<Item = Member<'m>>,
    len: usize,
    count: Option<usize>,
    reply: &mut Reply<'_>,
) {
    if count.is_some() {
        reply.set(len);
    }
    popped.for_each(|member| write_member(member, reply));
}

/// `SRANDMEMBER`.
pub(crate) struct SRandMember<'a> {
    key: &'a [u8],
    count: Option<i64>,
}

impl<'a> SRandMember<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SRandMember<'a>> {
        if args.len() > 3 {
            return Err(RequestError::Syntax);
        }
        let count = args.get(2).map(integer).transpose()?;
        if count == Some(i64::MIN) {
            return Err(RequestError::NotCount);
        }
        Ok(SRandMember { key: args.at(1), count })
    }
}

impl<'a> Operation<'a> for SRandMember<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut random = Random::new(store.seed);
        let Some(set) = find_set(store, self.key)? else {
            match self.count {
                Some(_) => reply.array(0),
                None => reply.null(),
            }
            return Ok(());
        };
        let Some(count) = self.count else {
            match set.random(&mut random) {
                Some(member) => write_member(member, reply),
                None => reply.null(),
            }
            return Ok(());
        };
        let len = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count >= 0 {
            let drawn = set.sample(len, &mut random);
            reply.array(drawn.len());
            drawn.into_iter().for_each(|member| write_member(member, reply));
            return Ok(());
        }
        write_repeated(len, false, reply, |reply| {
            set.random(&mut random).map(|member| write_member(member, reply)).is_some()
        })
    }
}

/// `SMOVE`.
pub(crate) struct SMove<'a> {
    from: &'a [u8],
    to: &'a [u8],
    member: &'a [u8],
}

impl<'a> SMove<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SMove<'a>> {
        Ok(SMove { from: args.at(1), to: args.at(2), member: args.at(3) })
    }
}

impl<'a> Operation<'a> for SMove<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let db = store.db;
        let Some(from) = seek_set(store, self.from)? else {
            reply.int(0);
            return Ok(());
        };
        let is_member = from.contains(self.member);
        seek_set(store, self.to)?;
        store.keyspace_of(db, self.to).ok_or(RequestError::CrossSlot)?;
        if is_member && self.from != self.to {
            let mut is_empty = false;
            if let Some(mut entry) = store.find_mut(self.from)
                && let Some(mut set) = entry.set_value()
            {
                set.remove(self.member);
                is_empty = set.is_empty();
            }
            store.tell(Event::SRem, self.from);
            if is_empty {
                store.remove(self.from);
            }
            let added = edit_set(store, self.to, |set| {
                set.expect(1, self.member);
                set.add(self.member)
            })?;
            if added {
                store.tell(Event::SAdd, self.to);
            }
        }
        reply.int(i64::from(is_member));
        Ok(())
    }
}

/// `SSCAN`. The options stay text: Redis looks at the key first.
pub(crate) struct SScan<'a> {
    key: &'a [u8],
    cursor: u64,
    options: Args<'a>,
}

impl<'a> SScan<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SScan<'a>> {
        Ok(SScan { key: args.at(1), cursor: parse_cursor(args.at(2))?, options: args.tail(3) })
    }
}

impl<'a> Operation<'a> for SScan<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        answer_scan(reply, |found| {
            let Some(set) = find_set(store, self.key)? else { return Ok(0) };
            let options = ScanOptions::parse(self.options, ScanOver::Elements)?;
            Ok(set.scan(self.cursor, options.count, &mut |member| {
                if options.takes(member) {
                    found.push(member);
                }
            }))
        })
    }
}
