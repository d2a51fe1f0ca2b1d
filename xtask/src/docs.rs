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
    use std::path::PathBuf;

    use anyhow::{Context, Result};

    use crate::workspace::root;

    /// A page's path below `docs/`, and its text.
    type Page = (String, String);

    fn pages() -> Vec<Page> {
        let mut pages = vec![
            ("commands.md".into(), command::reference::index_markdown()),
            ("compatibility.md".into(), command::compatibility::compatibility_markdown()),
            ("metrics.md".into(), node::metrics::reference_markdown()),
            ("settings.md".into(), node::settings::reference_markdown()),
        ];
        pages.extend(command::Group::ALL.map(|group| {
            let path = format!("{GROUPS}/{}", command::reference::file_name(group));
            (path, command::reference::group_markdown(group))
        }));
        pages
    }

    /// The folder of the pages of groups of commands. Nothing else is in it.
    const GROUPS: &str = "commands";

    fn docs() -> PathBuf {
        root().join("docs")
    }

    pub(super) fn write() -> Result<()> {
        let folder = docs().join(GROUPS);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        for (path, text) in pages() {
            fs::write(docs().join(&path), text).with_context(|| format!("write docs/{path}"))?;
            println!("wrote docs/{path}");
        }
        Ok(())
    }

    /// Which pages are not what the code would write.
    pub(super) fn check() -> Vec<String> {
        let pages = pages();
        let is_stale =
            |(path, text): &&Page| fs::read_to_string(docs().join(path)).unwrap_or_default() != *text;
        let stale = pages.iter().filter(is_stale);
        let mut complaints: Vec<String> =
            stale.map(|(path, _)| format!("docs/{path} is out of date; run `cargo xtask docs`")).collect();
        let found = fs::read_dir(docs().join(GROUPS)).into_iter().flatten().flatten();
        let names = found.map(|entry| format!("{GROUPS}/{}", entry.file_name().to_string_lossy()));
        let is_unknown = |name: &String| !pages.iter().any(|(path, _)| path == name);
        complaints
            .extend(names.filter(is_unknown).map(|name| format!("docs/{name} is of no group; delete it")));
        complaints
    }
}
