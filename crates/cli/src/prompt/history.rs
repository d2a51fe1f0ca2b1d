//! What was typed, kept for the next time: never a line with a secret, in a file that nobody else may read.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use resp::split_line;

use crate::secret;

use super::editor::LineEditor;
use super::repetition;

/// Where lines are kept.
pub(super) struct History {
    /// None if they are kept for this prompt only.
    file: Option<PathBuf>,
}

impl History {
    /// Takes up what is in the file of this user. That it cannot be read or written is no reason to disturb anyone.
    pub(super) fn load(editor: &mut LineEditor) -> History {
        let file = place().filter(|path| make_private(path).is_ok());
        if let Some(path) = &file {
            let _ = editor.load_history(path);
        }
        History { file }
    }

    /// Remembers a line, also on disk at once: a Ctrl-C during a long command ends the process.
    pub(super) fn keep(&self, editor: &mut LineEditor, line: &str) {
        if !holds_secret(line)
            && editor.add_history_entry(line).unwrap_or(false)
            && let Some(path) = &self.file
        {
            let _ = editor.append_history(path);
        }
    }
}

/// `NARF_HISTORY` (empty: none), else a file in the user's state folder.
fn place() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("NARF_HISTORY") {
        return if path.is_empty() { None } else { Some(path.into()) };
    }
    let folder = match std::env::var_os("XDG_STATE_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = folder.join("narf");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    Some(folder.join("cli_history"))
}

/// Only the owner may read the file, if there is one already: the line editor makes it so, and leaves it as it was.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::set_permissions(path, Permissions::from_mode(0o600)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the line should not be kept. One that is not whole may be meant to hold a secret, too.
fn holds_secret(line: &str) -> bool {
    let words = split_line(line.as_bytes()).unwrap_or_else(|_| {
        let bare = |word: &str| word.trim_matches(['"', '\'']).as_bytes().to_vec();
        line.split_ascii_whitespace().map(bare).collect()
    });
    let (_, words) = repetition(&words);
    secret::is_in(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_the_history() {
        for line in [
            "auth x",
            "AUTH u x",
            "auth \"x",
            "\"auth\" x",
            "3 auth x",
            "hello 3 auth u x",
            "hello 3 auth u 'x",
            "config set requirepass x",
            "CONFIG SET port 1 Requirepass x",
            "config set masterauth x",
            "config set requirepass \"x",
            "acl setuser u >x",
            "migrate h 1 k 0 1 auth2 u x",
        ] {
            assert!(holds_secret(line), "{line}");
        }
        for line in [
            "get auth",
            "config get requirepass",
            "config set port 1",
            "hello 3",
            "config",
            "get \"x",
            "",
            "5",
        ] {
            assert!(!holds_secret(line), "{line}");
        }
    }
}
