//! What happens to keys, in the words of Redis's keyspace notifications, and the list in which a command says it.
//!
//! A command tells what it did through its [`Store`](crate::Store), in the order of Redis; nothing is noted unless
//! someone wants events of that class. What is true of any command is told by the store itself: that a key is new, gone,
//! was looked for in vain, or had lapsed when something took its place.
//!
//! Does not know: channels, subscribers, which replica speaks.

use base::DbIndex;

/// A class of events, as `notify-keyspace-events` chooses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of keys whatever they hold.
    Generic,
    /// Of strings.
    String,
    /// Of lists.
    List,
    /// Of sets.
    Set,
    /// Of hashes.
    Hash,
    /// Of sorted sets.
    ZSet,
    /// Deadlines that have come.
    Expired,
    /// Keys that went for their memory.
    Evicted,
    /// Of streams.
    Stream,
    /// Of modules.
    Module,
    /// Keys that were not there before.
    New,
    /// Keys that were read and not there.
    Miss,
}

impl Class {
    /// All of them, in the order in which `CONFIG GET` shows their letters.
    pub const ALL: &'static [Class] = &[
        Class::Generic,
        Class::String,
        Class::List,
        Class::Set,
        Class::Hash,
        Class::ZSet,
        Class::Expired,
        Class::Evicted,
        Class::Stream,
        Class::Module,
        Class::New,
        Class::Miss,
    ];

    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Class::Generic => 'g',
            Class::String => '$',
            Class::List => 'l',
            Class::Set => 's',
            Class::Hash => 'h',
            Class::ZSet => 'z',
            Class::Expired => 'x',
            Class::Evicted => 'e',
            Class::Stream => 't',
            Class::Module => 'd',
            Class::New => 'n',
            Class::Miss => 'm',
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    /// None.
    pub const NONE: Classes = Classes(0);

    /// Those that the letter `A` stands for: all but the two that a busy cache has most of.
    pub const USUAL: Classes = Classes::NONE
        .with(Class::Generic)
        .with(Class::String)
        .with(Class::List)
        .with(Class::Set)
        .with(Class::Hash)
        .with(Class::ZSet)
        .with(Class::Expired)
        .with(Class::Evicted)
        .with(Class::Stream)
        .with(Class::Module);

    /// With one more.
    pub const fn with(self, class: Class) -> Classes {
        Classes(self.0 | 1 << class as u16)
    }

    /// With all of these.
    pub const fn and(self, more: Classes) -> Classes {
        Classes(self.0 | more.0)
    }

    /// Whether it has a class.
    #[inline]
    pub const fn has(self, class: Class) -> bool {
        self.0 & 1 << class as u16 != 0
    }

    /// Whether it has all of these.
    pub const fn has_all(self, those: Classes) -> bool {
        self.0 & those.0 == those.0
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Declares the events: a name and a class each.
macro_rules! events {
    ($($event:ident = $name:literal of $class:ident),+ $(,)?) => {
        /// What happened to a key. Its name is what subscribers are told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "their names say it")]
        pub enum Event { $($event),+ }

        impl Event {
            /// All of them.
            pub const ALL: &'static [Event] = &[$(Event::$event),+];

            /// As subscribers are told it.
            pub fn name(self) -> &'static str {
                match self { $(Event::$event => $name),+ }
            }

            /// Whom it interests.
            pub fn class(self) -> Class {
                match self { $(Event::$event => Class::$class),+ }
            }
        }
    };
}

events! {
    CopyTo = "copy_to" of Generic,
    Del = "del" of Generic,
    Expire = "expire" of Generic,
    MoveFrom = "move_from" of Generic,
    MoveTo = "move_to" of Generic,
    Persist = "persist" of Generic,
    RenameFrom = "rename_from" of Generic,
    RenameTo = "rename_to" of Generic,
    Restore = "restore" of Generic,

    Append = "append" of String,
    IncrBy = "incrby" of String,
    IncrByFloat = "incrbyfloat" of String,
    PfAdd = "pfadd" of String,
    Set = "set" of String,
    SetBit = "setbit" of String,
    SetRange = "setrange" of String,

    LInsert = "linsert" of List,
    LPop = "lpop" of List,
    LPush = "lpush" of List,
    LRem = "lrem" of List,
    LSet = "lset" of List,
    LTrim = "ltrim" of List,
    RPop = "rpop" of List,
    RPush = "rpush" of List,
    SortStore = "sortstore" of List,

    SAdd = "sadd" of Set,
    SDiffStore = "sdiffstore" of Set,
    SInterStore = "sinterstore" of Set,
    SPop = "spop" of Set,
    SRem = "srem" of Set,
    SUnionStore = "sunionstore" of Set,

    HDel = "hdel" of Hash,
    HExpire = "hexpire" of Hash,
    HExpired = "hexpired" of Hash,
    HIncrBy = "hincrby" of Hash,
    HIncrByFloat = "hincrbyfloat" of Hash,
    HPersist = "hpersist" of Hash,
    HSet = "hset" of Hash,

    GeoRadiusStore = "georadiusstore" of ZSet,
    GeoSearchStore = "geosearchstore" of ZSet,
    ZAdd = "zadd" of ZSet,
    ZDiffStore = "zdiffstore" of ZSet,
    ZIncr = "zincr" of ZSet,
    ZInterStore = "zinterstore" of ZSet,
    ZPopMax = "zpopmax" of ZSet,
    ZPopMin = "zpopmin" of ZSet,
    ZRangeStore = "zrangestore" of ZSet,
    ZRem = "zrem" of ZSet,
    ZRemRangeByLex = "zremrangebylex" of ZSet,
    ZRemRangeByRank = "zremrangebyrank" of ZSet,
    ZRemRangeByScore = "zremrangebyscore" of ZSet,
    ZUnionStore = "zunionstore" of ZSet,

    Expired = "expired" of Expired,
    Evicted = "evicted" of Evicted,
    New = "new" of New,
    KeyMiss = "keymiss" of Miss,
}

