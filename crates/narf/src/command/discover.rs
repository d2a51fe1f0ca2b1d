//! `narf cluster discover`: the nodes that announce themselves on this network. Asks the network and no node, so it works
//! where none runs; shows its finds in the forms of `narf cli`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use cli::{Colour, Exit, Format};
use client::Value;
use server::discovery::{self, Announcement};

use super::{complain, exit, shortcut};

/// Most nodes that are shown.
const NODES_MAX: usize = 1024;

/// Its place in the tree.
pub(super) fn command() -> Command {
    let forms =
        shortcut::forwarded().into_iter().filter(|arg| ["output", "color"].contains(&arg.get_id().as_str()));
    let time = Arg::new("for")
        .long("for")
        .value_name("SECONDS")
        .default_value("3")
        .value_parser(clap::value_parser!(u64).range(1..=60))
        .help("How long to look");
    let command = Command::new("discover")
        .about("Nodes seen on this network, of any cluster; exit code 5 if there are none")
        .after_help(
            "To join one of the clusters: `narf cluster invite` on a node of it prints a token, here\n  \
             narf serve --join TOKEN --bind 0.0.0.0 --password-file FILE\nor, if a node runs here in a cluster of its own:\n  \
             narf cluster join TOKEN",
        );
    forms.fold(command, Command::arg).arg(time)
}

/// Looks, and shows what was found.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let mut found = BTreeMap::new();
    let patience = Duration::from_secs(matches.get_one::<u64>("for").copied().unwrap_or_default());
    let looked = discovery::look(patience, |announcement| {
        if let Some(announcement) = announcement {
            found.insert(
                (announcement.cluster_name.clone(), announcement.cluster, announcement.node),
                announcement,
            );
        }
        found.len() < NODES_MAX
    });
    if let Err(error) = looked {
        complain(&format!("error: cannot look for nodes on the network: {error:#}\n"));
        return ExitCode::from(exit::FAILED);
    }
    if found.is_empty() && std::io::stderr().is_terminal() {
        complain(
            "no node was seen; a node announces itself if other machines can reach it (--bind) and `mdns` is yes, and \
             is seen where multicast passes: on the same network, not through routers, VPNs or most clouds\n",
        );
    }
    let nodes = found.values().map(value).collect();
    let form = matches.get_one::<Format>("output").copied().unwrap_or_default();
    let colour = matches.get_one::<Colour>("color").copied().unwrap_or_default();
    match cli::print_value(&Value::Array(nodes), form, colour) {
        Exit::Done if found.is_empty() => Exit::Nothing.into(),
        exit => exit.into(),
    }
}

fn value(found: &Announcement) -> Value {
    let addresses: Vec<String> = found.addresses.iter().map(|at| at.to_string()).collect();
    let pairs = [
        ("cluster", found.cluster_name.clone()),
        ("cluster-id", format!("{:032x}", found.cluster)),
        ("name", found.name.clone()),
        ("id", found.node.to_string()),
        ("peer-address", addresses.join(",")),
        ("version", found.version.clone()),
    ];
    let text = |text: &str| Value::Bulk(text.as_bytes().to_vec());
    Value::Map(pairs.iter().map(|(name, value)| (text(name), text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_form_and_a_time_and_no_server() {
        let parse = |line: &str| {
            let words = ["discover"].into_iter().chain(line.split_whitespace());
            command().try_get_matches_from(words)
        };
        assert_eq!(parse("").unwrap().get_one::<u64>("for"), Some(&3));
        let matches = parse("-o json --for 1").unwrap();
        assert_eq!(matches.get_one::<Format>("output"), Some(&Format::Json));
        for line in ["--for 0", "--for 61", "--url h:1", "word"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
