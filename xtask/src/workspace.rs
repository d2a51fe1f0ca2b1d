//! Facts about the workspace: where it is, its packages, its files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
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
    /// Names of its programs.
    pub(crate) programs: Vec<String>,
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
    let programs = array(&value["targets"]).filter(|target| array(&target["kind"]).any(|kind| kind == "bin"));
    Ok(Package {
        name: text(&value["name"])?,
        folder: folder.to_string_lossy().into_owned(),
        layer: value["metadata"]["layer"].as_u64(),
        dependencies: needed.map(|dependency| text(&dependency["name"])).collect::<Result<_>>()?,
        programs: programs.map(|target| text(&target["name"])).collect::<Result<_>>()?,
    })
}

pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Every file that is part of the repository, relative to its root, sorted: tracked, or new and not ignored.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let listed = shell::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])
        .context("tidy reads the list of files from git; run it in a clone")?;
    let mut files: Vec<PathBuf> =
        listed.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
