//! What one row of the table says, and the words Redis has for it.
//!
//! Invariants: names are lower case, a subcommand's is `parent|sub`; flags and categories are listed in the order
//! in which `COMMAND INFO` lists them.

use base::Args;

use crate::keys::{KeyRange, KeySpec, KeysOf, Movable};
use crate::table::TABLE;
use crate::{DataCommand, NodeCommand};

/// Who runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The engine, where the keys live.
    Data(DataCommand),
    /// The node.
    Node(NodeCommand),
    /// Nobody: the name stands only before a subcommand.
    Container,
}

/// How a request with many keys is cut, one piece a partition, and how the replies are joined. A command without
/// this needs all of its keys at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The replies are counts to be added up.
    Sum,
    /// The replies are arrays with an element for each key, to be put back in the order of the keys.
    Array,
    /// Every piece answers `OK`, and so does the whole.
    Ok,
}

impl Split {
    /// Whether a request of so many words can be cut: none of its keys lacks what stands with it.
    pub fn fits(self, spec: &Spec, words: usize) -> bool {
        words.saturating_sub(usize::from(spec.keys.first)).is_multiple_of(usize::from(spec.keys.step))
    }
}

/// One row of the table: all that is known of a command besides what it does.
// What every request reads stands first, so that it shares a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Spec {
    /// Who runs it.
    pub run: Run,
    /// Number of arguments with the name; negative: at least that many.
    pub arity: i8,
    /// Where its keys are. Empty if it has none.
    pub keys: KeyRange,
    /// Set if only the request tells where its keys are; `keys` then says only where they may start.
    pub movable: Option<Movable>,
    /// How it may be cut by partition.
    pub split: Option<Split>,
    /// Where its first member or field usually is, so that it may be fetched ahead; 0 if it has none.
    pub member: u8,
    /// What it does and where it may run.
    pub flags: Flags,
    /// Lower case; `parent|sub` for a subcommand.
    pub name: &'static str,
    pub(crate) subcommands: Subcommands,
    pub(crate) index: u16,
    /// See [`Spec::is_plain`].
    pub(crate) plain: bool,
    /// The family it is documented with.
    pub group: Group,
    /// ACL categories.
    pub categories: Categories,
    /// Where its keys are and what happens to them, finer than `keys`. Channels that place a request are here too.
    pub key_specs: &'static [KeySpec],
    /// First version of Redis that has it; for our own, the first of Narf.
    pub since: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Cost in big-O.
    pub complexity: &'static str,
    /// Arguments after the name: `key value [NX | XX]`. See [`crate::syntax`].
    pub syntax: &'static str,
    /// Hints for clients that talk to several nodes: `request_policy:all_shards`.
    pub tips: &'static [&'static str],
    /// Set on commands that are kept for old clients.
    pub deprecated: Option<Deprecated>,
}

/// Which rows of the table are the subcommands of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subcommands {
    pub(crate) first: u16,
    pub(crate) len: u16,
}

impl Subcommands {
    pub(crate) const NONE: Subcommands = Subcommands { first: 0, len: 0 };
}

/// Since when a command should not be used, and what to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// First version of Redis that says so.
    pub since: &'static str,
    /// What to write instead, in words.
    pub replaced_by: &'static str,
}

impl Spec {
    /// Whether a request of `len` arguments, the name included, has a right number of them.
    #[inline]
    pub fn arity_ok(&self, len: usize) -> bool {
        // A request has far fewer arguments than would wrap round.
        let (len, arity) = (len as isize, isize::from(self.arity));
        len == arity || arity < 0 && len >= -arity
    }

    /// Whether it may change data.
    #[inline]
    pub fn is_write(&self) -> bool {
        self.flags.contains(Flags::WRITE)
    }

    /// Whether it only reads data.
    #[inline]
    pub fn is_read_only(&self) -> bool {
        self.flags.contains(Flags::READONLY)
    }

    /// Whether only nodes write it. To a client such a command is unknown.
    #[inline]
    pub fn is_internal(&self) -> bool {
        self.flags.contains(Flags::INTERNAL)
    }

    /// Whether it is listed for people. Containers say nothing that their subcommands do not.
    pub fn is_listed(&self) -> bool {
        !self.is_internal() && self.run != Run::Container
    }

