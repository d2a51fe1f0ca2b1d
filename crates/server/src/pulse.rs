//! A worker in a long turn is not taken for dead: what it last said on the urgent lane is said again for it.
//!
//! A command over millions of elements, or a value of hundreds of megabytes, keeps a worker busy for longer than an election
//! takes. Nothing new can be said of its groups meanwhile, but what was said a moment ago holds until the turn ends: beats and
//! their answers carry the time at which they were first said, so no lease grows by it, and votes count once however often
//! they come. To its peers it is a network that delivers twice.
//!
//! Only for a worker that gets on: one that has used no processor since the last look waits for a disk or hangs, and another is to
//! lead instead of it; so is one whose turn does not end. Does not know: what is in a frame.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::Duration;

use mio::net::TcpStream;
use tls::Stream;

use crate::lanes::{Lane, Outgoing, PIECE_BYTES_MAX};
use crate::shared::{Inbox, Shared, lock};
use crate::side_thread::SideThread;

/// Between two looks at the workers.
const PERIOD: Duration = Duration::from_millis(50);
/// A turn that takes longer is long.
const LONG_US: u64 = 60_000;
/// Processor that a worker has had since the last look if it gets on: a twentieth of that time. One that waits for room on a disk, or
/// for its memory to come back from there, has less.
const GETS_ON_NS: u64 = 2_500_000;
/// For a worker that is still in the same turn after so long nothing is said any more.
const ENDLESS_US: u64 = 5_000_000;
/// What was said longer ago is not said again: beats go each 120 ms.
const RECENT_US: u64 = 150_000;
/// Frames of one link that are said again.
const RECENT_MAX: usize = 16;
/// Bytes that one link is given at a look.
const SHARE_BYTES: usize = 1 << 20;

/// The sending half of a link, which its worker writes to, and in a long turn of it this.
pub(crate) struct Line {
    pub(crate) stream: Stream<TcpStream>,
    pub(crate) outgoing: Outgoing,
    recent: Recent,
}

impl Line {
    pub(crate) fn new(stream: Stream<TcpStream>) -> Line {
        Line { stream, outgoing: Outgoing::default(), recent: Recent::default() }
    }

    /// Takes a frame, and gives its buffer back if it was a short one.
    pub(crate) fn push(&mut self, lane: Lane, frame: Vec<u8>, now_us: u64) -> Vec<u8> {
        // A longer one goes behind what is large in any case.
        if lane == Lane::Urgent && frame.len() <= PIECE_BYTES_MAX {
            self.recent.note(frame.clone(), now_us);
        }
        self.outgoing.push(lane, frame)
    }

    /// Whether the socket may take more.
    pub(crate) fn flush(&mut self, limit: usize) -> io::Result<bool> {
        let Line { stream, outgoing, .. } = self;
        outgoing.send(limit, |bytes| stream.write(bytes))
    }

    /// Says again what was said just before the turn began. A socket that takes nothing has not taken the last either.
    fn say_again(&mut self, began_us: u64, now_us: u64) {
        if !self.outgoing.has_urgent() {
            for frame in self.recent.again(began_us, now_us) {
                self.outgoing.push(Lane::Urgent, frame.clone());
            }
        }
        // A link that is broken is the worker's to close.
        let _ = self.flush(SHARE_BYTES);
    }
}

/// What was sent on the urgent lane of late, and when.
#[derive(Default)]
struct Recent(VecDeque<(u64, Vec<u8>)>);

impl Recent {
    fn note(&mut self, frame: Vec<u8>, now_us: u64) {
        self.forget(now_us);
        // What is said again is not forgotten, and must not be in the way of what is new.
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now_us, frame));
    }

    fn forget(&mut self, now_us: u64) {
        while self.0.front().is_some_and(|(said_us, _)| said_us + RECENT_US < now_us) {
            self.0.pop_front();
        }
    }

    /// What was said just before a turn began. It counts as said now: a second long turn may follow at once, before anything
    /// new was said.
    fn again(&mut self, began_us: u64, now_us: u64) -> impl Iterator<Item = &Vec<u8>> {
        self.forget(began_us);
        self.0.iter_mut().map(move |(said_us, frame)| {
            *said_us = now_us;
            &*frame
        })
    }
}

