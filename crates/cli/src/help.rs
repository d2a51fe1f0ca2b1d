//! What `help` says at the prompt. Commands and groups are described by [`command::help`].

use command::help::{Topic, describe, describe_group, topic};
use command::{Group, Spec};

/// What a line that asks for help asks about; none if it does not.
pub(crate) fn topic_of(words: &[Vec<u8>]) -> Option<Vec<String>> {
    let (first, topic) = words.split_first()?;
    let asks = first.eq_ignore_ascii_case(b"help") || first == b"?";
    asks.then(|| topic.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Text for `help`, `help COMMAND [SUBCOMMAND]` and `help @GROUP`.
pub(crate) fn answer(words: &[impl AsRef<str>]) -> String {
    if words.is_empty() {
        return overview();
    }
    let name = words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    match topic(&name) {
        Topic::Command(spec) => describe(spec),
        Topic::Group(group) => describe_group(group),
        Topic::Unknown(near) => unknown(&name, &near),
    }
}

fn overview() -> String {
    format!(
        "help COMMAND   what a command does, for example: help set\n\
         help @GROUP    the commands of {}\n\
         TAB            completes names and options\n\
         5 COMMAND ..   runs a command five times\n\
         !!             runs the last line again\n\
         .. | wc -l     gives the answer to a shell command\n\
         .. > file      writes the answer to a file, .. >> file behind it\n\
         \\x             lays out JSON, MessagePack and long text, or no more\n\
         clear          clears the screen\n\
         quit           leaves, as Ctrl-D does\n",
        groups()
    )
}

fn groups() -> String {
    let names: Vec<_> = Group::ALL.iter().map(|group| format!("@{}", group.name())).collect();
    names.join(" ")
}

fn unknown(name: &str, near: &[&Spec]) -> String {
    let near: Vec<_> = near.iter().map(|spec| spec.display_name()).collect();
    let next = if name.starts_with('@') {
        format!("; groups are {}", groups())
    } else if near.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", near.join(", "))
    };
    format!("no help for `{name}`{next}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_explained_from_its_row() {
        let text = answer(&["config", "get"]);
        assert!(text.starts_with("CONFIG GET parameter"), "{text}");
        assert!(text.contains("group         server"), "{text}");
        assert!(answer(&["config"]).contains("Subcommands:"));
        assert!(answer(&["get"]).starts_with("GET key\n"));
        assert!(answer(&["get"]).contains("\nExamples:\n  > SET greeting \"hello\"\n  OK\n"));
    }

    #[test]
    fn a_wrong_name_gets_a_guess() {
        assert_eq!(answer(&["hgetal"]), "no help for `hgetal`; did you mean HGETALL?\n");
        assert_eq!(answer(&["config", "gte"]), "no help for `config gte`; did you mean CONFIG GET?\n");
        assert_eq!(answer(&["frobnicate"]), "no help for `frobnicate`\n");
        assert!(answer(&["@nothing"]).starts_with("no help for `@nothing`; groups are @string "));
    }

    #[test]
    fn groups_list_their_commands_but_no_internal_ones() {
        assert!(answer(&["@string"]).contains("  GETRANGE"));
        assert!(answer(&["@STRING"]).contains("  GETRANGE"));
        assert!(answer(&["narf.flush"]).starts_with("no help"));
    }
}
