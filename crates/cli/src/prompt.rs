//! The prompt: reads a line, runs it, shows the reply and how long it took.
//!
//! Invariant: what the prompt shows of the connection (database, `MULTI`) follows from replies, not from what was
//! typed. A lost connection is opened again before the next command.

mod destination;
mod editor;
mod highlight;
mod history;

use std::io::{IsTerminal, Write};
use std::time::Instant;

use client::{Connection, Options, Target, Value};
use resp::split_line;
use rustyline::error::ReadlineError;

use crate::advice::Advice;
use crate::cli::{elapsed_text, show};
use crate::exit::{say, say_of_server};
use crate::render::Renderer;
use crate::stream::{self, Interrupt};
use crate::unanswered::Answer;
use crate::{CliArgs, Exit, Failure, danger, help, line, pipe, unanswered};

use destination::{Destination, Pager, Sink};
use editor::LineEditor;
use history::History;

/// Runs until `quit` or Ctrl-D.
pub(crate) fn run(args: &CliArgs) -> Result<Exit, Failure> {
    let mut prompt = Prompt {
        target: args.connect.target()?,
        options: args.connect.options(),
        connection: None,
        in_multi: false,
        renderer: Renderer::for_stdout(args.output, args.color),
        interrupt: Interrupt::new()?,
        pager: Pager::new(!args.no_pager),
        caution: Caution::of(args),
        in_colour: args.color.is_on(std::io::stderr().is_terminal()),
    };
    if let Err(failure) = prompt.connect() {
        say(&failure.message());
    }
    let mut editor = editor::editor(args.color.is_on(std::io::stdout().is_terminal()))?;
    let history = History::load(&mut editor);
    let mut last = String::new();
    loop {
        if let Some(helper) = editor.helper_mut() {
            helper.follow(&prompt.target, prompt.connection.is_some());
        }
        match editor.readline(&prompt.text()) {
            Ok(line) => {
                // What was pasted may be several lines.
                for line in line::lines(&line) {
                    let Some(line) = again(line.trim_end(), &last) else { continue };
                    history.keep(&mut editor, &line);
                    if prompt.run_line(&line, &mut editor)? {
                        return Ok(Exit::Done);
                    }
                    last = line;
                }
            }
            Err(ReadlineError::Interrupted) => say("Ctrl-D or `quit` leaves"),
            Err(_) => break,
        }
    }
    Ok(Exit::Done)
}

struct Prompt {
    target: Target,
    options: Options,
    connection: Option<Connection>,
    in_multi: bool,
    renderer: Renderer,
    interrupt: Interrupt,
    pager: Pager,
    caution: Caution,
    /// What is said beside the replies has colours.
    in_colour: bool,
}

/// What is done about a dangerous command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caution {
    Ask,
    Refuse,
    None,
}

impl Caution {
    fn of(args: &CliArgs) -> Caution {
        match (args.yes, args.no_input) {
            (true, _) => Caution::None,
            (false, true) => Caution::Refuse,
            (false, false) => Caution::Ask,
        }
    }
}

impl Prompt {
    fn text(&self) -> String {
        if self.connection.is_none() {
            return "not connected> ".into();
        }
        prompt_text(&self.target, self.in_multi)
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.in_multi = false;
    }

    fn connect(&mut self) -> Result<(), Failure> {
        self.disconnect();
        self.connection = Some(Connection::open(&self.target, &self.options)?);
        Ok(())
    }

