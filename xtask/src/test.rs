//! `cargo xtask test`: every check and every test, in the order of their cost, and one line at the end.
//!
//! A step that fails does not hide the next; the line at the end counts checks and tests alike. What could not
//! be run is said, once where it happens and once before the end.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{docs, fuzz, layers, licences, prepare, shell, sim, tidy, workspace};

/// How long each fuzz target runs here; `cargo xtask fuzz` runs longer.
const FUZZ_SECONDS: u64 = 60;
/// How many simulated histories run here; `cargo xtask sim --seeds N` runs more.
const SIM_SEEDS: &str = "60";
/// How many of clusters, by number of nodes.
const CLUSTER_SEEDS: [(&str, &str); 2] = [("3", "150"), ("5", "60")];
/// How many of two nodes and a witness.
const WITNESS_SEEDS: &str = "60";
/// Those of three nodes that are all lost in the end, but for their disks.
const RESCUE_SEEDS: &str = "100";
/// Steps with trouble in each.
const SIM_TICKS: &str = "30000";
/// Within how many of them each planted bug must be found.
const PLANTED_SEEDS: &str = "100";

#[derive(Default)]
struct Run {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
    left_out: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_release = match arguments {
        [] => false,
        [flag] if flag == "--release" => true,
        _ => bail!("test takes --release or nothing"),
    };
    let started = Instant::now();
    let mut run = Run::default();

    run.check("format", || shell::run("cargo", &["fmt", "--all", "--check"]));
    run.check("layers", layers::run);
    run.check("tidy", tidy::run);
    run.check("generated docs", || docs::run(&["--check".to_owned()]));
    run.check("licences", licences::run);
    run.deny();
    run.check("lints", || {
        let clippy = [
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ];
        shell::run("cargo", &clippy)
    });
    run.check("API docs", || {
        let doc = ["doc", "--quiet", "--workspace", "--no-deps", "--locked"];
        shell::run_command(shell::command("cargo", &doc).env("RUSTDOCFLAGS", "-D warnings"))
    });
    let profile: &[&str] = if is_release { &["--release"] } else { &[] };
    run.check("binary", || {
        shell::run("cargo", &[&["build", "--locked", "--package", "narf"], profile].concat())
    });
    run.tests(is_release);
    run.counted(
        "doc tests",
        &mut shell::command("cargo", &["test", "--quiet", "--workspace", "--doc", "--locked"]),
    );
    run.sim();
    run.fuzz();

    run.finish(started)
}

