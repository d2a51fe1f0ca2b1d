//! Facts about the workspace: where it is, its packages, its files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// Where cargo puts what it builds: where the environment says, else in the root.
pub(crate) fn target() -> PathBuf {
    let elsewhere = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    root().join(elsewhere.unwrap_or_else(|| "target".into()))
}

/// One member of the workspace.
pub(crate) struct Package {
    /// As in its manifest, such as `narf-engine`.
    pub(crate) name: String,
    /// The folder's name, such as `engine`.
    pub(crate) folder: String,
    /// `package.metadata.layer`.
    pub(crate) layer: Option<u64>,
    /// Names of packages that it needs to run or be built.
    pub(crate) dependencies: Vec<String>,
}

/// All members.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let text = shell::output("cargo", &["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is JSON")?;
    array(&metadata["packages"]).map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata names things");
    let manifest = PathBuf::from(text(&value["manifest_path"])?);
    let folder = manifest.parent().and_then(Path::file_name).context("a package lies in a folder")?;
    // A dependency for tests only has the kind `dev`; one for its own build counts like a normal one.
    let needed = array(&value["dependencies"]).filter(|dependency| dependency["kind"] != "dev");
    Ok(Package {
        name: text(&value["name"])?,
        folder: folder.to_string_lossy().into_owned(),
        layer: value["metadata"]["layer"].as_u64(),
        dependencies: needed.map(|dependency| text(&dependency["name"])).collect::<Result<_>>()?,
    })
}

pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Folders of things that are made, not written.
const MADE: &[&str] =
    &[".git", "target", "node_modules", "artifacts", "corpus", "narf-data", ".venv", "__pycache__"];

/// Every file that is part of the repository, relative to its root, sorted: tracked, or new and not ignored. In an
/// unpacked archive, which has no list, every file that was not made here.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if root().join(".git").exists() {
        let listed = shell::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
        files.extend(listed.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()));
    } else {
        walk(root(), &mut files)?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let name = path.file_name().unwrap_or_default();
        if kind.is_dir() && !MADE.iter().any(|made| name == *made) {
            walk(&path, files)?;
        } else if kind.is_file() {
            files.push(path.strip_prefix(root())?.to_owned());
        }
    }
    Ok(())
}
