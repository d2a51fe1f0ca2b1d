//! Dependencies between crates go strictly down, so that a wall stays a wall.
//!
//! Each crate states its layer as `package.metadata.layer`. Dependencies for tests only are free.

use anyhow::Result;

use crate::report;
use crate::workspace::{Package, packages};

/// Edges that go down and are still wrong, with the reason.
const WALLS: &[(&str, &str, &str)] = &[
    ("narf-node", "narf-log", "disk work leaves through the outbox, or the simulator needs a second path"),
    ("narf-cli", "narf-server", "the prompt is a client: it knows a node by its socket"),
    ("narf-cli", "narf-node", "the prompt is a client: it knows a node by its socket"),
    ("narf-cli", "narf-engine", "the prompt is a client: it knows a node by its socket"),
    ("narf-cli", "narf-raft", "the prompt is a client: it knows a node by its socket"),
    ("narf-cli", "narf-sim", "the simulator is a program of its own"),
    ("narf", "narf-sim", "the simulator is a program of its own"),
];

/// What the black-box suite may know: the words of the protocol and the judge of histories, not the product.
const TESTS_MAY_USE: &[&str] = &["narf-base", "narf-resp", "narf-command", "narf-history"];

/// The only crates that may contain asynchronous code.
const MAY_USE_TOKIO: &[&str] = &["narf-server", "narf-client", "narf-cli", "narf"];

pub(crate) fn run() -> Result<()> {
    let packages = packages()?;
    let mut findings = Vec::new();
    for package in &packages {
        match package.name.as_str() {
            "xtask" => {}
            "narf-tests" => check_tests(package, &packages, &mut findings),
            _ => check_layers(package, &packages, &mut findings),
        }
    }
    report("layers", &findings)?;
    println!("layers: {} packages, every edge goes down", packages.len());
    Ok(())
}

fn check_tests(package: &Package, packages: &[Package], findings: &mut Vec<String>) {
    for other in members_of(&package.dependencies, packages) {
        if !TESTS_MAY_USE.contains(&other.name.as_str()) {
            findings.push(format!(
                "{} uses {}: the suite is black-box; talk to the binary over a socket",
                package.name, other.name
            ));
        }
    }
}

fn check_layers(package: &Package, packages: &[Package], findings: &mut Vec<String>) {
    let Some(layer) = package.layer else {
        findings.push(format!("{} has no layer; add `[package.metadata] layer = N`", package.name));
        return;
    };
    for other in members_of(&package.dependencies, packages) {
        match other.layer {
            Some(below) if below < layer => {}
            below => findings.push(format!(
                "{} (layer {layer}) uses {} (layer {}); an edge must go strictly down: move the shared part to a \
                 lower crate, or turn the need around",
                package.name,
                other.name,
                below.map_or_else(|| "none".to_owned(), |layer| layer.to_string()),
            )),
        }
    }
    for (from, to, reason) in WALLS {
        if package.name == *from && package.dependencies.iter().any(|name| name == to) {
            findings.push(format!("{from} uses {to}: {reason}"));
        }
    }
    let uses_tokio = package.dependencies.iter().any(|name| name == "tokio");
    if uses_tokio && !MAY_USE_TOKIO.contains(&package.name.as_str()) {
        findings.push(format!("{} uses tokio: async lives in the shells", package.name));
    }
}

fn members_of<'a>(names: &'a [String], packages: &'a [Package]) -> impl Iterator<Item = &'a Package> {
    packages.iter().filter(move |package| names.contains(&package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, layer: Option<u64>, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: name.to_owned(),
            layer,
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn findings_of(package: &Package, packages: &[Package]) -> Vec<String> {
        let mut findings = Vec::new();
        check_layers(package, packages, &mut findings);
        findings
    }

    #[test]
    fn edges_up_and_level_and_through_walls_are_found() {
        let log = package("narf-log", Some(1), &[]);
        let resp = package("narf-resp", Some(1), &["narf-command", "serde"]);
        let command = package("narf-command", Some(1), &[]);
        let node = package("narf-node", Some(3), &["narf-log", "narf-resp", "tokio"]);
        let bare = package("narf-new", None, &[]);
        let all = [log, resp, command, node, bare];
        assert!(findings_of(&all[0], &all).is_empty());
        assert_eq!(findings_of(&all[1], &all).len(), 1, "level");
        assert_eq!(findings_of(&all[3], &all).len(), 2, "a wall and tokio");
        assert_eq!(findings_of(&all[4], &all).len(), 1, "no layer");
    }
}
