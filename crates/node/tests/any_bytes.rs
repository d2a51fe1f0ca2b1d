//! Any bytes as a peer's frame and as a frame of the log.

mod checks;

use base::{Millis, PartitionId, Random};
use node::entry::{EntryHeader, write_entry, write_gone, write_state};

#[test]
fn any_bytes_are_read_as_far_as_they_are_good() {
    let mut random = Random::new(1);
    let (partition, mut frame) = (PartitionId(1), Vec::new());
    let header = EntryHeader { partition, term: 1, index: 2, time: Millis(3), seed: 4, operations: 1 };
    write_state(&mut frame, partition, 1, 2, 3);
    write_entry(&mut frame, &header, b"body");
    write_gone(&mut frame, partition, 9);
    for _ in 0..20_000 {
        let mut bytes = frame.clone();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] = random.next_u64() as u8;
        bytes.truncate(1 + random.below(bytes.len() as u64) as usize);
        checks::check_bytes(&bytes);
        // The kinds of items are small numbers, so that many of these begin like one.
        let len = random.below(64) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.below(16) as u8).collect();
        checks::check_bytes(&bytes);
        bytes.resize(len + 40, 0);
        checks::check_bytes(&bytes);
    }
}
