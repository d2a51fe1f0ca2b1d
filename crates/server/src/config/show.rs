//! The configuration as text: what is in force, and a file to begin with.

use std::path::Path;

use node::settings::{SETTINGS, Secret, Section};

use super::file;
use super::problem::ConfigError;
use super::raw::{Environment, Flags};
use super::resolved::{Resolved, resolve_in};

/// Every setting in force as a valid file, with the origin of each behind it if asked for. Secrets are hidden.
pub fn show(resolved: &Resolved, with_origin: bool) -> String {
    let rows = SETTINGS.iter().filter(|row| !row.hidden && !row.is_fact());
    let lines: Vec<(String, String)> = rows
        .map(|row| {
            let value = match (row.is_secret(), row.format(&resolved.settings)) {
                (true, hidden) if hidden == Secret::REDACTED => format!("\"{hidden}\""),
                _ => row.format_toml(&resolved.settings),
            };
            (format!("{} = {value}", row.key), resolved.origins.of(row).to_string())
        })
        .collect();
    // One long value should not push every origin off the screen.
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|&width| width <= 48).max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    for (line, origin) in lines {
        match with_origin {
            true => out.push_str(&format!("{line:width$}  # {origin}\n")),
            false => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

/// The same for programs: an object with value and origin of each setting, values as `CONFIG GET` has them.
pub fn show_json(resolved: &Resolved) -> String {
    let rows = SETTINGS.iter().filter(|row| !row.hidden && !row.is_fact());
    let lines: Vec<String> = rows
        .map(|row| {
            let (value, origin) = (row.format(&resolved.settings), resolved.origins.of(row).to_string());
            format!("  {}: {{\"value\": {}, \"origin\": {}}}", json(row.key), json(&value), json(&origin))
        })
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Checks the configuration and says in one line what was read.
pub fn check(flags: &Flags, env: &Environment) -> Result<String, ConfigError> {
    let resolved = resolve_in(flags, env)?;
    let Some(path) = &resolved.file else {
        return Ok("no configuration file; flags, environment and defaults are fine".to_owned());
    };
    let file = file::read(Some(path), env)?;
    let count = file.map_or(0, |file| file::entries(&file).0.len());
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let users = match resolved.users.len() {
        0 => String::new(),
        count => format!(" and {}", counted(count, "user")),
    };
    Ok(format!("{}: {}{users}, no problem", path.display(), counted(count, "setting")))
}

/// A file with every setting in it at its default, commented out.
pub fn template() -> String {
    let mut out = String::from(
        "# Configuration of narf. Every setting stands here with its default; take away the `#` to change one.\n\
         # Beside them `users = [...]` names the first users of a cluster; see docs/users.md.\n\
         # Flags and NARF_* variables win over this file. `narf config check` reads it without starting a node.\n",
    );
    let defaults = node::settings::Settings::new();
    for &section in Section::ALL {
        out.push_str(&format!("\n## {}\n", section.title()));
        for row in SETTINGS.iter().filter(|row| row.section == section && !row.hidden && !row.is_fact()) {
            out.push('\n');
            for line in wrap(row.help, 100) {
                out.push_str(&format!("# {line}\n"));
            }
            out.push_str(&format!("#{} = {}\n", row.key, row.format_toml(&defaults)));
        }
    }
    out
}

/// Writes [`template`] to `path`, which must not exist.
pub fn write_template(path: &Path) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(template().as_bytes())
}

/// A JSON string.
fn json(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Cuts text into lines of at most `width` letters where its words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}
