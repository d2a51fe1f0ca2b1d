//! Waiting for something with a deadline.

use std::time::{Duration, Instant};

/// How long a test waits for what should come at once. Generous, as the machine may be busy; only failures take this long.
pub const DEADLINE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(2);

/// Asks until the answer is `Some`, at most for `limit`.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks until the answer is `Some`; fails the test after [`DEADLINE`].
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    match within(DEADLINE, ask) {
        Some(answer) => answer,
        None => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}
