//! Texts about commands for people: a command, a group, a family of subcommands, and what somebody may have meant.

use std::fmt::Write;

use crate::{
    DataCommand, Flags, Group, Movable, NodeCommand, Run, Scope, Spec, Split, all, examples, lookup_name,
};

/// What the words after `help` name.
#[derive(Clone, Debug)]
pub enum Topic {
    /// A command or subcommand.
    Command(&'static Spec),
    /// `@string` and the like.
    Group(Group),
    /// Nothing; these are the closest, if any is close.
    Unknown(Vec<&'static Spec>),
}

/// Finds what `words` name: `set`, `config get`, `@hash`.
pub fn topic(words: &str) -> Topic {
    let words = words.trim();
    if let Some(group) = words.strip_prefix('@') {
        // No command is like the name of a group.
        return Group::by_name(group).map_or(Topic::Unknown(Vec::new()), Topic::Group);
    }
    match lookup_name(words).filter(|spec| !spec.is_internal()) {
        Some(spec) => Topic::Command(spec),
        None => Topic::Unknown(similar(words)),
    }
}

/// A command on one screen: usage, summary, facts, its subcommands if it has any, and examples.
pub fn describe(spec: &Spec) -> String {
    let mut text = format!("{}\n\n{}\n\n", spec.usage(), spec.summary);
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<14}{value}");
        }
    };
    fact("group", spec.group.name().into());
    fact("since", spec.since.into());
    fact("cost", spec.complexity.into());
    fact("keys", keys(spec));
    fact("flags", spec.flags.names().collect::<Vec<_>>().join(" "));
    fact("categories", spec.categories.names().collect::<Vec<_>>().join(" "));
    fact("in a cluster", in_cluster(spec));
    if let Some(deprecated) = spec.deprecated {
        fact("deprecated", format!("since {}; use {}", deprecated.since, deprecated.replaced_by));
    }
    if spec.has_subcommands() {
        text.push_str("\nSubcommands:\n");
        text.push_str(&list(spec.subcommands().iter()));
    }
    for (at, example) in examples::of(spec).iter().enumerate() {
        text.push_str(if at == 0 { "\nExamples:\n" } else { "\n" });
        for line in example.shown().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Whom it concerns where there are several nodes, in words; nothing of what only stands before a subcommand.
pub(crate) fn in_cluster(spec: &Spec) -> String {
    let mut text = String::from(match spec.scope() {
        Scope::Partition if spec.run == Run::Data(DataCommand::Move) => {
            "Refused with -CROSSSLOT unless both databases are in one partition."
        }
        Scope::Partition if matches!(spec.run, Run::Node(_)) && !spec.has_keys() => {
            "The keys of all its requests must be in one partition, else -EXECABORT."
        }
        Scope::Partition if spec.names_several_keys() => {
            "All keys must be in one partition, else -CROSSSLOT."
        }
        Scope::Partition if !spec.has_keys() => "",
        Scope::Partition => "The partition of the key.",
        Scope::Partitions(Split::Sum) => "Cut by partition: each part is atomic, counts are added up.",
        Scope::Partitions(Split::Array) => {
            "Cut by partition: each part is atomic, values come in the order of the keys."
        }
        Scope::Partitions(Split::Ok) => "Cut by partition: each part is atomic, the whole is not.",
        Scope::FirstThatHas => {
            "Keys may be in several partitions: they are tried one after the other, and waited for together."
        }
        Scope::Database if spec.is_write() => "All partitions, each by itself.",
        Scope::Database if spec.run == Run::Node(NodeCommand::Scan) => {
            "All partitions, one after the other: the cursor says where to go on."
        }
        Scope::Database => "All partitions; the answers are put together.",
        Scope::Slot => "The partition of the slot.",
        Scope::Written => "The partitions that this connection has written to.",
        Scope::Agreed => "All nodes: it needs a majority of them.",
        Scope::Known => "The node that is asked tells what it knows of all.",
        Scope::Subscribers => "Clients of all nodes, as far as the node that is asked can reach theirs.",
        Scope::Node => "The node that is asked.",
        Scope::Connection if spec.channels().is_some() => {
            "This connection; it hears what is published at any node."
        }
        Scope::Connection => "This connection.",
        Scope::Alone => "Refused where there are several nodes.",
        Scope::Nobody if spec.run == Run::Container => "",
        Scope::Nobody => "Always refused.",
    });
    if matches!(spec.run, Run::Data(DataCommand::Sort | DataCommand::SortRo)) {
        text.push_str(" Patterns of BY and GET must have the hash tag of the key.");
    }
    if spec.flags.contains(Flags::BLOCKING) && matches!(spec.run, Run::Data(_)) {
        text.push_str(" Whoever waits stands in line where the key is led.");
    }
    if spec.reads_replicas() {
        text.push_str(" With READONLY, replicas answer.");
    }
    text
}

/// The commands of a group, one a line. A container alone does nothing; its subcommands stand for it.
pub fn describe_group(group: Group) -> String {
    list(all().filter(|spec| spec.group == group && spec.run != Run::Container && !spec.is_internal()))
}

fn list<'a>(specs: impl Iterator<Item = &'a Spec> + Clone) -> String {
    let width = specs.clone().map(|spec| spec.display_name().len()).max().unwrap_or(0);
    let line = |spec: &Spec| format!("  {:<width$}  {}\n", spec.display_name(), spec.summary);
    specs.map(line).collect()
}

