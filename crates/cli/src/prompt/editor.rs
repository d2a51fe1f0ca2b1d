//! The line editor, joined with hints, completion and colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::IsTerminal;

use client::Target;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Behavior, ColorMode, CompletionType, Config, Context, Editor, Helper};

use super::highlight::highlight;
use crate::line::{self, Word, words};
use crate::names::{Names, Wanted};
use crate::{Failure, hint};

pub(super) type LineEditor = Editor<TableHelper, FileHistory>;

/// An editor with nothing in its memory.
pub(super) fn editor(in_colour: bool) -> Result<LineEditor, Failure> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        // Whether there are colours was decided before.
        .behavior(match std::io::stdout().is_terminal() {
            true => Behavior::Stdio,
            // Replies go to a file; what is typed does not.
            false => Behavior::PreferTerm,
        })
        .color_mode(if in_colour { ColorMode::Forced } else { ColorMode::Disabled })
        .history_ignore_space(true)
        .max_history_size(10_000)
        .map_err(editor_failure)?
        .build();
    let mut editor = Editor::with_config(config).map_err(editor_failure)?;
    editor.set_helper(Some(TableHelper { names: RefCell::default(), in_colour }));
    Ok(editor)
}

fn editor_failure(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::Io(error),
        other => Failure::Usage(format!("the terminal cannot be used: {other}")),
    }
}

/// Joins the line editor and [`crate::hint`].
pub(super) struct TableHelper {
    names: RefCell<Names>,
    in_colour: bool,
}

impl TableHelper {
    /// The prompt talks to this server now, if to any.
    pub(super) fn follow(&mut self, target: &Target, is_connected: bool) {
        self.names.get_mut().follow(target, is_connected);
    }

    /// Where the word under completion starts, and what it may become.
    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        let Some(offset) = line::command_at(line) else { return (line.len(), Vec::new()) };
        let (start, candidates) = self.candidates_of(&line[offset..]);
        (offset + start, candidates)
    }

    fn candidates_of(&self, line: &str) -> (usize, Vec<String>) {
        let mut words = words(line);
        let current = words.pop_if(|word| word.end() == line.len());
        let start = current.map_or(line.len(), |word| word.start);
        let is_quoted = current.is_some_and(|word| word.is_quoted());
        let mut candidates = if is_quoted { Vec::new() } else { hint::complete(line).1 };
        let before: Vec<Vec<u8>> = words.iter().map(Word::meaning).collect();
        let prefix = current.as_ref().map(Word::meaning).unwrap_or_default();
        if let Some((spec, named)) = hint::spec_of(&before)
            && let Some(wanted) = Wanted::next(spec, &before[named..], &before)
        {
            let names = self.names.borrow_mut().find(&wanted, &prefix);
            candidates.extend(names.iter().map(|name| line::quoted(name, is_quoted)));
        }
        (start, candidates)
    }
}

pub(super) struct SyntaxHint(String);

impl Hint for SyntaxHint {
    fn display(&self) -> &str {
        &self.0
    }

    /// A description of arguments is nothing to accept.
    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for TableHelper {
    type Hint = SyntaxHint;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<SyntaxHint> {
        let at = line::command_at(line).filter(|_| pos == line.len())?;
        let text = hint::hint(&line[at..]);
        (!text.is_empty()).then_some(SyntaxHint(text))
    }
}

impl Completer for TableHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(&line[..pos]))
    }
}

impl Highlighter for TableHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.in_colour { Cow::Owned(highlight(line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.in_colour { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.in_colour && kind != CmdKind::MoveCursor
    }
}

impl Validator for TableHelper {}

impl Helper for TableHelper {}
