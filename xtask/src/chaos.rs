//! Recipes with real processes that die, stand still, come and go under load: the long forms of the suite's `chaos`.
//!
//! They run against the release build: what they measure is said as it is for users.

use anyhow::{Result, bail};

use crate::{shell, workspace};

/// A recipe, how many faults it goes through unless it is told, and what it is about.
struct Recipe(&'static str, u64, &'static str);

const RECIPES: &[Recipe] = &[
    Recipe("ack-kill9", 150, "one node after the other is killed under load: no acknowledged write is lost"),
    Recipe("deadlines", 50, "how long after its deadline a key is gone and its listeners know, under load"),
    Recipe(
        "failover-time",
        50,
        "how long keys cannot be written when their leader is killed, stands still, or is cut off",
    ),
    Recipe(
        "stale-after-pause",
        40,
        "a leader that stood still while another took over answers nothing stale, by lease or by majority",
    ),
    Recipe(
        "quorum-loss",
        50,
        "one of three goes on alone: it says so within moments, and nothing it refused is there later",
    ),
    Recipe(
        "wiped-rejoin",
        20,
        "nodes lose their folders: one starts again as a new one, two at once make no cluster of their own",
    ),
    Recipe(
        "fsync-eio",
        50,
        "the disk of one node fails at a sync: its process ends within a second, nothing acknowledged is lost",
    ),
    Recipe("join-and-leave", 50, "nodes join and leave under load: nothing is lost"),
    Recipe("one-way-cut", 12, "one node does not hear another, for long or on and off: the others go on"),
    Recipe(
        "membership-chaos",
        25,
        "nodes join, leave and are replaced while others are killed: nothing is lost",
    ),
    Recipe(
        "partition-move",
        40,
        "partitions move under full writes while nodes die: they stay one, and all that is bound to them goes along",
    ),
    Recipe(
        "replica-digest",
        20,
        "keys of all types, deadlines and sessions are the same on all replicas after each kill and pause",
    ),
    Recipe(
        "disk-full",
        10,
        "all disks fill up: writes are refused, and go on by themselves once there is room or all is deleted",
    ),
    Recipe(
        "slow-node",
        5,
        "one of three has a slow disk, or a tenth of a processor: writes that others lead do not wait for it",
    ),
    Recipe("clock-jump", 1, "clocks of nodes jump by years: nobody is elected, no key lapses early or late"),
    Recipe(
        "lin-mix",
        150,
        "nodes are cut off, killed, paused and joined at once: one order explains what every client was told",
    ),
    Recipe(
        "retry-trap",
        60,
        "redis-py sends again by itself only what was not applied, while connections are cut and nodes are killed",
    ),
    Recipe(
        "snapshot-under-load",
        6,
        "a follower that was left behind gets 400 MB while clients write and nodes die: replicas are the same",
    ),
];

/// Runs one recipe.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (name, rounds) = match arguments {
        [name] => (name, None),
        [name, flag, rounds] if flag == "--rounds" => (name, Some(rounds.clone())),
        _ => bail!("cargo xtask chaos NAME [--rounds N]\n{}", listed()),
    };
    let Some(Recipe(_, usual, _)) = RECIPES.iter().find(|recipe| recipe.0 == name) else {
        bail!("no recipe `{name}`\n{}", listed());
    };
    shell::run_command(&mut shell::command(
        "cargo",
        &["build", "--quiet", "--release", "--package", "narf"],
    ))?;
    let binary = workspace::target().join("release/narf");
    // Tests of the suite's `chaos`: those that begin so, or all of a file of that name; one after the other, for they measure.
    let test = match name.as_str() {
        // It is as long in the suite.
        "clock-jump" => "clock::".to_owned(),
        name => format!("chaos::{}", name.replace('-', "_")),
    };
    let words = ["test", "--quiet", "--package", "narf-tests", "--test", "suite", &test, "--", "--nocapture"];
    let mut command = shell::command("cargo", &[&words[..], &["--test-threads=1"]].concat());
    let rounds = rounds.unwrap_or_else(|| usual.to_string());
    shell::run_command(command.env("NARF_BIN", binary).env("NARF_CHAOS_ROUNDS", rounds))
}

fn listed() -> String {
    RECIPES.iter().map(|Recipe(name, _, what)| format!("  {name:<20} {what}\n")).collect()
}