    /// Whether a request has one key, its first argument, needs nothing else and never waits, as with most commands.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// [`Spec::is_plain`] by all that it goes by.
    pub(crate) const fn works_out_plain(&self) -> bool {
        let KeyRange { first, last, step } = self.keys;
        let has_one_key = self.movable.is_none() && first == 1 && last == 1 && step == 1;
        let reaches_further = matches!(self.run, Run::Data(command) if command.reaches_further());
        has_one_key && !reaches_further && !self.flags.contains(Flags::BLOCKING)
    }

    /// Indexes of the arguments that are keys, ascending, all below `args.len()`.
    #[inline]
    pub fn keys_of(&self, args: Args<'_>) -> KeysOf {
        match self.movable {
            None => self.keys.of(args.len()),
            Some(movable) => movable.of(args),
        }
    }

    /// Its place among [`all`](crate::all) rows, for sets of commands in memory. It means nothing outside this process.
    #[inline]
    pub fn index(&self) -> usize {
        usize::from(self.index)
    }

    /// The parent's name; `None` unless this is a subcommand.
    pub fn parent_name(&self) -> Option<&'static str> {
        self.name.split_once('|').map(|(parent, _)| parent)
    }

    /// The name without the parent's.
    pub fn own_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own)| own)
    }

    /// The rows of its subcommands.
    pub fn subcommands(&self) -> &'static [Spec] {
        let first = usize::from(self.subcommands.first);
        &TABLE[first..first + usize::from(self.subcommands.len)]
    }

    /// Whether a subcommand may or must follow the name.
    #[inline]
    pub fn has_subcommands(&self) -> bool {
        self.subcommands.len > 0
    }

    /// The subcommand called `name`, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Spec> {
        self.subcommands().iter().find(|sub| sub.own_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name as people type it: `CONFIG GET`.
    pub fn display_name(&self) -> String {
        self.name.to_ascii_uppercase().replace('|', " ")
    }

    /// Name and arguments on one line: `CONFIG GET parameter [parameter ...]`.
    pub fn usage(&self) -> String {
        let name = self.display_name();
        if self.syntax.is_empty() { name } else { format!("{name} {}", self.syntax) }
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        flags! { @number 0u32; $($(#[$doc])* $name $text;)* }

        impl Flags {
            const TEXTS: &'static [(Flags, &'static str)] = &[$((Flags::$name, $text)),*];
        }
    };
    (@number $n:expr; $(#[$doc:meta])* $name:ident $text:literal; $($rest:tt)*) => {
        impl Flags {
            $(#[$doc])*
            pub const $name: Flags = Flags(1 << ($n));
        }
        flags! { @number $n + 1; $($rest)* }
    };
    (@number $n:expr;) => {};
}

/// What a command does and where it may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

flags! {
    /// May change data.
    WRITE "write"
    /// Only reads data.
    READONLY "readonly"
    /// Refused when memory is full.
    DENYOOM "denyoom"
    /// For operators.
    ADMIN "admin"
    /// Publishes or subscribes.
    PUBSUB "pubsub"
    /// Not from scripts.
    NOSCRIPT "noscript"
    /// May wait.
    BLOCKING "blocking"
    /// Allowed while data is being loaded.
    LOADING "loading"
    /// Allowed on a replica whose data may be old.
    STALE "stale"
    /// Not shown by `MONITOR`.
    SKIP_MONITOR "skip_monitor"
    /// Not kept by `SLOWLOG`.
    SKIP_SLOWLOG "skip_slowlog"
    /// Constant or logarithmic cost.
    FAST "fast"
    /// Allowed before `AUTH`.
    NO_AUTH "no_auth"
    /// Not while data is loaded in the background.
    NO_ASYNC_LOADING "no_async_loading"
    /// Not between `MULTI` and `EXEC`.
    NO_MULTI "no_multi"
    /// Keys are not where positions alone say.
    MOVABLEKEYS "movablekeys"
    /// Allowed while a script runs too long.
    ALLOW_BUSY "allow_busy"
    /// Written by nodes into the log; from a client it is an unknown command.
    INTERNAL "internal"
}

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u32) -> Flags {
        Flags(bits)
    }

    /// All flags of either.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all flags of `other` are here.
    #[inline]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words of `COMMAND INFO`.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Flags::TEXTS.iter().filter(move |(flag, _)| self.contains(*flag)).map(|&(_, text)| text)
    }
}

