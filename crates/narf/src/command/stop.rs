//! `narf stop`: ends the node whose process id the configuration leads to, and waits until it is gone.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use server::config;
use server::pidfile::{self, Stopped};

use super::{complain, exit, flags, print};

const EXAMPLES: &str = "\
Examples:
  narf stop                        the node of ./narf-data, else ./narf.pid (--no-data)
  narf stop --data /var/lib/narf   the node of this data folder
  narf stop --pidfile /run/narf.pid --wait 5

It is told to stop in order: requests under way are answered, the log is synced.";

/// Seconds: more than a node takes by its defaults that leaves, comes to no end with it, and hands over its leads then.
const WAIT: &str = "45";

/// Its place in the tree. Takes the flags of `serve`, hidden, so that the same words find the same node.
pub(super) fn command() -> Command {
    let timeout = Arg::new("wait")
        .long("wait")
        .visible_alias("drain")
        .value_name("SECONDS")
        .default_value(WAIT)
        .value_parser(value_parser!(u64))
        .help("How long to wait until it is gone; a node that leaves in vain takes leave-timeout and shutdown-timeout");
    let command = Command::new("stop").about("Stop a node, and wait until it is gone").after_help(EXAMPLES);
    flags::add(command)
        .mut_args(|arg| {
            let shown = ["pidfile", "data", "config"].contains(&arg.get_id().as_str());
            arg.hide(!shown).hide_short_help(!shown)
        })
        .arg(timeout)
}

/// Stops it.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let flags = flags::read(matches);
    let resolved = match flags.and_then(|flags| config::resolve(&flags).map_err(|error| error.to_string())) {
        Ok(resolved) => resolved,
        Err(text) => {
            complain(&text);
            return ExitCode::from(exit::USAGE);
        }
    };
    let path = resolved.pidfile().unwrap_or_else(|| PathBuf::from(pidfile::WITHOUT_DATA));
    let seconds = matches.get_one("wait").copied().unwrap_or_default();
    let timeout = Duration::from_secs(seconds);
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let mut stop = |path: &Path| pidfile::stop(path, timeout, |pid, passed| progress.show(pid, passed));
    let mut stopped = stop(&path);
    // A daemon without data that was started here is meant as well, unless a place was named.
    let is_named = resolved.settings.pidfile.is_some() || resolved.folder_is_explicit();
    let mut looked_at = path.display().to_string();
    if matches!(stopped, Ok(Stopped::NotRunning)) && !is_named && !resolved.settings.no_data {
        looked_at = format!("{looked_at} or {}", pidfile::WITHOUT_DATA);
        stopped = stop(Path::new(pidfile::WITHOUT_DATA));
    }
    progress.clear();
    match stopped {
        Ok(Stopped::Gone { pid }) => print(&format!("stopped narf (pid {pid})\n")),
        Ok(Stopped::NotRunning) => {
            complain(&format!("no node runs here: nobody holds {looked_at}\n"));
            ExitCode::from(exit::ABSENT)
        }
        Ok(Stopped::StillRunning { pid }) => {
            complain(&format!(
                "error: narf (pid {pid}) was told to stop and still runs after {} s; it may be finishing its work\n\
                 \x20 = look at its log, wait longer with --wait, or end it at once: kill -9 {pid} (answered writes are safe)\n",
                timeout.as_secs()
            ));
            ExitCode::from(exit::UNREACHABLE)
        }
        Err(error) => {
            complain(&format!("error: {error}\n"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// One line on a terminal that says what is waited for; nothing elsewhere.
struct Progress {
    on_terminal: bool,
    shown_seconds: Option<u64>,
}

impl Progress {
    fn new(on_terminal: bool) -> Progress {
        Progress { on_terminal, shown_seconds: None }
    }

    fn show(&mut self, pid: u32, passed: Duration) {
        let seconds = passed.as_secs();
        if self.on_terminal && self.shown_seconds != Some(seconds) {
            self.shown_seconds = Some(seconds);
            complain(&format!("\r\x1b[Kstopping narf (pid {pid}) … {seconds} s"));
        }
    }

    fn clear(&mut self) {
        if self.shown_seconds.take().is_some() {
            complain("\r\x1b[K");
        }
    }
}
