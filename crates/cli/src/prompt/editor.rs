//! The line editor, joined with hints and completion.

use std::borrow::Cow;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::{Failure, hint};

pub(super) type LineEditor = Editor<TableHelper, FileHistory>;

/// An editor with nothing in its memory.
pub(super) fn editor() -> Result<LineEditor, Failure> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(10_000)
        .map_err(editor_failure)?
        .build();
    let mut editor = Editor::with_config(config).map_err(editor_failure)?;
    editor.set_helper(Some(TableHelper));
    Ok(editor)
}

fn editor_failure(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::Io(error),
        other => Failure::Usage(format!("the terminal cannot be used: {other}")),
    }
}

/// Joins the line editor and [`crate::hint`].
pub(super) struct TableHelper;

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
        let text = if pos == line.len() { hint::hint(line) } else { String::new() };
        if text.is_empty() { None } else { Some(SyntaxHint(text)) }
    }
}

impl Completer for TableHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(hint::complete(&line[..pos]))
    }
}

impl Highlighter for TableHelper {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if std::env::var_os("NO_COLOR").is_some() {
            Cow::Borrowed(hint)
        } else {
            Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
        }
    }
}

impl Validator for TableHelper {}

impl Helper for TableHelper {}
