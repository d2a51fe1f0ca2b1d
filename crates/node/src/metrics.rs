//! Metrics of a node in the text format of Prometheus, version 0.0.4: one table, from which come the text and
//! `docs/metrics.md`.
//!
//! Invariants: a name is in the table once; what only grows until a restart (or `CONFIG RESETSTAT`) is a counter and ends
//! in `_total`; units are those of Prometheus, seconds and bytes. Does not know who reads it, or how it gets there.

mod table;

use std::fmt::{self, Write};

use crate::host::Facts;
use crate::report::Report;

pub use table::METRICS;

/// What the text is to be announced as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One row.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What may become of its value.
    pub kind: Kind,
    /// A line about it.
    pub help: &'static str,
    /// The labels of its samples.
    pub labels: &'static [&'static str],
    /// Its samples, of which a node may have none.
    samples: fn(&Source<'_>) -> Vec<Sample>,
}

/// What may become of a metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    /// Its word in the text.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// What metrics are made of.
struct Source<'a> {
    report: &'a Report,
    facts: &'a Facts,
}

/// The values of a metric's labels, in the order of the row, and that of the sample.
struct Sample {
    labels: Vec<String>,
    value: Value,
}

/// A number, written as exactly as it is known.
#[derive(Clone, Copy)]
enum Value {
    Whole(u64),
    Fraction(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Whole(number) => number.fmt(f),
            Value::Fraction(number) => number.fmt(f),
        }
    }
}

/// The text.
pub fn render(report: &Report, facts: &Facts) -> String {
    let source = Source { report, facts };
    let mut text = String::with_capacity(16 << 10);
    for metric in METRICS {
        let samples = (metric.samples)(&source);
        if !samples.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "# HELP {0} {1}\n# TYPE {0} {2}\n",
                metric.name,
                metric.help,
                metric.kind.name()
            );
        }
        for sample in samples {
            text.push_str(metric.name);
            write_labels(&mut text, metric.labels, &sample.labels);
            let _ = writeln!(text, " {}", sample.value);
        }
    }
    text
}

fn write_labels(text: &mut String, names: &[&str], values: &[String]) {
    debug_assert_eq!(names.len(), values.len());
    for (index, (name, value)) in names.iter().zip(values).enumerate() {
        text.push_str(if index == 0 { "{" } else { "," });
        let _ = write!(text, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    if !names.is_empty() {
        text.push('}');
    }
}

/// `docs/metrics.md`.
pub fn reference_markdown() -> String {
    let mut page = String::from(HEAD);
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (metric.name, metric.kind.name());
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.help);
    }
    page
}

const HEAD: &str = "\
<!-- Written by `cargo xtask docs` from crates/node/src/metrics/table.rs. Change it there. -->
# Metrics and health

A node answers over HTTP if it is given a port for that: `narf serve --http-port 8379`. It listens on this machine's own
addresses unless `http-bind` says otherwise; for others it wants `http-token`, without which no metrics are told (or
`insecure`). A request that names the node by a name other than `localhost` or an address is refused unless the name is in
`http-hosts`, so that no web page can read a node through a browser.

| path | answers |
|---|---|
| `/metrics` | what stands below, in the text format of Prometheus 0.0.4 |
| `/health/live` | 200 while the process works; anything else, or nothing: start it again |
| `/health/ready` | 200 when the node has its data and all partitions can be written to, as `narf cluster status` says; else 503 and why: `loading`, `joining`, `moving`, `degraded` (with what is wrong, if the disk is full), `leaving` |

Health needs no token. Only GET and HEAD are answered, one request a connection.

Prometheus reads a node by

```yaml
scrape_configs:
  - job_name: narf
    static_configs:
      - targets: [\"127.0.0.1:8379\"]
    # authorization: { credentials_file: /etc/prometheus/narf-token }
```

and [narf.json](../contrib/grafana/narf.json) is a dashboard for Grafana with these metrics.

Each node tells of itself. A counter starts at zero with the node, and those of commands and connections again with
`CONFIG RESETSTAT`. Not every call is timed, since reading a clock costs more than a fast command: of the fast commands, and
of `SET`, `MSET` and their like with short values, only those that happen to be each 61st request of a worker. To see how long
calls take, divide the seconds by the timed calls; `slowlog-log-slower-than` below 1000 has all of them timed, as
`latency-tracking` at `all` has.

In `INFO commandstats` a call that was timed stands for those of its command since the last: `usec` is about what all calls
took but the few that no other stands for yet, and never less than before, so that exporters made for Redis draw true rates;
`usec_per_call` is the mean. It is the time on the client's worker: if the key is led by another node or kept by another
worker, not the way there and back. Of what runs inside `EXEC` the calls are counted, and the time is that of `EXEC`. In
`LATENCY HISTOGRAM` and `INFO latencystats` it stands for as many. Samples are not in `SLOWLOG`.

| metric | type | labels | meaning |
|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let mut seen = std::collections::BTreeSet::new();
        for Metric { name, kind, help, labels, .. } in METRICS {
            assert!(seen.insert(name), "{name} is there twice");
            assert!(name.starts_with("narf_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(!help.contains(['\\', '\n', '|']) && help.ends_with('.'), "{name}: {help}");
            assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase())), "{name}");
        }
    }

    #[test]
    fn labels_may_hold_anything() {
        let mut text = String::new();
        write_labels(&mut text, &["a", "b"], &["x\"y".to_owned(), "\\\n".to_owned()]);
        assert_eq!(text, "{a=\"x\\\"y\",b=\"\\\\\\n\"}");
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_known() {
        assert_eq!(Value::Whole(u64::MAX).to_string(), "18446744073709551615");
        assert_eq!(Value::Fraction(0.000_001).to_string(), "0.000001");
        assert_eq!(Value::Fraction(0.0).to_string(), "0");
    }
}
