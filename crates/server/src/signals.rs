//! Being asked to stop: by SIGTERM, SIGINT or SIGHUP, or from within (`SHUTDOWN`, a worker that failed); or, from within only,
//! to begin anew.
//!
//! The first request is for an orderly stop. A second SIGINT or SIGTERM while that goes on ends the process at once:
//! nothing that was answered is lost by it, as with kill -9, and a person who presses Ctrl-C twice means it.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::system;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Exit code of a process that was stopped a second time.
const INTERRUPTED: i32 = 130;

/// The byte that asks to begin anew; any other asks to stop.
const ANEW: u8 = b'A';

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To stop.
    Stop,
    /// To stop and begin anew in the same process.
    Anew,
}

/// The place where requests to stop arrive.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
    writer: UnixStream,
    interrupted: Arc<AtomicBool>,
    /// Somebody has asked it to stop.
    heard: AtomicBool,
    /// It was heard to be wanted elsewhere, and nobody has been told.
    is_to_begin_anew: AtomicBool,
}

/// Asks for an orderly stop from any thread.
#[derive(Debug)]
pub struct StopHandle {
    writer: UnixStream,
}

impl Signals {
    /// Takes over the signals of the process. They stay taken after this is dropped.
    pub fn install() -> io::Result<Signals> {
        let signals = Signals::without_signals()?;
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&signals.interrupted))?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // A daemon, or a node under nohup, outlives its terminal.
            if signal == SIGHUP && system::ignores_hang_up() {
                continue;
            }
            if signal != SIGHUP {
                // Registered before the flag is set, so that the first signal finds it unset.
                signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))?;
                signal_hook::flag::register(signal, Arc::clone(&asked))?;
            }
            signal_hook::low_level::pipe::register(signal, signals.writer.try_clone()?)?;
        }
        Ok(signals)
    }

    /// Only [`StopHandle`]s are heard: for a node inside another program, whose signals are not ours.
    pub fn without_signals() -> io::Result<Signals> {
        let (reader, writer) = UnixStream::pair()?;
        // A handler must never wait; a full pipe already says what there is to say.
        writer.set_nonblocking(true)?;
        let (heard, is_to_begin_anew) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Signals { reader, writer, interrupted: Arc::default(), heard, is_to_begin_anew })
    }

    /// A way to ask from within.
    pub fn handle(&self) -> io::Result<StopHandle> {
        Ok(StopHandle { writer: self.writer.try_clone()? })
    }

    /// Whether a person pressed Ctrl-C.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Waits until someone asks; at once if someone has asked it to stop, or has asked while it was waited for something else.
    pub fn wait(&self) -> io::Result<Asked> {
        if self.were_heard() {
            return Ok(Asked::Stop);
        }
        if self.is_to_begin_anew.swap(false, Ordering::Relaxed) {
            return Ok(Asked::Anew);
        }
        self.reader.set_read_timeout(None)?;
        self.read()
    }

    /// Waits no longer than that; whether someone has asked for anything, which stays asked.
    pub fn were_heard_within(&self, limit: Duration) -> bool {
        let timeout = self.reader.set_read_timeout(Some(limit));
        if !self.were_heard() && timeout.is_ok() && matches!(self.read(), Ok(Asked::Anew)) {
            self.is_to_begin_anew.store(true, Ordering::Relaxed);
        }
        self.were_heard() || self.is_to_begin_anew.load(Ordering::Relaxed)
    }

    /// Whether someone was heard to ask it to stop.
    pub fn were_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    fn read(&self) -> io::Result<Asked> {
        let mut byte = [0; 1];
        loop {
            match (&self.reader).read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) if byte[0] == ANEW => return Ok(Asked::Anew),
                Ok(_) => {
                    self.heard.store(true, Ordering::Relaxed);
                    return Ok(Asked::Stop);
                }
            }
        }
    }
}

/// Readable once someone has asked; for event loops.
impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

impl StopHandle {
    /// Asks. Doing so twice is the same as once.
    pub fn stop(&self) {
        // Fails only if the pipe is full of requests already, or nobody listens any more.
        let _ = (&self.writer).write(b"S");
    }

    /// Asks to begin anew. Who is asked to stop as well does what comes first, then the other.
    pub(crate) fn begin_anew(&self) {
        // Fails only if the pipe is full of requests to stop.
        let _ = (&self.writer).write(&[ANEW]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_from_another_thread_is_heard() {
        let signals = Signals::without_signals().unwrap();
        let handle = signals.handle().unwrap();
        std::thread::spawn(move || {
            handle.begin_anew();
            handle.stop();
        });
        assert_eq!([signals.wait().unwrap(), signals.wait().unwrap()], [Asked::Anew, Asked::Stop]);
    }

    #[test]
    fn who_waits_only_for_a_while_hears_of_a_stop_and_does_not_use_it_up() {
        let signals = Signals::without_signals().unwrap();
        assert!(!signals.were_heard_within(Duration::from_millis(1)) && !signals.were_heard());
        signals.handle().unwrap().begin_anew();
        assert!(signals.were_heard_within(Duration::from_secs(60)) && !signals.were_heard());
        assert_eq!(signals.wait().unwrap(), Asked::Anew);
        signals.handle().unwrap().stop();
        assert!(signals.were_heard_within(Duration::from_secs(60)) && signals.were_heard());
        assert_eq!(signals.wait().unwrap(), Asked::Stop);
    }

    #[test]
    fn asking_often_never_blocks() {
        let signals = Signals::without_signals().unwrap();
        let handle = signals.handle().unwrap();
        (0..100_000).for_each(|_| handle.stop());
        signals.wait().unwrap();
    }

    #[test]
    fn a_signal_is_heard() {
        let signals = Signals::install().unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert_eq!(signals.wait().unwrap(), Asked::Stop);
    }
}
