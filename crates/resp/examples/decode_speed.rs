//! Nanoseconds to decode a request: `cargo run --release -p narf-resp --example decode_speed`.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a measurement"
)]

use std::hint::black_box;
use std::time::Instant;

use resp::{Decoded, Decoder, Limits};

fn main() {
    let text = |len| "x".repeat(len);
    measure("SET, 16 B key, 64 B value", &["SET", &text(16), &text(64)]);
    measure("GET, 16 B key", &["GET", &text(16)]);
    measure("MGET of ten keys", &[&["MGET"][..], &[text(16).as_str(); 10]].concat());
}

/// Decodes a thousand pipelined copies over and over and shows the best round.
fn measure(name: &str, parts: &[&str]) {
    const COPIES: usize = 1000;
    let mut request = Vec::new();
    resp::write_request(&mut request, parts);
    let bytes = request.repeat(COPIES);
    let mut decoder = Decoder::new(Limits::CLIENT);
    let rounds = (0..50).map(|_| {
        let start = Instant::now();
        let mut rest = black_box(bytes.as_slice());
        while let Ok(Decoded::Request { len }) = decoder.decode(rest) {
            black_box(decoder.args(rest).at(1));
            rest = &rest[len..];
        }
        start.elapsed().as_nanos() as f64 / COPIES as f64
    });
    println!("{name:28} {:6.1} ns", rounds.fold(f64::MAX, f64::min));
}