    /// Whether the line says goodbye. Fails only if nothing can be shown any more.
    fn run_line(&mut self, line: &str, editor: &mut LineEditor) -> Result<bool, Failure> {
        let (line, destination) = match destination::split(line) {
            Ok(split) => split,
            Err(failure) => {
                say(&failure.message());
                return Ok(false);
            }
        };
        let Ok(words) = split_line(line.as_bytes()) else {
            say("a quote is not closed, or something follows it");
            return Ok(false);
        };
        if pipe::is_farewell(&words) {
            return Ok(true);
        }
        let local = self.run_local(&words, editor);
        let (rounds, words) = repetition(&words);
        let rounds = if local || words.is_empty() { 0 } else { rounds };
        for _ in 0..rounds {
            match self.run_command(words, &destination, editor) {
                Ok(()) => {}
                Err(failure @ (Failure::Client(_) | Failure::Usage(_))) => {
                    say_of_server(&failure.message());
                    if self.connection.as_ref().is_none_or(Connection::is_broken) {
                        self.disconnect();
                    }
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(false)
    }

    /// Runs what the prompt itself understands; false if it is for the server.
    fn run_local(&mut self, words: &[Vec<u8>], editor: &mut LineEditor) -> bool {
        if let Some(topic) = help::topic_of(words) {
            // If nothing can be shown, the next reply says so.
            let _ = self.pager.show(help::answer(&topic).as_bytes(), &self.interrupt);
            return true;
        }
        let [word] = words else { return false };
        match word.to_ascii_lowercase().as_slice() {
            b"clear" => {
                let _ = editor.clear_screen();
            }
            b"\\x" => match self.renderer.toggle_expanded() {
                true => say("JSON, MessagePack and text of several lines are laid out now"),
                false => say("values are shown on one line again"),
            },
            _ => return false,
        }
        true
    }

    fn run_command(
        &mut self,
        words: &[Vec<u8>],
        destination: &Destination,
        editor: &mut LineEditor,
    ) -> Result<(), Failure> {
        if self.connection.is_none() {
            // A password that was wrong must not be in the way of the right one.
            if words[0].eq_ignore_ascii_case(b"auth") {
                self.target.password = None;
            }
            self.connect()?;
        }
        if !self.may_run(words, editor)? {
            say("not done");
            return Ok(());
        }
        let sink = Sink::open(destination)?;
        let renderer = match destination {
            Destination::Screen => self.renderer,
            Destination::Shell(_) | Destination::File { .. } => self.renderer.bare(),
        };
        match stream::is_streaming(words) {
            true => self.show_messages(words, sink, renderer),
            false => self.show_reply(words, sink, renderer),
        }
    }

    /// Whether the command is harmless, or wanted all the same.
    fn may_run(&mut self, words: &[Vec<u8>], editor: &mut LineEditor) -> Result<bool, Failure> {
        let Some(connection) = &mut self.connection else { return Ok(true) };
        if self.caution == Caution::None {
            return Ok(true);
        }
        match danger::question(words, connection, self.in_multi) {
            None => Ok(true),
            Some(question) if self.caution == Caution::Refuse => Err(danger::refusal(&question)),
            Some(question) => Ok(confirmed(editor, &question)),
        }
    }

    fn show_messages(
        &mut self,
        words: &[Vec<u8>],
        mut sink: Sink,
        renderer: Renderer,
    ) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let ended = self.interrupt.during(|| {
            say("Ctrl-C ends it");
            let mut screen = std::io::stdout();
            let out: &mut dyn Write = match &mut sink {
                // Each as it comes.
                Sink::Screen(_) => &mut screen,
                sink => sink,
            };
            stream::run(connection, words, renderer, out, &self.interrupt)
        });
        // The quickest way out of a subscription is a new connection.
        self.disconnect();
        sink.finish(&self.pager, &self.interrupt)?;
        ended?;
        self.connect()
    }

    fn show_reply(&mut self, words: &[Vec<u8>], mut sink: Sink, renderer: Renderer) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let start = Instant::now();
        let answer = unanswered::call(connection, words, Some(&self.interrupt));
        let elapsed = elapsed_text(start);
        if let Ok(Answer::Reply(reply)) = &answer {
            show(&mut sink, reply, renderer)?;
            while let Some(push) = connection.take_push() {
                show(&mut sink, &push, renderer)?;
            }
        }
        sink.finish(&self.pager, &self.interrupt)?;
        let reply = match answer? {
            Answer::Reply(reply) => reply,
            Answer::Stopped => {
                say("the server has stopped");
                self.disconnect();
                return Ok(());
            }
            Answer::Interrupted => {
                say("not waited for; the server may do it all the same");
                self.disconnect();
                return self.connect();
            }
        };
        if let Value::Error(text) = &reply
            && let Some(advice) = Advice::Prompt.on(words, text)
        {
            say(&advice);
        }
        say(&dim(&elapsed, self.in_colour));
        self.follow(words, &reply);
        // Who was nobody was spoken to in the old protocol, as HELLO was refused.
        let is_known_now = words[0].eq_ignore_ascii_case(b"auth") && !reply.is_error();
        let version = self.connection.as_ref().map(Connection::version);
        match is_known_now && version != Some(self.options.version) {
            true => self.connect(),
            false => Ok(()),
        }
    }

    /// Takes over what a reply says about the connection.
    fn follow(&mut self, words: &[Vec<u8>], reply: &Value) {
        let name = words[0].to_ascii_lowercase();
        let argument = |index: usize| words.get(index).map(|word| String::from_utf8_lossy(word).into_owned());
        match (name.as_slice(), reply.is_error()) {
            // An aborted transaction is over, too; a misplaced EXEC changes nothing.
            (b"exec" | b"discard", _) => self.in_multi = false,
            (_, true) => {}
            (b"reset", _) => {
                self.in_multi = false;
                (self.target.db, self.target.user, self.target.password) = (0, None, None);
            }
            // Only queued.
            _ if self.in_multi => {}
            (b"multi", _) => self.in_multi = true,
            (b"select", _) => {
                self.target.db = argument(1).and_then(|db| db.parse().ok()).unwrap_or(self.target.db);
            }
            (b"auth", _) if words.len() == 2 => self.target.password = argument(1),
            (b"auth", _) => (self.target.user, self.target.password) = (argument(1), argument(2)),
            _ => {}
        }
    }
}

fn prompt_text(target: &Target, in_multi: bool) -> String {
    let db = if target.db > 0 { format!("[{}]", target.db) } else { String::new() };
    let multi = if in_multi { "(TX)" } else { "" };
    format!("{}{db}{multi}> ", target.endpoint)
}

/// `5 INCR n` is five times `INCR n`.
fn repetition(words: &[Vec<u8>]) -> (u64, &[Vec<u8>]) {
    match words {
        [count, rest @ ..] if !rest.is_empty() => {
            match std::str::from_utf8(count).unwrap_or_default().parse() {
                Ok(count) => (count, rest),
                Err(_) => (1, words),
            }
        }
        _ => (1, words),
    }
}

fn confirmed(editor: &mut LineEditor, question: &str) -> bool {
    danger::is_yes(&editor.readline(&format!("{question} {}", danger::GO_ON)).unwrap_or_default())
}

/// Takes `!!` at the start of a line for the last line, and shows what that makes; none if there is nothing to run.
fn again(line: &str, last: &str) -> Option<String> {
    let Some(rest) = line.trim_start().strip_prefix("!!") else { return Some(line.to_owned()) };
    if last.is_empty() {
        say("there is no line before this one");
        return None;
    }
    let line = format!("{last}{rest}");
    say(&line);
    Some(line)
}

fn dim(text: &str, in_colour: bool) -> String {
    if in_colour { format!("\x1b[2m({text})\x1b[0m") } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        split_line(line.as_bytes()).unwrap()
    }

