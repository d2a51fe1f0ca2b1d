//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

use node::settings::{SETTINGS, Setting};

/// Where one value came from, later ones winning over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// Worked out from other settings or from the machine.
    Derived(&'static str),
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag, as it was written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Derived(why) => write!(f, "default, {why}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Env(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The origin of every setting, in the table's order.
#[derive(Clone, Debug)]
pub struct Origins(Vec<Origin>);

impl Origins {
    pub(super) fn all_default() -> Origins {
        Origins(vec![Origin::Default; SETTINGS.count()])
    }

    /// Where the value of `row` came from.
    pub fn of(&self, row: &Setting) -> &Origin {
        &self.0[index(row)]
    }

    /// Where the value of the setting called `name` came from; default if there is no such setting.
    pub fn of_name(&self, name: &str) -> &Origin {
        node::settings::find(name).map_or(&Origin::Default, |row| self.of(row))
    }

    pub(super) fn put(&mut self, row: &Setting, origin: Origin) {
        self.0[index(row)] = origin;
    }
}

fn index(row: &Setting) -> usize {
    SETTINGS.iter().position(|known| known.name == row.name).expect("every row is in the table")
}
