//! `narf top`: what the nodes of a cluster do at the moment, by node, command, client, slow request and key.
//!
//! [`poll`] asks the nodes, [`sample`] reads their answers, [`view`] makes tables of two samples, [`table`] text of a
//! table, and [`screen`] shows it again and again. With `--once` there is no screen.
//! Invariants: what costs a node more than a look at its counters, the list of clients and the counting of keys, is asked
//! for only while it is shown; nothing that a server sends reaches the terminal with control characters in it.

mod poll;
mod sample;
mod screen;
mod table;
mod view;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::connect::parse_duration;
use crate::exit::finish;
use crate::{ConnectArgs, Exit, Failure, Format};

use poll::{Poller, Wants};
use view::View;

/// Watch what nodes do, live
///
/// All nodes of the cluster are asked, each for its own counters; with --alone only the one that is named.
/// Keys: 1 to 5 or Tab choose a view, s another column to sort by, r the other way around, / a word to look for,
/// p pauses, arrows scroll, ? helps, q leaves.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  narf top                           all nodes of the cluster, each second\n  \
    narf top --view clients\n  narf top --view hot                keys that are asked for most\n  \
    narf top --once -o json            for scripts"
)]
pub struct TopArgs {
    /// Where to connect, and as whom.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub every: Duration,

    /// What to show first; with --once, what to show alone
    #[arg(long, value_enum, value_name = "VIEW")]
    pub view: Option<View>,

    /// Only the node that is named, not the others of its cluster
    #[arg(long)]
    pub alone: bool,

    /// Look twice, print all views, and end
    #[arg(long)]
    pub once: bool,

    /// Form of the output with --once: text or json
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,
}

impl TopArgs {
    /// Does it. What fails is said on standard error.
    pub fn run(self) -> ExitCode {
        finish(self.try_run())
    }

    fn try_run(self) -> Result<Exit, Failure> {
        if !matches!(self.output, Format::Text | Format::Json) {
            return Err(Failure::Usage("narf top has text and json only".into()));
        }
        if !self.once && (self.output == Format::Json || !std::io::stdout().is_terminal()) {
            return Err(Failure::Usage("that needs a terminal; `narf top --once` prints and ends".into()));
        }
        let mut poller = Poller::new(&self.connect, self.alone)?;
        match self.once {
            true => self.print(&mut poller),
            false => screen::run(poller, self.every, self.view.unwrap_or(View::Nodes)),
        }
    }

    fn print(&self, poller: &mut Poller) -> Result<Exit, Failure> {
        let wants = self.view.map_or(Wants::ALL, Wants::of);
        poller.poll(wants);
        std::thread::sleep(self.every);
        let nodes = poller.poll(wants);
        let views: Vec<View> = self.view.map_or(View::ALL.to_vec(), |view| vec![view]);
        let mut out = std::io::stdout().lock();
        if self.output == Format::Json {
            let tables: Map<String, Json> =
                views.iter().map(|view| (view.name().to_owned(), view.table(&nodes).json())).collect();
            serde_json::to_writer_pretty(&mut out, &tables).map_err(std::io::Error::other)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", view::summary(&nodes))?;
            for view in views {
                let mut table = view.table(&nodes);
                if let Some(column) = view.sorted_by() {
                    table.sort(column, false);
                }
                writeln!(out, "\n{}", view.name())?;
                table.lines(usize::MAX).iter().try_for_each(|line| writeln!(out, "{line}"))?;
            }
        }
        Ok(Exit::Done)
    }
}
