//! Writes the reference pages of all commands: an index, and a page for each group. `cargo xtask docs --check` compares
//! those in `docs/` with what this writes.

use std::fmt::Write;

use crate::{Group, Spec, all, compatibility, examples, help};

/// The text of `docs/commands.md`, the index.
pub fn index_markdown() -> String {
    let mut page = format!("{WRITTEN_FROM}{HEAD}");
    for group in Group::ALL {
        let file = file_name(group);
        // Writing to a string cannot fail.
        let _ = writeln!(page, "\n## [{}](commands/{file})\n", title(group));
        page.push_str("| command | what it does | cost |\n|---|---|---|\n");
        for spec in of_group(group) {
            let name = format!("[`{}`](commands/{file}#{})", spec.display_name(), anchor(spec));
            row(&mut page, [&name, &summary(spec), spec.complexity]);
        }
    }
    page
}

/// The text of `docs/commands/GROUP.md`.
pub fn group_markdown(group: Group) -> String {
    let mut page = format!("{WRITTEN_FROM}# {}\n\n{GROUP_HEAD}", title(group));
    of_group(group).for_each(|spec| describe(&mut page, spec));
    page
}

/// The name of a group's page in `docs/commands`.
pub fn file_name(group: Group) -> String {
    format!("{}.md", group.name())
}

const WRITTEN_FROM: &str =
    "<!-- Written by `cargo xtask docs` from crates/command/src/{table,examples}. Change it there. -->\n";

const HEAD: &str = "\
# Commands

Every command that Narf knows, by group; each has its place on the page of its group, with syntax, examples, and what
becomes of it in a cluster. The same comes from `narf cli help COMMAND` on the shell, most of it also from `COMMAND INFO`
and `COMMAND DOCS` on the wire. Which commands of Redis 7.2 are here, and which are not:
[compatibility.md](compatibility.md).

## How to read the pages

- *Syntax*: `WORD` is typed as it stands, `word` stands for a value, `[..]` may be left out, `a | b` is one of several, and
  `...` repeats.
- *Keys* are counted like arguments, the name of the command being 0. *Flags* and *categories* are those of `COMMAND INFO`;
  users are allowed categories ([users.md](users.md)).
- *In a cluster*: any node takes any request, and asks the one that leads the key's partition. On several nodes database 0 is
  spread over partitions; keys with the same hash tag, as `{cart}:1` and `{cart}:2`, are always in one. Databases 1 to 15 lie
  whole in one partition each, so there all keys are in one partition. `CLUSTER KEYSLOT` tells the slot of a key, `FABRIC
  OWNER` who has it.
- *Examples* are run by the tests as they stand here, on an empty database, and compared with a `redis-server` where it
  has the command. `>` is the first connection, `other>` a second one; `>` alone shows what the connection hears then. Times,
  ids and what is random will be others elsewhere; `...` stands for lines left out.
";

const GROUP_HEAD: &str = "How to read this, and all other commands: [commands.md](../commands.md).\n";

fn of_group(group: Group) -> impl Iterator<Item = &'static Spec> {
    all().filter(move |spec| spec.group == group && spec.is_listed())
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

/// How a heading is linked to.
fn anchor(spec: &Spec) -> String {
    spec.name.replace('|', "-")
}

fn summary(spec: &Spec) -> String {
    match spec.deprecated {
        Some(deprecated) => format!("{} Deprecated: use {}.", spec.summary, deprecated.replaced_by),
        None => spec.summary.into(),
    }
}

fn row<const N: usize>(page: &mut String, cells: [&str; N]) {
    page.push('|');
    for cell in cells {
        // A bar within a cell would end it, in code too.
        let _ = write!(page, " {} |", cell.replace('|', "\\|"));
    }
    page.push('\n');
}

/// The section of a command.
fn describe(page: &mut String, spec: &Spec) {
    let _ = write!(page, "\n## {}\n\n`{}`\n\n{}\n\n", spec.display_name(), spec.usage(), summary(spec));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(page, "- {name}: {value}");
        }
    };
    fact("Cost", spec.complexity.into());
    fact("Keys", help::keys(spec));
    fact("In a cluster", help::in_cluster(spec));
    fact("Flags", spec.flags.names().collect::<Vec<_>>().join(" "));
    fact("Categories", spec.categories.names().collect::<Vec<_>>().join(" "));
    fact("Since", spec.since.into());
    fact("Beside Redis", compatibility::beside_redis(spec));
    for example in examples::of(spec) {
        let _ = write!(page, "\n```text\n{}```\n", example.shown());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_row_and_a_section() {
        let index = index_markdown();
        let pages: String = Group::ALL.into_iter().map(group_markdown).collect();
        for spec in all() {
            let (row, section) =
                (format!("| [`{}`](", spec.display_name()), format!("\n## {}\n", spec.display_name()));
            let expect = usize::from(spec.is_listed());
            assert_eq!(
                (index.matches(&row).count(), pages.matches(&section).count()),
                (expect, expect),
                "{row}"
            );
        }
        assert!(!index.contains("NARF.") && !pages.contains("NARF."));
    }

    #[test]
    fn a_section_says_what_a_user_wants_to_know() {
        let page = group_markdown(Group::String);
        assert!(page.contains(
            "\n## GET\n\n`GET key`\n\nReturns the string at a key.\n\n- Cost: O(1)\n- Keys: argument 1\n\
             - In a cluster: The partition of the key. With READONLY, replicas answer.\n\
             - Flags: readonly fast\n- Categories: @read @string @fast\n- Since: 1.0.0\n- Beside Redis: The same.\n\n\
             ```text\n> SET greeting \"hello\"\nOK\n> GET greeting\n\"hello\"\n> GET absent\n(nil)\n```\n"
        ), "{page}");
    }
}
