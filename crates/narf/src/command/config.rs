//! `narf config`: what is in force and why, whether a file is right, and a file to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use server::config::{self, Environment};

use super::{complain, exit, flags, print};

/// Its place in the tree.
pub(super) fn command() -> Command {
    // The flags of `serve` work here too: they show what a start with them would do.
    let with_flags = |command| {
        flags::add(command).mut_args(|arg| {
            let shown = arg.get_id() == "config";
            arg.hide_short_help(!shown)
        })
    };
    let origin =
        Arg::new("origin").long("origin").action(ArgAction::SetTrue).help("Say where each value comes from");
    let output = Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORM")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("Form of the output");
    let file =
        Arg::new("file").value_name("FILE").default_value("narf.toml").value_parser(value_parser!(PathBuf));
    Command::new("config")
        .about("Show, check or write configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            with_flags(Command::new("show").about("Print every setting in force, as a valid file"))
                .arg(origin)
                .arg(output),
        )
        .subcommand(with_flags(
            Command::new("check").about("Check file, environment and flags; start nothing"),
        ))
        .subcommand(
            Command::new("init")
                .about("Write a file with every setting and its default, commented out")
                .arg(file),
        )
}

/// Runs one of them.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("show", matches)) => show(matches),
        Some(("check", matches)) => check(matches),
        Some(("init", matches)) => match matches.get_one::<PathBuf>("file") {
            Some(path) => init(path),
            None => ExitCode::from(exit::USAGE),
        },
        _ => ExitCode::from(exit::USAGE),
    }
}

fn show(matches: &ArgMatches) -> ExitCode {
    let resolved = flags::read(matches).and_then(|flags| config::resolve(&flags).map_err(|e| e.to_string()));
    match resolved {
        Ok(resolved) => {
            resolved.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}\n")));
            match matches.get_one::<String>("output").map(String::as_str) {
                Some("json") => print(&config::show_json(&resolved)),
                _ => print(&config::show(&resolved, matches.get_flag("origin"))),
            }
        }
        Err(text) => usage(&text),
    }
}

fn check(matches: &ArgMatches) -> ExitCode {
    let env = Environment::of_process();
    let checked =
        flags::read(matches).and_then(|flags| config::check(&flags, &env).map_err(|e| e.to_string()));
    match checked {
        Ok(line) => print(&format!("{line}\n")),
        Err(text) => usage(&text),
    }
}

fn init(path: &Path) -> ExitCode {
    match config::write_template(path) {
        Ok(()) => print(&format!("wrote {}; every line is commented out\n", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => usage(&format!(
            "error: {} is already there and stays as it is; name another file: narf config init FILE\n",
            path.display()
        )),
        Err(error) => {
            complain(&format!("error: cannot write {}: {error}\n", path.display()));
            ExitCode::from(exit::FAILED)
        }
    }
}

fn usage(text: &str) -> ExitCode {
    complain(text);
    ExitCode::from(exit::USAGE)
}
