//! The surroundings of a simulated node: constants, so that nothing in a run depends on the machine it runs on.

use node::settings::Settings;
use node::{Facts, Host};

/// A machine without properties.
pub(crate) struct SimHost;

impl Host for SimHost {
    fn facts(&self) -> Facts {
        Facts { os: "simulated".to_owned(), ..Facts::default() }
    }

    fn last_save(&self) -> Option<u64> {
        None
    }

    fn rewrite_config(&self, _settings: &Settings) -> Result<(), String> {
        Err("The server is running without a config file".to_owned())
    }

    fn purge_memory(&self) {}

    fn stopwatch_us(&self) -> u64 {
        0
    }
}