/// A worker as it is looked at from outside.
#[derive(Default)]
pub(crate) struct Patient {
    /// Steady clock: when the turn began that it is in; 0 between two turns.
    began_us: AtomicU64,
    /// The kernel's number of its thread.
    thread: AtomicU32,
    lines: Mutex<Vec<Weak<Mutex<Line>>>>,
}

impl Patient {
    /// The calling thread is the worker.
    pub(crate) fn is_here(&self) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        self.thread.store(thread, Ordering::Relaxed);
    }

    /// A turn began, or ended if that is 0.
    pub(crate) fn turn(&self, began_us: u64) {
        self.began_us.store(began_us, Ordering::Relaxed);
    }

    /// There is a new link to a peer.
    pub(crate) fn add(&self, line: &Arc<Mutex<Line>>) {
        let mut lines = lock(&self.lines);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    fn say_again(&self, began_us: u64, now_us: u64) {
        for line in lock(&self.lines).iter().filter_map(Weak::upgrade) {
            match line.try_lock() {
                Ok(mut line) => line.say_again(began_us, now_us),
                Err(TryLockError::Poisoned(line)) => line.into_inner().say_again(began_us, now_us),
                // Its worker is about to send.
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }
}

/// Begins to look at the workers.
pub(crate) fn begin(shared: &Arc<Shared>) -> io::Result<SideThread> {
    let shared = Arc::clone(shared);
    SideThread::begin("pulse", move |stopping| run(&shared, stopping))
}

fn run(shared: &Shared, stopping: &AtomicBool) {
    let workers = shared.inboxes();
    let mut used: Vec<Option<u64>> = vec![None; workers.len()];
    while !stopping.load(Ordering::Relaxed) && !shared.has_failed() {
        std::thread::park_timeout(PERIOD);
        for (Inbox { patient, .. }, used) in workers.iter().zip(&mut used) {
            let began_us = patient.began_us.load(Ordering::Relaxed);
            let now_us = shared.mono_us();
            let long_us = now_us.saturating_sub(began_us);
            if began_us == 0 || !(LONG_US..ENDLESS_US).contains(&long_us) {
                *used = None;
                continue;
            }
            let now_used = processor_ns(patient.thread.load(Ordering::Relaxed));
            let before = std::mem::replace(used, now_used);
            if now_used.zip(before).is_some_and(|(now, before)| now.saturating_sub(before) >= GETS_ON_NS) {
                patient.say_again(began_us, now_us);
            }
        }
    }
}

/// Nanoseconds of processor that a thread of this process has had.
fn processor_ns(thread: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(recent: &mut Recent, began_us: u64, now_us: u64) -> Vec<u8> {
        recent.again(began_us, now_us).map(|frame| frame[0]).collect()
    }

    #[test]
    fn what_was_said_just_before_a_turn_is_said_again_and_in_the_turn_behind_it_too() {
        let mut recent = Recent::default();
        recent.note(vec![1], 100_000);
        recent.note(vec![2], 500_000);
        assert_eq!(again(&mut recent, 520_000, 600_000), [2], "the first was said too long ago");
        assert_eq!(again(&mut recent, 520_000, 2_500_000), [2]);
        assert_eq!(again(&mut recent, 2_520_000, 2_600_000), [2], "the next turn began at once");
        assert!(again(&mut recent, 3_000_000, 3_060_000).is_empty(), "there was time to say something new");
    }

    #[test]
    fn what_is_new_takes_the_place_of_what_was_said_again_and_again() {
        let mut recent = Recent::default();
        for number in 0..100 {
            recent.note(vec![number], 1_000_000);
            again(&mut recent, 1_000_000, 1_000_000);
        }
        let newest: Vec<u8> = (100 - RECENT_MAX as u8..100).collect();
        assert_eq!(again(&mut recent, 1_000_000, 1_000_000), newest);
    }

    #[test]
    fn a_thread_that_works_has_had_processor() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let before = processor_ns(thread).unwrap();
        let mut sum = 0_u64;
        while processor_ns(thread).unwrap() < before + GETS_ON_NS {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(processor_ns(0), None, "there is no such thread");
    }
}
