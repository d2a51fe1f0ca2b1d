//! Pages of docs/ that are written from the tables of the code.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{report, workspace};

struct Page {
    path: &'static str,
    write: fn() -> String,
}

const PAGES: &[Page] = &[
    Page { path: "docs/commands.md", write: command::reference_markdown },
    Page { path: "docs/settings.md", write: node::settings::reference_markdown },
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => write(),
        [flag] if flag == "--check" => report("docs", &check()?),
        _ => bail!("docs takes --check or nothing"),
    }
}

fn write() -> Result<()> {
    for page in PAGES {
        let path = workspace::root().join(page.path);
        fs::write(&path, (page.write)()).with_context(|| format!("write {}", page.path))?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

/// Which pages are not what the code would write.
pub(crate) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for page in PAGES {
        let found = fs::read_to_string(workspace::root().join(page.path)).unwrap_or_default();
        if found != (page.write)() {
            findings.push(format!("{} is out of date; run `cargo xtask docs`", page.path));
        }
    }
    Ok(findings)
}
