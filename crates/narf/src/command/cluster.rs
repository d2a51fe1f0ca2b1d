//! `narf cluster`: what an operator asks of a cluster. Each subcommand is the FABRIC command of its name, sent as
//! `narf cli` would send it; for people and as CSV the reply is laid out. Only `discover` asks no node.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::{discover, exit, shortcut};

/// Seconds that `drain --wait` waits: for a few gigabytes to move.
const WAIT: &str = "300";

/// Its place in the tree.
pub(super) fn command() -> Command {
    let sub =
        |name, about| shortcut::forwarded().into_iter().fold(Command::new(name).about(about), Command::arg);
    let word = |name: &'static str, help| Arg::new("word").value_name(name).required(true).help(help);
    // One that is left out is answered by a node, which knows what all are called.
    let node = || word("NODE", "Its name or id, as `narf cluster members` shows them").required(false);
    Command::new("cluster")
        .about("Look at a cluster and change it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(
            "Examples:\n  narf cluster status\n  narf cluster invite           a token; on another machine:\n  \
             narf serve --join TOKEN\n  narf cluster map\n  narf cluster drain cosmic-fox\n\n\
             Exit codes: those of narf cli, and 6 if `status` is not ready, `check` found something or \
             `clock` is not followed.",
        )
        .subcommand(
            sub("status", "Whether this node has its data, and what the cluster could bear to lose").after_help(
                "Exit codes: 0 ready, which is what /health/ready means: it has its data, and all partitions can be \
                 written to; 6 joining, moving or degraded; 3 cannot reach it; else those of narf cli.",
            ),
        )
        .subcommand(sub("check", "What is wrong and what to do; exit code 6 if anything is"))
        .subcommand(sub("members", "The nodes, what they hold and lead"))
        .subcommand(sub("map", "A picture of who leads and holds what; -o json or csv: a row a partition"))
        .subcommand(sub("owner", "Where a key is").arg(word("KEY", "Its name")))
        .subcommand(
            sub("invite", "Print a token that lets one node in")
                .arg(Arg::new("word").value_name("SECONDS").help("How long it is good [default: 600]")),
        )
        .subcommand(discover::command())
        .subcommand(
            sub("clock", "How far the system's clock is off from the node's; exit code 6 if it is not followed").arg(
                Arg::new("accept")
                    .long("accept")
                    .action(clap::ArgAction::SetTrue)
                    .help("The system's clock is right: one that is ahead is taken at once, one that is behind waited for"),
            ),
        )
        .subcommand(
            sub("join", "Have the node that is asked, if it is alone and holds no keys, join another cluster")
                .arg(word("TOKEN|ADDRESS|auto", "A token; or a node of yours on this machine, auto: any"))
                .arg(
                    Arg::new("token")
                        .long("token")
                        .value_name("TOKEN")
                        .help("The token that `narf cluster invite` printed there, if ADDRESS is a place to try first"),
                )
                .after_help(
                    "The node gives up its own cluster, with that one's users, and is back on its ports as one of the other.\n\
                     Clients are disconnected by that. If the other cluster does not let it in, all stays as it is.",
                ),
        )
        .subcommand(sub("leave", "Have the node that is asked hand its data over, leave and stop"))
        .subcommand(
            sub("drain", "Have a node hand its data over, leave and stop; for the one that is asked: `leave`")
                .arg(node())
                .arg(
                    Arg::new("wait")
                        .long("wait")
                        .action(clap::ArgAction::SetTrue)
                        .help("Return when it has left, and say meanwhile how far it is"),
                )
                .arg(
                    Arg::new("wait-timeout")
                        .long("wait-timeout")
                        .value_name("SECONDS")
                        .requires("wait")
                        .default_value(WAIT)
                        .value_parser(clap::value_parser!(u64))
                        .help("Longest it is waited for"),
                )
                .after_help(
                    "Without --wait it returns when all have agreed that the node is to leave. Exit codes: 0 done; 6 it has \
                     not left in time, and goes on; else those of narf cli.",
                ),
        )
        .subcommand(
            sub("rebalance", "Move data to where it should be at once; the cluster does so by itself, now and then")
                .arg(
                    Arg::new("dry-run")
                        .long("dry-run")
                        .action(clap::ArgAction::SetTrue)
                        .help("Show what would move, and move nothing"),
                ),
        )
        .subcommand(sub("remove", "Strike a node off for good that is down or holds nothing").arg(node()))
        .subcommand(
            sub("trust", "When nodes are gone for good: go on with what this one has, after a power loss of all").arg(
                Arg::new("accept-loss")
                    .long("accept-loss")
                    .action(clap::ArgAction::SetTrue)
                    .help("At a witness: give up what only nodes had that were struck off"),
            ),
        )
        .subcommand(
            sub("upgrade", "Which versions the nodes run, and who stands in the way of what the newest can").arg(
                Arg::new("finish")
                    .long("finish")
                    .action(clap::ArgAction::SetTrue)
                    .help("Let all nodes use what the newest version can; older ones cannot come back then"),
            ),
        )
        .subcommand(
            sub("replicas", "Say how many copies of each partition there are to be")
                .arg(word("COUNT", "1 to 7")),
        )
}

