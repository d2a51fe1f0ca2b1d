//! The table against what a real server says of the same commands.

use command::{FindKeys, KeyRange, KeySpec, Spec, lookup_name};

/// Facts of 7.0 that 7.2, which we follow, or we ourselves changed: command, column, what the table says.
const CHANGED: &[(&str, usize, &str)] = &[
    // 7.2 corrected it: a command without arguments is a command.
    ("command|getkeys", 1, "-3"),
    ("command|getkeysandflags", 1, "-3"),
    // 7.2 lets scripts wait, for no time.
    ("wait", 2, "blocking"),
    ("wait", 6, "@slow,@blocking,@connection"),
    // Its subcommands have rows of their own here, and these have the flags.
    ("debug", 2, "-"),
    ("debug", 6, "@slow"),
    // 7.2 tells the score as well.
    ("zrank", 1, "-3"),
    ("zrevrank", 1, "-3"),
    // A pause came with a development version.
    ("client|pause", 9, "3.0.0"),
];

#[test]
fn rows_say_what_redis_says() {
    let facts = include_str!("redis-7.0.txt");
    for line in facts.lines().filter(|line| !line.starts_with('#')) {
        let mut expect: Vec<&str> = line.split(' ').collect();
        let name = expect[0];
        CHANGED.iter().filter(|change| change.0 == name).for_each(|change| expect[change.1] = change.2);
        let spec = lookup_name(name).unwrap_or_else(|| panic!("{name} has no row"));
        assert_eq!(columns(spec), expect, "{name}");
    }
}

fn columns(spec: &Spec) -> Vec<String> {
    let ranges: Option<Vec<KeyRange>> = spec.key_specs.iter().map(KeySpec::range).collect();
    let position = |number: &dyn Fn(&KeyRange) -> String| match ranges.as_deref() {
        Some([first, .., last]) => number(&KeyRange { last: last.last, ..*first }),
        Some([only]) => number(only),
        _ if spec.keys.first == 0 => "0".into(),
        _ => number(&spec.keys),
    };
    vec![
        spec.name.into(),
        spec.arity.to_string(),
        list(spec.flags.names().map(String::from)),
        position(&|range| range.first.to_string()),
        position(&|range| range.last.to_string()),
        position(&|range| range.step.to_string()),
        list(spec.categories.names().map(String::from)),
        list(spec.tips.iter().map(|tip| (*tip).into())),
        list(spec.key_specs.iter().map(key_spec)),
        spec.since.into(),
        spec.group.name().into(),
    ]
}

fn list(words: impl Iterator<Item = String>) -> String {
    let text = words.collect::<Vec<_>>().join(",");
    if text.is_empty() { "-".into() } else { text }
}

fn key_spec(key: &KeySpec) -> String {
    let access = key.access.names().collect::<Vec<_>>().join("+");
    match key.find {
        FindKeys::Counted(counted) => format!("{}:keynum:1:{access}", counted.count_at),
        FindKeys::Range(range) => {
            format!("{}:{}:{}:{access}", range.first, range.last_from_first(), range.step)
        }
        FindKeys::Behind { word, from } => format!("{word}@{from}:{access}"),
        FindKeys::Stored(_) | FindKeys::Content => format!("unknown:{access}"),
    }
}
