//! Thin starts of longer work: simulator, coverage.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{prepare, shell, workspace};

/// The simulator's program, if the workspace has it.
pub(crate) fn sim_command() -> Result<Option<Command>> {
    let packages = workspace::packages()?;
    let sim = packages.iter().find(|package| package.name == "narf-sim");
    let Some(program) = sim.and_then(|package| package.programs.first()) else { return Ok(None) };
    let arguments = ["run", "--quiet", "--release", "--package", "narf-sim", "--bin", program, "--"];
    Ok(Some(shell::command("cargo", &arguments)))
}

pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    match sim_command()? {
        Some(mut command) => shell::run_command(command.args(arguments)),
        None => bail!("crates/sim has no program; its tests run with `cargo nextest run --package narf-sim`"),
    }
}

/// What is not measured: the shells, whose errors of sockets and disks no test can ask for at will, and the tests.
const NOT_MEASURED: &str = "(^|/)(xtask|tests|crates/(server|client|cli|sim|narf))/";
/// Least share of lines that tests reach.
const LINES_PERCENT_MIN: &str = "80";

/// Lines reached by all tests, the black-box suite's server included: it is built and run with counters too.
pub(crate) fn coverage(arguments: &[String]) -> Result<()> {
    prepare::redis()?;
    prepare::coverage()?;
    let measure = ["llvm-cov", "nextest", "--workspace", "--ignore-filename-regex", NOT_MEASURED];
    let floor = ["--fail-under-lines", LINES_PERCENT_MIN];
    let mut command = shell::command("cargo", &[&measure[..], &floor].concat());
    let clients = prepare::clients()?;
    shell::run_command(command.envs(clients.environment()).args(arguments))
}
