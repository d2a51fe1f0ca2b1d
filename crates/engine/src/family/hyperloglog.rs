//! Commands on HyperLogLogs, which are strings.
//!
//! A value that is no HyperLogLog is refused, and so is one whose sparse registers do not add up, before anything is done
//! with it. When the sparse form is given up depends on a setting, and with it the bytes of a value: a node with another
//! setting than Redis's sends `narf.pfadd` and `narf.pfmerge`, which say it, so that all replicas make the same of them.

use base::Args;
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed};
use crate::hyperloglog::{COUNT_AT, Corrupted, Form, Hll, HllRef, Union};
use crate::{Entry, EntryMut, Event, NewDeadline, NewValue, RequestError, Store, ValueRef};

/// `hll-sparse-max-bytes` of Redis, and ours unless it is set.
pub const SPARSE_MAX: usize = 3000;

/// What the registers gave, or the refusal of those that do not add up.
fn whole<'e, T>(result: Result<T, Corrupted>) -> Parsed<'e, T> {
    result.map_err(|Corrupted| RequestError::CorruptedHll)
}

/// The HyperLogLog of an entry; refuses anything else.
fn hll_of<'e>(entry: &Entry) -> Result<HllRef<'_>, RequestError<'e>> {
    match entry.value() {
        ValueRef::Text(bytes) => HllRef::parse(bytes).ok_or(RequestError::NotHll),
        ValueRef::Int(_) => Err(RequestError::NotHll),
        ValueRef::Hash(_) | ValueRef::Set(_) | ValueRef::List(_) | ValueRef::ZSet(_) => {
            Err(RequestError::WrongType)
        }
    }
}

/// Puts a changed HyperLogLog in the place of the one that is there.
fn put(entry: &mut EntryMut<'_>, hll: &Hll) {
    if entry.value().text_len() == Some(hll.bytes().len()) {
        // In place.
        entry.set_range(0, hll.bytes());
    } else {
        entry.set(NewValue::Raw(hll.bytes()), NewDeadline::Keep);
    }
}

/// Stores a HyperLogLog under a key that is not there.
fn insert<'e>(store: &mut Store<'_>, key: &[u8], hll: &Hll) -> Applied<'e> {
    // Not borrowed; see `Store::keyspace_of`.
    store.insert(key, NewValue::Raw(hll.bytes()), None).map(|_| ()).ok_or(RequestError::CrossSlot)
}

/// The length of the sparse form that an internal request says.
fn sparse_max<'a>(text: &[u8]) -> Parsed<'a, usize> {
    Ok(usize::try_from(integer(text)?).unwrap_or(0))
}

/// `PFADD`.
pub(crate) struct PfAdd<'a> {
    key: &'a [u8],
    elements: Args<'a>,
    sparse_max: usize,
}

impl<'a> PfAdd<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, PfAdd<'a>> {
        Ok(PfAdd { key: args.at(1), elements: args.tail(2), sparse_max: SPARSE_MAX })
    }

    /// `narf.pfadd`.
    pub(crate) fn with_limit(args: Args<'a>) -> Parsed<'a, PfAdd<'a>> {
        Ok(PfAdd { key: args.at(2), elements: args.tail(3), sparse_max: sparse_max(args.at(1))? })
    }

    /// Adds the elements; whether that changed something.
    fn add_to(&self, hll: &mut Hll) -> bool {
        let changed = self.elements.iter().filter(|element| hll.add(element)).count() > 0;
        if changed {
            hll.outdate();
        }
        changed
    }
}

impl<'a> Operation<'a> for PfAdd<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let changed = match store.find_mut(self.key) {
            None => {
                let mut hll = Hll::empty(self.sparse_max);
                self.add_to(&mut hll);
                hll.outdate();
                insert(store, self.key, &hll)?;
                true
            }
            Some(mut entry) => {
                let view = hll_of(&entry)?;
                if self.elements.iter().all(|element| view.has_surely_seen(element)) {
                    false
                } else {
                    let mut hll = whole(Hll::copy_of(view, self.sparse_max))?;
                    let changed = self.add_to(&mut hll);
                    if changed {
                        put(&mut entry, &hll);
                    }
                    changed
                }
            }
        };
        if changed {
            store.tell(Event::PfAdd, self.key);
        }
        reply.int(i64::from(changed));
        Ok(())
    }
}

/// `PFCOUNT`: of one key with what was counted last, of several what they are together.
pub(crate) struct PfCount<'a>(Args<'a>);

