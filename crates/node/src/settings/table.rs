//! The table: one row a setting, in a file for each thing that settings are about. Flags, environment, file, `CONFIG`, help
//! and the reference page come from it.

use super::fixed::FIXED;
use super::setting::Setting;

macro_rules! field {
    ($($name:ident).+) => { Access { read: |s| &s.$($name).+, write: |s| &mut s.$($name).+ } };
}

macro_rules! integer {
    ($($field:ident).+: $type:ty, $low:expr, $high:expr) => {{
        const _: () = assert!($low >= <$type>::MIN as i128 && $high <= <$type>::MAX as i128);
        const LOW: i64 = $low as i64;
        const HIGH: i64 = $high as i64;
        Kind::Integer {
            range: LOW..=HIGH,
            // A field of 64 unsigned bits never holds more than HIGH.
            read: |s| s.$($field).+ as i64,
            write: |s, value| s.$($field).+ = value as $type,
        }
    }};
}

macro_rules! word {
    ($($field:ident).+: $type:ty, $words:expr) => {
        Kind::Word {
            words: $words,
            read: |s| s.$($field).+.name(),
            write: |s, word| <$type>::from_name(word.as_ref()).map(|value| s.$($field).+ = value).is_some(),
        }
    };
}

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const TB: u64 = 1 << 40;
/// Most seconds that Redis takes.
const SECONDS_MAX: i64 = i32::MAX as i64;

mod cluster;
mod data;
mod diagnosis;
mod encoding;
mod limits;
mod network;
mod node;
mod security;

/// Every setting by chapter, and those of Redis that are fixed here.
pub(super) static TABLES: &[&[Setting]] = &[
    network::ROWS,
    security::ROWS,
    node::ROWS,
    cluster::ROWS,
    data::ROWS,
    limits::ROWS,
    encoding::ROWS,
    diagnosis::ROWS,
    FIXED,
];

#[cfg(test)]
mod tests;
