//! `cargo xtask sim`: runs seeds, and says how to replay one that fails.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;

use sim::{ClusterWorld, Options, Report, Trace, World};

const HELP: &str = "\
cargo xtask sim [OPTIONS]

  --seeds N     how many seeds to run (100)
  --start S     the first of them (1)
  --seed S      run this one only
  --nodes N     run a cluster of so many nodes; without it one node by itself
  --witness     with a witness beside them
  --rescue      in the end the cluster is lost and made anew out of what is on its disks
  --ticks T     steps with trouble, before everything heals (4000)
  --trace       tell everything that happened
  --planted     plant each bug in turn and run seeds until it is found; at most N seeds each
  --plant BUG   plant this one; docs/decisions/0006-planted-bugs.md lists them
";

struct Arguments {
    first: u64,
    count: u64,
    ticks: u64,
    /// None for one node by itself.
    nodes: Option<usize>,
    witness: bool,
    rescue: bool,
    trace: bool,
    planted: bool,
    plant: Option<String>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        first: 1,
        count: 100,
        ticks: 4000,
        nodes: None,
        witness: false,
        rescue: false,
        trace: false,
        planted: false,
        plant: None,
    };
    while let Some(word) = words.next() {
        if word == "--plant" {
            arguments.plant = Some(words.next().ok_or("--plant needs the name of a bug")?);
            continue;
        }
        let mut number = || -> Result<u64, String> {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse().map_err(|_| format!("{word} needs a number, not `{text}`"))
        };
        match word.as_str() {
            "--seeds" => arguments.count = number()?,
            "--start" => arguments.first = number()?,
            "--ticks" => arguments.ticks = number()?,
            "--nodes" => arguments.nodes = Some(usize::try_from(number()?.clamp(1, 9)).unwrap_or(1)),
            "--witness" => arguments.witness = true,
            "--rescue" => arguments.rescue = true,
            "--trace" => arguments.trace = true,
            "--planted" => arguments.planted = true,
            "--seed" => (arguments.first, arguments.count) = (number()?, 1),
            other => return Err(format!("no option `{other}`\n\n{HELP}")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) => match plant(&arguments) {
            Ok(()) if arguments.planted => find_planted(&arguments),
            Ok(()) => run(&arguments),
            Err(error) => {
                eprintln!("sim: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(narf_plant))]
fn plant(arguments: &Arguments) -> Result<(), String> {
    match arguments.planted || arguments.plant.is_some() {
        false => Ok(()),
        true => {
            Err("this build has no planted bugs; `cargo xtask sim --planted` builds one that has".to_owned())
        }
    }
}

#[cfg(not(narf_plant))]
fn find_planted(_arguments: &Arguments) -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(narf_plant)]
fn plant(arguments: &Arguments) -> Result<(), String> {
    use base::plant::Plant;
    let Some(name) = &arguments.plant else { return Ok(()) };
    let all = || Plant::ALONE.into_iter().chain(Plant::CLUSTER).chain(Plant::WITNESS);
    let names = all().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let bug = all().find(|(other, _)| other == name);
    let (_, bug) = bug.ok_or_else(|| format!("no planted bug `{name}`; there are {names}"))?;
    base::plant::plant(Some(bug));
    Ok(())
}

/// How much longer a cluster runs with a planted bug: what shows only when two nodes are at odds needs more trouble. A bug
/// that no seed shows is looked for again in longer runs.
#[cfg(narf_plant)]
const CLUSTER_TICKS: [u64; 3] = [3, 9, 24];

/// Plants each bug in turn and runs seeds until it is found: of three nodes, for bugs that take a cluster, or of two and a
/// witness.
#[cfg(narf_plant)]
fn find_planted(arguments: &Arguments) -> ExitCode {
    use base::plant::{Plant, plant};
    let Arguments { first, count, ticks, .. } = *arguments;
    let alone = Plant::ALONE.into_iter().map(|bug| (bug, None, false, [1, 3, 9]));
    let cluster = Plant::CLUSTER.into_iter().map(|bug| (bug, Some(3), false, CLUSTER_TICKS));
    let witness = Plant::WITNESS.into_iter().map(|bug| (bug, Some(2), true, CLUSTER_TICKS));
    let mut all_found = true;
    for ((name, bug), nodes, witness, lengths) in alone.chain(cluster).chain(witness) {
        plant(Some(bug));
        let mut arguments = Arguments { nodes, witness, trace: false, plant: None, ..*arguments };
        let found = lengths.into_iter().find_map(|length| {
            arguments.ticks = ticks * length;
            (first..first + count).find_map(|seed| Some((seed, violation_of(&arguments, seed)?)))
        });
        match found {
            Some((seed, violation)) => {
                let ticks = arguments.ticks;
                let first_line: String =
                    violation.lines().next().unwrap_or_default().chars().take(300).collect();
                let nodes = nodes_words(&arguments);
                println!("{name}: found by seed {seed}: {first_line}");
                println!(
                    "  replay: cargo xtask sim --plant {name} {nodes}--seed {seed} --ticks {ticks} --trace"
                );
            }
            None => {
                all_found = false;
                println!("{name}: NOT found by {count} seeds");
            }
        }
    }
    plant(None);
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a seed shows. An assertion that fails in a node shows the bug as well.
#[cfg(narf_plant)]
fn violation_of(arguments: &Arguments, seed: u64) -> Option<String> {
    let run = std::panic::AssertUnwindSafe(|| run_seed(arguments, seed).0.violation);
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Some(format!("a node panics: {}", text.unwrap_or_default()))
    })
}

fn run_seed(arguments: &Arguments, seed: u64) -> (Report, Trace) {
    let options = Options { ticks: arguments.ticks, keep_trace: arguments.trace };
    match arguments.nodes {
        Some(nodes) if arguments.rescue => {
            ClusterWorld::run_rescued(seed, (nodes, usize::from(arguments.witness)), options)
        }
        Some(nodes) if arguments.witness => ClusterWorld::run_witnessed(seed, nodes, options),
        Some(nodes) => ClusterWorld::run(seed, nodes, options),
        None => World::run(seed, options),
    }
}

/// What says again which cluster was run.
fn nodes_words(arguments: &Arguments) -> String {
    let word = |is_so, word| if is_so { word } else { "" };
    let (witness, rescue) = (word(arguments.witness, "--witness "), word(arguments.rescue, "--rescue "));
    arguments.nodes.map_or_else(String::new, |nodes| format!("--nodes {nodes} {witness}{rescue}"))
}

fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { first, count, ticks, .. } = *arguments;
    let nodes = nodes_words(arguments);
    let (mut answers, mut starts, mut refusals, mut failed) = (0, 0, 0, 0);
    for seed in first..first + count {
        let (report, lines) = run_seed(arguments, seed);
        lines.kept().iter().for_each(|line| println!("{line}"));
        answers += report.answers;
        starts += report.starts;
        refusals += report.refusals;
        if let Some(violation) = report.violation {
            failed += 1;
            println!("seed {seed} fails: {violation}");
            println!("  replay: cargo xtask sim {nodes}--seed {seed} --ticks {ticks} --trace");
        }
        if count == 1 {
            println!("seed {seed}: digest {:016x} of {} lines", report.digest, report.lines);
        }
    }
    println!(
        "{count} seeds, {failed} failed: {answers} answers judged, {refusals} writes refused, {starts} starts"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
