//! What must hold for any bytes at all. Called by the seeded tests of this crate and by the fuzz target
//! (`fuzz/fuzz_targets/decode.rs`), which includes this file.

use resp::{Decoded, Decoder, Limits, ProtocolError, Reply, Value, ValueDecoder, ValueError, Version};

/// Requests in order, and the error that ended them.
type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Checks everything for these bytes; the first byte chooses how they are cut.
pub(crate) fn check_bytes(data: &[u8]) {
    let Some((&cut, input)) = data.split_first() else { return };
    for limits in [Limits::CLIENT, Limits::BEFORE_AUTH] {
        check_requests(limits, input, cut);
    }
    check_replies(input, cut);
}

/// Any cut of the input gives the same requests, each survives being written and read again, and no memory is
/// held that did not arrive.
fn check_requests(limits: Limits, input: &[u8], cut: u8) {
    let whole = requests(limits, input, usize::MAX);
    assert_eq!(whole, requests(limits, input, usize::from(cut) + 1), "a cut changed the requests");
    assert_eq!(whole, requests(limits, input, 1), "single bytes changed the requests");
    for request in whole.0.iter().filter(|request| !request.is_empty()) {
        let mut encoded = Vec::new();
        resp::write_request(&mut encoded, request);
        let (again, error) = requests(Limits::CLIENT, &encoded, usize::MAX);
        assert_eq!(
            (again.as_slice(), error),
            (std::slice::from_ref(request), None),
            "encode and decode differ"
        );
    }
}

/// Feeds pieces of `piece` bytes, as a connection would.
fn requests(limits: Limits, input: &[u8], piece: usize) -> Requests {
    let mut decoder = Decoder::new(limits);
    let mut found = Vec::new();
    let (mut start, mut end) = (0, piece.min(input.len()));
    loop {
        let bytes = &input[start..end];
        match decoder.decode(bytes) {
            Ok(Decoded::Request { len }) => {
                found.push(decoder.args(bytes).iter().map(<[u8]>::to_vec).collect());
                start += len;
            }
            Ok(Decoded::Incomplete) if end == input.len() => {
                let bound = 8192 + 64 * (input.len() - start);
                assert!(decoder.memory() < bound.max(64 * input.len()), "memory was reserved");
                return (found, None);
            }
            Ok(Decoded::Incomplete) => end = end.saturating_add(piece).min(input.len()),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// Any cut of the input gives the same replies, and each survives being written and read again.
fn check_replies(input: &[u8], cut: u8) {
    let whole = replies(input, usize::MAX);
    // NaN is not equal to itself; its text is.
    assert_eq!(
        format!("{whole:?}"),
        format!("{:?}", replies(input, usize::from(cut) + 1)),
        "a cut changed the replies"
    );
    for value in &whole.0 {
        let mut encoded = Vec::new();
        value.write(&mut Reply::new(&mut encoded, Version::Resp3));
        let again = replies(&encoded, usize::MAX);
        assert_eq!(
            format!("{:?}", (vec![value], None::<ValueError>)),
            format!("{again:?}"),
            "encode and decode differ"
        );
    }
}

fn replies(input: &[u8], piece: usize) -> (Vec<Value>, Option<ValueError>) {
    let mut decoder = ValueDecoder::new();
    let mut found = Vec::new();
    let (mut start, mut end) = (0, piece.min(input.len()));
    loop {
        match decoder.decode(&input[start..end]) {
            Ok(Some((value, len))) => {
                found.push(value);
                start += len;
            }
            Ok(None) if end == input.len() => return (found, None),
            Ok(None) => end = end.saturating_add(piece).min(input.len()),
            Err(error) => return (found, Some(error)),
        }
    }
}
