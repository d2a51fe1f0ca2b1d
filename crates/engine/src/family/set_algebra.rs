//! Set commands on several keys: intersection, union, difference, and what stores them.

use base::{Args, I64_TEXT_MAX, KeyHasher, parse_i64};
use command::DataCommand;
use resp::Reply;

use super::hyperloglog::SPARSE_MAX;
use super::options::is_word;
use super::set::write_member;
use super::{Applied, Operation, Parsed};
use crate::hyperloglog::{Hll, HllRef};
use crate::value::Set;
use crate::{Event, Member, RequestError, SetRef, Store};

/// How sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algebra {
    /// Members of all.
    Inter,
    /// Members of any.
    Union,
    /// Members of the first and of no other.
    Diff,
}

/// `SINTER`, `SUNION`, `SDIFF` and what ends in `STORE`.
pub(crate) struct SCombine<'a> {
    keys: Args<'a>,
    algebra: Algebra,
    store_at: Option<&'a [u8]>,
}

impl<'a> SCombine<'a> {
    pub(crate) fn parse(args: Args<'a>, algebra: Algebra) -> Parsed<'a, SCombine<'a>> {
        Ok(SCombine { keys: args.tail(1), algebra, store_at: None })
    }

    /// `SINTERSTORE` and its kin.
    pub(crate) fn and_store(args: Args<'a>, algebra: Algebra) -> Parsed<'a, SCombine<'a>> {
        Ok(SCombine { keys: args.tail(2), algebra, store_at: Some(args.at(1)) })
    }
}

impl<'a> Operation<'a> for SCombine<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if let Some(key) = self.store_at {
            let db = store.db;
            store.keyspace_of(db, key).ok_or(RequestError::CrossSlot)?;
        }
        let sets = find_sets(store, self.keys)?;
        let result = combine(&sets, self.algebra);
        let Some(key) = self.store_at else {
            reply.set(result.len());
            result.for_each(&mut |member| write_member(member, reply));
            return Ok(());
        };
        let len = result.len();
        // What is combined may be what is stored over.
        let members: Vec<Vec<u8>> = result.to_vec();
        if len == 0 {
            store.remove(key);
        } else {
            store.put_set(key, members.iter().map(|member| Member::Text(member)));
            let event = match self.algebra {
                Algebra::Inter => Event::SInterStore,
                Algebra::Union => Event::SUnionStore,
                Algebra::Diff => Event::SDiffStore,
            };
            store.tell(event, key);
        }
        reply.len_int(len);
        Ok(())
    }
}

/// The sets under these keys, in order; refuses any other type.
pub(crate) fn find_sets<'s, 'e>(
    store: &'s mut Store<'_>,
    keys: Args<'_>,
) -> Result<Vec<Option<SetRef<'s>>>, RequestError<'e>> {
    for key in keys.iter() {
        if store.find(key).is_some_and(|entry| entry.value().set().is_none()) {
            return Err(RequestError::WrongType);
        }
    }
    let store = &*store;
    Ok(keys.iter().map(|key| store.view(key).and_then(|entry| entry.value().set())).collect())
}

/// Members of one set, borrowed, or of a set made for them.
enum Combined<'s> {
    Picked(Vec<Member<'s>>),
    Made(Set),
}

impl Combined<'_> {
    fn len(&self) -> usize {
        match self {
            Combined::Picked(members) => members.len(),
            Combined::Made(set) => set.tree.len(),
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(Member<'_>)) {
        match self {
            Combined::Picked(members) => members.iter().for_each(|member| visit(*member)),
            Combined::Made(set) => SetRef::from(set).iter().for_each(visit),
        }
    }

    fn to_vec(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::with_capacity(self.len());
        self.for_each(&mut |member| all.push(member.to_vec()));
        all
    }
}

fn combine<'s>(sets: &[Option<SetRef<'s>>], algebra: Algebra) -> Combined<'s> {
    let mut buffer = [0; I64_TEXT_MAX];
    match algebra {
        Algebra::Inter => {
            let mut members = Vec::new();
            intersect(sets, usize::MAX, &mut |member| members.push(member));
            Combined::Picked(members)
        }
        Algebra::Union => {
            let mut all = Set::new(hasher());
            for member in sets.iter().flatten().flat_map(SetRef::iter) {
                all.insert(member.text(&mut buffer));
            }
            Combined::Made(all)
        }
        Algebra::Diff => {
            let Some((Some(first), others)) = sets.split_first() else { return Combined::Picked(Vec::new()) };
            let others: Vec<SetRef<'_>> = others.iter().flatten().copied().collect();
            let others_len: usize = others.iter().map(SetRef::len).sum();
            // Either each of the first is looked for in all others, or each of the others is taken out of the first.
            if first.len().saturating_mul(others.len()) / 2 <= first.len() + others_len {
                return Combined::Picked(first.iter().filter(|member| is_left(*member, &others)).collect());
            }
            let mut left = Set::new(hasher());
            first.iter().for_each(|member| {
                left.insert(member.text(&mut buffer));
            });
            for member in others.iter().flat_map(SetRef::iter) {
                if left.tree.len() == 0 {
                    break;
                }
                left.remove(member.text(&mut buffer));
            }
            Combined::Made(left)
        }
    }
}

/// Whether none of the others has a member.
fn is_left(member: Member<'_>, others: &[SetRef<'_>]) -> bool {
    let mut buffer = [0; I64_TEXT_MAX];
    let text = member.text(&mut buffer);
    !others.iter().any(|other| other.contains(text))
}

