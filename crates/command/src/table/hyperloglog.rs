//! Rows of the commands on HyperLogLogs.

use super::prelude::*;
use crate::DataCommand::*;
use crate::NodeCommand::PfSelfTest;

rows_of!(Group::HyperLogLog; data node);

pub(super) const ROWS: &[Row] = &[
    data(PfAdd, "pfadd", -2, WRITE | DENYOOM | FAST)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key [element [element ...]]")
        .cost("O(1) an element added")
        .summary("Adds elements to a HyperLogLog, and returns whether its count may have changed."),
    data(PfCount, "pfcount", -2, READONLY)
        .since("2.8.9")
        .keys(&[key(1, -1, 1, RW | ACCESS)])
        .syntax("key [key ...]")
        .cost("O(1) of one key, O(N) with a great constant of N keys")
        .summary("Returns about how many different elements were added to the HyperLogLogs, seen as one."),
    data(PfDebug, "pfdebug", 3, WRITE | DENYOOM | ADMIN)
        .since("2.8.9")
        .keys(&[key(2, 2, 1, RW | ACCESS)])
        .syntax("<DECODE | ENCODING | GETREG | TODENSE> key")
        .cost("O(1), O(N) for the registers")
        .summary("Shows how a HyperLogLog is kept, or turns it into the dense form."),
    data(PfMerge, "pfmerge", -2, WRITE | DENYOOM)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RW | ACCESS | INSERT), key(2, -1, 1, RO | ACCESS)])
        .syntax("destkey [sourcekey [sourcekey ...]]")
        .cost("O(N) with a great constant, N the number of keys")
        .summary("Stores at the first key what was added to any of the HyperLogLogs."),
    node(PfSelfTest, "pfselftest", 1, ADMIN)
        .since("2.8.9")
        .cost("O(1), some milliseconds")
        .summary("Tests how HyperLogLogs count on this machine."),
    // As above, with the length up to which the sparse form is kept: of a node whose setting is not Redis's.
    data(NarfPfAdd, "narf.pfadd", -3, WRITE | DENYOOM | INTERNAL)
        .since("0.1.0")
        .keys(&[key(2, 2, 1, RW | INSERT)])
        .syntax("len key [element [element ...]]")
        .cost("O(1) an element added")
        .summary("`PFADD` with a limit of its own for the sparse form."),
    data(NarfPfMerge, "narf.pfmerge", -3, WRITE | DENYOOM | INTERNAL)
        .since("0.1.0")
        .keys(&[key(2, 2, 1, RW | ACCESS | INSERT), key(3, -1, 1, RO | ACCESS)])
        .syntax("len destkey [sourcekey [sourcekey ...]]")
        .cost("O(N) with a great constant, N the number of keys")
        .summary("`PFMERGE` with a limit of its own for the sparse form."),
];
