//! What holds for any bytes at the port for nodes, on a link, and for what is announced on the network; run by the tests of this
//! crate and by the fuzz target `join`.

use server::outside;

/// Each reader takes the bytes or says what is wrong with them, and takes no more memory than they have bytes.
pub(crate) fn check_bytes(bytes: &[u8]) {
    if let Err(reason) = read(bytes) {
        assert!(!reason.is_empty(), "a refusal says why");
    }
}

/// The first byte says what the others are.
pub(crate) fn read(bytes: &[u8]) -> Result<(), String> {
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    match kind % 6 {
        0 => outside::check_hello(bytes),
        1 => outside::check_hello_answer(bytes),
        2 => outside::check_join_request(bytes),
        3 => outside::check_join_answer(bytes),
        4 => outside::check_announcement(bytes),
        _ => outside::check_pieces(bytes),
    }
}
