//! Recipes with real processes that die, stand still, come and go under load: the long forms of the suite's `chaos`.
//!
//! They run against the release build: what they measure is said as it is for users.

use anyhow::{Result, bail};

use crate::{shell, workspace};

/// Faults each recipe goes through unless it is told how many.
const ROUNDS: &str = "50";

const RECIPES: [(&str, &str); 8] = [
    ("ack-kill9", "one node after the other is killed under load: no acknowledged write is lost"),
    ("deadlines", "how long after its deadline a key is gone and its listeners know, under load"),
    ("failover-time", "how long keys cannot be written when their leader is killed, or stands still"),
    ("stale-after-pause", "a leader that stood still while another took over answers nothing stale"),
    (
        "quorum-loss",
        "one of three goes on alone: it says so within moments, and nothing it refused is there later",
    ),
    ("wiped-rejoin", "a node loses its folder, is struck off and starts again as a new one: nothing is lost"),
    ("fsync-eio", "the disk of one node fails at a sync: its process ends, nothing acknowledged is lost"),
    ("join-and-leave", "nodes join and leave under load: nothing is lost"),
];

/// Runs one recipe.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (name, rounds) = match arguments {
        [name] => (name, ROUNDS),
        [name, flag, rounds] if flag == "--rounds" => (name, rounds.as_str()),
        _ => bail!("cargo xtask chaos NAME [--rounds N]\n{}", listed()),
    };
    if !RECIPES.iter().any(|(recipe, _)| recipe == name) {
        bail!("no recipe `{name}`\n{}", listed());
    }
    shell::run_command(&mut shell::command(
        "cargo",
        &["build", "--quiet", "--release", "--package", "narf"],
    ))?;
    let binary = workspace::root().join("target/release/narf");
    let test = match name.as_str() {
        // In a file of its own.
        "deadlines" => "chaos::deadlines::deadlines".to_owned(),
        name => format!("chaos::{}", name.replace('-', "_")),
    };
    let mut command = shell::command(
        "cargo",
        &[
            "test",
            "--quiet",
            "--package",
            "narf-tests",
            "--test",
            "suite",
            &test,
            "--",
            "--exact",
            "--nocapture",
        ],
    );
    shell::run_command(command.env("NARF_BIN", binary).env("NARF_CHAOS_ROUNDS", rounds))
}

fn listed() -> String {
    RECIPES.iter().map(|(name, what)| format!("  {name:<18} {what}\n")).collect()
}
