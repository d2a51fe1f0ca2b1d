//! From the words of a request to its row.
//!
//! Every request passes here, so a name is compared as two numbers, found by one multiplication in a table that was
//! built while compiling. Nothing is allocated and no case is folded byte by byte.

use base::Args;

use crate::Spec;
use crate::table::TABLE;

/// What a request's first words name.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// A row. It is a container if a subcommand should follow and none does; its arity then refuses the request.
    Found(&'a Spec),
    /// The row of a parent whose subcommand does not exist.
    UnknownSubcommand(&'a Spec),
    /// Nothing of ours.
    Unknown,
}

/// Finds the row of a request. Internal commands are found too: see [`Spec::is_internal`].
#[inline]
pub fn lookup(args: Args<'_>) -> Lookup<'static> {
    let Some(spec) = top_level(args.at(0)) else { return Lookup::Unknown };
    if !spec.has_subcommands() {
        return Lookup::Found(spec);
    }
    subcommand_of(spec, args)
}

fn subcommand_of(parent: &'static Spec, args: Args<'_>) -> Lookup<'static> {
    let Some(name) = args.get(1) else { return Lookup::Found(parent) };
    match parent.subcommand(name) {
        Some(spec) => Lookup::Found(spec),
        None => Lookup::UnknownSubcommand(parent),
    }
}

/// Finds a row by its name in one piece, in any case: `get`, `config|get` or `config get`.
pub fn lookup_name(name: impl AsRef<[u8]>) -> Option<&'static Spec> {
    let name = name.as_ref();
    match name.iter().position(|byte| matches!(byte, b'|' | b' ')) {
        None => top_level(name),
        Some(at) => top_level(&name[..at])?.subcommand(&name[at + 1..]),
    }
}

/// Every row, parents before their subcommands, group by group. Internal ones are among them.
pub fn all() -> impl Iterator<Item = &'static Spec> + Clone {
    TABLE.iter()
}

/// Every row but those of subcommands.
pub fn top_levels() -> impl Iterator<Item = &'static Spec> + Clone {
    TABLE.iter().filter(|spec| spec.parent_name().is_none())
}

#[inline]
fn top_level(name: &[u8]) -> Option<&'static Spec> {
    let packed = Packed::of(name)?;
    let mut at = packed.place();
    while let Some(entry) = &INDEX[at] {
        if entry.name == packed {
            return Some(entry.spec);
        }
        at = (at + 1) % INDEX_LEN;
    }
    None
}

/// Longest name; a longer word is unknown.
const NAME_MAX: usize = 24;
const INDEX_BITS: u32 = 11;
const INDEX_LEN: usize = 1 << INDEX_BITS;

struct Entry {
    name: Packed,
    spec: &'static Spec,
}

/// Open addressing, one step at a time; at most a third is full, so that unknown words end soon.
static INDEX: [Option<Entry>; INDEX_LEN] = {
    let mut index = [const { None }; INDEX_LEN];
    let mut row = 0;
    let mut count = 0;
    while row < TABLE.len() {
        if let Some(name) = Packed::of_top_level(TABLE[row].name) {
            let mut at = name.place();
            while index[at].is_some() {
                at = (at + 1) % INDEX_LEN;
            }
            index[at] = Some(Entry { name, spec: &TABLE[row] });
            count += 1;
        }
        row += 1;
    }
    assert!(count * 3 <= INDEX_LEN, "grow INDEX_BITS");
    index
};

/// A name in lower case as two numbers and its length. Equal names have equal numbers and no others do: up to 8
/// bytes lie in the halves of `low`, up to 16 in `low` and `high`, more in `middle` too, overlapping at their borders, and
/// the length tells how.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed {
    low: u64,
    middle: u64,
    high: u64,
    len: usize,
}

impl Packed {
    /// `None` if the name is empty or longer than any of ours.
    #[inline]
    const fn of(name: &[u8]) -> Option<Packed> {
        let len = name.len();
        let (low, middle, high) = match name {
            [] => return None,
            &[a] => return Packed::short(a as u64, len),
            &[a, b] => return Packed::short(a as u64 | (b as u64) << 8, len),
            &[a, b, c] => return Packed::short(a as u64 | (b as u64) << 8 | (c as u64) << 16, len),
            _ if len <= 8 => match (name.first_chunk(), name.last_chunk()) {
                (Some(first), Some(last)) => {
                    let low = u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32;
                    return Packed::short(low, len);
                }
                _ => return None,
            },
            _ if len <= 16 => match (name.first_chunk(), name.last_chunk()) {
                (Some(first), Some(last)) => (u64::from_le_bytes(*first), 0, u64::from_le_bytes(*last)),
                _ => return None,
            },
            _ if len <= NAME_MAX => match (name.split_first_chunk(), name.last_chunk()) {
                (Some((first, rest)), Some(last)) => match rest.first_chunk() {
                    Some(middle) => {
                        (u64::from_le_bytes(*first), u64::from_le_bytes(*middle), u64::from_le_bytes(*last))
                    }
                    None => return None,
                },
                _ => return None,
            },
            _ => return None,
        };
        Some(Packed { low: lower_case(low), middle: lower_case(middle), high: lower_case(high), len })
    }

    /// A name of at most 8 bytes, as those are that are called most.
    #[inline]
    const fn short(low: u64, len: usize) -> Option<Packed> {
        Some(Packed { low: lower_case(low), middle: 0, high: 0, len })
    }

    /// `None` for a subcommand.
    #[expect(clippy::expect_used, reason = "runs while compiling only")]
    const fn of_top_level(name: &str) -> Option<Packed> {
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'|' {
                return None;
            }
            at += 1;
        }
        Some(Packed::of(bytes).expect("a name has 1 to 24 bytes"))
    }

    #[inline]
    const fn place(self) -> usize {
        let mixed = (self.low ^ self.high.rotate_left(29)).wrapping_add(self.len as u64);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - INDEX_BITS)) as usize
    }
}

/// Turns the capital letters among eight bytes into small ones and leaves all else.
#[inline]
const fn lower_case(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Without their top bits no sum of bytes reaches its neighbour.
    let low_bits = word & (0x7F * EACH);
    let from_a = low_bits + (0x80 - b'A' as u64) * EACH;
    let past_z = low_bits + (0x7F - b'Z' as u64) * EACH;
    let capital = (from_a ^ past_z) & !word & (0x80 * EACH);
    // The top bit of a byte, moved by two, is the bit that makes a letter small.
    word | capital >> 2
}
