//! `narf serve`: resolves the configuration, goes to the background if asked to, and runs the node.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{ArgMatches, Command};
use server::banner::{Background, Banner};
use server::config::{self, Resolved};
use server::daemon::{self, Daemon, Verdict};

use super::{complain, exit, flags, print};
use crate::allocator::FOR_SERVER;

const EXAMPLES: &str = "\
Examples:
  narf serve                                   this machine, port 6379 or the next free one
  narf serve --no-data                         nothing is written to disk
  narf serve --daemon                          returns when the node is ready; narf stop ends it
  narf serve --bind 0.0.0.0 --password-file F  for other machines too";

const STOPPING: &str = "\
SIGTERM, SHUTDOWN and `narf stop` only stop a node: it stays a member of its cluster and its data
stays on disk. Before it goes, others lead what it led, so that clients of theirs notice nothing, and
its own are answered what they sent (--shutdown-timeout). SIGINT (Ctrl-C) hands the data over to the other nodes, leaves and empties the folder;
so does SIGTERM for a node that keeps no data, or one of two without which the other cannot write.";

const SOURCES: &str = "\
Each flag is also a key of narf.toml and an environment variable: --log-level info is
log-level = \"info\" there and NARF_LOG_LEVEL=info. `narf config init` writes such a file,
`narf config show --origin` tells what is in force and where it comes from.";

/// Its place in the tree.
pub(super) fn command() -> Command {
    flags::add(
        Command::new("serve")
            .about("Start a node")
            .after_help(EXAMPLES)
            .after_long_help(format!("{EXAMPLES}\n\n{STOPPING}\n\n{SOURCES}")),
    )
}

/// Runs until the node is stopped.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let resolved =
        match flags::read(matches).and_then(|flags| config::resolve(&flags).map_err(|e| e.to_string())) {
            Ok(resolved) => resolved,
            Err(text) => {
                complain(&text);
                return ExitCode::from(exit::USAGE);
            }
        };
    // Before any thread exists; from here on the terminal's command only waits.
    let daemon = match resolved.settings.daemonize.then(|| daemon::detach(report)).transpose() {
        Ok(daemon) => daemon,
        Err(error) => {
            complain(&format!("error: cannot go to the background: {error}\n"));
            return ExitCode::from(exit::FAILED);
        }
    };
    serve(resolved, daemon)
}

fn serve(resolved: Resolved, daemon: Option<Daemon>) -> ExitCode {
    // Whoever comes first takes the daemon's pipe: the node that is ready, or the error that keeps it from it.
    let waiting = Arc::new(Mutex::new(daemon));
    let at_ready = Arc::clone(&waiting);
    let ready = move |banner: Banner| announce(banner, take(&at_ready));
    let hooks = server::Hooks {
        ready: Box::new(ready),
        allocator: Some(FOR_SERVER),
        levels: server::Levels::default(),
    };
    match server::serve(resolved, hooks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (code, text) = (exit::code_of(&error), exit::text_of(&error));
            match take(&waiting) {
                // If the waiting command is gone, there is nobody left to tell.
                Some(daemon) => drop(daemon.failed(code, &text)),
                None => complain(&text),
            }
            ExitCode::from(code)
        }
    }
}

/// Shows the banner: on our standard output, or through the command that waits for us.
fn announce(mut banner: Banner, daemon: Option<Daemon>) {
    let colour = std::io::stdout().is_terminal() && server::logging::colour_is_welcome();
    match daemon {
        Some(daemon) => {
            let stop = stop_command(banner.pidfile.as_deref());
            banner.background = Some(Background { pid: std::process::id(), stop });
            // The node is up; that nobody waits any more does not change it.
            drop(daemon.ready(&banner.text(colour)));
        }
        None => {
            print(&banner.text(colour));
        }
    }
}

/// What stops this node from here: `narf stop`, with the pid file if it is not where that looks.
fn stop_command(pidfile: Option<&Path>) -> String {
    match pidfile {
        Some(path) if path == Path::new("narf-data/narf.pid") => "narf stop".to_owned(),
        Some(path) => format!("narf stop --pidfile {}", path.display()),
        None => format!("kill {}", std::process::id()),
    }
}

/// In the waiting command: prints how the start went.
fn report(verdict: &Verdict) {
    if verdict.code == 0 {
        print(&verdict.text);
    } else {
        complain(&verdict.text);
    }
}

fn take(slot: &Mutex<Option<Daemon>>) -> Option<Daemon> {
    slot.lock().ok().and_then(|mut slot| slot.take())
}
