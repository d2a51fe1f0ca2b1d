//! The command table: one row a command, and everything that follows from rows.
//!
//! A row ([`Spec`]) says who runs a command, how many arguments it takes, where its keys are, what it may do, and how
//! it is documented. The parser, the router, access control, transactions, `COMMAND`, help texts, hints of the
//! prompt and the reference pages all read it here.
//!
//! ```
//! let request = base::Request::from_parts(["config", "GET", "port"]);
//! let command::Lookup::Found(spec) = command::lookup(request.args()) else { panic!("it is in the table") };
//! assert_eq!(spec.run, command::Run::Node(command::NodeCommand::ConfigGet));
//! assert!(spec.arity_ok(request.args().len()));
//! ```
//!
//! Reading order: [`Spec`], one file of rows, [`lookup`], [`syntax`].
//!
//! Invariants: names are unique and lower case; every variant of [`DataCommand`] and [`NodeCommand`] has exactly one
//! row, which is checked while compiling. Knows no data, no connection, no reply.

pub mod compatibility;
pub mod examples;
pub mod help;
mod hint;
mod id;
mod keys;
mod lookup;
pub mod reference;
mod scope;
mod spec;
pub mod syntax;
mod table;
mod uses;

pub use hint::{hint, next_value, next_words};
pub use id::{DataCommand, NodeCommand};
pub use keys::{CountedKeys, FindKeys, KeyAccess, KeyRange, KeySpec, KeysOf, Movable, StoreOption};
pub use lookup::{Lookup, all, lookup, lookup_name, top_levels};
pub use scope::Scope;
pub use spec::{Categories, Category, Deprecated, Flags, Group, Run, Spec, Split};
pub use table::LEN as ROWS;
pub use uses::{ChannelName, KeyUse, UnsureKeys};
