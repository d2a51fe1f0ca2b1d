//! `CONFIG REWRITE`: makes permanent what `CONFIG SET` changed, and leaves the rest of the file as it is.
//!
//! Only settings whose value differs from the one at start are touched, so that what flags and environment said is
//! not frozen into the file, and comments, order and layout stay the operator's.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use node::settings::{SETTINGS, Setting, Settings};

use super::file::{self, File};
use super::problem::ConfigError;

/// Head of the lines that had no place in the file.
const MARK: &str = "# Added by CONFIG REWRITE.";

/// The text of the file with the values of `now` that differ from those at `start`.
pub fn rewrite(source: &str, start: &Settings, now: &Settings) -> Result<String, ConfigError> {
    let file = File { path: PathBuf::from("configuration file"), source: source.to_owned() };
    let (entries, problems) = file::entries(&file);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let changed = |row: &&Setting| !row.is_fact() && row.format_toml(start) != row.format_toml(now);
    let mut text = file.source;
    let mut missing = Vec::new();
    let mut edits = Vec::new();
    for row in SETTINGS.iter().filter(changed) {
        let value = row.format_toml(now);
        match entries.iter().find(|entry| entry.row.name == row.name) {
            Some(entry) => edits.push((entry.span.clone(), value)),
            None => missing.push(format!("{} = {value}\n", row.key)),
        }
    }
    // From the end, so that earlier spans stay true.
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, value) in edits {
        text.replace_range(span, &value);
    }
    if !missing.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if !text.contains(MARK) {
            text.push_str(&format!("{}{MARK}\n", if text.is_empty() { "" } else { "\n" }));
        }
        text.extend(missing);
    }
    Ok(text)
}

/// Rewrites the file so that a crash leaves the old or the new one whole. Its mode is kept.
pub fn rewrite_file(path: &Path, start: &Settings, now: &Settings) -> anyhow::Result<()> {
    use anyhow::Context;
    // A link stays a link: its target is what is replaced.
    let path = &path.canonicalize().with_context(|| format!("find {}", path.display()))?;
    let source = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let text = rewrite(&source, start, now)?;
    if text == source {
        return Ok(());
    }
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    let temporary = path.with_extension(format!("toml.{}", std::process::id()));
    let written = write_whole(&temporary, mode, &text).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort; the error that matters is the one returned.
        let _ = std::fs::remove_file(&temporary);
    }
    written.with_context(|| format!("write {}", path.display()))?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).context("sync the folder")?;
    }
    Ok(())
}

fn write_whole(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // The mode is set at creation: the file may hold a password.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
