//! From a long history to the few commands that show a difference.

use std::time::{Duration, Instant};

use narf_tests::Server;

use super::Step;
use super::pair::{Mismatch, Pair};

/// Time spent on one difference.
const LIMIT: Duration = Duration::from_secs(10);

/// The last step that differs and the fewest steps found that lead there; `None` if the difference does not show again.
pub(crate) fn shrink(
    reference: &Server,
    subject: &Server,
    original: &Mismatch,
    history: &[Step],
) -> Option<(Mismatch, Vec<Step>)> {
    let start = Instant::now();
    // Mostly the cause lies near: the shortest tail that shows it is found first.
    let mut lengths = vec![8, 32, 128, 512];
    lengths.push(history.len());
    let (mut mismatch, mut steps) = lengths.iter().find_map(|&len| {
        let tail = &history[history.len().saturating_sub(len)..];
        replay(reference, subject, original, tail)
    })?;
    let mut chunk = steps.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < steps.len() && start.elapsed() < LIMIT {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + chunk).min(steps.len()));
            match replay(reference, subject, original, &fewer) {
                Some((found, kept)) => (mismatch, steps) = (found, kept),
                None => at += chunk,
            }
        }
        chunk /= 2;
    }
    Some((mismatch, steps))
}

/// The same kind of difference and the steps up to it.
fn replay(
    reference: &Server,
    subject: &Server,
    original: &Mismatch,
    steps: &[Step],
) -> Option<(Mismatch, Vec<Step>)> {
    let mut pair = Pair::new(reference, subject).impatient();
    for (at, step) in steps.iter().enumerate() {
        if let Err(mismatch) = pair.run(std::slice::from_ref(step)) {
            return (mismatch.kind() == original.kind()).then(|| (mismatch, steps[..=at].to_vec()));
        }
    }
    None
}