/// Bytes of keys for which room is kept when the events are gone.
const KEYS_KEPT: usize = 64 << 10;

#[derive(Debug)]
struct Told {
    event: Event,
    db: DbIndex,
    /// Where its key ends in `keys`; it begins where the one before ends.
    end: usize,
}

/// What happened, in order, as far as someone wants to know it.
#[derive(Debug, Default)]
pub struct Events {
    wanted: Classes,
    told: Vec<Told>,
    keys: Vec<u8>,
}

impl Events {
    /// Says what is wanted from now on.
    pub fn want(&mut self, classes: Classes) {
        self.wanted = classes;
    }

    /// Itself, if anything is wanted: for a [`Store`](crate::Store).
    #[inline]
    pub fn if_wanted(&mut self) -> Option<&mut Events> {
        if self.wanted.is_empty() { None } else { Some(self) }
    }

    /// Whether events of this class are wanted.
    pub(crate) fn wants(&self, class: Class) -> bool {
        self.wanted.has(class)
    }

    /// Notes that something happened to a key, if that is wanted.
    #[cold]
    pub(crate) fn tell(&mut self, event: Event, db: DbIndex, key: &[u8]) {
        if self.wants(event.class()) {
            self.keys.extend_from_slice(key);
            self.told.push(Told { event, db, end: self.keys.len() });
        }
    }

    /// Notes what did not happen, or not yet.
    #[cfg(narf_plant)]
    pub fn tell_planted(&mut self, event: Event, db: DbIndex, key: &[u8]) {
        self.tell(event, db, key);
    }

    /// Whether nothing happened.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What happened, to which key of which database.
    pub fn iter(&self) -> impl Iterator<Item = (Event, DbIndex, &[u8])> {
        let starts = std::iter::once(0).chain(self.told.iter().map(|told| told.end));
        self.told.iter().zip(starts).map(|(told, start)| (told.event, told.db, &self.keys[start..told.end]))
    }

    /// Forgets what happened, not what is wanted.
    pub fn clear(&mut self) {
        self.told.clear();
        self.keys.clear();
        self.told.shrink_to(KEYS_KEPT / size_of::<Told>());
        self.keys.shrink_to(KEYS_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_what_is_wanted_is_noted_and_in_order() {
        let mut events = Events::default();
        assert!(events.if_wanted().is_none());
        events.want(Classes::NONE.with(Class::List).with(Class::New));
        for (event, key) in [(Event::New, "a"), (Event::LPush, "a"), (Event::Del, "a"), (Event::RPop, "")] {
            events.tell(event, DbIndex::ZERO, key.as_bytes());
        }
        let told: Vec<_> = events.iter().map(|(event, _, key)| (event, key.to_vec())).collect();
        let expect = [(Event::New, "a"), (Event::LPush, "a"), (Event::RPop, "")];
        assert_eq!(told, expect.map(|(event, key)| (event, key.as_bytes().to_vec())));
        events.clear();
        assert!(events.is_empty() && events.if_wanted().is_some());
    }

    #[test]
    fn names_and_letters_are_told_apart() {
        let names: BTreeSet<_> = Event::ALL.iter().map(|event| event.name()).collect();
        assert_eq!(names.len(), Event::ALL.len());
        let letters: BTreeSet<_> = Class::ALL.iter().map(|class| class.letter()).collect();
        assert_eq!(letters.len(), Class::ALL.len());
        let usual: String =
            Class::ALL.iter().filter(|c| Classes::USUAL.has(**c)).map(|c| c.letter()).collect();
        assert_eq!(usual, "g$lshzxetd");
    }
}
