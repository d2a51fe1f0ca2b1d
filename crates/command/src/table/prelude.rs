//! The words rows are written in.
//!
//! Flags and key accesses are plain numbers here, because `|` on types of our own does not work in constants.

pub(super) use crate::Category;
pub(super) use crate::keys::KeySpec;
pub(super) use crate::spec::{Group, Split};
pub(super) use access::*;
pub(super) use flag::*;

use crate::keys::{CountedKeys, FindKeys, KeyAccess, KeyRange, Movable, StoreOption};
use crate::spec::{Categories, Deprecated, Flags, Run, Spec, Subcommands};

/// Flags, to be joined with `|`.
#[expect(unused, reason = "no command of today has each flag")]
mod flag {
    use crate::Flags;

    pub(in crate::table) const NONE: u32 = 0;
    pub(in crate::table) const WRITE: u32 = Flags::WRITE.bits();
    pub(in crate::table) const READONLY: u32 = Flags::READONLY.bits();
    pub(in crate::table) const DENYOOM: u32 = Flags::DENYOOM.bits();
    pub(in crate::table) const ADMIN: u32 = Flags::ADMIN.bits();
    pub(in crate::table) const PUBSUB: u32 = Flags::PUBSUB.bits();
    pub(in crate::table) const NOSCRIPT: u32 = Flags::NOSCRIPT.bits();
    pub(in crate::table) const BLOCKING: u32 = Flags::BLOCKING.bits();
    pub(in crate::table) const LOADING: u32 = Flags::LOADING.bits();
    pub(in crate::table) const STALE: u32 = Flags::STALE.bits();
    pub(in crate::table) const SKIP_MONITOR: u32 = Flags::SKIP_MONITOR.bits();
    pub(in crate::table) const SKIP_SLOWLOG: u32 = Flags::SKIP_SLOWLOG.bits();
    pub(in crate::table) const FAST: u32 = Flags::FAST.bits();
    pub(in crate::table) const NO_AUTH: u32 = Flags::NO_AUTH.bits();
    pub(in crate::table) const NO_ASYNC_LOADING: u32 = Flags::NO_ASYNC_LOADING.bits();
    pub(in crate::table) const NO_MULTI: u32 = Flags::NO_MULTI.bits();
    pub(in crate::table) const MOVABLEKEYS: u32 = Flags::MOVABLEKEYS.bits();
    pub(in crate::table) const ALLOW_BUSY: u32 = Flags::ALLOW_BUSY.bits();
    pub(in crate::table) const INTERNAL: u32 = Flags::INTERNAL.bits();
}

/// What happens to a key, to be joined with `|`.
mod access {
    use crate::keys::KeyAccess;

    pub(in crate::table) const RO: u16 = KeyAccess::RO.bits();
    pub(in crate::table) const RW: u16 = KeyAccess::RW.bits();
    pub(in crate::table) const OW: u16 = KeyAccess::OW.bits();
    pub(in crate::table) const RM: u16 = KeyAccess::RM.bits();
    pub(in crate::table) const ACCESS: u16 = KeyAccess::ACCESS.bits();
    pub(in crate::table) const UPDATE: u16 = KeyAccess::UPDATE.bits();
    pub(in crate::table) const INSERT: u16 = KeyAccess::INSERT.bits();
    pub(in crate::table) const DELETE: u16 = KeyAccess::DELETE.bits();
    pub(in crate::table) const NOT_KEY: u16 = KeyAccess::NOT_KEY.bits();
    pub(in crate::table) const VARIABLE_FLAGS: u16 = KeyAccess::VARIABLE.bits();
}