/// Runs one of them.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("discover", matches)) => discover::run(matches),
        Some((name, matches)) => match shortcut::cli_args(words(name, matches), matches) {
            Ok(args) => match waits_for(matches) {
                Some((node, within)) => args.run_drain_and_wait(node, within),
                None => args.run_cluster(name),
            },
            Err(exit) => exit,
        },
        None => ExitCode::from(exit::USAGE),
    }
}

/// The node that is waited for until it has left, and how long.
fn waits_for(matches: &ArgMatches) -> Option<(&str, Duration)> {
    let waits = matches.try_get_one::<bool>("wait").ok().flatten() == Some(&true);
    let node = matches.try_get_one::<String>("word").ok().flatten().filter(|_| waits)?;
    let seconds = matches.try_get_one::<u64>("wait-timeout").ok().flatten()?;
    Some((node, Duration::from_secs(*seconds)))
}

fn words(name: &str, matches: &ArgMatches) -> Vec<String> {
    // Some have no such argument, which is no error here.
    let words = ["word", "token"].into_iter();
    let words = words.filter_map(|name| matches.try_get_one::<String>(name).ok().flatten());
    let unnamed = matches!(name, "drain" | "remove") && !matches.contains_id("word");
    let flags = [("accept", "ACCEPT"), ("dry-run", "DRYRUN"), ("accept-loss", "LOSS"), ("finish", "FINISH")]
        .into_iter();
    let is_set = |flag: &str| matches.try_get_one::<bool>(flag).ok().flatten() == Some(&true);
    let flags = flags.filter(|(flag, _)| is_set(flag)).map(|(_, word)| word.to_owned());
    ["FABRIC".to_owned(), name.to_ascii_uppercase()]
        .into_iter()
        .chain(words.cloned())
        .chain(unnamed.then(String::new))
        .chain(flags)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let matches = command().try_get_matches_from(["cluster"].into_iter().chain(line.split(' '))).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        assert_eq!(words(name, matches).join(" "), expect);
    }

    #[test]
    fn a_drained_node_is_waited_for_if_that_is_said() {
        let waited = |line: &str| {
            let matches = command().try_get_matches_from(line.split(' ')).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            waits_for(matches).map(|(node, within)| (node.to_owned(), within.as_secs()))
        };
        assert_eq!(waited("cluster drain fox"), None);
        assert_eq!(waited("cluster drain fox --wait"), Some(("fox".to_owned(), 300)));
        assert_eq!(waited("cluster drain --wait --wait-timeout 9 fox"), Some(("fox".to_owned(), 9)));
        assert_eq!(waited("cluster owner key"), None);
        assert!(command().try_get_matches_from(["cluster", "drain", "fox", "--wait-timeout", "9"]).is_err());
    }

    #[test]
    fn each_is_the_command_of_its_name() {
        check("status", "FABRIC STATUS");
        check("owner -o json user:1", "FABRIC OWNER user:1");
        check("invite", "FABRIC INVITE");
        check("invite 60", "FABRIC INVITE 60");
        check("join narf1.x", "FABRIC JOIN narf1.x");
        check("join 10.0.0.7:16379 --token narf1.x", "FABRIC JOIN 10.0.0.7:16379 narf1.x");
        check("drain cosmic-fox", "FABRIC DRAIN cosmic-fox");
        check("drain --wait cosmic-fox --wait-timeout 5", "FABRIC DRAIN cosmic-fox");
        check("drain", "FABRIC DRAIN ");
        check("rebalance", "FABRIC REBALANCE");
        check("rebalance --dry-run", "FABRIC REBALANCE DRYRUN");
        check("trust --accept-loss", "FABRIC TRUST LOSS");
        check("clock", "FABRIC CLOCK");
        check("clock --accept", "FABRIC CLOCK ACCEPT");
        check("upgrade", "FABRIC UPGRADE");
        check("upgrade --finish", "FABRIC UPGRADE FINISH");
        for name in ["check", "members", "map", "leave", "trust"] {
            check(name, &format!("FABRIC {}", name.to_uppercase()));
        }
        for line in ["drain a b", "join", "owner", "status more"] {
            let line = ["cluster"].into_iter().chain(line.split(' '));
            assert!(command().try_get_matches_from(line).is_err());
        }
    }
}
