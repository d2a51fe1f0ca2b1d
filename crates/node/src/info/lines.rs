//! The lines that `INFO` is made of.

use std::fmt::{Display, Write as _};

/// Writes `name:value` lines.
pub(super) struct Lines<'a>(pub(super) &'a mut String);

impl Lines<'_> {
    pub(super) fn title(&mut self, title: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# {title}\r\n");
    }

    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// The same of bytes, for programs and for people.
    pub(super) fn add_bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }

    /// Figures of what does not exist here, which tools of Redis ask for: each is truly zero.
    pub(super) fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.add(name, 0));
    }
}

/// Bytes as people read them, in the manner of Redis: `1.50M`.
fn human(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes}B") } else { format!("{value:.2}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_redis_shows_them() {
        for (bytes, shown) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M"), (u64::MAX, "16384.00P")]
        {
            assert_eq!(human(bytes), shown);
        }
    }
}