/// Makes the ways to start a row of one group that the group needs.
macro_rules! rows_of {
    ($group:expr; $($kind:ident)*) => {
        $(rows_of!(@ $group; $kind);)*
    };
    (@ $group:expr; data) => {
        const fn data(command: crate::DataCommand, name: &'static str, arity: i8, flags: u32) -> Row {
            Row::new($group, crate::Run::Data(command), name, arity, flags)
        }
    };
    (@ $group:expr; node) => {
        const fn node(command: crate::NodeCommand, name: &'static str, arity: i8, flags: u32) -> Row {
            Row::new($group, crate::Run::Node(command), name, arity, flags)
        }
    };
    (@ $group:expr; container) => {
        const fn container(name: &'static str) -> Row {
            Row::new($group, crate::Run::Container, name, -2, NONE)
        }
    };
}
pub(super) use rows_of;

/// Keys at `first`, `first + step`, … up to `last`, where -1 is the last argument.
pub(super) const fn key(first: u8, last: i8, step: u8, access: u16) -> KeySpec {
    let find = FindKeys::Range(KeyRange { first, last, step });
    KeySpec { find, access: KeyAccess::from_bits(access) }
}

/// Keys behind their number, which is the argument `count_at`.
pub(super) const fn counted(count_at: u8, access: u16) -> KeySpec {
    counted_with(count_at, 1, access)
}

/// The same where more than the keys is counted: each stands `step` arguments before the next.
pub(super) const fn counted_with(count_at: u8, step: u8, access: u16) -> KeySpec {
    let find = FindKeys::Counted(CountedKeys { count_at, lone: 0, step });
    KeySpec { find, access: KeyAccess::from_bits(access) }
}

/// The key behind the first such word at or behind the argument `from`.
pub(super) const fn behind(word: &'static str, from: u8, access: u16) -> KeySpec {
    KeySpec { find: FindKeys::Behind { word, from }, access: KeyAccess::from_bits(access) }
}

/// Keys whose names come out of what the first key holds.
pub(super) const fn content(access: u16) -> KeySpec {
    KeySpec { find: FindKeys::Content, access: KeyAccess::from_bits(access) }
}

/// The key behind the option that says where to store, the last one if there are several.
pub(super) const fn stored(from: u8, access: u16) -> KeySpec {
    KeySpec { find: FindKeys::Stored(StoreOption { from }), access: KeyAccess::from_bits(access) }
}

/// A row as it is written. The table copies the specs and puts subcommands behind their parents.
#[derive(Clone, Copy)]
pub(in crate::table) struct Row {
    pub(in crate::table) spec: Spec,
    pub(in crate::table) subcommands: &'static [Row],
}

impl Row {
    pub(super) const fn new(group: Group, run: Run, name: &'static str, arity: i8, flags: u32) -> Row {
        let flags = Flags::from_bits(flags);
        let spec = Spec {
            run,
            arity,
            keys: KeyRange::NONE,
            movable: None,
            split: None,
            member: 0,
            flags,
            name,
            subcommands: Subcommands::NONE,
            index: 0,
            plain: false,
            group,
            categories: categories_of_flags(flags, categories_of_group(group, run)),
            key_specs: &[],
            since: "",
            summary: "",
            complexity: "depends on the subcommand",
            syntax: "",
            tips: &[],
            deprecated: None,
        };
        Row { spec, subcommands: &[] }
    }

    /// Where the keys are. Channels among them count for `COMMAND INFO` only.
    pub(super) const fn keys(mut self, specs: &'static [KeySpec]) -> Row {
        self.spec.key_specs = specs;
        let first = match specs[0].find {
            FindKeys::Range(range) => range,
            _ => KeyRange::NONE,
        };
        match specs[specs.len() - 1].find {
            FindKeys::Range(last) => {
                if !specs[0].access.contains(KeyAccess::NOT_KEY) {
                    self.spec.keys = KeyRange { first: first.first, last: last.last, step: first.step };
                }
                self
            }
            // Known from the request alone; a lone key in front is what `COMMAND` tells of.
            FindKeys::Counted(counted) => {
                let lone = if specs.len() > 1 { first.first } else { 0 };
                self.movable(first, Movable::Counted(CountedKeys { lone, ..counted }))
            }
            FindKeys::Behind { from, .. } => self.movable(first, Movable::Stored(StoreOption { from })),
            FindKeys::Stored(option) => self.movable(first, Movable::Stored(option)),
            // Nothing is stored: the option is refused.
            FindKeys::Content => self.movable(first, Movable::Stored(StoreOption { from: 2 })),
        }
    }

