//! `cargo xtask sim`: runs seeds, and says how to replay one that fails.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;

use sim::{Options, World};

const HELP: &str = "\
cargo xtask sim [OPTIONS]

  --seeds N     how many seeds to run (100)
  --start S     the first of them (1)
  --seed S      run this one only
  --ticks T     steps with trouble, before everything heals (4000)
  --trace       tell everything that happened
";

struct Arguments {
    first: u64,
    count: u64,
    ticks: u64,
    trace: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { first: 1, count: 100, ticks: 4000, trace: false };
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse().map_err(|_| format!("{word} needs a number, not `{text}`"))
        };
        match word.as_str() {
            "--seeds" => arguments.count = number()?,
            "--start" => arguments.first = number()?,
            "--ticks" => arguments.ticks = number()?,
            "--trace" => arguments.trace = true,
            "--seed" => (arguments.first, arguments.count) = (number()?, 1),
            other => return Err(format!("no option `{other}`\n\n{HELP}")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) => run(&arguments),
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { first, count, ticks, trace } = *arguments;
    let (mut answers, mut starts, mut refusals, mut failed) = (0, 0, 0, 0);
    for seed in first..first + count {
        let (report, lines) = World::run(seed, Options { ticks, keep_trace: trace });
        lines.kept().iter().for_each(|line| println!("{line}"));
        answers += report.answers;
        starts += report.starts;
        refusals += report.refusals;
        if let Some(violation) = report.violation {
            failed += 1;
            println!("seed {seed} fails: {violation}");
            println!("  replay: cargo xtask sim --seed {seed} --ticks {ticks} --trace");
        }
        if count == 1 {
            println!("seed {seed}: digest {:016x} of {} lines", report.digest, report.lines);
        }
    }
    println!("{count} seeds, {failed} failed: {answers} answers judged, {refusals} writes refused, {starts} starts");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
