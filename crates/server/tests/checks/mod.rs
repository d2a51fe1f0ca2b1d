//! What holds for any bytes at the port for nodes; run by the tests of this crate and by the fuzz target `join`.

use server::outside;

/// Each reader takes the bytes or says what is wrong with them, and takes no more memory than they have bytes.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let result = match kind % 4 {
        0 => outside::check_hello(bytes),
        1 => outside::check_hello_answer(bytes),
        2 => outside::check_join_request(bytes),
        _ => outside::check_join_answer(bytes),
    };
    if let Err(reason) = result {
        assert!(!reason.is_empty(), "a refusal says why");
    }
}
