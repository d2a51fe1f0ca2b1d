//! Ids and small closed sets that cross crates. Each is a newtype, so that one cannot be passed for another.

use std::fmt;

/// A hash bucket of keys. Invariant: below [`Slot::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many slots there are, as in Redis Cluster.
    pub const COUNT: u16 = 16384;

    /// The slot of this number, if there is one.
    pub fn new(raw: u16) -> Option<Slot> {
        (raw < Slot::COUNT).then_some(Slot(raw))
    }

    /// The slot of a 16-bit hash.
    #[inline]
    pub fn wrapping(hash: u16) -> Slot {
        Slot(hash % Slot::COUNT)
    }

    /// Its number, `0..COUNT`.
    #[inline]
    pub fn number(self) -> u16 {
        self.0
    }
}

/// A fixed run of slots: the unit of ownership, replication and snapshot. Also the id of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

/// One thread of a node that owns partitions and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// A client connection, unique within the life of a node; what `CLIENT ID` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A node, minted at random with its data folder and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u128);

/// Forty hexadecimal digits, the form of a Redis node id. The last eight are zero: tools that have no room show the first.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}{:08x}", self.0, 0)
    }
}

/// A numbered database of `SELECT`. Invariant: below [`DbIndex::COUNT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbIndex(u8);

impl DbIndex {
    /// How many databases there are.
    pub const COUNT: u8 = 16;
    /// The database that is spread over all partitions.
    pub const ZERO: DbIndex = DbIndex(0);

    /// The database of this number, if there is one.
    pub fn new(raw: u8) -> Option<DbIndex> {
        (raw < DbIndex::COUNT).then_some(DbIndex(raw))
    }

    /// Its number, `0..COUNT`.
    #[inline]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// How far a write must have come before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckLevel {
    /// The leader has it in memory.
    Local,
    /// A majority has written it to its log.
    Quorum,
    /// A majority has it on stable storage.
    Durable,
    /// Every live replica has applied it.
    All,
}

impl AckLevel {
    /// Its word on the wire and in settings.
    pub fn name(self) -> &'static str {
        match self {
            AckLevel::Local => "local",
            AckLevel::Quorum => "quorum",
            AckLevel::Durable => "durable",
            AckLevel::All => "all",
        }
    }

    /// The level of this word, in any case.
    pub fn from_name(name: &[u8]) -> Option<AckLevel> {
        [AckLevel::Local, AckLevel::Quorum, AckLevel::Durable, AckLevel::All]
            .into_iter()
            .find(|level| name.eq_ignore_ascii_case(level.name().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_of_a_node_id_tell_nodes_apart() {
        let id = NodeId(0x0123_4567_89ab_cdef_0011_2233_4455_6677).to_string();
        assert_eq!(id, "0123456789abcdef001122334455667700000000");
    }
}
