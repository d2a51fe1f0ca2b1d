//! Every dependency has a licence that `deny.toml` allows: the part of `cargo deny` that needs no network, so that
//! it is checked everywhere.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{report, shell, workspace};

pub(crate) fn run() -> Result<()> {
    let text = fs::read_to_string(workspace::root().join("deny.toml")).context("read deny.toml")?;
    let settings: toml::Table = text.parse().context("deny.toml is TOML")?;
    let allowed: Vec<&str> = settings["licenses"]["allow"]
        .as_array()
        .context("deny.toml has licenses.allow")?
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let text = shell::output("cargo", &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is JSON")?;
    let mut findings = Vec::new();
    let mut count = 0;
    for package in workspace::array(&metadata["packages"]) {
        count += 1;
        let licence = package["license"].as_str().unwrap_or("none stated");
        if !is_allowed(licence, &allowed) {
            findings.push(format!(
                "{} {}: licence {licence}; replace it, or add the licence to deny.toml with the reason",
                package["name"], package["version"]
            ));
        }
    }
    report("licences", &findings)?;
    println!("licences: {count} packages");
    Ok(())
}

/// Whether an SPDX expression can be met: one side of each `OR`, both of each `AND`. Brackets bind tightest and `AND`
/// before `OR`; the old `MIT/Apache-2.0` means `OR`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, allowed) && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let met = either(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed.contains(&format!("{word} WITH {exception}").as_str()) || allowed.contains(&word);
    }
    allowed.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn licence_expressions_are_read_as_spdx_means_them() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "GPL-3.0 AND BSD-2-Clause OR MIT",
        ] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in
            ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "", "none stated", "MIT MIT"]
        {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
