//! Examples of commands: what one types, and what is answered. They are on the reference pages and in `help`, and the
//! black-box suite runs each of them (`tests/suite/examples.rs`), on Narf and on a `redis-server`.
//!
//! One file a group, `examples/GROUP.txt`. A line `## COMMAND` begins an example of that command, on an empty database and a
//! connection of its own; a command may have several. What follows is a transcript as of `redis-cli`:
//!
//! ```text
//! ## BLPOP
//! > RPUSH jobs "mail 7"
//! (integer) 1
//! > BLPOP urgent jobs 5
//! 1) "jobs"
//! 2) "mail 7"
//! ```
//!
//! - `> ` is followed by a command. Of one that answers nothing yet, the answer comes later: a line `>` alone awaits what the
//!   connection hears next, a late answer or a message.
//! - `other> ` is followed by a command of a second connection.
//! - `<<..>>` in an answer stands for anything: a time, an id. What is between the marks is shown; as a word of a later
//!   command it stands for what was answered. A line `...` stands for any lines.
//! - `## COMMAND, narf only`: a `redis-server` 7.0 knows the command, and answers something else.
//!   `## COMMAND, any order`: it has the same lines in another order.
//!
//! `NARF_EXAMPLES=write cargo nextest run -p narf-tests examples` puts what Narf answers into the files.

use crate::{Group, Spec, all, lookup_name};

/// What a `redis-server` 7.0 says to an example, if it has the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oracle {
    /// The same.
    Same,
    /// The same lines in any order.
    AnyOrder,
    /// Something else.
    Differs,
}

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The connection that the example is about.
    First,
    /// A second one.
    Other,
}

/// A command, and the lines that are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who says it.
    pub who: Who,
    /// What is said. Empty: nothing, the connection listens.
    pub command: &'static str,
    /// What is heard then, as it is written.
    pub lines: Vec<&'static str>,
}

/// An example of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Of which command, as it is written.
    pub name: &'static str,
    /// What Redis says to it.
    pub oracle: Oracle,
    /// What happens.
    pub steps: Vec<Step>,
}

/// The examples of a group, as they are written. See the module.
pub fn text_of(group: Group) -> &'static str {
    match group {
        Group::String => include_str!("examples/string.txt"),
        Group::Hash => include_str!("examples/hash.txt"),
        Group::Set => include_str!("examples/set.txt"),
        Group::List => include_str!("examples/list.txt"),
        Group::SortedSet => include_str!("examples/sorted-set.txt"),
        Group::Bitmap => include_str!("examples/bitmap.txt"),
        Group::Geo => include_str!("examples/geo.txt"),
        Group::HyperLogLog => include_str!("examples/hyperloglog.txt"),
        Group::Generic => include_str!("examples/generic.txt"),
        Group::Connection => include_str!("examples/connection.txt"),
        Group::PubSub => include_str!("examples/pubsub.txt"),
        Group::Transactions => include_str!("examples/transactions.txt"),
        Group::Server => include_str!("examples/server.txt"),
        Group::Cluster => include_str!("examples/cluster.txt"),
    }
}

/// Commands that no example can be run of, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("bgrewriteaof", "needs a data folder"),
    ("bgsave", "needs a data folder"),
    ("lastsave", "needs a data folder"),
    ("save", "needs a data folder"),
    ("acl|load", "needs an ACL file"),
    ("acl|save", "needs an ACL file"),
    ("config|rewrite", "needs a configuration file"),
    ("fabric|drain", "needs several nodes"),
    ("fabric|join", "needs several nodes"),
    ("fabric|leave", "ends the node"),
    ("fabric|remove", "needs several nodes"),
    ("fabric|trust", "needs nodes that are gone"),
    ("shutdown", "ends the node"),
];

/// Why a command has no example, if it needs none.
pub fn reason_for_none(spec: &Spec) -> Option<&'static str> {
    if spec.own_name() == "help" {
        return Some("lists what the pages list");
    }
    WITHOUT.iter().find(|(name, _)| *name == spec.name).map(|(_, reason)| *reason)
}

