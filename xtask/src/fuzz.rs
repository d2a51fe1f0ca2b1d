//! Runs the fuzz targets of `fuzz/` with the stable compiler: coverage by a compiler pass, libFuzzer as the engine.
//!
//! `cargo +nightly fuzz run TARGET` does the same with a sanitizer, and is the better tool to look into a finding.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{prepare, shell, workspace};

/// What `cargo fuzz` passes too, without the sanitizer that only a nightly compiler has.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code -Cdebug-assertions -Ccodegen-units=1";

const SECONDS_DEFAULT: u64 = 60;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut seconds = SECONDS_DEFAULT;
    let mut only = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seconds" => {
                let number = rest.next().context("--seconds takes a number")?;
                seconds =
                    number.parse().with_context(|| format!("--seconds takes a number, not `{number}`"))?;
            }
            target => only = Some(target.to_owned()),
        }
    }
    let targets = targets()?;
    if let Some(target) = &only
        && !targets.contains(target)
    {
        bail!("no fuzz target `{target}`; there are {}", targets.join(", "));
    }
    for target in targets.iter().filter(|target| only.as_ref().is_none_or(|only| only == *target)) {
        run_target(target, seconds)?;
    }
    Ok(())
}

/// Names of all targets.
pub(crate) fn targets() -> Result<Vec<String>> {
    let path = workspace::root().join("fuzz/Cargo.toml");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(Vec::new()) };
    let manifest: toml::Table = text.parse().context("fuzz/Cargo.toml is TOML")?;
    let programs = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    Ok(programs.filter_map(|program| program["name"].as_str().map(str::to_owned)).collect())
}

/// Builds one target and lets it run; a finding is an error, its input is kept in `fuzz/artifacts`.
pub(crate) fn run_target(target: &str, seconds: u64) -> Result<()> {
    prepare::fuzzing()?;
    let version = shell::output("rustc", &["-vV"])?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    // Naming the host keeps the flags away from build scripts.
    let arguments = [
        "build",
        "--quiet",
        "--release",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        host,
        "--bin",
        target,
    ];
    let fuzz = workspace::root().join("fuzz");
    let built = fuzz.join("target");
    // Flags of its own: what it builds must not lie where the rest does, wherever that is.
    let mut build = shell::command("cargo", &arguments);
    shell::run_command(build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &built))?;

    let (corpus, artifacts) = (fuzz.join("corpus").join(target), fuzz.join("artifacts").join(target));
    let seeds = fuzz.join("seeds").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(built.join(host).join("release").join(target));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg("-timeout=10")
        .arg("-rss_limit_mb=2048")
        .arg("-print_final_stats=1")
        .arg("-verbosity=0")
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .args(seeds.is_dir().then_some(seeds));
    // The engine says a lot; of a run without a finding only its numbers are of interest.
    println!("$ {target} for {seconds} s");
    let output = command.output().with_context(|| format!("run the fuzz target `{target}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("a finding; its input is in fuzz/artifacts/{target}\n{said}");
    }
    said.lines().filter(|line| line.starts_with("stat::")).for_each(|line| println!("{line}"));
    Ok(())
}
