//! What holds for any bytes of a peer or a log; run by the tests of this crate and by the fuzz target `peer_frame`.

use node::entry::records;

/// Both are read as far as they are good, and no further.
pub(crate) fn check_bytes(bytes: &[u8]) {
    if let Ok(count) = node::check_peer_frame(bytes) {
        assert!(count <= bytes.len(), "every item has a byte");
    }
    assert!(node::check_kept(bytes).is_none_or(|count| count <= bytes.len()), "every entry has a byte");
    let read: Vec<_> = records(bytes).collect();
    assert!(read.len() <= bytes.len(), "every record has a byte");
    assert!(read.iter().rev().skip(1).all(Result::is_ok), "nothing is read behind an error");
}
