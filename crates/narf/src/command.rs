//! The commands of the binary: their tree, and which function runs each.
//!
//! Exit codes are those of `narf help exit-codes`; a wrong command line is 2, as clap has it too.

mod cluster;
mod completions;
mod config;
mod discover;
mod exit;
mod flags;
mod from_redis;
mod man;
mod rescue;
mod serve;
mod shortcut;
mod stop;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};

const ABOUT: &str = "narf: an in-memory data fabric that speaks the Redis protocol";

const EXAMPLES: &str = "\
Examples:
  narf serve                          start a node on this machine
  narf set hello world                write a key; narf get hello reads it
  narf cli                            prompt with completion and hints
  narf bench                          measure a node
  narf top                            watch all nodes of a cluster
  narf cluster status                 how the cluster is; narf cluster invite lets a machine in
  narf stop                           stop the node of this folder

narf COMMAND -h is one screen of help, --help all of it.";

const EXIT_CODES: &str = "\
0    done
1    the server answered with an error, or something failed
2    wrong usage or bad configuration
3    cannot reach the server, or timed out
4    not authenticated, or not allowed
5    nothing there (`narf get` of a missing key, `narf stop` without a node)
6    degraded: a check found something
130  interrupted
";

/// Runs the command line and says how it went.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    // Needs nothing of the rest, and scripts call it often.
    if let [_, word] = args.as_slice()
        && (word == "version" || word == "--version" || word == "-V")
    {
        return print(&format!("narf {}\n", env!("CARGO_PKG_VERSION")));
    }
    if let Some(shell) = std::env::var_os(completions::VARIABLE) {
        return completions::answer(&shell.to_string_lossy(), args);
    }
    let matches = match tree().try_get_matches_from(&args) {
        Ok(matches) => matches,
        // Help is no error and goes to standard output; the rest is a wrong command line.
        Err(error) => {
            match from_redis::hint(&args, &error) {
                Some(hint) => complain(&hint),
                None => drop(error.print()),
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches),
        Some(("stop", matches)) => stop::run(matches),
        Some(("cli", matches)) => parsed(matches, |args: cli::CliArgs| args.run()),
        Some(("bench", matches)) => parsed(matches, |args: cli::BenchArgs| args.run()),
        Some(("top", matches)) => parsed(matches, |args: cli::TopArgs| args.run()),
        Some((word @ ("get" | "set" | "del"), matches)) => shortcut::run(word, matches),
        Some(("cluster", matches)) => cluster::run(matches),
        Some(("rescue", matches)) => rescue::run(matches),
        Some(("config", matches)) => config::run(matches),
        Some(("completions", matches)) => completions::run(matches),
        Some(("man", matches)) => man::run(matches),
        Some(("version", _)) => print(&format!("narf {}\n", env!("CARGO_PKG_VERSION"))),
        Some(("exit-codes", _)) => print(EXIT_CODES),
        _ => ExitCode::from(exit::USAGE),
    }
}

/// The whole tree, for parsing and for help.
fn tree() -> Command {
    Command::new("narf")
        .bin_name("narf")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .infer_subcommands(false)
        .subcommand(serve::command())
        .subcommand(stop::command())
        .subcommand(cli::CliArgs::augment_args(
            Command::new("cli").about("Send one command, or open a prompt"),
        ))
        .subcommands(shortcut::commands())
        .subcommand(cli::BenchArgs::augment_args(
            Command::new("bench").about("Measure throughput and latency of a node, or of Redis"),
        ))
        .subcommand(cli::TopArgs::augment_args(Command::new("top").about("Watch what nodes do, live")))
        .subcommand(cluster::command())
        .subcommand(rescue::command())
        .subcommand(config::command())
        .subcommand(completions::command())
        .subcommand(man::command())
        .subcommand(Command::new("version").about("Print the version"))
        .subcommand(Command::new("exit-codes").about("What the exit codes mean").after_help(EXIT_CODES))
}

/// Runs a command whose arguments another crate declares.
fn parsed<A: FromArgMatches>(matches: &ArgMatches, run: impl FnOnce(A) -> ExitCode) -> ExitCode {
    match A::from_arg_matches(matches) {
        Ok(args) => run(args),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Writes to standard output. A reader that has gone (`| head`) is not an error worth words.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // `narf config show | head` has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(exit::FAILED),
    }
}

/// Writes to standard error, where everything goes that is not data.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests;
