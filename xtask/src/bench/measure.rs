//! One round of load against one server, and what it cost.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::servers::Server;

/// The share of the machine that others may use in a round.
pub(super) const FOREIGN_MAX: f64 = 0.15;

/// What is the same in all rounds.
pub(super) struct Load {
    pub(super) clients: u32,
    pub(super) keys: u64,
    pub(super) value_bytes: usize,
    pub(super) server_core: u32,
    pub(super) load_core: u32,
}

/// The figures of one round.
pub(super) struct Round {
    pub(super) ops: f64,
    pub(super) cpu_us: f64,
    pub(super) p99_ms: f64,
    /// Share of the machine that was neither server's nor load's; zero where nobody counts.
    pub(super) foreign: f64,
}

/// Rounds of redis, number 0, and of narf, number 1; who begins changes with each, for the machine may get slower.
pub(super) fn in_turns(count: usize, mut run: impl FnMut(usize) -> Result<Round>) -> Result<[Vec<Round>; 2]> {
    let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for number in 0..count {
        for turn in 0..2 {
            let which = (number + turn) % 2;
            rounds[which].push(run(which)?);
        }
    }
    Ok(rounds)
}

/// The figures of both and how they compare, as columns of a table.
pub(super) fn columns([redis, narf]: &[Vec<Round>; 2]) -> String {
    let ratio = |part: fn(&Round, &Round) -> f64| {
        median(redis.iter().zip(narf).map(|(redis, narf)| part(redis, narf)))
    };
    let of = |rounds: &[Round], part: fn(&Round) -> f64| median(rounds.iter().map(part));
    format!(
        "{:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2}",
        of(redis, |round| round.ops),
        of(narf, |round| round.ops),
        ratio(|redis, narf| narf.ops / redis.ops),
        of(redis, |round| round.cpu_us),
        of(narf, |round| round.cpu_us),
        ratio(|redis, narf| redis.cpu_us / narf.cpu_us),
        of(redis, |round| round.p99_ms),
        of(narf, |round| round.p99_ms),
    )
}

pub(super) fn round(
    server: &Server,
    request: &[&str],
    pipeline: u32,
    requests: u64,
    load: &Load,
) -> Result<Round> {
    let mut command = Command::new("taskset");
    command.args(["-c", &load.load_core.to_string(), "redis-benchmark", "--csv"]);
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-c", &load.clients.to_string()]);
    command.args(["-P", &pipeline.to_string(), "-n", &requests.to_string(), "-r", &load.keys.to_string()]);
    let value = "x".repeat(load.value_bytes);
    command.args(request.iter().map(|part| part.replace("{d}", &value)));

    let before = (machine()?, children()?, cpu_ns(server.pid())?);
    let output = command.output().context("run redis-benchmark; it comes with redis-tools")?;
    let after = (machine()?, children()?, cpu_ns(server.pid())?);
    let text = String::from_utf8_lossy(&output.stdout);
    let Some((ops, p99_ms)) = text.lines().rev().find_map(read_line).filter(|_| output.status.success())
    else {
        bail!(
            "redis-benchmark on {} ended with {}: {text}{}",
            server.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let cpu_ns = after.2 - before.2;
    let ticks = (cpu_ns / 1e9) * TICKS_PER_SECOND + (after.1 - before.1);
    let (busy, all) = (after.0.0 - before.0.0, after.0.1 - before.0.1);
    let foreign = if all > 0.0 { (busy - ticks).max(0.0) / all } else { 0.0 };
    Ok(Round { ops, cpu_us: cpu_ns / 1e3 / requests as f64, p99_ms, foreign })
}

/// The unit of /proc: fixed for all programs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// `"SET..","rps","avg","min","p50","p95","p99","max"`: operations a second and p99.
fn read_line(line: &str) -> Option<(f64, f64)> {
    let cells: Vec<f64> = line
        .rsplit("\",\"")
        .map(|cell| cell.trim_matches('"').parse().ok())
        .take(7)
        .collect::<Option<_>>()?;
    // From the end: max, p99, p95, p50, min, avg, rps.
    Some((*cells.get(6)?, *cells.get(1)?))
}

/// CPU time of all threads of a process in nanoseconds, as the scheduler charged it.
pub(super) fn cpu_ns(pid: u32) -> Result<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("a server ended")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(sum)
}

/// Ticks that children of this process have used: the load.
fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").context("stat has a name in brackets")?;
    Ok(fields.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum())
}

/// Ticks of the whole machine: busy, and all.
fn machine() -> Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("stat has a first line")?;
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let all: f64 = ticks.iter().sum();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    Ok((all - idle, all))
}

/// The middle one; of an even number, the upper middle one.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_figures_is_told_from_the_line_of_names() {
        let names = r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms""#;
        let figures =
            r#""SET key:__rand_int__ xxx","102040.82","0.258","0.080","0.255","0.367","0.431","0.703""#;
        assert_eq!(read_line(names), None);
        assert_eq!(read_line(figures), Some((102_040.82, 0.431)));
    }

    #[test]
    fn rounds_are_in_turns_and_compared_pair_by_pair() {
        let mut order = Vec::new();
        let rounds = in_turns(3, |which| {
            order.push(which);
            let ops = 100.0 * (order.len() as f64) * (1.0 + which as f64);
            Ok(Round { ops, cpu_us: 2.0 - which as f64, p99_ms: 0.5, foreign: 0.0 })
        });
        let rounds = rounds.expect("each runs");
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!(columns(&rounds), "400 | 600 | 2.40 | 2.00 | 1.00 | 2.00 | 0.50 | 0.50");
    }

    #[test]
    fn one_wild_round_does_not_move_the_median() {
        assert_eq!(median([3.0, 1.0, 1000.0, 2.0, 4.0].into_iter()), 3.0);
    }
}
