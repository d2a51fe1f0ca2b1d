//! Sorted set commands on several keys: intersection, union, difference, and what stores them. Sets take part with a
//! score of one for each member.

use std::borrow::Cow;

use base::{Args, I64_TEXT_MAX};
use command::DataCommand;
use resp::Reply;

use super::draw::start_pairs;
use super::options::{integer, is_word};
use super::set_algebra::{Algebra, card_limit};
use super::zset::write_scored;
use super::zset_range::store_scored;
use super::{Applied, Operation, Parsed};
use crate::value::zset_order;
use crate::{Event, Member, RequestError, SetRef, Store, ValueRef, ZSetRef, double};

/// How the scores of one member become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(word: &[u8]) -> Option<Aggregate> {
        match word {
            _ if is_word(word, "SUM") => Some(Aggregate::Sum),
            _ if is_word(word, "MIN") => Some(Aggregate::Min),
            _ if is_word(word, "MAX") => Some(Aggregate::Max),
            _ => None,
        }
    }

    /// Infinities of both signs make zero.
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(one + other),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            Aggregate::Min | Aggregate::Max => one,
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What may follow the keys.
struct Options {
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
    with_scores: bool,
}

impl Options {
    fn parse<'a>(args: Args<'a>, keys: usize, takes_weights: bool, answers: bool) -> Parsed<'a, Options> {
        let mut options = Options { weights: None, aggregate: Aggregate::Sum, with_scores: false };
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let rest = args.tail(at + 1);
            if takes_weights && rest.len() >= keys && is_word(word, "WEIGHTS") {
                let weight = |text| double::parse(text).ok_or(RequestError::NotWeight);
                options.weights = Some(rest.head(keys).iter().map(weight).collect::<Result<_, _>>()?);
                at += keys;
            } else if takes_weights && !rest.is_empty() && is_word(word, "AGGREGATE") {
                options.aggregate = Aggregate::of(rest.at(0)).ok_or(RequestError::Syntax)?;
                at += 1;
            } else if answers && is_word(word, "WITHSCORES") {
                options.with_scores = true;
            } else {
                return Err(RequestError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

/// Keys behind their number, which is the argument `at`, and what follows them.
fn counted_keys<'a>(args: Args<'a>, at: usize, command: DataCommand) -> Parsed<'a, (Args<'a>, Args<'a>)> {
    let count = integer(args.at(at))?;
    if count < 1 {
        return Err(RequestError::NoInputKey(command));
    }
    let rest = args.tail(at + 1);
    match usize::try_from(count) {
        Ok(count) if count <= rest.len() => Ok((rest.head(count), rest.tail(count))),
        _ => Err(RequestError::Syntax),
    }
}

/// `ZINTER`, `ZUNION`, `ZDIFF` and what ends in `STORE`. The options stay text: Redis looks at the keys first.
pub(crate) struct ZCombine<'a> {
    keys: Args<'a>,
    options: Args<'a>,
    algebra: Algebra,
    store_at: Option<&'a [u8]>,
}

impl<'a> ZCombine<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, ZCombine<'a>> {
        let (keys, options) = counted_keys(args, 1, command)?;
        Ok(ZCombine { keys, options, algebra: algebra_of(command), store_at: None })
    }

    /// `ZINTERSTORE` and its kin.
    pub(crate) fn and_store(args: Args<'a>, command: DataCommand) -> Parsed<'a, ZCombine<'a>> {
        let (keys, options) = counted_keys(args, 2, command)?;
        Ok(ZCombine { keys, options, algebra: algebra_of(command), store_at: Some(args.at(1)) })
    }
}

impl<'a> Operation<'a> for ZCombine<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if let Some(key) = self.store_at {
            let db = store.db;
            store.keyspace_of(db, key).ok_or(RequestError::CrossSlot)?;
        }
        let mut sources = find_sources(store, self.keys)?;
        let takes_weights = self.algebra != Algebra::Diff;
        let options = Options::parse(self.options, self.keys.len(), takes_weights, self.store_at.is_none())?;
        for (source, weight) in sources.iter_mut().zip(options.weights.iter().flatten()) {
            source.weight = *weight;
        }
        let mut result = combine(&mut sources, self.algebra, options.aggregate);
        let Some(key) = self.store_at else {
            result.sort_unstable_by(|one, other| zset_order((&one.0, one.1), (&other.0, other.1)));
            start_pairs(result.len(), options.with_scores, reply);
            for (member, score) in &result {
                write_scored((member, *score), options.with_scores, reply);
            }
            return Ok(());
        };
        // What is combined may be what is stored over.
        let owned: Vec<(Vec<u8>, f64)> =
            result.into_iter().map(|(member, score)| (member.into_owned(), score)).collect();
        let event = match self.algebra {
            Algebra::Inter => Event::ZInterStore,
            Algebra::Union => Event::ZUnionStore,
            Algebra::Diff => Event::ZDiffStore,
        };
        store_scored(store, key, &owned, event, reply);
        Ok(())
    }
}

