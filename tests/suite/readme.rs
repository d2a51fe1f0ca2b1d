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
                let program = block.text.replace("redis.Redis(", &format!("redis.Redis(port={port}, "));
                let output = Command::new(python).args(["-c", &program]).output().unwrap();
                ran += 1;
                if !output.status.success() {
                    let _ = writeln!(
                        wrong,
                        "README.md:{}: {}",
                        block.first_line,
                        String::from_utf8_lossy(&output.stderr)
                    );
                }
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ran > 10, "only {ran} examples were found in README.md");
}
