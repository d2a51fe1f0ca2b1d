//! `narf cluster`: replies of FABRIC commands as tables and pictures for people, and as rows under a header in CSV.
//!
//! Invariants: a field that a server adds is shown without a change here; nothing is wider than its reply makes it,
//! and the map fits 80 columns; JSON is that of the reply. Does not know how commands are sent.

mod drained;
mod map;
mod table;
mod upgrade;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use client::{Connection, Value};

use crate::exit::{finish, say};
use crate::render::Renderer;
use crate::unanswered::Answer;
use crate::{CliArgs, Exit, Failure, Format, cli, danger, unanswered};
pub(crate) use table::fields;
use table::{bare, cells};

/// How a picture looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    in_colour: bool,
    /// For eyes: a terminal is there.
    is_terminal: bool,
}

impl CliArgs {
    /// Runs `FABRIC verb`, whose reply is shown in the way of `narf cluster`.
    pub fn run_cluster(mut self, verb: &str) -> ExitCode {
        self.connect.db = self.db;
        finish(run(&self, verb, None))
    }

    /// Runs `FABRIC DRAIN node`, and waits, so long at most, until the node has left.
    pub fn run_drain_and_wait(mut self, node: &str, within: Duration) -> ExitCode {
        self.connect.db = self.db;
        finish(run(&self, "drain", Some((node, within))))
    }
}

/// `until_gone`: a node that is told to leave, and how long it is waited for.
fn run(args: &CliArgs, verb: &str, until_gone: Option<(&str, Duration)>) -> Result<Exit, Failure> {
    let parts: Vec<Vec<u8>> = args.command.iter().map(|word| word.as_encoded_bytes().to_vec()).collect();
    let renderer = Renderer::for_stdout(args.output, args.color);
    let mut connection = args.connect.open()?;
    if !danger::allows(args, &parts, &mut connection)? {
        return Ok(Exit::Interrupted);
    }
    let reply = match unanswered::call(&mut connection, &parts, None)? {
        Answer::Reply(reply) => reply,
        Answer::Stopped => return Ok(Exit::Done),
        Answer::Interrupted => return Ok(Exit::Interrupted),
    };
    if let Some((node, within)) = until_gone.filter(|_| !reply.is_error()) {
        return drained::wait(args, connection, node, within);
    }
    let shown = match args.output {
        Format::Text => picture(verb, &reply, &mut connection, renderer.look()),
        Format::Csv => rows(verb, &reply).map(|rows| renderer.csv(&rows)),
        Format::Json | Format::Jsonl => None,
    };
    let Some(shown) = shown else {
        let told = cli::tell(&parts, &reply, renderer)?;
        return Ok(if told == Exit::Done { exit_of(verb, &reply) } else { told });
    };
    let mut out = std::io::stdout().lock();
    out.write_all(shown.as_bytes())?;
    out.flush()?;
    if verb == "invite" && args.output == Format::Text && renderer.look().is_terminal {
        say("\nGood for one node. On the other machine:  narf serve --join TOKEN");
        say("or, if a node runs there in a cluster of its own:  narf cluster join TOKEN");
    }
    Ok(exit_of(verb, &reply))
}

impl Renderer {
    fn look(self) -> Look {
        Look { in_colour: self.is_in_colour(), is_terminal: self.is_for_eyes() }
    }
}

/// What a reply that is no error means for who watches the cluster.
fn exit_of(verb: &str, reply: &Value) -> Exit {
    let is_fine = match verb {
        "status" => fields(reply).iter().any(|(name, value)| name == "state" && bare(value) == "ready"),
        "clock" => !fields(reply).iter().any(|(name, value)| name == "state" && bare(value) == "alarm"),
        "check" => reply.as_slice().is_none_or(<[Value]>::is_empty),
        _ => true,
    };
    if is_fine || reply.is_error() { Exit::Done } else { Exit::Degraded }
}

/// For people; none for a reply that is shown as any other is.
fn picture(verb: &str, reply: &Value, connection: &mut Connection, look: Look) -> Option<String> {
    let members = || connection.call(["FABRIC", "MEMBERS"]).ok().filter(|members| !members.is_error());
    draw(verb, reply, members, look)
}

