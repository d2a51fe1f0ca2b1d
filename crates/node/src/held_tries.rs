//! Tries of clients that wait which came before their turn (`tries`): by place in the line, by key, and by client.
//!
//! Invariant: a try that is held can be found in each of these ways, and no other can. Does not know: why one is held, and
//! when it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use base::{DbIndex, HashMap, Millis};
use resp::Reply;

use crate::errand::{Answers, Errand};
use crate::waiters::Place;

/// A try that came before its turn.
pub(crate) struct Held {
    pub(crate) errand: Errand,
    /// Those that it may take from.
    pub(crate) keys: Vec<Box<[u8]>>,
    /// Steady clock.
    pub(crate) until: Millis,
}

impl Held {
    /// Answers it as if it had been tried in vain.
    pub(crate) fn find_nothing(&self, answers: &mut Answers) {
        let head = &self.errand.head;
        Reply::new(answers.buffer(), head.version).null_array();
        answers.seal(head.dest);
    }

    /// The key, if it is for one only.
    fn only_key(&self) -> Option<(DbIndex, Box<[u8]>)> {
        match &self.keys[..] {
            [key] => Some((self.errand.head.db, key.clone())),
            _ => None,
        }
    }
}

/// The tries that are held for one partition.
#[derive(Default)]
pub(crate) struct HeldTries {
    tries: BTreeMap<Place, Held>,
    /// Those for one key: what keeps the first of them keeps the others, so that nobody need look at all of them.
    by_key: BTreeMap<(DbIndex, Box<[u8]>), BTreeSet<Place>>,
    of_several_keys: BTreeSet<Place>,
    by_client: HashMap<u64, Place>,
}

impl HeldTries {
    pub(crate) fn is_empty(&self) -> bool {
        self.tries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.tries.len()
    }

    pub(crate) fn hold(&mut self, place: Place, held: Held) {
        match held.only_key() {
            Some(key) => self.by_key.entry(key).or_default().insert(place),
            None => self.of_several_keys.insert(place),
        };
        self.by_client.insert(held.errand.head.who, place);
        self.tries.insert(place, held);
    }

    pub(crate) fn take(&mut self, place: Place) -> Option<Held> {
        let held = self.tries.remove(&place)?;
        self.by_client.remove(&held.errand.head.who);
        match held.only_key() {
            Some(key) => {
                if let Some(places) = self.by_key.get_mut(&key) {
                    places.remove(&place);
                    if places.is_empty() {
                        self.by_key.remove(&key);
                    }
                }
            }
            None => {
                self.of_several_keys.remove(&place);
            }
        }
        Some(held)
    }

    /// Takes out the try of a client.
    pub(crate) fn take_of(&mut self, who: u64) -> Option<Held> {
        self.by_client.get(&who).copied().and_then(|place| self.take(place))
    }

    /// Takes out those that `is_so` says.
    pub(crate) fn take_those(&mut self, is_so: impl Fn(&Held) -> bool) -> Vec<Held> {
        let places = self.tries.iter().filter(|(_, held)| is_so(held)).map(|(place, _)| *place);
        places.collect::<Vec<_>>().into_iter().filter_map(|place| self.take(place)).collect()
    }

    /// Takes out all of them, for others to serve.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Errand> + use<> {
        std::mem::take(self).tries.into_values().map(|held| held.errand)
    }

    /// When the first was held for long enough.
    pub(crate) fn first_end(&self) -> Millis {
        self.tries.values().map(|held| held.until).min().unwrap_or(Millis::NEVER)
    }

    /// Behind a place, or in all: the first for each key, and those for several. If one may go on, one of these may.
    pub(crate) fn foremost(&self, behind: Option<Place>) -> impl Iterator<Item = (Place, &Held)> {
        let range = (behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let firsts = self.by_key.values().filter_map(move |places| places.range(range).next());
        let places = firsts.chain(self.of_several_keys.range(range));
        places.filter_map(|place| Some((*place, self.tries.get(place)?)))
    }
}
