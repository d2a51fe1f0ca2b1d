//! `narf bench`: load from many connections, measured.
//!
//! [`workload`] makes requests, [`load`] sends them and measures, [`replies`] counts what comes back, [`report`]
//! shows it. With `--compare`, short rounds against both servers alternate, so that a machine that slows down
//! slows both; the figures are medians of rounds.

mod load;
mod replies;
mod report;
mod server_cpu;
mod socket;
mod workload;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use client::{Target, Tls};

use self::load::{Load, Outcome};
use self::report::{Measured, Settings};
use self::workload::{Numbers, Workload};
use crate::connect::parse_duration;
use crate::exit::{finish, say};
use crate::{ConnectArgs, Exit, Failure, Format};

/// Measure throughput and latency of a server
///
/// Writes keys named `bench:*` into the selected database and leaves them there.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  narf bench -t get,set --pipeline 16\n  \
    narf bench -t set --rate 20000 --duration 30s\n  narf bench --compare redis://127.0.0.1:6380 -o json")]
pub struct BenchArgs {
    /// Where to connect, and as whom.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Database to select
    #[arg(long, value_name = "N")]
    pub db: Option<u16>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,

    /// Tests, with commas
    #[arg(
        short,
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "LIST",
        default_value = "ping,set,get,incr,hset,publish,mset,mget"
    )]
    pub tests: Vec<Workload>,

    /// Connections
    #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = positive())]
    pub clients: u32,

    /// Requests of each test
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: u64,

    /// Run each test for this long instead of counting requests
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// Requests a connection sends before it waits for replies
    #[arg(short = 'P', long, value_name = "N", default_value_t = 1, value_parser = positive())]
    pub pipeline: u32,

    /// Bytes of a value
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    pub size: u32,

    /// Different keys
    #[arg(short, long, value_name = "N", default_value_t = 100_000, value_parser = positive())]
    pub keyspace: u32,

    /// Threads that make the load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive())]
    pub threads: u32,

    /// Requests a second in all, whatever the server does; latency then counts from when a request was due
    #[arg(long, value_name = "N", value_parser = positive())]
    pub rate: Option<u32>,

    /// Measure this server too, in alternating rounds
    #[arg(long, value_name = "URL")]
    pub compare: Option<Target>,

    /// Rounds of each test; figures are medians [default: 1, with --compare 5]
    #[arg(long, value_name = "N", value_parser = positive())]
    pub rounds: Option<u32>,

    /// Read keys that may not be there
    #[arg(long)]
    pub no_fill: bool,
}

/// Elements put into a list before any are read: what the largest range asks for.
const LIST_ELEMENTS: u32 = 600;

fn positive() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

impl BenchArgs {
    /// Does it. What fails is said on standard error; an error reply makes the exit code 1.
    pub fn run(mut self) -> ExitCode {
        self.connect.db = self.db;
        finish(self.try_run())
    }

    fn try_run(self) -> Result<Exit, Failure> {
        let mut targets = vec![self.connect.target()?];
        let mut compared = self.compare.clone();
        if let Some(tls) = compared.as_mut().and_then(|target| target.tls.as_mut()) {
            // Flags say whom to trust, of both.
            tls.clone_from(targets[0].tls.as_ref().unwrap_or(&Tls::default()));
        }
        targets.extend(compared);
        let show_progress = self.output == Format::Text && std::io::stderr().is_terminal();
        let mut out = std::io::stdout().lock();
        let settings = self.settings();
        let mut exit = Exit::Done;
        let (mut filled, mut has_list) = (false, false);
        let mut all = Vec::new();
        for &workload in &self.tests {
            if workload.reads_keys() && !filled && !self.no_fill {
                self.fill(&targets, &[Workload::Set, Workload::Hset], self.keyspace)?;
                filled = true;
            }
            if workload.reads_list() && !has_list && !self.no_fill {
                self.fill(&targets, &[Workload::Lpush], LIST_ELEMENTS)?;
                has_list = true;
            }
            let measured = self.measure(workload, &targets, show_progress)?;
            for problem in measured.iter().filter_map(|m| m.outcome.first_error.as_deref()) {
                say(&format!("{}: {problem}", workload.name()));
                exit = Exit::Refused;
            }
            if self.output == Format::Text {
                let is_first = all.is_empty();
                out.write_all(report::text(&measured, is_first).as_bytes())?;
                out.flush()?;
            }
            all.extend(measured);
        }
        out.write_all(&report::whole(self.output, &settings, &all))?;
        Ok(exit)
    }

    fn settings(&self) -> Settings {
        Settings {
            clients: self.clients,
            pipeline: self.pipeline,
            size: self.size,
            keyspace: self.keyspace,
            threads: self.threads,
            rate: self.rate,
            rounds: self.rounds(),
        }
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.compare.is_some() { 5 } else { 1 })
    }

    /// Runs one test in alternating rounds; the medians, in the order of targets.
    fn measure(
        &self,
        workload: Workload,
        targets: &[Target],
        show_progress: bool,
    ) -> Result<Vec<Measured>, Failure> {
        let rounds = self.rounds();
        let mut outcomes: Vec<Vec<Outcome>> = targets.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..targets.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let load = Load {
                    target: &targets[index],
                    options: self.connect.options(),
                    request: workload.request(self.size),
                    numbers: Numbers::random(self.keyspace, u64::from(round)),
                    clients: self.clients,
                    threads: self.threads.min(self.clients),
                    pipeline: self.pipeline,
                    requests: if self.duration.is_some() {
                        u64::MAX
                    } else {
                        self.requests.div_ceil(u64::from(rounds))
                    },
                    duration: self.duration.map(|duration| duration / rounds),
                    rate: self.rate,
                    progress: show_progress.then_some(workload.name()),
                };
                outcomes[index].push(self.run_measured(load)?);
            }
        }
        let measured = targets.iter().zip(outcomes);
        Ok(measured.map(|(target, rounds)| Measured::median(workload.name(), target, rounds)).collect())
    }

    /// Runs a load between two looks at the server's CPU time.
    fn run_measured(&self, load: Load<'_>) -> Result<Outcome, Failure> {
        let (target, options) = (load.target, load.options.clone());
        let before = server_cpu::read(target, &options);
        let mut outcome = load.run()?;
        let after = before.and_then(|_| server_cpu::read(target, &options));
        outcome.server_cpu = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        Ok(outcome)
    }

    /// Puts every key there that a test may read.
    fn fill(&self, targets: &[Target], by: &[Workload], requests: u32) -> Result<(), Failure> {
        for target in targets {
            for workload in by {
                let load = Load {
                    target,
                    options: self.connect.options(),
                    request: workload.request(self.size),
                    numbers: Numbers::in_turn(self.keyspace),
                    clients: 1,
                    threads: 1,
                    pipeline: 64,
                    requests: u64::from(requests),
                    duration: None,
                    rate: None,
                    progress: None,
                };
                load.run()?;
            }
        }
        Ok(())
    }
}
