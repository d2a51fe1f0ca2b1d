//! A thin start of longer work: coverage.

use anyhow::Result;

use crate::{prepare, shell};

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
