//! Narf inside a Rust program: a whole node, started and stopped by calls, with clients in the same process or
//! over sockets.
//!
//! ```
//! use narf::{Node, Value};
//!
//! let node = Node::builder().port(0).start()?;
//! let mut client = node.client();
//! client.request(&["SET", "greeting", "hello"])?;
//! assert_eq!(client.request(&["GET", "greeting"])?, Value::Bulk(b"hello".to_vec()));
//!
//! // Any Redis client can connect to it, too.
//! let address = node.address().expect("a port was asked for");
//! assert!(address.ip().is_loopback());
//! node.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A node keeps nothing on disk unless [`NodeBuilder::data_dir`] names a folder. Stopping it, or dropping it,
//! ends all of its threads.

pub use base::AckLevel;
pub use resp::Value;
pub use server::embed::{LocalClient, LocalError, Node, NodeBuilder};