fn draw(verb: &str, reply: &Value, members: impl FnOnce() -> Option<Value>, look: Look) -> Option<String> {
    if reply.is_error() {
        return None;
    }
    Some(match (verb, reply) {
        ("status", _) => status(reply, look),
        ("clock", _) => clock(reply, look),
        ("owner", Value::Map(_) | Value::Array(_)) => table::pairs(&cells(reply)),
        ("members", Value::Array(items)) => table::rows(&items.iter().map(cells).collect::<Vec<_>>()),
        ("map", Value::Array(items)) => map::draw(items, members().as_ref(), look),
        ("check", Value::Array(found)) if found.is_empty() => "healthy: nothing to do\n".to_owned(),
        ("check", Value::Array(found)) => found.iter().map(|found| format!("- {}\n", bare(found))).collect(),
        ("rebalance", Value::Array(moves)) if moves.is_empty() => {
            "nothing to move: all is where it should be\n".to_owned()
        }
        ("rebalance", Value::Array(moves)) => table::rows(&moves.iter().map(cells).collect::<Vec<_>>()),
        ("upgrade", Value::Array(members)) => upgrade::draw(&members.iter().map(cells).collect::<Vec<_>>()),
        ("upgrade", level) => format!("level {} is in force\n", bare(level)),
        ("invite", token) => format!("{}\n", bare(token)),
        _ => return None,
    })
}

fn status(reply: &Value, look: Look) -> String {
    with_meaning(reply, look, |state| match state {
        "ready" => (32, "this node has its data, and all partitions can be written to"),
        "joining" => (33, "this node is not a full member yet"),
        "moving" => (33, "data that this node is to have is on its way"),
        "degraded" => (31, "some partitions cannot be written to; narf cluster check says why"),
        _ => (33, ""),
    })
}

fn clock(reply: &Value, look: Look) -> String {
    with_meaning(reply, look, |state| match state {
        "waits" => (33, "other nodes have not said yet what time it is"),
        "follows" => (32, "the node's time is the system's"),
        "slower" => (33, "the system's clock is behind, and the node's goes slower until it has caught up"),
        "alarm" => (
            31,
            "the system's clock was set or is wrong, and is not followed; if it is right: --accept, on each such node",
        ),
        _ => (33, ""),
    })
}

/// Fields one a line, with what the state means and the colour of that.
fn with_meaning(reply: &Value, look: Look, meaning_of: fn(&str) -> (u8, &'static str)) -> String {
    let cells = cells(reply);
    let state = cells.iter().find(|(name, _)| name == "state").map_or("", |(_, state)| state.as_str());
    let (colour, meaning) = meaning_of(state);
    let word = format!("{state}: {meaning}");
    let word = word.trim_end_matches([':', ' ']);
    let shown = if look.in_colour { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() };
    let of = |(name, text): &(String, String)| {
        (name.clone(), if name == "state" { shown.clone() } else { text.clone() })
    };
    table::pairs(&cells.iter().map(of).collect::<Vec<_>>())
}

/// For programs that read CSV: a header and a row for each thing; none for a reply that is no such thing.
fn rows(verb: &str, reply: &Value) -> Option<Vec<Vec<String>>> {
    let single = |name: &str, values: &[Value]| {
        std::iter::once(vec![name.to_owned()]).chain(values.iter().map(|value| vec![bare(value)])).collect()
    };
    let of = |rows: Vec<Vec<(String, String)>>, names: &[&str]| {
        let header = rows.first().map_or_else(
            || names.iter().map(ToString::to_string).collect(),
            |row| row.iter().map(|(name, _)| name.clone()).collect(),
        );
        let values = rows.into_iter().map(|row| row.into_iter().map(|(_, text)| text).collect());
        std::iter::once(header).chain(values).collect()
    };
    let plain = |value: &Value| table::cells_or(value, "");
    Some(match (verb, reply) {
        (_, Value::Error(_) | Value::Null) => return None,
        ("status" | "owner" | "clock", reply) => of(vec![plain(reply)], &[]),
        ("members" | "map", Value::Array(items)) => of(items.iter().map(plain).collect(), &[]),
        ("rebalance", Value::Array(items)) => {
            of(items.iter().map(plain).collect(), &["partition", "now", "then"])
        }
        ("check", Value::Array(found)) => single("finding", found),
        ("upgrade", Value::Array(items)) => of(items.iter().map(plain).collect(), &[]),
        ("upgrade", level) => single("level", std::slice::from_ref(level)),
        ("invite", token) => single("token", std::slice::from_ref(token)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
