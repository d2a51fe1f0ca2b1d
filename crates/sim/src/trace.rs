//! What happened in a run, as lines: a digest of all of them, and the lines themselves if asked for.
//!
//! Invariant: two runs of one seed give the same lines, so the digest tells at once whether a run was replayed.

use std::fmt::Write;

use resp::Value;

/// The lines of a run.
pub struct Trace {
    digest: u64,
    lines: u64,
    line: String,
    kept: Option<Vec<String>>,
}

/// How many of the last lines are kept for a run that asks for them.
const KEPT_LINES: usize = 400_000;

impl Trace {
    /// No lines yet; `keep` to have them told afterwards.
    pub fn new(keep: bool) -> Trace {
        Trace { digest: 0xCBF2_9CE4_8422_2325, lines: 0, line: String::new(), kept: keep.then(Vec::new) }
    }

    /// Notes one line.
    pub fn note(&mut self, at_us: u64, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{:>9}.{:03} {what}", at_us / 1000, at_us % 1000);
        for &byte in self.line.as_bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        self.lines += 1;
        if let Some(kept) = &mut self.kept
            && kept.len() < KEPT_LINES
        {
            kept.push(self.line.clone());
        }
    }

    /// One number for all lines so far.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The lines, if they were kept.
    pub fn kept(&self) -> &[String] {
        self.kept.as_deref().unwrap_or_default()
    }
}

/// Bytes as a trace shows them: printable, and not too many.
pub(crate) fn show(bytes: &[u8]) -> String {
    let text: String =
        bytes.iter().take(200).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    if bytes.len() > 200 { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

/// A reply as a trace shows it.
pub(crate) fn tell(value: &Value) -> String {
    let all = |values: &[Value]| values.iter().map(tell).collect::<Vec<_>>().join(" ");
    match value {
        Value::Simple(text) => format!("+{text}"),
        Value::Error(text) => format!("-{text}"),
        Value::Bulk(bytes) => format!("\"{}\"", show(bytes)),
        Value::Verbatim { text, .. } => format!("\"{}\"", show(text)),
        Value::Int(number) => number.to_string(),
        Value::Null => "nil".to_owned(),
        Value::Array(values) | Value::Set(values) => format!("[{}]", all(values)),
        Value::Push(values) => format!("push [{}]", all(values)),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", tell(key), tell(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Boolean(_) | Value::Double(_) | Value::BigNumber(_) => format!("{value:?}"),
    }
}
