//! `DEBUG DIGEST` as Redis computes it, so that two servers of either kind can be compared by one line.
//!
//! Hashes of pieces are mixed where order matters and exclusive-or'ed where it does not. SHA-1 is here for these
//! digests alone: no secret and no trust rests on it. Knows nothing of layout: equal content, equal digest.

use std::fmt;

use base::{DbIndex, I64_TEXT_MAX, Millis};

use crate::{Entry, Kind, ValueRef, double};

/// Twenty bytes that stand for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// The digest of nothing.
    pub const ZERO: Digest = Digest([0; 20]);

    /// Joins what has no order: keys of a database, fields of a hash. A key's part is [`key_digest`].
    pub fn join(&mut self, other: Digest) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }

    /// Begins a database that has keys: their digests are joined next.
    pub fn begin_db(&mut self, db: DbIndex) {
        self.mix(&u32::from(db.number()).to_be_bytes());
    }

    fn join_bytes(&mut self, bytes: &[u8]) {
        self.join(sha1(bytes));
    }

    /// Appends what has an order.
    fn mix(&mut self, bytes: &[u8]) {
        self.join_bytes(bytes);
        *self = sha1(&self.0);
    }
}

/// Forty hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key's part in the digest of its database, as it is seen at `now`.
pub fn key_digest(entry: &Entry, now: Millis) -> Digest {
    let mut digest = Digest::ZERO;
    digest.mix(entry.key());
    add_value(&mut digest, entry, now);
    sha1(&digest.0)
}

/// The digest of a value and its deadline, without the key.
pub(crate) fn value_digest(entry: &Entry, now: Millis) -> Digest {
    let mut digest = Digest::ZERO;
    add_value(&mut digest, entry, now);
    digest
}

fn add_value(digest: &mut Digest, entry: &Entry, now: Millis) {
    // Redis's numbers of types.
    let kind: u32 = match entry.kind() {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::ZSet => 3,
        Kind::Hash => 4,
    };
    digest.mix(&kind.to_be_bytes());
    let mut buffer = [0; I64_TEXT_MAX];
    match entry.value() {
        ValueRef::Text(text) => digest.mix(text),
        ValueRef::Int(number) => digest.mix(base::format_i64(number, &mut buffer)),
        ValueRef::Hash(hash) => {
            for (field, value, deadline) in hash.at(now).fields() {
                let mut pair = Digest::ZERO;
                pair.mix(field);
                pair.mix(value);
                if deadline.is_some() {
                    pair.join_bytes(b"!!hexpire!!");
                }
                digest.join_bytes(&pair.0);
            }
        }
        ValueRef::Set(set) => {
            set.iter().for_each(|member| digest.join_bytes(member.text(&mut buffer)));
        }
        ValueRef::List(list) => list.iter().for_each(|element| digest.mix(element)),
        ValueRef::ZSet(zset) => {
            for (member, score) in zset.iter() {
                let mut pair = Digest::ZERO;
                pair.mix(member);
                pair.mix(&double::shortest(score));
                digest.join_bytes(&pair.0);
            }
        }
    }
    if entry.deadline().is_some() {
        digest.join_bytes(b"!!expire!!");
    }
}

/// SHA-1 of FIPS 180-4.
fn sha1(message: &[u8]) -> Digest {
    let mut state = [0x6745_2301u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let mut blocks = message.chunks_exact(64);
    for block in &mut blocks {
        sha1_block(&mut state, block);
    }
    // One bit, zeros, and the length in bits: in one block if it fits, else in two.
    let rest = blocks.remainder();
    let mut tail = [0u8; 128];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    tail[end - 8..end].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    tail[..end].chunks_exact(64).for_each(|block| sha1_block(&mut state, block));
    let mut digest = Digest::ZERO;
    for (place, word) in digest.0.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn sha1_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (t, word) in words.into_iter().enumerate() {
        let (mixed, constant) = match t / 20 {
            0 => (b & c | !b & d, 0x5A82_7999),
            1 => (b ^ c ^ d, 0x6ED9_EBA1),
            2 => (b & c | b & d | c & d, 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6u32),
        };
        let next =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (total, word) in state.iter_mut().zip([a, b, c, d, e]) {
        *total = total.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewValue;

    #[test]
    fn sha1_gives_the_published_digests() {
        for (text, expect) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
        ] {
            assert_eq!(sha1(text.as_bytes()).to_string(), expect);
        }
    }

    /// What redis-server 7.0 answers to `SET s abc` and `DEBUG DIGEST-VALUE s`.
    #[test]
    fn a_string_has_the_digest_redis_gives_it() {
        let entry = Entry::new(b"s", None, NewValue::Text(b"abc"));
        assert_eq!(value_digest(&entry, Millis(0)).to_string(), "21ffcd2d36aebffca02995acb412bcb827d4c1db");
    }
}
