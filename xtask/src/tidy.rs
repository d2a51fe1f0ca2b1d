//! What people forget, found in the text of the repository. Each finding says how to mend it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{report, workspace};

/// Near this a file has a second idea. Flat tables may be longer.
const LINES_MAX: usize = 800;

/// Words put together here so that this file does not find itself.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("FIX", "ME"), concat!("XX", "X:")];
const PROMISE: &str = concat!("TO", "DO");
const PLACEHOLDER: &str = concat!("To be ", "written");
const OTHER_PLACES: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/tmp/", "plan"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

struct File {
    path: PathBuf,
    text: String,
}

pub(crate) fn run() -> Result<()> {
    let paths = workspace::files()?;
    let read = |path: &PathBuf| {
        // What is no text has nothing to be found in.
        let text = fs::read_to_string(workspace::root().join(path)).ok()?;
        Some(File { path: path.clone(), text })
    };
    let files: Vec<File> = paths.iter().filter_map(read).collect();
    let mut findings = Vec::new();
    for file in &files {
        if file.path.extension().is_some_and(|extension| extension == "rs") {
            check_rust(file, &mut findings);
        }
        check_text(file, &mut findings);
        if file.path.extension().is_some_and(|extension| extension == "md") {
            check_links(file, &mut findings);
            check_tables(file, &mut findings);
        }
    }
    check_unused(&files, &mut findings);
    check_map(&files, &mut findings)?;
    for name in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        if !paths.iter().any(|path| path == Path::new(name)) {
            findings.push(format!("{name} is missing at the root"));
        }
    }
    report("tidy", &findings)?;
    println!("tidy: {} files", paths.len());
    Ok(())
}

fn check_rust(file: &File, findings: &mut Vec<String>) {
    let (path, text) = (file.path.display(), &file.text);
    if !text.starts_with("//!") {
        findings.push(format!(
            "{path}: no module docs; begin with `//!`: what it is, what holds, what it does not know"
        ));
    }
    if text.contains(PLACEHOLDER) {
        findings.push(format!("{path}: {PLACEHOLDER}? write it, or take the file out"));
    }
    let lines = text.lines().count();
    let is_table =
        file.path.iter().any(|part| part.to_string_lossy().trim_end_matches(".rs").ends_with("table"));
    if lines > LINES_MAX && !is_table {
        findings.push(format!("{path}: {lines} lines; look for the second idea and give it a file"));
    }
    // A file shared by several test programs is not used in full by each; there the lint wants a reason only.
    let is_shared = file.path.iter().any(|part| part == "tests");
    for (number, line) in numbered(text).filter(|_| !is_shared) {
        let line = line.trim_start();
        if line.starts_with("#[allow(") || line.starts_with("#![allow(") {
            findings.push(format!(
                "{path}:{number}: use `#[expect(lint, reason = \"..\")]`, which ends when it is not needed"
            ));
        }
    }
}

fn check_text(file: &File, findings: &mut Vec<String>) {
    let path = file.path.display();
    for (number, line) in numbered(&file.text) {
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            findings.push(format!("{path}:{number}: `{word}`; finish it"));
        }
        if let Some((_, rest)) = line.split_once(PROMISE)
            && !["(when ", " when ", " once ", " if "].iter().any(|condition| rest.starts_with(condition))
        {
            findings.push(format!(
                "{path}:{number}: {PROMISE} without a condition; write `{PROMISE} when ..`, or do it"
            ));
        }
        for place in OTHER_PLACES.iter().filter(|place| line.contains(**place)) {
            findings.push(format!("{path}:{number}: `{place}` is a place on one machine; say it without"));
        }
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

/// Links between files of the repository lead somewhere.
fn check_links(file: &File, findings: &mut Vec<String>) {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    for (number, line) in numbered(&file.text) {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            let is_elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !is_elsewhere && !workspace::root().join(folder).join(target).exists() {
                findings
                    .push(format!("{}:{number}: the link to `{target}` leads nowhere", file.path.display()));
            }
        }
    }
}

/// A table begins with its head and the line below that; rows above them are shown as text.
fn check_tables(file: &File, findings: &mut Vec<String>) {
    let is_row = |line: &str| line.starts_with('|');
    let lines: Vec<&str> = file.text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let begins = is_row(line) && (at == 0 || !is_row(lines[at - 1]));
        if begins && !lines.get(at + 1).is_some_and(|next| next.starts_with("|---")) {
            let (path, number) = (file.path.display(), at + 1);
            findings.push(format!("{path}:{number}: a row before the head of its table; move it below"));
        }
    }
}

/// A module file that no `mod` names is not compiled, and nobody notices.
fn check_unused(files: &[File], findings: &mut Vec<String>) {
    let rust =
        || files.iter().filter(|file| file.path.extension().is_some_and(|extension| extension == "rs"));
    for file in rust() {
        let in_src = file.path.iter().any(|part| part == "src" || part == "suite");
        let stem = file.path.file_stem().unwrap_or_default().to_string_lossy();
        let is_root = matches!(&*stem, "lib" | "main") || file.path.iter().any(|part| part == "bin");
        if !in_src || is_root {
            continue;
        }
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let (name, home) = match &*stem {
            "mod" => {
                (folder.file_name().unwrap_or_default().to_string_lossy(), folder.parent().unwrap_or(folder))
            }
            _ => (stem, folder),
        };
        // Its parent is a root or mod file in the same folder, or the file named like the folder beside it.
        let beside = home.with_extension("rs");
        let declares = |parent: &File| {
            let is_near = parent.path.parent() == Some(home) || parent.path == beside;
            is_near && ["mod ", "mod r#"].iter().any(|word| parent.text.contains(&format!("{word}{name};")))
        };
        let is_by_path = |parent: &File| parent.text.contains(&format!("#[path = \"{name}.rs\"]"));
        if !rust().any(|parent| declares(parent) || is_by_path(parent)) {
            findings.push(format!("{}: no `mod {name};` names it; it is not compiled", file.path.display()));
        }
    }
}

/// ARCHITECTURE.md has every crate and nothing that is not there.
fn check_map(files: &[File], findings: &mut Vec<String>) -> Result<()> {
    let Some(map) = files.iter().find(|file| file.path == Path::new("ARCHITECTURE.md")) else {
        return Ok(());
    };
    let crates: BTreeSet<String> = workspace::packages()?
        .into_iter()
        .map(|package| package.folder)
        .filter(|folder| workspace::root().join("crates").join(folder).is_dir())
        .collect();
    for name in &crates {
        let forms = [format!("crates/{name}"), format!("`{name}`"), format!("**{name}**")];
        if !forms.iter().any(|form| map.text.contains(form)) {
            findings.push(format!("ARCHITECTURE.md: crates/{name} is not on the map; say what it is for"));
        }
    }
    for (number, line) in numbered(&map.text) {
        for part in line.split("crates/").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
            if !name.is_empty() && !crates.contains(&name) {
                findings.push(format!("ARCHITECTURE.md:{number}: there is no crates/{name}"));
            }
        }
    }
    Ok(())
}