/// The examples of a group, in the order in which they are written.
pub fn of_group(group: Group) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in text_of(group).lines() {
        if let Some(head) = line.strip_prefix("## ") {
            let (name, oracle) = match head.split_once(", ") {
                None => (head, Oracle::Same),
                Some((name, "any order")) => (name, Oracle::AnyOrder),
                Some((name, _)) => (name, Oracle::Differs),
            };
            examples.push(Example { name, oracle, steps: Vec::new() });
            continue;
        }
        let Some(example) = examples.last_mut() else { continue };
        match said(line) {
            Some((who, command)) => example.steps.push(Step { who, command, lines: Vec::new() }),
            None if line.is_empty() => {}
            None => example.steps.iter_mut().last().into_iter().for_each(|step| step.lines.push(line)),
        }
    }
    examples
}

/// The examples of a command.
pub fn of(spec: &Spec) -> Vec<Example> {
    let is_of = |example: &Example| example.spec().is_some_and(|other| other.name == spec.name);
    of_group(spec.group).into_iter().filter(is_of).collect()
}

/// Who says a line, and what; nothing if the line is heard.
pub fn said(line: &str) -> Option<(Who, &str)> {
    let of = |prefix: &str| line.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(' '));
    of(">")
        .map(|command| (Who::First, command.trim_start()))
        .or_else(|| of("other>").map(|command| (Who::Other, command.trim_start())))
}

impl Example {
    /// The row of its command.
    pub fn spec(&self) -> Option<&'static Spec> {
        lookup_name(self.name)
    }

    /// As people read it.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let prompt = match step.who {
                Who::First => ">",
                Who::Other => "other>",
            };
            text.push_str(format!("{prompt} {}", step.command).trim_end());
            text.push('\n');
            for line in &step.lines {
                text.push_str(&line.replace("<<", "").replace(">>", ""));
                text.push('\n');
            }
        }
        text
    }
}

/// Commands that lack an example.
pub fn missing() -> Vec<&'static str> {
    let needs_one = |spec: &&Spec| spec.is_listed() && reason_for_none(spec).is_none();
    all().filter(needs_one).filter(|spec| of(spec).is_empty()).map(|spec| spec.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_example_or_a_reason() {
        assert_eq!(missing(), Vec::<&str>::new());
        for (name, _) in WITHOUT {
            let spec = lookup_name(name).unwrap();
            assert!(of(spec).is_empty(), "{name} has an example");
        }
    }

    #[test]
    fn every_example_is_about_a_command_of_its_group_and_shows_it() {
        for group in Group::ALL {
            for example in of_group(group) {
                let spec = example.spec().unwrap_or_else(|| panic!("no command: {}", example.name));
                assert_eq!((spec.group, spec.display_name().as_str()), (group, example.name));
                let is_shown = |step: &Step| step.command.to_ascii_uppercase().starts_with(example.name);
                assert!(example.steps.iter().any(is_shown), "{}", example.name);
            }
        }
    }

    #[test]
    fn marks_in_the_files_are_the_known_ones() {
        for group in Group::ALL {
            for head in text_of(group).lines().filter_map(|line| line.strip_prefix("## ")) {
                let mark = head.split_once(", ").map(|(_, mark)| mark);
                assert!(matches!(mark, None | Some("any order" | "narf only")), "{head}");
            }
        }
    }

    #[test]
    fn an_example_is_shown_without_its_marks() {
        let example = of(lookup_name("blpop").unwrap()).remove(0);
        let first = &example.steps[0];
        assert_eq!((first.who, first.lines.len()), (Who::First, 1));
        let time = of(lookup_name("time").unwrap()).remove(0).shown();
        assert!(time.starts_with("> TIME\n1) \"") && !time.contains("<<"), "{time}");
    }
}
