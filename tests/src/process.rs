//! Signals, and a child that dies with its parent. The only `unsafe` of the suite.
#![expect(unsafe_code, reason = "kill(2) and prctl(2) have no safe face in std")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::wait::eventually;

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

/// Stops a process and waits until it stands still: a signal is delivered some time after it is sent.
#[track_caller]
pub fn pause(pid: u32) {
    signal(pid, Signal::Stop);
    eventually("a process that stands still", || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let stands = tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // After the name, which may hold anything, comes the state.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        });
        stands.then_some(())
    });
}

/// Lets the kernel kill the child when the thread that starts it ends: a test run that is itself killed leaves nothing.
pub fn dies_with_its_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes one async-signal-safe system call.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// Gives the child the terminal that it has as its standard input, as a login does, so that Ctrl-C reaches it.
pub(crate) fn has_its_terminal(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes two async-signal-safe system calls.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(std::io::stdin())?;
            Ok(())
        });
    }
}