/// Where the keys are, in words.
pub(crate) fn keys(spec: &Spec) -> String {
    let range = spec.keys;
    let last = i16::from(range.last);
    match spec.movable {
        None => {}
        Some(Movable::Counted(counted)) => {
            let behind = format!("those counted by argument {}", counted.count_at);
            return if counted.lone == 0 {
                behind
            } else {
                format!("argument {} and {behind}", counted.lone)
            };
        }
        Some(Movable::Stored(_)) if spec.is_write() => return "argument 1 and the one to store at".into(),
        Some(Movable::Stored(_)) => return "argument 1".into(),
    }
    match (range.first, last, range.step) {
        (0, ..) => String::new(),
        (first, last, _) if last == i16::from(first) => format!("argument {first}"),
        (first, -1, 1) => format!("arguments from {first} on"),
        (first, -1, step) => format!("every {step}nd argument from {first} on").replace("3nd", "3rd"),
        (first, last, _) => format!("arguments {first} to {last}"),
    }
}

/// The lines that `CONFIG HELP` and its like answer, laid out as Redis does: a head, then for each subcommand its
/// usage and, indented, what it does.
pub fn subcommand_lines(parent: &Spec) -> Vec<String> {
    let mut lines =
        vec![format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", parent.display_name())];
    let mut entry = |usage: String, summary: &str| {
        lines.push(usage);
        lines.push(format!("    {summary}"));
    };
    if parent.run != Run::Container {
        entry("(no subcommand)".into(), parent.summary);
    }
    for spec in parent.subcommands().iter().filter(|spec| spec.own_name() != "help") {
        let usage = format!("{} {}", spec.own_name().to_ascii_uppercase(), spec.syntax);
        entry(usage.trim_end().into(), spec.summary);
    }
    entry("HELP".into(), "Prints this help.");
    lines
}

/// Longer ones resemble nothing, and comparing costs the product of the lengths.
const WORDS_MAX: usize = 64;

/// At most three commands whose names are nearest to `words`, all equally near. Empty if none is near.
pub fn similar(words: &str) -> Vec<&'static Spec> {
    if words.len() > WORDS_MAX {
        return Vec::new();
    }
    let wanted = words.trim().to_ascii_lowercase().replace(' ', "|");
    // A third of the letters may differ, so that short words do not match everything.
    let far = wanted.len() / 3 + 1;
    let mut near: Vec<(usize, &Spec)> = all()
        .filter(|spec| !spec.is_internal())
        .map(|spec| (edits(wanted.as_bytes(), spec.name.as_bytes()), spec))
        .filter(|&(distance, _)| distance <= far)
        .collect();
    near.sort_by_key(|&(distance, spec)| (distance, spec.name));
    let nearest = near.first().map_or(0, |&(distance, _)| distance);
    near.retain(|&(distance, _)| distance == nearest);
    near.truncate(3);
    near.into_iter().map(|(_, spec)| spec).collect()
}

/// The least number of letters to insert, remove, replace or swap with a neighbour to get from one word to another.
fn edits(from: &[u8], to: &[u8]) -> usize {
    // The table's rows for two letters ago, one letter ago, and now.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a == to[j - 1] && b == from[i - 1];
            if swapped {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_fits_on_a_screen() {
        let text = describe(lookup_name("mset").unwrap());
        assert_eq!(
            text,
            "MSET key value [key value ...]\n\n\
             Sets several strings.\n\n  \
             group         string\n  \
             since         1.0.1\n  \
             cost          O(N), N the number of keys\n  \
             keys          every 2nd argument from 1 on\n  \
             flags         write denyoom\n  \
             categories    @write @string @slow\n  \
             in a cluster  Cut by partition: each part is atomic, the whole is not.\n\n\
             Examples:\n  \
             > MSET user:1 \"ada\" user:2 \"bob\"\n  \
             OK\n  \
             > GET user:2\n  \
             \"bob\"\n"
        );
        assert!(describe(lookup_name("object").unwrap()).contains("\n  OBJECT FREQ      Returns how often"));
    }

    #[test]
    fn help_subcommands_answer_in_the_layout_of_redis() {
        let lines = subcommand_lines(lookup_name("config").unwrap());
        assert_eq!(lines[0], "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        assert_eq!(lines[1], "GET parameter [parameter ...]");
        assert_eq!(lines[2], "    Returns settings whose names match patterns.");
        assert_eq!(lines[lines.len() - 2..], ["HELP", "    Prints this help."]);
        assert_eq!(subcommand_lines(lookup_name("command").unwrap())[1], "(no subcommand)");
        let one_line = |line: &String| !line.contains(['\r', '\n']);
        assert!(all().all(|spec| subcommand_lines(spec).iter().all(one_line)));
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_command() {
        let names = |words| similar(words).iter().map(|spec| spec.name).collect::<Vec<_>>();
        assert_eq!(names("gte")[0], "get");
        assert_eq!(names("HINCRBYFLAOT")[0], "hincrbyfloat");
        assert_eq!(names("confg get"), ["config|get"]);
        assert_eq!(names("hgetal"), ["hgetall"]);
        assert_eq!(names("incrb"), ["incr", "incrby"]);
        assert!(names("frobnicate-the-server").is_empty());
        assert!(names("narf.flush").is_empty());
    }

    #[test]
    fn words_name_commands_groups_or_nothing() {
        assert!(
            matches!(topic(" Config  get ".replace("  ", " ").as_str()), Topic::Command(spec) if spec.name == "config|get")
        );
        assert!(matches!(topic("@HASH"), Topic::Group(Group::Hash)));
        assert!(matches!(topic("narf.flush"), Topic::Unknown(_)));
        assert!(matches!(topic("@strin"), Topic::Unknown(near) if near.is_empty()));
        assert!(describe_group(Group::Hash).lines().count() >= 16);
        assert!(describe_group(Group::Server).contains("\n  CONFIG GET "));
        assert!(!describe_group(Group::Server).contains("  CONFIG  "));
        assert!(Group::ALL.iter().all(|&group| !describe_group(group).contains("NARF.")));
    }
}
