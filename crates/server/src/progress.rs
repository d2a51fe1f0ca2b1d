//! A bar on the terminal while a node reads its data; nothing where nobody looks.

use std::io::Write;
use std::time::{Duration, Instant};

/// Start-ups that take less are over before a bar could be read.
const PATIENCE: Duration = Duration::from_millis(300);
const WIDTH: u64 = 30;

/// A bar on standard error.
pub(crate) struct Progress {
    on: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(on: bool) -> Progress {
        Progress { on, next: Instant::now() + PATIENCE, shown: false }
    }

    /// Shows how far reading `what` is, ten times a second at most.
    pub(crate) fn show(&mut self, what: &str, done: u64, total: u64) {
        if !self.on || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + Duration::from_millis(100);
        self.shown = true;
        // A terminal that has gone is no reason to stop reading.
        let _ = write!(std::io::stderr().lock(), "\r{}", line(what, done, total));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    let total = total.max(1);
    let full = (done.min(total) * WIDTH / total) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH as usize - full));
    format!("reading {what} [{bar}] {:3} %", done.min(total) * 100 / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_from_left_to_right() {
        assert_eq!(line("log", 0, 10), format!("reading log [{}]   0 %", ".".repeat(30)));
        assert_eq!(line("log", 5, 10), format!("reading log [{}{}]  50 %", "#".repeat(15), ".".repeat(15)));
        assert_eq!(line("log", 0, 0), format!("reading log [{}]   0 %", ".".repeat(30)));
        assert_eq!(line("log", 12, 10), format!("reading log [{}] 100 %", "#".repeat(30)));
    }
}
