//! Gives freed memory back to the system, on a thread of its own.
//!
//! The allocator would do it on the thread that happens to free a page when the time has come: all that was freed within
//! a second at once, which takes a worker some ten milliseconds after a hundred megabytes. Here it delays nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Allocator;
use crate::side_thread::SideThread;

/// Between two looks. What is freed and wanted again within it costs nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// Begins it.
pub(crate) fn begin(allocator: Allocator) -> std::io::Result<SideThread> {
    (allocator.leave_giving_back)();
    SideThread::begin("memory", move |stopping| run(allocator, stopping))
}

fn run(allocator: Allocator, stopping: &AtomicBool) {
    let mut seen = 0;
    while !stopping.load(Ordering::Relaxed) {
        std::thread::park_timeout(PERIOD);
        // Of an idle node nothing is asked.
        let allocated = (allocator.allocated)();
        if allocated != seen {
            seen = allocated;
            (allocator.give_back)();
        }
    }
}
