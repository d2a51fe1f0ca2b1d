//! Passwords as they are kept, and the work of checking them, which is far too slow for a turn.
//!
//! A password is kept as an argon2id hash in the PHC form. The SHA-256 of Redis, given as `#` and 64 digits, is taken and
//! kept as it is, for files and tools that have such. A [`Job`] is plain data: the shell solves it on another thread and
//! brings the answer back.
//!
//! Invariant: hashes compare equal exactly if their texts do; nothing here prints a password.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use sha2::{Digest, Sha256};

use super::user::Known;

/// Most passwords of one user: each may have to be tried when someone logs in.
pub(crate) const PASSWORDS_MAX: usize = 16;
/// Longest password in plain text: hashing takes the longer the more there is of it.
pub(crate) const WORD_BYTES_MAX: usize = 4096;
/// Bytes of a salt.
pub(crate) const SALT_LEN: usize = 16;
/// What hashes of others may cost at most: a quarter of a GiB, ten rounds.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const ROUNDS_MAX: u32 = 10;
const LANES_MAX: u32 = 8;
/// Longest PHC text.
const TEXT_MAX: usize = 256;

/// A hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// SHA-256 without salt, as Redis has it.
    Sha256([u8; 32]),
    /// argon2id, in the form `$argon2id$v=19$m=..,t=..,p=..$salt$hash`.
    Argon2id(Box<str>),
}

impl Password {
    /// Reads what follows a `#`.
    pub fn parse(text: &[u8]) -> Option<Password> {
        let text = std::str::from_utf8(text).ok()?;
        if text.starts_with("$argon2id$") {
            return checked(text).map(|_| Password::Argon2id(text.into()));
        }
        let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if text.len() != 64 || !text.as_bytes().iter().all(digit) {
            return None;
        }
        let mut hash = [0; 32];
        for (number, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * number..2 * number + 2], 16).ok()?;
        }
        Some(Password::Sha256(hash))
    }

    /// The hash that Redis would keep.
    pub(crate) fn sha256(word: &[u8]) -> Password {
        Password::Sha256(Sha256::digest(word).into())
    }

    /// Hashes a password, for tens of milliseconds. The cost is OWASP's least: 19 MiB, two rounds, one lane.
    pub fn argon2id(word: &[u8], salt: [u8; SALT_LEN]) -> Option<Password> {
        let hash: PasswordHash = hasher(Params::DEFAULT).hash_password_with_salt(word, &salt).ok()?;
        Some(Password::Argon2id(hash.to_string().into()))
    }

    /// Whether equal passwords of two users have different hashes.
    pub(crate) fn is_salted(&self) -> bool {
        matches!(self, Password::Argon2id(_))
    }

    /// Whether it is the hash of this word. For tens of milliseconds if it is a salted one.
    fn is_of(&self, word: &[u8]) -> bool {
        match self {
            Password::Sha256(_) => self.is_sha256_of(word),
            Password::Argon2id(text) => checked(text)
                .is_some_and(|(hash, params)| hasher(params).verify_password(word, &hash).is_ok()),
        }
    }

    /// The same at once; false for a salted one.
    pub(crate) fn is_sha256_of(&self, word: &[u8]) -> bool {
        let Password::Sha256(hash) = self else { return false };
        let found: [u8; 32] = Sha256::digest(word).into();
        equal_in_constant_time(hash, &found)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Password::Sha256(hash) => hash.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Password::Argon2id(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

fn hasher(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// A PHC text that is one of ours: argon2id, at a bearable cost, written in its one form.
fn checked(text: &str) -> Option<(PasswordHash, Params)> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_salted = hash.salt.as_ref().is_some_and(|salt| salt.len() >= 8);
    let is_long = hash.hash.as_ref().is_some_and(|output| output.len() >= 16);
    let is_bearable =
        params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= ROUNDS_MAX && params.p_cost() <= LANES_MAX;
    let is_plain = params.keyid().is_empty() && params.data().is_empty();
    let is_argon2id = hash.algorithm.as_str() == "argon2id" && hash.version == Some(19);
    (is_argon2id && is_salted && is_long && is_bearable && is_plain && hash.to_string() == text)
        .then_some((hash, params))
}

/// Passwords to be tried against hashes, or to be hashed. Solved away from the worker's turn.
pub struct Job {
    /// The worker's number for it.
    pub number: u64,
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) against: Vec<Password>,
    /// One for each word that needs a hash if none of those is its own.
    pub(crate) salts: Vec<[u8; SALT_LEN]>,
    /// One that fits is enough.
    pub(crate) stops_at_first: bool,
}

/// A solved [`Job`].
pub struct Solved {
    /// The worker's number for it.
    pub number: u64,
    pub(crate) known: Vec<Known>,
}

impl Job {
    /// Does the work: tens of milliseconds for each word and hash.
    pub fn solve(self) -> Solved {
        let Job { number, words, against, salts, stops_at_first } = self;
        let mut salts = salts.into_iter();
        let solve = |word: Vec<u8>| {
            let mut hashes = vec![Password::sha256(&word)];
            let fitting = against.iter().filter(|hash| hash.is_of(&word)).cloned();
            hashes.extend(fitting.take(if stops_at_first { 1 } else { usize::MAX }));
            let salt = salts.next();
            if !hashes.iter().any(Password::is_salted) {
                hashes.extend(salt.and_then(|salt| Password::argon2id(&word, salt)));
            }
            Known { word, hashes }
        };
        Solved { number, known: words.into_iter().map(solve).collect() }
    }
}

/// Passwords that were found right, so that who comes again does not wait. Of each only a hash with a secret key of this
/// process is kept, in memory alone.
#[derive(Default)]
pub(crate) struct Verified {
    found: Vec<(Password, [u8; 32])>,
    next: usize,
}

/// Most that are remembered; the oldest goes.
const VERIFIED_MAX: usize = 1024;

impl Verified {
    pub(crate) fn contains(&self, hash: &Password, digest: &[u8; 32]) -> bool {
        self.found.iter().any(|(known, found)| known == hash && equal_in_constant_time(found, digest))
    }

    pub(crate) fn insert(&mut self, hash: Password, digest: [u8; 32]) {
        if self.contains(&hash, &digest) {
            return;
        }
        if self.found.len() < VERIFIED_MAX {
            return self.found.push((hash, digest));
        }
        self.found[self.next] = (hash, digest);
        self.next = (self.next + 1) % VERIFIED_MAX;
    }

    /// Forgets those of hashes that nobody has any more.
    pub(crate) fn retain(&mut self, is_used: impl Fn(&Password) -> bool) {
        self.found.retain(|(hash, _)| is_used(hash));
        self.next = 0;
    }
}

/// A password by which the process knows it again.
pub(crate) fn digest(key: &[u8; 32], word: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(word).finalize().into()
}

/// Compares without telling by its time where the first difference is. The length is not hidden.
pub(crate) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0u8, |difference, (x, y)| difference | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}
