//! Shows what was measured: a table for people, JSON and CSV for programs.

use client::Target;
use serde_json::{Value as Json, json};

use super::load::Outcome;
use crate::Format;
use crate::danger::grouped;

/// What a run was done with, for whoever reads the file later.
pub(super) struct Settings {
    pub(super) clients: u32,
    pub(super) pipeline: u32,
    pub(super) size: u32,
    pub(super) keyspace: u32,
    pub(super) threads: u32,
    pub(super) rate: Option<u32>,
    pub(super) rounds: u32,
}

/// One test against one server: the sum of its rounds, with the median round's throughput.
pub(super) struct Measured {
    pub(super) test: &'static str,
    pub(super) url: String,
    pub(super) outcome: Outcome,
    pub(super) per_second: f64,
}

/// Percentiles that are shown.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("p99.9", 99.9)];

impl Measured {
    pub(super) fn median(test: &'static str, target: &Target, rounds: Vec<Outcome>) -> Measured {
        let mut rates: Vec<f64> =
            rounds.iter().map(|o| o.requests as f64 / o.elapsed.as_secs_f64().max(1e-9)).collect();
        rates.sort_by(f64::total_cmp);
        let per_second = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let outcome = rounds.into_iter().reduce(|mut sum, round| {
            sum.requests += round.requests;
            sum.errors += round.errors;
            sum.first_error = sum.first_error.or(round.first_error);
            sum.elapsed += round.elapsed;
            sum.latency += round.latency;
            sum.server_cpu = sum.server_cpu.zip(round.server_cpu).map(|(sum, round)| sum + round);
            sum
        });
        Measured {
            test,
            url: target.to_string(),
            outcome: outcome.expect("there is at least one round"),
            per_second,
        }
    }

    fn millis(&self, percentile: f64) -> f64 {
        self.outcome.latency.value_at_percentile(percentile) as f64 / 1e6
    }

    fn max_millis(&self) -> f64 {
        self.outcome.latency.max() as f64 / 1e6
    }

    /// Microseconds of the server's CPU for one request.
    fn cpu_micros(&self) -> Option<f64> {
        Some(self.outcome.server_cpu?.as_secs_f64() * 1e6 / self.outcome.requests.max(1) as f64)
    }

    fn cpu_text(&self) -> String {
        self.cpu_micros().map_or("-".into(), |micros| format!("{micros:.2} µs"))
    }

    fn json(&self) -> Json {
        let mut latency = serde_json::Map::new();
        for (name, percentile) in PERCENTILES {
            latency.insert(name.into(), rounded(self.millis(percentile)));
        }
        latency.insert("max".into(), rounded(self.max_millis()));
        latency.insert("mean".into(), rounded(self.outcome.latency.mean() / 1e6));
        json!({
            "test": self.test,
            "url": self.url,
            "requests": self.outcome.requests,
            "errors": self.outcome.errors,
            "seconds": rounded(self.outcome.elapsed.as_secs_f64()),
            "requests_per_second": self.per_second.round(),
            "server_cpu_us_per_request": self.cpu_micros().map(rounded),
            "latency_ms": latency,
        })
    }
}

fn rounded(number: f64) -> Json {
    json!((number * 1e4).round() / 1e4)
}

/// The lines of one test; with two servers a line each and one of ratios.
pub(super) fn text(measured: &[Measured], with_header: bool) -> String {
    let mut text = String::new();
    let is_comparison = measured.len() > 1;
    let width = measured.iter().map(|m| m.url.len()).max().unwrap_or(0);
    if with_header {
        let server = if is_comparison { format!("{:width$}  ", "server") } else { String::new() };
        text.push_str(&format!("{:10} {server}{:>12}{:>11}", "test", "req/s", "cpu/req"));
        PERCENTILES.iter().for_each(|(name, _)| text.push_str(&format!("{name:>13}")));
        text.push_str(&format!("{:>13}{:>9}\n", "max", "errors"));
    }
    for one in measured {
        let server = if is_comparison { format!("{:width$}  ", one.url) } else { String::new() };
        text.push_str(&format!(
            "{:10} {server}{:>12}{:>11}",
            one.test,
            grouped(one.per_second as u64),
            one.cpu_text()
        ));
        PERCENTILES.iter().for_each(|(_, p)| text.push_str(&format!("{:>10.3} ms", one.millis(*p))));
        text.push_str(&format!("{:>10.3} ms{:>9}\n", one.max_millis(), grouped(one.outcome.errors)));
    }
    if let [ours, theirs] = measured {
        let cpu = ours.cpu_micros().zip(theirs.cpu_micros()).map_or("-".into(), |(a, b)| ratio(a, b));
        let per_second = ratio(ours.per_second, theirs.per_second);
        text.push_str(&format!("{:10} {:width$}  {per_second:>12}{cpu:>11}", "", "first / second"));
        for (_, p) in PERCENTILES {
            text.push_str(&format!("{:>13}", ratio(ours.millis(p), theirs.millis(p))));
        }
        text.push_str(&format!("{:>13}\n", ratio(ours.max_millis(), theirs.max_millis())));
    }
    text
}