/// What takes part.
#[derive(Clone, Copy)]
struct Source<'s> {
    input: Input<'s>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Input<'s> {
    Nothing,
    Set(SetRef<'s>),
    ZSet(ZSetRef<'s>),
}

impl<'s> Input<'s> {
    fn of(value: ValueRef<'s>) -> Option<Input<'s>> {
        value.zset().map(Input::ZSet).or_else(|| value.set().map(Input::Set))
    }

    fn len(self) -> usize {
        match self {
            Input::Nothing => 0,
            Input::Set(set) => set.len(),
            Input::ZSet(zset) => zset.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Input::Nothing => None,
            Input::Set(set) => set.contains(member).then_some(1.0),
            Input::ZSet(zset) => zset.score(member),
        }
    }

    fn for_each(self, mut visit: impl FnMut(Cow<'s, [u8]>, f64)) {
        match self {
            Input::Nothing => {}
            Input::Set(set) => set.iter().for_each(|member| match member {
                Member::Text(text) => visit(Cow::Borrowed(text), 1.0),
                Member::Int(_) => visit(Cow::Owned(member.text(&mut [0; I64_TEXT_MAX]).to_vec()), 1.0),
            }),
            Input::ZSet(zset) => zset.iter().for_each(|(member, score)| visit(Cow::Borrowed(member), score)),
        }
    }
}

/// What lies under these keys, in order; refuses what is neither a set nor a sorted one.
fn find_sources<'s, 'e>(
    store: &'s mut Store<'_>,
    keys: Args<'_>,
) -> Result<Vec<Source<'s>>, RequestError<'e>> {
    for key in keys.iter() {
        if store.find(key).is_some_and(|entry| Input::of(entry.value()).is_none()) {
            return Err(RequestError::WrongType);
        }
    }
    let store = &*store;
    let input = |key| store.view(key).and_then(|entry| Input::of(entry.value())).unwrap_or(Input::Nothing);
    Ok(keys.iter().map(|key| Source { input: input(key), weight: 1.0 }).collect())
}

/// Members with their scores, in no order that means anything.
type Scored<'s> = Vec<(Cow<'s, [u8]>, f64)>;

fn combine<'s>(sources: &mut [Source<'s>], algebra: Algebra, aggregate: Aggregate) -> Scored<'s> {
    // Sums of fractions depend on the order in which they are made: Redis's goes from the least to the largest.
    if algebra != Algebra::Diff {
        sources.sort_by_key(|source| source.input.len());
    }
    let mut result = Vec::new();
    match algebra {
        Algebra::Inter => intersect(sources, aggregate, usize::MAX, |member, score| {
            result.push((member, score));
        }),
        Algebra::Union => return unite(sources, aggregate),
        Algebra::Diff => {
            let Some((first, others)) = sources.split_first() else { return result };
            first.input.for_each(|member, score| {
                if others.iter().all(|other| other.input.score(&member).is_none()) {
                    result.push((member, score));
                }
            });
        }
    }
    result
}

/// Visits up to `limit` members that all sources have: those of the first, which is the smallest, that the others have.
fn intersect<'s>(
    sources: &[Source<'s>],
    aggregate: Aggregate,
    limit: usize,
    mut visit: impl FnMut(Cow<'s, [u8]>, f64),
) {
    let Some((first, others)) = sources.split_first() else { return };
    let mut left = limit;
    first.input.for_each(|member, score| {
        if left == 0 {
            return;
        }
        let start = number_or_zero(first.weight * score);
        let joined = others.iter().try_fold(start, |sum, other| {
            Some(aggregate.join(sum, other.input.score(&member)? * other.weight))
        });
        if let Some(score) = joined {
            left -= 1;
            visit(member, score);
        }
    });
}

/// All members of all sources: brought together by sorting, which keeps the order of the sources.
fn unite<'s>(sources: &[Source<'s>], aggregate: Aggregate) -> Scored<'s> {
    let mut all: Scored<'s> = Vec::with_capacity(sources.iter().map(|source| source.input.len()).sum());
    for source in sources {
        source.input.for_each(|member, score| all.push((member, number_or_zero(source.weight * score))));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 = aggregate.join(kept.1, next.1);
        }
        is_same
    });
    all
}

/// `ZINTERCARD`. The options stay text, as above.
pub(crate) struct ZInterCard<'a> {
    keys: Args<'a>,
    options: Args<'a>,
}

impl<'a> ZInterCard<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZInterCard<'a>> {
        let (keys, options) = counted_keys(args, 1, DataCommand::ZInterCard)?;
        Ok(ZInterCard { keys, options })
    }
}

impl<'a> Operation<'a> for ZInterCard<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut sources = find_sources(store, self.keys)?;
        let limit = card_limit(self.options)?;
        sources.sort_by_key(|source| source.input.len());
        let mut count = 0;
        intersect(&sources, Aggregate::Sum, limit, |_, _| count += 1);
        reply.len_int(count);
        Ok(())
    }
}

/// How the sorted sets of a command become one.
fn algebra_of(command: DataCommand) -> Algebra {
    match command {
        DataCommand::ZUnion | DataCommand::ZUnionStore => Algebra::Union,
        DataCommand::ZDiff | DataCommand::ZDiffStore => Algebra::Diff,
        _ => Algebra::Inter,
    }
}
