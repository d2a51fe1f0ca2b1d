//! Pages of docs/ that are written from the tables of the code.
//!
//! The tables are in crates of the product, which xtask is built without, so that it is there at once and also when
//! the product does not compile. For the pages it runs itself once more, built with them.

use anyhow::{Result, bail};

#[cfg(not(feature = "pages"))]
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let again = ["run", "--quiet", "--package", "xtask", "--features", "pages", "--", "docs"];
    let status = crate::shell::command("cargo", &again).args(arguments).status()?;
    if !status.success() {
        bail!("generated docs; see above");
    }
    Ok(())
}

#[cfg(feature = "pages")]
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => pages::write(),
        [flag] if flag == "--check" => crate::report("docs", &pages::check()),
        _ => bail!("docs takes --check or nothing"),
    }
}

#[cfg(feature = "pages")]
mod pages {
    use std::fs;

    use anyhow::{Context, Result};

    use crate::workspace::root;

    struct Page {
        path: &'static str,
        write: fn() -> String,
    }

    const PAGES: &[Page] = &[
        Page { path: "docs/commands.md", write: command::reference_markdown },
        Page { path: "docs/compatibility.md", write: command::compatibility::compatibility_markdown },
        Page { path: "docs/metrics.md", write: node::metrics::reference_markdown },
        Page { path: "docs/settings.md", write: node::settings::reference_markdown },
    ];

    pub(super) fn write() -> Result<()> {
        for page in PAGES {
            fs::write(root().join(page.path), (page.write)())
                .with_context(|| format!("write {}", page.path))?;
            println!("wrote {}", page.path);
        }
        Ok(())
    }

    /// Which pages are not what the code would write.
    pub(super) fn check() -> Vec<String> {
        let is_stale = |page: &&Page| {
            let found = fs::read_to_string(root().join(page.path)).unwrap_or_default();
            found != (page.write)()
        };
        PAGES
            .iter()
            .filter(is_stale)
            .map(|page| format!("{} is out of date; run `cargo xtask docs`", page.path))
            .collect()
    }
}
