//! What `help` says at the prompt; all of it from the command table.

use command::{Group, Spec};

/// Text for `help`, `help COMMAND [SUBCOMMAND]` and `help @GROUP`.
pub(crate) fn answer(words: &[&str]) -> String {
    match words {
        [] => overview(),
        [group] if group.starts_with('@') => of_group(&group[1..]),
        words => {
            let name = words.join(" ");
            match command::lookup_name(&name).filter(|spec| !spec.is_internal()) {
                Some(spec) => of_command(spec),
                None => unknown(&name),
            }
        }
    }
}

fn overview() -> String {
    let groups: Vec<_> = Group::ALL.iter().map(|group| format!("@{}", group.name())).collect();
    format!(
        "help COMMAND   what a command does, for example: help set\n\
         help @GROUP    the commands of {}\n\
         TAB            completes names and options\n\
         5 COMMAND ..   runs a command five times\n\
         clear          clears the screen\n\
         quit           leaves, as Ctrl-D does\n",
        groups.join(" ")
    )
}

fn of_group(name: &str) -> String {
    let Some(group) = Group::ALL.into_iter().find(|group| group.name().eq_ignore_ascii_case(name)) else {
        return unknown(&format!("@{name}"));
    };
    let rows: Vec<_> = visible()
        .filter(|spec| spec.group == group)
        .map(|spec| (spec.display_name(), spec.summary))
        .collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, summary)| format!("  {name:width$}  {summary}\n")).collect()
}

fn of_command(spec: &Spec) -> String {
    let mut text = format!("{}\n  {}\n", spec.usage(), spec.summary);
    let subcommands: Vec<_> = spec.subcommands().iter().map(|sub| sub.own_name().to_uppercase()).collect();
    if !subcommands.is_empty() {
        text.push_str(&format!("  subcommands: {}\n", subcommands.join(" ")));
    }
    if !spec.complexity.is_empty() {
        text.push_str(&format!("  cost: {}\n", spec.complexity));
    }
    text.push_str(&format!("  group: @{}, since {}\n", spec.group.name(), spec.since));
    if let Some(deprecated) = spec.deprecated {
        text.push_str(&format!("  deprecated since {}: use {}\n", deprecated.since, deprecated.replaced_by));
    }
    text
}

fn unknown(name: &str) -> String {
    let lower = name.to_lowercase();
    let distances: Vec<_> = command::top_levels()
        .filter(|spec| !spec.is_internal())
        .map(|spec| (distance(spec.name, &lower), spec))
        .collect();
    let nearest = distances.iter().map(|(edits, _)| *edits).min().filter(|&edits| edits <= 2);
    let near: Vec<_> = distances
        .iter()
        .filter(|(edits, _)| Some(*edits) == nearest)
        .map(|(_, spec)| spec.display_name())
        .collect();
    let guess = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
    format!("no help for `{name}`{guess}\n")
}

/// Rows that clients may use, without bare parents.
fn visible() -> impl Iterator<Item = &'static Spec> {
    command::all().filter(|spec| !spec.is_internal() && spec.subcommands().is_empty())
}

/// Number of single-letter edits between two names.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_explained_from_its_row() {
        let text = answer(&["config", "get"]);
        assert!(text.starts_with("CONFIG GET "), "{text}");
        assert!(text.contains("group: @server"), "{text}");
        assert!(answer(&["config"]).contains("subcommands: "));
    }

    #[test]
    fn a_wrong_name_gets_a_guess() {
        assert_eq!(answer(&["hgetal"]), "no help for `hgetal`; did you mean HGETALL?\n");
        assert_eq!(answer(&["@nothing"]), "no help for `@nothing`\n");
    }

    #[test]
    fn groups_list_their_commands_but_no_internal_ones() {
        assert!(answer(&["@string"]).contains("  GETRANGE"));
        assert!(Group::ALL.iter().all(|group| !of_group(group.name()).contains("NARF.")));
        assert!(answer(&["narf.flush"]).starts_with("no help"));
    }
}
