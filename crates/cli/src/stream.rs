//! Commands whose replies do not end: subscriptions and `MONITOR`. Messages are shown until Ctrl-C.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use client::{Connection, Value};
use signal_hook::consts::SIGINT;

use crate::cli::{exit_of, show};
use crate::render::Renderer;
use crate::{Exit, Failure};

/// Whether the command starts a stream of messages.
pub(crate) fn is_streaming(parts: &[Vec<u8>]) -> bool {
    const NAMES: [&[u8]; 4] = [b"subscribe", b"psubscribe", b"ssubscribe", b"monitor"];
    parts.first().is_some_and(|name| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Ctrl-C: ends the process, except while a stream is shown, which it then ends.
#[derive(Default)]
pub(crate) struct Interrupt {
    hit: Arc<AtomicBool>,
    ends_process: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over the signal for the rest of the process.
    pub(crate) fn new() -> std::io::Result<Interrupt> {
        let interrupt = Interrupt { hit: Arc::default(), ends_process: Arc::new(AtomicBool::new(true)) };
        let code = Exit::Interrupted as i32;
        signal_hook::flag::register_conditional_shutdown(SIGINT, code, interrupt.ends_process.clone())?;
        signal_hook::flag::register(SIGINT, interrupt.hit.clone())?;
        Ok(interrupt)
    }

    /// Ctrl-C ends what is waited for and not the process.
    pub(crate) fn during<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.arm();
        let result = wait();
        self.disarm();
        result
    }

    fn arm(&self) {
        self.hit.store(false, Relaxed);
        self.ends_process.store(false, Relaxed);
    }

    fn disarm(&self) {
        self.ends_process.store(true, Relaxed);
    }

    pub(crate) fn was_hit(&self) -> bool {
        self.hit.load(Relaxed)
    }
}

/// How long a Ctrl-C may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Subscribes and shows what comes, until [`Interrupt::during`] which this runs is interrupted. The connection can do
/// nothing else afterwards.
pub(crate) fn run(
    connection: &mut Connection,
    parts: &[Vec<u8>],
    renderer: Renderer,
    out: &mut dyn Write,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let renderer = renderer.lines();
    connection.send(parts);
    connection.flush()?;
    while !interrupt.was_hit() {
        let Some(message) = connection.next_message(Some(LOOK_EVERY))? else { continue };
        show(out, &message, renderer)?;
        if let Value::Error(_) = message {
            return Ok(exit_of(&message));
        }
    }
    Ok(Exit::Interrupted)
}
