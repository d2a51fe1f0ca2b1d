//! Rows of the commands on bits of strings.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::Bitmap; data);

pub(super) const ROWS: &[Row] = &[
    data(BitCount, "bitcount", -2, READONLY)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [start end [BYTE | BIT]]")
        .cost("O(N), N the bytes looked at")
        .summary("Returns how many bits are set, of all or between two bytes or bits, both included."),
    data(BitField, "bitfield", -2, WRITE | DENYOOM)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)])
        .syntax(
            "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY \
                 encoding offset increment>> [...]]",
        )
        .cost("O(1) for each part")
        .summary("Reads, sets and adds to numbers of any width at any bit, and returns one reply for each."),
    data(BitFieldRo, "bitfield_ro", -2, READONLY | FAST)
        .since("6.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [GET encoding offset [GET encoding offset ...]]")
        .cost("O(1) for each part")
        .summary("Reads numbers of any width at any bit."),
    data(BitOp, "bitop", -4, WRITE | DENYOOM)
        .since("2.6.0")
        .keys(&[key(2, 2, 1, OW | UPDATE), key(3, -1, 1, RO | ACCESS)])
        .syntax("<AND | OR | XOR | NOT> destkey key [key ...]")
        .cost("O(N), N the bytes of all strings")
        .summary("Combines strings bit by bit, stores the result and returns its length in bytes."),
    data(BitPos, "bitpos", -3, READONLY)
        .since("2.8.7")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key bit [start [end [BYTE | BIT]]]")
        .cost("O(N), N the bytes looked at")
        .summary("Returns the place of the first bit that is 0 or 1, of all or between two bytes or bits."),
    data(GetBit, "getbit", 3, READONLY | FAST)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key offset")
        .cost("O(1)")
        .summary("Returns the bit at a place; behind the end all are 0."),
    data(SetBit, "setbit", 4, WRITE | DENYOOM)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key offset value")
        .cost("O(1); more if the string has to grow")
        .summary("Sets or clears the bit at a place, padding with zero bytes up to it, and returns the one before."),
];