impl<'a> PfCount<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, PfCount<'a>> {
        Ok(PfCount(args.tail(1)))
    }

    fn count_one(key: &[u8], store: &mut Store<'_>) -> Parsed<'a, u64> {
        let Some(entry) = store.find(key) else { return Ok(0) };
        let hll = hll_of(entry)?;
        if let Some(count) = hll.cached() {
            return Ok(count);
        }
        let count = whole(hll.count())?;
        if store.notes_counts
            && let Some(mut entry) = store.find_mut(key)
        {
            entry.set_range(COUNT_AT, &count.to_le_bytes());
        }
        Ok(count)
    }
}

impl<'a> Operation<'a> for PfCount<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let count = match self.0.len() {
            1 => PfCount::count_one(self.0.at(0), store)?,
            _ => unite(self.0, store)?.count(),
        };
        reply.int(count as i64);
        Ok(())
    }
}

/// What lies under these keys, put together.
fn unite<'e>(keys: Args<'_>, store: &mut Store<'_>) -> Parsed<'e, Union> {
    let mut union = Union::new();
    for key in keys.iter() {
        if let Some(entry) = store.find(key) {
            whole(union.add(hll_of(entry)?))?;
        }
    }
    Ok(union)
}

/// `PFMERGE`. The first key is a source too.
pub(crate) struct PfMerge<'a> {
    keys: Args<'a>,
    sparse_max: usize,
}

impl<'a> PfMerge<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, PfMerge<'a>> {
        Ok(PfMerge { keys: args.tail(1), sparse_max: SPARSE_MAX })
    }

    /// `narf.pfmerge`.
    pub(crate) fn with_limit(args: Args<'a>) -> Parsed<'a, PfMerge<'a>> {
        Ok(PfMerge { keys: args.tail(2), sparse_max: sparse_max(args.at(1))? })
    }
}

impl<'a> Operation<'a> for PfMerge<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let union = unite(self.keys, store)?;
        let destination = self.keys.at(0);
        let merged = |mut hll: Hll| {
            hll.merge(&union);
            hll.outdate();
            hll
        };
        match store.find_mut(destination) {
            None => insert(store, destination, &merged(Hll::empty(self.sparse_max)))?,
            Some(mut entry) => {
                let hll = merged(whole(Hll::copy_of(hll_of(&entry)?, self.sparse_max))?);
                put(&mut entry, &hll);
            }
        }
        store.tell(Event::PfAdd, destination);
        reply.ok();
        Ok(())
    }
}

/// `PFDEBUG`. What is asked stays text: Redis looks at the key first.
pub(crate) struct PfDebug<'a> {
    asked: &'a [u8],
    key: &'a [u8],
}

impl<'a> PfDebug<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, PfDebug<'a>> {
        Ok(PfDebug { asked: args.at(1), key: args.at(2) })
    }
}

impl<'a> Operation<'a> for PfDebug<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut entry = store.find_mut(self.key).ok_or(RequestError::NoSpecifiedKey)?;
        let hll = hll_of(&entry)?;
        match self.asked {
            word if is_word(word, "ENCODING") => reply.simple(match hll.form() {
                Form::Dense => "dense",
                Form::Sparse => "sparse",
            }),
            word if is_word(word, "DECODE") => {
                if hll.form() != Form::Sparse {
                    return Err(RequestError::HllNotSparse);
                }
                whole(hll.check())?;
                let runs = hll.runs().flatten().map(|run| match (run.value, run.size) {
                    (0, 1) => format!("z:{}", run.len),
                    (0, _) => format!("Z:{}", run.len),
                    (value, _) => format!("v:{value},{}", run.len),
                });
                reply.bulk(runs.collect::<Vec<_>>().join(" ").as_bytes());
            }
            word if is_word(word, "TODENSE") => {
                let changed = make_dense(&mut entry)?;
                reply.int(i64::from(changed));
            }
            word if is_word(word, "GETREG") => {
                let mut union = Union::new();
                whole(union.add(hll))?;
                make_dense(&mut entry)?;
                reply.array(union.registers().len());
                union.registers().iter().for_each(|value| reply.int(i64::from(*value)));
            }
            other => return Err(RequestError::UnknownPfDebug(other)),
        }
        Ok(())
    }
}

/// Gives the sparse form up; whether it was there.
fn make_dense<'e>(entry: &mut EntryMut<'_>) -> Parsed<'e, bool> {
    let hll = hll_of(entry)?;
    if hll.form() == Form::Dense {
        return Ok(false);
    }
    let mut dense = whole(Hll::copy_of(hll, SPARSE_MAX))?;
    dense.make_dense();
    put(entry, &dense);
    Ok(true)
}
