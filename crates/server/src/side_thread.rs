//! A thread beside the workers that looks at something now and then, as long as the node runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The thread; told to end when this is dropped, and waited for.
pub(crate) struct SideThread {
    thread: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl SideThread {
    /// `run` ends soon after the flag that it is given is set. It waits parked: then it is woken for that.
    pub(crate) fn begin(
        name: &str,
        run: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> io::Result<SideThread> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&stop))?;
        Ok(SideThread { thread: Some(thread), stopping })
    }
}

impl Drop for SideThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it was reported by it.
            let _ = thread.join();
        }
    }
}