    #[test]
    fn the_prompt_tells_database_and_transaction() {
        let mut target = Target::tcp("h", 1);
        assert_eq!(prompt_text(&target, false), "h:1> ");
        target.db = 3;
        assert_eq!(prompt_text(&target, true), "h:1[3](TX)> ");
    }

    #[test]
    fn the_prompt_follows_replies_not_what_was_typed() {
        let mut prompt = Prompt {
            target: Target::tcp("h", 1),
            options: Options::default(),
            connection: None,
            in_multi: false,
            renderer: Renderer::new(crate::Format::Text, true),
            interrupt: Interrupt::default(),
            pager: Pager::new(false),
            caution: Caution::Ask,
            in_colour: false,
        };
        let mut after = |line: &str, reply: Value| {
            prompt.follow(&words(line), &reply);
            prompt_text(&prompt.target, prompt.in_multi)
        };
        let ok = || Value::Simple("OK".into());
        let error = || Value::Error("ERR no".into());
        assert_eq!(after("select 3", ok()), "h:1[3]> ");
        assert_eq!(after("select 99", error()), "h:1[3]> ");
        assert_eq!(after("multi", ok()), "h:1[3](TX)> ");
        assert_eq!(after("select 4", Value::Simple("QUEUED".into())), "h:1[3](TX)> ");
        assert_eq!(after("get k", error()), "h:1[3](TX)> ");
        assert_eq!(after("exec", error()), "h:1[3]> ");
        assert_eq!(after("multi", ok()), "h:1[3](TX)> ");
        assert_eq!(after("reset", Value::Simple("RESET".into())), "h:1> ");
    }

    #[test]
    fn a_number_before_a_command_repeats_it() {
        assert_eq!(repetition(&words("5 incr n")), (5, &words("incr n")[..]));
        assert_eq!(repetition(&words("incr n")), (1, &words("incr n")[..]));
        assert_eq!(repetition(&words("5")), (1, &words("5")[..]));
    }
}
