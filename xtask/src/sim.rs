//! The simulator, as it is and with the bugs that are planted on purpose.
//!
//! It runs with debug assertions, which are part of what it checks. Planted bugs never meet what is built for use:
//! their flags and their target folder are their own, and the one build serves for all of them.

use anyhow::Result;

use crate::shell;

/// Runs the simulator's program with these arguments.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut command = shell::command("cargo", &["run", "--quiet", "--package", "narf-sim", "--bin", "sim"]);
    if arguments.iter().any(|argument| argument.starts_with("--plant")) {
        command.env("RUSTFLAGS", "--cfg narf_plant").args(["--target-dir", "target/planted"]);
        // Built anew for these few runs; what is slow in them is the building.
        command.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
    }
    shell::run_command(command.arg("--").args(arguments))
}
