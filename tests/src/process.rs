//! Signals, and a child that dies with its parent. The only `unsafe` of the suite.
#![expect(unsafe_code, reason = "kill(2) and prctl(2) have no safe face in std")]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// A signal a test sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Die now.
    Kill,
    /// Please stop.
    Terminate,
    /// As from Ctrl-C.
    Interrupt,
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
}

/// Sends `signal` to a process that this test started.
pub fn signal(pid: u32, signal: Signal) {
    let number = match signal {
        Signal::Kill => libc::SIGKILL,
        Signal::Terminate => libc::SIGTERM,
        Signal::Interrupt => libc::SIGINT,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
    };
    let pid = libc::pid_t::try_from(pid).expect("a process id fits pid_t");
    // SAFETY: kill takes two integers and touches no memory of ours.
    unsafe { libc::kill(pid, number) };
}

/// Lets the kernel kill the child when the thread that starts it ends: a test run that is itself killed leaves nothing.
pub(crate) fn dies_with_its_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes one async-signal-safe system call.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}