    const fn movable(mut self, keys: KeyRange, movable: Movable) -> Row {
        self.spec.keys = keys;
        self.spec.movable = Some(movable);
        self.spec.flags = self.spec.flags.and(Flags::MOVABLEKEYS);
        self
    }

    /// Where the first member or field stands in most requests.
    pub(super) const fn member(mut self, at: u8) -> Row {
        self.spec.member = at;
        self
    }

    pub(super) const fn split(mut self, split: Split) -> Row {
        self.spec.split = Some(split);
        self
    }

    pub(super) const fn since(mut self, version: &'static str) -> Row {
        self.spec.since = version;
        self
    }

    pub(super) const fn syntax(mut self, syntax: &'static str) -> Row {
        self.spec.syntax = syntax;
        self
    }

    pub(super) const fn cost(mut self, complexity: &'static str) -> Row {
        self.spec.complexity = complexity;
        self
    }

    pub(super) const fn summary(mut self, summary: &'static str) -> Row {
        self.spec.summary = summary;
        self
    }

    pub(super) const fn tips(mut self, tips: &'static [&'static str]) -> Row {
        self.spec.tips = tips;
        self
    }

    pub(super) const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Row {
        self.spec.deprecated = Some(Deprecated { since, replaced_by });
        self
    }

    pub(super) const fn subcommands(mut self, rows: &'static [Row]) -> Row {
        self.subcommands = rows;
        self
    }

    /// Takes these categories instead of the group's. Those that follow from flags stay.
    pub(super) const fn categories(mut self, categories: &[Category]) -> Row {
        let mut set = Categories::NONE;
        let mut at = 0;
        while at < categories.len() {
            set = set.with(categories[at]);
            at += 1;
        }
        self.spec.categories = categories_of_flags(self.spec.flags, set);
        self
    }
}

/// The categories that most commands of a group have.
const fn categories_of_group(group: Group, run: Run) -> Categories {
    if matches!(run, Run::Container) {
        return Categories::NONE;
    }
    match group {
        Group::String => Categories::NONE.with(Category::String),
        Group::Hash => Categories::NONE.with(Category::Hash),
        Group::Set => Categories::NONE.with(Category::Set),
        Group::List => Categories::NONE.with(Category::List),
        Group::SortedSet => Categories::NONE.with(Category::SortedSet),
        Group::Bitmap => Categories::NONE.with(Category::Bitmap),
        Group::Geo => Categories::NONE.with(Category::Geo),
        Group::HyperLogLog => Categories::NONE.with(Category::HyperLogLog),
        Group::Generic => Categories::NONE.with(Category::Keyspace),
        Group::Connection => Categories::NONE.with(Category::Connection),
        Group::Transactions => Categories::NONE.with(Category::Transaction),
        // The flag says it.
        Group::PubSub => Categories::NONE,
        Group::Server | Group::Cluster => Categories::NONE,
    }
}

/// Adds the categories that Redis derives from flags.
const fn categories_of_flags(flags: Flags, mut set: Categories) -> Categories {
    if flags.contains(Flags::WRITE) {
        set = set.with(Category::Write);
    }
    if flags.contains(Flags::READONLY) {
        set = set.with(Category::Read);
    }
    if flags.contains(Flags::ADMIN) {
        set = set.with(Category::Admin).with(Category::Dangerous);
    }
    if flags.contains(Flags::PUBSUB) {
        set = set.with(Category::PubSub);
    }
    if flags.contains(Flags::BLOCKING) {
        set = set.with(Category::Blocking);
    }
    set.with(if flags.contains(Flags::FAST) { Category::Fast } else { Category::Slow })
}