/// A family of commands in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Values that are bytes or numbers.
    String,
    /// Values that are maps of fields.
    Hash,
    /// Values that are sets of members.
    Set,
    /// Values that are elements in a row.
    List,
    /// Values that are members in order of their scores.
    SortedSet,
    /// Strings as rows of bits.
    Bitmap,
    /// Sorted sets of positions on Earth.
    Geo,
    /// Strings that count different elements.
    HyperLogLog,
    /// Any key.
    Generic,
    /// The connection itself.
    Connection,
    /// Channels.
    PubSub,
    /// `MULTI` and what belongs to it.
    Transactions,
    /// The node.
    Server,
    /// Slots and nodes.
    Cluster,
}

impl Group {
    /// Every group, in the order of the reference page.
    pub const ALL: [Group; 14] = [
        Group::String,
        Group::Hash,
        Group::Set,
        Group::List,
        Group::SortedSet,
        Group::Bitmap,
        Group::Geo,
        Group::HyperLogLog,
        Group::Generic,
        Group::Connection,
        Group::PubSub,
        Group::Transactions,
        Group::Server,
        Group::Cluster,
    ];

    /// The group called `name`, in any case.
    pub fn by_name(name: &str) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.name().eq_ignore_ascii_case(name))
    }

    /// The word of `COMMAND DOCS`.
    pub fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Hash => "hash",
            Group::Set => "set",
            Group::List => "list",
            Group::SortedSet => "sorted-set",
            Group::Bitmap => "bitmap",
            Group::Geo => "geo",
            Group::HyperLogLog => "hyperloglog",
            Group::Generic => "generic",
            Group::Connection => "connection",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Server => "server",
            Group::Cluster => "cluster",
        }
    }
}

/// An ACL category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Category {
    /// Keys as such.
    Keyspace,
    /// Reads data.
    Read,
    /// Changes data.
    Write,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Lists.
    List,
    /// Hashes.
    Hash,
    /// Strings.
    String,
    /// Bits of strings.
    Bitmap,
    /// HyperLogLogs.
    HyperLogLog,
    /// Positions on Earth.
    Geo,
    /// Streams.
    Stream,
    /// Channels.
    PubSub,
    /// For operators.
    Admin,
    /// Constant or logarithmic cost.
    Fast,
    /// Any other cost.
    Slow,
    /// May wait.
    Blocking,
    /// Harmful in careless hands.
    Dangerous,
    /// The connection itself.
    Connection,
    /// `MULTI` and what belongs to it.
    Transaction,
    /// Scripts.
    Scripting,
}

impl Category {
    /// Every category, in the order of `ACL CAT`.
    pub const ALL: [Category; 21] = [
        Category::Keyspace,
        Category::Read,
        Category::Write,
        Category::Set,
        Category::SortedSet,
        Category::List,
        Category::Hash,
        Category::String,
        Category::Bitmap,
        Category::HyperLogLog,
        Category::Geo,
        Category::Stream,
        Category::PubSub,
        Category::Admin,
        Category::Fast,
        Category::Slow,
        Category::Blocking,
        Category::Dangerous,
        Category::Connection,
        Category::Transaction,
        Category::Scripting,
    ];

    /// The word of `COMMAND INFO` and `ACL`, with its `@`.
    pub fn name(self) -> &'static str {
        match self {
            Category::Keyspace => "@keyspace",
            Category::Read => "@read",
            Category::Write => "@write",
            Category::Set => "@set",
            Category::SortedSet => "@sortedset",
            Category::List => "@list",
            Category::Hash => "@hash",
            Category::String => "@string",
            Category::Bitmap => "@bitmap",
            Category::HyperLogLog => "@hyperloglog",
            Category::Geo => "@geo",
            Category::Stream => "@stream",
            Category::PubSub => "@pubsub",
            Category::Admin => "@admin",
            Category::Fast => "@fast",
            Category::Slow => "@slow",
            Category::Blocking => "@blocking",
            Category::Dangerous => "@dangerous",
            Category::Connection => "@connection",
            Category::Transaction => "@transaction",
            Category::Scripting => "@scripting",
        }
    }

    /// The category called `name`, without `@`, in any case.
    pub fn by_name(name: &[u8]) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.name().as_bytes()[1..].eq_ignore_ascii_case(name))
    }
}

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u32);

impl Categories {
    /// The empty set.
    pub const NONE: Categories = Categories(0);

    /// The set with `category` too.
    pub const fn with(self, category: Category) -> Categories {
        Categories(self.0 | 1 << category as u8)
    }

    /// Whether `category` is in the set.
    pub const fn contains(self, category: Category) -> bool {
        self.0 & 1 << category as u8 != 0
    }

    /// The words of `COMMAND INFO`, each with its `@`.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Category::ALL.into_iter().filter(move |&category| self.contains(category)).map(Category::name)
    }
}
