//! The few system calls that std lacks, each behind a safe function. All of this crate's `unsafe` for them is here.
#![expect(
    unsafe_code,
    reason = "fork, setsid, dup2, signal, kill, listen and waitpid have no safe form in std"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Which side of a fork this is.
pub(crate) enum Side {
    /// The process that forked.
    Parent {
        /// The process that it made.
        child: libc::pid_t,
    },
    /// The new process.
    Child,
}

/// Forks. Refuses once there is a second thread, as its locks would stay locked in the child for ever.
pub(crate) fn fork() -> io::Result<Side> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!("cannot go to the background: {threads} threads already run")));
    }
    // SAFETY: there is one thread, so the child's memory is a consistent copy and any function may be called in it.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        child => Ok(Side::Parent { child }),
    }
}

/// Leaves the terminal's session, so that its hang-up is none of ours.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: takes no pointer and has no precondition; failing is reported.
    check(unsafe { libc::setsid() })
}

/// Waits until a child is gone.
pub(crate) fn reap(child: libc::pid_t) -> io::Result<()> {
    loop {
        // SAFETY: a null status pointer is allowed; nothing is written.
        match check(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Ends this process at once, without running what a copy of the parent must not run twice.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns, takes no pointer.
    unsafe { libc::_exit(code) }
}

/// Lets standard input, output and error end at `null`.
pub(crate) fn redirect_standard(null: BorrowedFd<'_>) -> io::Result<()> {
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: both are descriptors of this process; what the target was before is closed, as is wanted.
        check(unsafe { libc::dup2(null.as_raw_fd(), standard) })?;
    }
    Ok(())
}

/// Makes this process deaf to the hang-up of a terminal, as something that left its terminal must be.
pub(crate) fn ignore_hang_up() -> io::Result<()> {
    // SAFETY: ignoring a signal installs no handler, so there is nothing that could run at a bad moment.
    match unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether this process was made deaf to the hang-up, by itself or by `nohup`.
pub(crate) fn ignores_hang_up() -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action only asks; on success the old one has been written whole.
    unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Asks a process to end.
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if pid <= 1 {
        // Zero and negative numbers are groups of processes, and 1 is never ours to end.
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: takes no pointer; a process that is gone or not ours is reported.
    check(unsafe { libc::kill(pid, libc::SIGTERM) })
}

/// Sets how many connections may wait on a socket that listens already.
pub(crate) fn set_backlog(socket: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    // SAFETY: the descriptor is borrowed, so it is open; listening again only changes the backlog.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
