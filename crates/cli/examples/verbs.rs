//! The verbs as a program of their own, to try them without building a server:
//! `cargo run -p narf-cli --example verbs -- cli ping`.

use clap::Parser;

#[derive(Parser)]
enum Verbs {
    Cli(Box<cli::CliArgs>),
    Bench(Box<cli::BenchArgs>),
}

fn main() -> std::process::ExitCode {
    match Verbs::parse() {
        Verbs::Cli(args) => args.run(),
        Verbs::Bench(args) => args.run(),
    }
}
