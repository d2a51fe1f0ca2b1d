//! What the operator said, resolved once: flags over environment over file over default.
//!
//! [`resolve`] gives a [`Resolved`], a valid [`node::settings::Settings`] with the origin of every value, or every
//! problem there is, each shown where it was written. Everything is read here and nothing later: the rest of the
//! server sees no file and no environment. The names and kinds are the table's (`node::settings`); this module only
//! knows where text comes from.

mod file;
mod origin;
mod problem;
mod raw;
mod resolved;
mod rewrite;
mod show;

/// The table that every name here comes from.
pub use node::settings;
pub use origin::{Origin, Origins};
pub use problem::{ConfigError, Place, Problem};
pub use raw::{Environment, FlagValue, Flags};
pub(crate) use resolved::LOG_FILE;
pub use resolved::{Resolved, resolve, resolve_in};
pub use rewrite::{rewrite, rewrite_file};
pub use show::{check, show, show_json, template, write_template};

#[cfg(test)]
mod tests;
