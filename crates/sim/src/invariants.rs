//! What must hold in every run, one property a file.
//!
//! Each is told what clients asked and were answered, and says what cannot be true. They know nothing of the node.

pub(crate) mod channels;
pub(crate) mod counters;
pub(crate) mod keys;
pub(crate) mod twins;
