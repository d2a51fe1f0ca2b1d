//! Writes the reference page of all commands. `xtask tidy` checks that the page in `docs/` is what this writes.

use std::fmt::Write;

use crate::{Group, Run, Spec, all, help};

/// The text of `docs/commands.md`.
pub fn reference_markdown() -> String {
    let mut page = String::from(HEAD);
    for group in Group::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "\n## {}\n", title(group));
        page.push_str(
            "| command | what it does | cost | keys | flags | since |\n|---|---|---|---|---|---|\n",
        );
        all().filter(|spec| spec.group == group && is_listed(spec)).for_each(|spec| row(&mut page, spec));
    }
    page
}

const HEAD: &str = "\
<!-- Written by `cargo xtask docs` from crates/command/src/table. Change it there. -->
# Commands

Every command that Narf knows, by group. `WORD` is typed as it stands, `word` stands for a value, `[..]` may be left
out, `a | b` is one of several, and `...` repeats. Keys are counted like arguments, the name being 0. The same facts
come from `COMMAND INFO` and `COMMAND DOCS` on the wire and from `narf cli help COMMAND` on the shell. Which commands of
Redis 7.2 are here, and which are not: [compatibility.md](compatibility.md).
";

/// Containers say nothing that their subcommands do not.
fn is_listed(spec: &Spec) -> bool {
    !spec.is_internal() && spec.run != Run::Container
}

fn title(group: Group) -> &'static str {
    match group {
        Group::String => "Strings",
        Group::Hash => "Hashes",
        Group::Set => "Sets",
        Group::List => "Lists",
        Group::SortedSet => "Sorted sets",
        Group::Bitmap => "Bits of strings",
        Group::Geo => "Positions on Earth",
        Group::HyperLogLog => "HyperLogLogs",
        Group::Generic => "Keys of any type",
        Group::Connection => "Connection",
        Group::PubSub => "Publish and subscribe",
        Group::Transactions => "Transactions",
        Group::Server => "Server",
        Group::Cluster => "Cluster",
    }
}

fn row(page: &mut String, spec: &Spec) {
    let summary = match spec.deprecated {
        Some(deprecated) => format!("{} Deprecated: use {}.", spec.summary, deprecated.replaced_by),
        None => spec.summary.into(),
    };
    let flags = spec.flags.names().collect::<Vec<_>>().join(" ");
    let keys = help::keys(spec);
    let cells = [&*format!("`{}`", spec.usage()), &*summary, spec.complexity, &*keys, &*flags, spec.since];
    page.push('|');
    for cell in cells {
        // A bar within a cell would end it, in code too.
        let _ = write!(page, " {} |", cell.replace('|', "\\|"));
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_command() {
        let page = reference_markdown();
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, all().filter(|spec| is_listed(spec)).count());
        assert!(page.contains(
            "| `GET key` | Returns the string at a key. | O(1) | argument 1 | readonly fast | 1.0.0 |"
        ));
        assert!(!page.contains("NARF."));
    }
}