/// How many members the combined set has, counting up to `limit`.
fn cardinality(sets: &[Option<SetRef<'_>>], algebra: Algebra, limit: usize) -> usize {
    match algebra {
        Algebra::Inter => {
            let mut count = 0;
            intersect(sets, limit, &mut |_| count += 1);
            count
        }
        Algebra::Union => {
            let mut all = Set::new(hasher());
            let mut buffer = [0; I64_TEXT_MAX];
            for member in sets.iter().flatten().flat_map(SetRef::iter) {
                if all.tree.len() >= limit {
                    break;
                }
                all.insert(member.text(&mut buffer));
            }
            all.tree.len()
        }
        // One that is not limited may be cheaper the other way round.
        Algebra::Diff if limit == usize::MAX => combine(sets, algebra).len(),
        Algebra::Diff => {
            let Some((Some(first), others)) = sets.split_first() else { return 0 };
            let others: Vec<SetRef<'_>> = others.iter().flatten().copied().collect();
            first.iter().filter(|member| is_left(*member, &others)).take(limit).count()
        }
    }
}

/// About how many members the sets have together, with a standard error of 0.81 %, in the memory of one HyperLogLog.
fn estimate(sets: &[Option<SetRef<'_>>]) -> usize {
    let mut seen = Hll::empty(SPARSE_MAX);
    let mut buffer = [0; I64_TEXT_MAX];
    for member in sets.iter().flatten().flat_map(SetRef::iter) {
        seen.add(member.text(&mut buffer));
    }
    let count = HllRef::parse(seen.bytes()).and_then(|seen| seen.count().ok());
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

/// Of results that live for one reply: their order means nothing.
fn hasher() -> KeyHasher {
    KeyHasher::new(0x7365_7473)
}

/// Visits up to `limit` members that all sets have: those of the smallest that the others have too.
fn intersect<'s>(sets: &[Option<SetRef<'s>>], limit: usize, visit: &mut dyn FnMut(Member<'s>)) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<SetRef<'s>>>>() else { return };
    sets.sort_by_key(SetRef::len);
    let Some((least, others)) = sets.split_first() else { return };
    let mut buffer = [0; I64_TEXT_MAX];
    let in_all = |member: &Member<'_>| {
        let text = member.text(&mut buffer);
        others.iter().all(|other| other.contains(text))
    };
    least.iter().filter(in_all).take(limit).for_each(visit);
}

/// `SINTERCARD`, `SUNIONCARD`, `SDIFFCARD`.
pub(crate) struct SCombineCard<'a> {
    keys: Args<'a>,
    algebra: Algebra,
    limit: usize,
    is_estimated: bool,
}

impl<'a> SCombineCard<'a> {
    pub(crate) fn parse(args: Args<'a>, algebra: Algebra) -> Parsed<'a, SCombineCard<'a>> {
        let (keys, options) = counted_keys(args, 1, RequestError::NumKeysNotPositive)?;
        let approx = options.iter().position(|word| is_word(word, "APPROX"));
        let (before, after) = match approx.filter(|_| algebra == Algebra::Union) {
            Some(at) => (options.head(at), options.tail(at + 1)),
            None => (options, options.tail(options.len())),
        };
        // Whichever is left out says that there is none.
        let limit = card_limit(before)?.min(card_limit(after)?);
        Ok(SCombineCard { keys, algebra, limit, is_estimated: approx.is_some() })
    }
}

impl<'a> Operation<'a> for SCombineCard<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let sets = find_sets(store, self.keys)?;
        reply.len_int(match self.is_estimated {
            true => estimate(&sets).min(self.limit),
            false => cardinality(&sets, self.algebra, self.limit),
        });
        Ok(())
    }
}

/// Keys behind their number, which is the argument `at`, and what follows them. `refusal` is for a number that is none
/// or not positive.
pub(crate) fn counted_keys<'a>(
    args: Args<'a>,
    at: usize,
    refusal: RequestError<'a>,
) -> Parsed<'a, (Args<'a>, Args<'a>)> {
    let count = args.get(at).and_then(parse_i64).filter(|count| *count > 0).ok_or(refusal)?;
    let rest = args.tail(at + 1);
    match usize::try_from(count) {
        Ok(count) if count <= rest.len() => Ok((rest.head(count), rest.tail(count))),
        _ => Err(RequestError::TooFewKeys),
    }
}

/// The option of `SINTERCARD` and `ZINTERCARD`; zero is no limit.
pub(crate) fn card_limit(options: Args<'_>) -> Parsed<'_, usize> {
    let mut limit = 0;
    let mut at = 0;
    while let Some(word) = options.get(at) {
        let value = options.get(at + 1).filter(|_| is_word(word, "LIMIT")).ok_or(RequestError::Syntax)?;
        limit = parse_i64(value)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(RequestError::NegativeLimit)?;
        at += 2;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}

/// How the sets of a command become one.
pub(crate) fn algebra_of(command: DataCommand) -> Algebra {
    match command {
        DataCommand::SUnion | DataCommand::SUnionCard | DataCommand::SUnionStore => Algebra::Union,
        DataCommand::SDiff | DataCommand::SDiffCard | DataCommand::SDiffStore => Algebra::Diff,
        _ => Algebra::Inter,
    }
}
