//! The tour in README.md, run line by line against a fresh node: what it shows is what happens.
//!
//! In a `console` block a line that starts with `$ ` is run by a shell, and the lines after it are what it must print.
//! `narf` and `redis-cli` there go to the node of this test instead of the default port; nothing else is changed.
//! Blocks share the node, as a reader does. A `python` block is run with redis-py.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use narf_tests::{Data, Options, Server, narf_binary, skip_unless_narf};

struct Block {
    language: String,
    first_line: usize,
    text: String,
}

fn blocks(readme: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in readme.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                all.push(Block { language: language.to_owned(), first_line: at + 2, text: String::new() });
            }
            None if open => {
                let block = all.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    all
}

/// Each command of a block, the line it stands on, and what it should print.
fn commands(block: &Block) -> Vec<(usize, String, String)> {
    let mut all: Vec<(usize, String, String)> = Vec::new();
    for (at, line) in block.text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push((block.first_line + at, command.to_owned(), String::new()));
        } else {
            let (_, _, expect) = all.last_mut().expect("a console block starts with a command");
            let _ = writeln!(expect, "{line}");
        }
    }
    all
}

fn put_program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a block of Python against the node at a port; what it complains of.
fn run_python(python: &Path, block: &Block, port: u16) -> Result<(), String> {
    let program = block.text.replace("redis.Redis(", &format!("redis.Redis(port={port}, "));
    let output = Command::new(python).args(["-c", &program]).output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Pages of `docs/` with examples for redis-py, which build on nothing.
#[test]
fn examples_of_the_pages_for_redis_py_work() {
    let Some(python) = crate::real_clients::python().filter(|_| !skip_unless_narf()) else { return };
    for page in ["sessions.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        let text = std::fs::read_to_string(path).unwrap();
        let examples: Vec<Block> = blocks(&text).into_iter().filter(|b| b.language == "python").collect();
        assert!(!examples.is_empty(), "{page} has no example");
        for block in examples {
            let node = Server::new();
            let ran = run_python(&python, &block, node.port());
            assert!(ran.is_ok(), "{page}:{}: {}", block.first_line, ran.unwrap_err());
        }
    }
}

#[test]
fn the_tour_shows_what_happens() {
    if skip_unless_narf() {
        return;
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let node = Server::start(Options::new().data(Data::Temporary));
    let port = node.port();
    let folder = tempfile::TempDir::new().unwrap();
    put_program(
        folder.path(),
        "narf",
        &format!("NARF_URL=redis://127.0.0.1:{port} exec '{}' \"$@\"", narf_binary().display()),
    );
    put_program(
        folder.path(),
        "redis-cli",
        &format!("PATH=\"${{PATH#*:}}\" exec redis-cli -p {port} \"$@\""),
    );
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut wrong = String::new();
    let mut ran = 0;
    for block in blocks(&readme) {
        match block.language.as_str() {
            "console" => {
                for (line, command, expect) in commands(&block) {
                    let output =
                        Command::new("sh").args(["-c", &command]).env("PATH", &path).output().unwrap();
                    let got = String::from_utf8_lossy(&output.stdout).into_owned();
                    ran += 1;
                    if got != expect {
                        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                        let _ = writeln!(
                            wrong,
                            "README.md:{line}: $ {command}\nshown:\n{expect}printed:\n{got}{errors}"
                        );
                    }
                }
            }
            "python" => {
                let Some(python) = crate::real_clients::python() else { continue };
                ran += 1;
                if let Err(errors) = run_python(&python, &block, port) {
                    let _ = writeln!(wrong, "README.md:{}: {errors}", block.first_line);
                }
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ran > 10, "only {ran} examples were found in README.md");
}
