//! What rustls and a socket make together: a stream whose bytes are sealed, and certificates and keys out of files.
//!
//! Nodes, clients and the tools that people type use this one way of TLS. What each of them trusts is theirs to say.
//!
//! Main types: [`Stream`], for sockets that block and for those that do not; [`FileError`], which names the file and a way
//! out. Invariants: one provider of cryptography, [`provider`]; a stream keeps at most [`CHUNK_BYTES`] of plaintext that
//! its socket has not taken. Does not know: who may connect, protocols inside.

mod files;
mod stream;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use files::{FileError, certificates, key_of, pair, private_key, roots};
pub use stream::{CHUNK_BYTES, PLAIN_BYTES_MIN, SEALED_BYTES, Stream};

/// What all TLS of this process is computed with.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
