//! What was said, before anyone asks whether it makes sense.

use std::path::PathBuf;

/// One flag that names a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// As it was written, dashes included; shown in errors and as origin.
    pub flag: String,
    /// The key of the setting, or `listen`.
    pub key: String,
    /// Its value; `yes` for a switch.
    pub value: String,
}

/// The command line of `narf serve`, and of the commands that read the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--password-file`.
    pub password_file: Option<PathBuf>,
    /// `-v`, counted.
    pub verbose: u8,
    /// Whether standard error is a terminal, where logs share the place with the banner.
    pub on_terminal: bool,
    /// Everything that names a setting, in order.
    pub values: Vec<FlagValue>,
}

/// What the process was started with beside its command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Environment variables.
    pub vars: Vec<(String, String)>,
    /// The folder that `./narf.toml` is looked for in; empty is the current one.
    pub folder: PathBuf,
}

impl Environment {
    /// That of this process. Variables that are not UTF-8 are none of ours.
    pub fn of_process() -> Environment {
        let vars = std::env::vars_os();
        let vars =
            vars.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Environment { vars: vars.collect(), folder: PathBuf::new() }
    }

    /// A variable that is set and not empty. Empty is how compose files say "unset".
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        let found = self.vars.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}