impl Run {
    /// One check, counted as one.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        match check() {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(name, &format!("{error:#}")),
        }
    }

    fn fail(&mut self, name: &str, why: &str) {
        eprintln!("FAILED {name}: {why}");
        self.failed += 1;
        self.failures.push(name.to_owned());
    }

    fn leave_out(&mut self, what: &str) {
        println!("\n== left out: {what}");
        self.left_out.push(what.to_owned());
    }

    fn deny(&mut self) {
        if !prepare::has_deny() {
            self.leave_out(
                "cargo deny (not installed; licences were checked without it, advisories were not)",
            );
            return;
        }
        let deny = ["deny", "--log-level", "error", "check"];
        self.check("cargo deny", || {
            shell::run("cargo", &[&deny[..], &["bans", "licenses", "sources"]].concat())
        });
        if shell::succeeds("cargo", &["deny", "fetch", "db"]) {
            self.check("advisories", || shell::run("cargo", &[&deny[..], &["advisories"]].concat()));
        } else {
            self.leave_out("advisories (the database of RustSec cannot be reached)");
        }
    }

    fn tests(&mut self, is_release: bool) {
        println!("\n== what the tests need");
        let profile = if is_release { "release" } else { "debug" };
        let binary = workspace::target().join(profile).join("narf");
        if let Err(error) = prepare::redis() {
            self.fail("redis for the tests", &format!("{error:#}"));
        }
        let clients = match prepare::clients() {
            Ok(clients) => Some(clients),
            Err(error) => {
                self.fail("clients for the tests", &format!("{error:#}"));
                None
            }
        };
        let arguments: &[&str] = match prepare::nextest() {
            Ok(()) => &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"],
            Err(error) => {
                self.leave_out(&format!("cargo nextest ({error:#}); the tests run with `cargo test`"));
                &["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]
            }
        };
        let profile: &[&str] = if is_release { &["--release"] } else { &[] };
        let mut command = shell::command("cargo", &[arguments, profile].concat());
        command.env("NARF_BIN", binary).envs(clients.iter().flat_map(prepare::Clients::environment));
        self.counted("tests", &mut command);
    }

    /// Runs tests and takes their numbers from what the runner prints. No number at all counts as one failure:
    /// the tests did not build.
    fn counted(&mut self, name: &str, command: &mut Command) {
        println!("\n== {name}");
        let (is_content, text) = match shell::watch(command) {
            Ok(result) => result,
            Err(error) => return self.fail(name, &format!("{error:#}")),
        };
        let (passed, failed) = count_tests(&text);
        self.passed += passed;
        self.failed += failed;
        if failed > 0 {
            self.failures.push(format!("{failed} of {name}"));
        } else if !is_content {
            self.fail(name, "the run broke off; see above");
        }
    }

    fn sim(&mut self) {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        self.check("simulation", || sim::run(&words(&["--seeds", SIM_SEEDS, "--ticks", SIM_TICKS])));
        for (nodes, seeds) in CLUSTER_SEEDS {
            let name = format!("simulation of {nodes} nodes");
            let run = ["--nodes", nodes, "--seeds", seeds, "--ticks", SIM_TICKS];
            self.check(&name, || sim::run(&words(&run)));
        }
        let witnessed = ["--nodes", "2", "--witness", "--seeds", WITNESS_SEEDS, "--ticks", SIM_TICKS];
        self.check("simulation of two nodes and a witness", || sim::run(&words(&witnessed)));
        let rescued = ["--nodes", "3", "--rescue", "--seeds", RESCUE_SEEDS, "--ticks", SIM_TICKS];
        self.check("simulation of a rescue", || sim::run(&words(&rescued)));
        self.check("planted bugs are found", || sim::run(&words(&["--planted", "--seeds", PLANTED_SEEDS])));
    }

    fn fuzz(&mut self) {
        match fuzz::targets() {
            Ok(targets) => {
                for target in targets {
                    self.check(&format!("fuzz {target}"), || fuzz::run_target(&target, FUZZ_SECONDS));
                }
            }
            Err(error) => self.fail("fuzz", &format!("{error:#}")),
        }
    }

    fn finish(self, started: Instant) -> Result<()> {
        println!("\n== done in {} s", started.elapsed().as_secs());
        for what in &self.left_out {
            println!("left out: {what}");
        }
        for name in &self.failures {
            println!("failed: {name}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 {
            // Said above; a second message would only push that line up.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// Sums "12 passed" and "3 failed" over the summaries of nextest ("Summary [..] 15 tests run: 12 passed, 3 failed")
/// and of the standard runner ("test result: FAILED. 12 passed; 3 failed; ..").
fn count_tests(text: &str) -> (u64, u64) {
    let mut counts = (0, 0);
    for line in text.lines() {
        let Some((_, numbers)) = line.split_once("tests run: ").or_else(|| {
            // Indented, it is the output of one failed test, which the other runner shows.
            let is_summary = line.starts_with("test result: ");
            line.split_once(". ").filter(|_| is_summary)
        }) else {
            continue;
        };
        for part in numbers.split([',', ';']) {
            let mut words = part.split_whitespace();
            let number: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => counts.0 += number,
                Some("failed" | "timed" | "exec") => counts.1 += number,
                _ => {}
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::count_tests;

    #[test]
    fn summaries_of_both_runners_are_counted() {
        let nextest =
            "     Summary [   0.653s] 24 tests run: 21 passed (1 slow), 2 failed, 1 timed out, 3 skipped\n";
        assert_eq!(count_tests(nextest), (21, 3));
        let standard = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(count_tests(standard), (5, 1));
        assert_eq!(count_tests("error: could not compile `narf`"), (0, 0));
    }
}
