//! Gives freed memory back to the system, on a thread of its own.
//!
//! The allocator would do it on the thread that happens to free a page when the time has come: all that was freed within
//! a second at once, which takes a worker some ten milliseconds after a hundred megabytes. Here it delays nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Allocator;

/// Between two looks. What is freed and wanted again within it costs nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// The thread; it ends when this is dropped.
pub(crate) struct GiveBack {
    thread: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl GiveBack {
    pub(crate) fn begin(allocator: Allocator) -> std::io::Result<GiveBack> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        (allocator.leave_giving_back)();
        let thread =
            std::thread::Builder::new().name("memory".to_owned()).spawn(move || run(allocator, &stop))?;
        Ok(GiveBack { thread: Some(thread), stopping })
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it was reported by it.
            let _ = thread.join();
        }
    }
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