fn ratio(ours: f64, theirs: f64) -> String {
    format!("{:.2}x", ours / theirs.max(1e-9))
}

/// Everything at once, for the forms that programs read; empty for text, which came test by test.
pub(super) fn whole(format: Format, settings: &Settings, measured: &[Measured]) -> Vec<u8> {
    let lines = match format {
        Format::Text => return Vec::new(),
        Format::Json => format!("{:#}\n", document(settings, measured)),
        Format::Jsonl => measured.iter().map(|one| format!("{}\n", one.json())).collect(),
        Format::Csv => csv(measured),
    };
    lines.into_bytes()
}

fn document(settings: &Settings, measured: &[Measured]) -> Json {
    json!({
        "schema": 1,
        "clients": settings.clients,
        "pipeline": settings.pipeline,
        "value_bytes": settings.size,
        "keyspace": settings.keyspace,
        "threads": settings.threads,
        "rate": settings.rate,
        "rounds": settings.rounds,
        "results": measured.iter().map(Measured::json).collect::<Vec<_>>(),
        "ratios": ratios(measured),
    })
}

/// Throughput of the first server over that of the second, by test; empty without a second.
fn ratios(measured: &[Measured]) -> Json {
    let pairs = measured.as_chunks::<2>().0.iter().filter(|[a, b]| a.test == b.test);
    let ratios = pairs.map(|[a, b]| (a.test.to_string(), rounded(a.per_second / b.per_second)));
    Json::Object(ratios.collect())
}

fn csv(measured: &[Measured]) -> String {
    let mut text =
        String::from("test,url,requests,errors,seconds,requests_per_second,server_cpu_us_per_request");
    PERCENTILES.iter().for_each(|(name, _)| text.push_str(&format!(",{name}_ms")));
    text.push_str(",max_ms\n");
    for one in measured {
        let outcome = &one.outcome;
        text.push_str(&format!(
            "{},{},{},{},{:.4},{:.0},{}",
            one.test,
            one.url,
            outcome.requests,
            outcome.errors,
            outcome.elapsed.as_secs_f64(),
            one.per_second,
            one.cpu_micros().map_or(String::new(), |micros| format!("{micros:.4}"))
        ));
        PERCENTILES.iter().for_each(|(_, p)| text.push_str(&format!(",{:.4}", one.millis(*p))));
        text.push_str(&format!(",{:.4}\n", one.max_millis()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use std::time::Duration;

    fn outcome(requests: u64, millis: u64) -> Outcome {
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(200_000, requests).unwrap();
        Outcome {
            requests,
            errors: 1,
            first_error: Some("ERR x".into()),
            server_cpu: Some(Duration::from_millis(2)),
            elapsed: Duration::from_millis(millis),
            latency,
        }
    }

    fn measured(port: u16, rounds: Vec<Outcome>) -> Measured {
        Measured::median("SET", &Target::tcp("h", port), rounds)
    }

    #[test]
    fn throughput_is_the_median_of_rounds() {
        let one = measured(1, vec![outcome(100, 1000), outcome(100, 10), outcome(100, 500)]);
        assert_eq!(one.per_second, 200.0);
        assert_eq!((one.outcome.requests, one.outcome.errors), (300, 3));
    }

    #[test]
    fn columns_stay_apart_when_answers_take_seconds() {
        let mut slow = outcome(10, 1000);
        slow.latency = Histogram::new(3).unwrap();
        slow.latency.record_n(97_654_321_000, 10).unwrap();
        let line = text(&[measured(1, vec![slow])], false);
        assert_eq!(line.matches(" ms ").count(), 5, "{line}");
        assert_eq!(line.split_whitespace().filter(|word| *word == "ms").count(), 5, "{line}");
    }

    #[test]
    fn a_comparison_has_a_line_of_ratios() {
        let both = [measured(1, vec![outcome(2000, 1000)]), measured(2, vec![outcome(1000, 1000)])];
        let golden = "\
test       server              req/s    cpu/req          p50          p95          p99        p99.9          max   errors
SET        redis://h:1         2,000    1.00 µs     0.200 ms     0.200 ms     0.200 ms     0.200 ms     0.200 ms        1
SET        redis://h:2         1,000    2.00 µs     0.200 ms     0.200 ms     0.200 ms     0.200 ms     0.200 ms        1
           first / second         2.00x      0.50x        1.00x        1.00x        1.00x        1.00x        1.00x
";
        assert_eq!(text(&both, true), golden);
        assert_eq!(ratios(&both).to_string(), r#"{"SET":2.0}"#);
    }
}
