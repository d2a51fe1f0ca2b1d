//! A blocking client: connect, call, pipeline, subscribe.
//!
//! ```no_run
//! let target: client::Target = "redis://127.0.0.1:6379/0".parse()?;
//! let mut connection = client::Connection::open(&target, &client::Options::default())?;
//! let reply = connection.query(["SET", "hello", "world"])?;
//! assert_eq!(reply.as_text(), Some("OK"));
//! # Ok::<(), client::ClientError>(())
//! ```
//!
//! Main types: [`Target`], where a server is and who we are there; [`Connection`]; [`ClientError`], whose
//! variants are what a caller would do differently and which know a next step ([`ClientError::hint`]).
//! Invariants: replies come in the order of requests; push messages never take the place of a reply; a
//! connection whose place in the stream of replies is unknown is never used again.
//! Not here: reconnecting, pools, the slot map of a cluster, async.

mod connection;
mod error;
mod sealed;
mod target;
mod transport;

pub use connection::{Connection, Options};
pub use error::ClientError;
pub use resp::{Value, Version};
pub use sealed::{Tls, TlsStream};
pub use target::{DEFAULT_PORT, Endpoint, Target};
pub use transport::Transport;
