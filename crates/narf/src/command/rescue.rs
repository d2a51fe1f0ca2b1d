//! `narf rescue`: a new cluster out of what is left of one whose majority is gone for good. Asks no node: it reads folders.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use cli::{Colour, Format};
use client::Value;
use server::rescue::{FolderReport, Order, Report};

use super::{complain, exit, print, shortcut};

const EXAMPLES: &str = "\
Examples:
  narf rescue /var/lib/narf --data /var/lib/narf-new
  narf rescue node1/data node3/data --data new     the best replica of each partition counts
  narf serve --data /var/lib/narf-new              the new cluster; others join it

The nodes must not run. Their folders stay as they are, so it can be done again.
If a majority can still be started, start it instead: that loses nothing.";

/// Its place in the tree.
pub(super) fn command() -> Command {
    let path = |id: &'static str| Arg::new(id).required(true).value_parser(value_parser!(PathBuf));
    let forms =
        shortcut::forwarded().into_iter().filter(|arg| ["output", "color"].contains(&arg.get_id().as_str()));
    let command = Command::new("rescue")
        .about("Make a new cluster out of the data folders that are left of one")
        .after_help(EXAMPLES)
        .arg(
            path("folders")
                .value_name("FOLDER")
                .num_args(1..)
                .help("Data folders of nodes of one cluster, which will never run again"),
        )
        .arg(
            path("data")
                .long("data")
                .value_name("NEW")
                .help("The new data folder; must not be there, or be empty"),
        )
        .arg(
            Arg::new("accept-loss")
                .long("accept-loss")
                .action(ArgAction::SetTrue)
                .help("Go on though partitions are missing, or may lack more than what only lost nodes had"),
        );
    forms.fold(command, Command::arg)
}

/// Does it, and tells what came of it.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let order = Order {
        folders: matches.get_many::<PathBuf>("folders").into_iter().flatten().cloned().collect(),
        into: matches.get_one::<PathBuf>("data").cloned().unwrap_or_default(),
        accept_loss: matches.get_flag("accept-loss"),
        progress: std::io::stderr().is_terminal(),
    };
    let report = match server::rescue::rescue(&order) {
        Ok(report) => report,
        Err(error) => {
            complain(&exit::text_of(&error));
            return ExitCode::from(exit::FAILED);
        }
    };
    let form = matches.get_one::<Format>("output").copied().unwrap_or_default();
    let colour = matches.get_one::<Colour>("color").copied().unwrap_or_default();
    match form {
        Format::Text => print(&report.text()),
        Format::Json | Format::Jsonl | Format::Csv => cli::print_value(&value(&report), form, colour).into(),
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Bulk(text.into().into_bytes())
}

fn number(number: impl TryInto<i64>) -> Value {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(name, value)| (text(name), value)).collect())
}

fn value(report: &Report) -> Value {
    map([
        ("cluster-name", text(&report.cluster_name)),
        ("old-cluster", text(format!("{:032x}", report.old_cluster))),
        ("cluster", text(format!("{:032x}", report.cluster))),
        ("node", text(&report.node)),
        ("data", text(report.into.to_string_lossy())),
        ("folders", Value::Array(report.folders.iter().map(folder).collect())),
        ("partitions", number(report.partitions)),
        ("missing", number(report.missing)),
        ("keys", number(report.keys)),
        ("users", number(report.users)),
        ("may-lack", Value::Array(report.lacks.iter().map(text).collect())),
        ("next", text(report.next())),
    ])
}

fn folder(folder: &FolderReport) -> Value {
    map([
        ("folder", text(folder.path.to_string_lossy())),
        ("node-id", text(folder.node.to_string())),
        ("kind", text(if folder.is_witness { "witness" } else { "data" })),
        ("end", text(folder.end())),
        ("replicas", number(folder.replicas)),
        ("used", number(folder.chosen)),
        ("last-entry-ms", number(folder.last.0)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_folders_a_new_one_and_no_server() {
        let parse = |line: &str| {
            let words = ["rescue"].into_iter().chain(line.split_whitespace());
            command().try_get_matches_from(words)
        };
        let matches = parse("a b --data c --accept-loss -o json").unwrap();
        let folders: Vec<&PathBuf> = matches.get_many("folders").unwrap().collect();
        assert_eq!(folders, [&PathBuf::from("a"), &PathBuf::from("b")]);
        assert_eq!(matches.get_one::<PathBuf>("data"), Some(&PathBuf::from("c")));
        assert!(matches.get_flag("accept-loss"));
        for line in ["a", "--data c", "a --data c --url h:1"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
