//! Everything a developer does that is longer than a line: `cargo xtask` lists it.
//!
//! Each task is a function from arguments to a result; `test` runs the others and counts. What a task needs and
//! does not find it fetches by name and says so, or says what was left out.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a shell of its own: child processes, clocks and a terminal are its business"
)]

mod bench;
mod chaos;
mod docs;
mod fuzz;
mod layers;
mod licences;
mod prepare;
mod runners;
mod shell;
mod sim;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask TASK

  test [--release]      everything below up to `fuzz`, and all tests; fetches what it needs by name and says so
  prepare               only fetches what `test` needs
  layers                every dependency between crates goes strictly down
  tidy                  module docs, file lengths, unused files, the map in ARCHITECTURE.md, licences, leftovers
  docs [--check]        writes the generated pages of docs/; with --check only compares
  licences              every dependency has a licence that deny.toml allows
  sim [ARGS]            the simulator: --nodes N, --witness, --seeds N, --seed S, --trace; --planted finds the bugs planted on purpose
  chaos NAME [--rounds N]   three processes that are killed, stopped, joined under load; without NAME it lists them
  fuzz [TARGET] [--seconds N]   each fuzz target, or one, for N seconds (60); works with the stable compiler
  bench [ARGS]          narf beside redis-server: throughput, latency, CPU an operation; --help lists ARGS
  coverage [ARGS]       line coverage of all tests with cargo-llvm-cov
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((task, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    match task.as_str() {
        "test" => test::run(rest),
        "prepare" => prepare::everything(),
        "layers" => layers::run(),
        "tidy" => tidy::run(),
        "docs" => docs::run(rest),
        "licences" => licences::run(),
        "sim" => sim::run(rest),
        "chaos" => chaos::run(rest),
        "fuzz" => fuzz::run(rest),
        "bench" => bench::run(rest),
        "coverage" => runners::coverage(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no task `{other}`; `cargo xtask` lists them"),
    }
}

/// Joins findings of a check into its error, each on a line.
fn report(check: &str, findings: &[String]) -> Result<()> {
    match findings {
        [] => Ok(()),
        _ => bail!("{check}: {} to mend\n  {}", findings.len(), findings.join("\n  ")),
    }
}
