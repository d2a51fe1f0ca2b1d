//! The table of entries and the entry itself.

pub(crate) mod entry;

pub use entry::Entry;
