//! The examples of the reference pages (`crates/command/src/examples`): each is run on an empty database and answers what it
//! says, on Narf and, where that has the command, on a `redis-server`.
//!
//! `NARF_EXAMPLES=write` puts into the files what Narf answers. The change is to be read before it is kept.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use command::Group;
use command::examples::{Example, Oracle, Step, Who, of_group, said, text_of};
use narf_tests::{Client, DEADLINE, Kind, Options, Server, Value, eventually, skip_unless_narf};
use tempfile::TempDir;

use crate::nodes::default_options;

/// Nothing is slow unless an example says so, however busy the machine is.
const NEVER_SLOW: (&str, &str) = ("slowlog-log-slower-than", "-1");

/// A node that has founded a cluster, as each does that was not told to stay alone.
fn narf(runtime: &TempDir) -> Server {
    let node = Server::start(default_options(&runtime.path().join("run")).set(NEVER_SLOW.0, NEVER_SLOW.1));
    let mut client = node.client3();
    eventually("a node that is ready", || {
        (client.run("FABRIC STATUS").field("state")?.text() == "ready").then_some(())
    });
    node
}

#[test]
fn every_example_answers_what_it_says() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let node = narf(&runtime);
    let mut wrong = String::new();
    for group in Group::ALL {
        let mut answers = Vec::new();
        for example in of_group(group) {
            let heard = play(&node, &example);
            for (step, lines) in example.steps.iter().zip(&heard) {
                if !is_as_said(&step.lines, lines) {
                    complain(&mut wrong, &example, step, lines);
                }
            }
            answers.extend(example.steps.iter().map(|step| step.lines.clone()).zip(heard));
        }
        if writes() {
            write(group, &answers);
        }
    }
    assert!(writes() || wrong.is_empty(), "{wrong}");
}

#[test]
fn examples_of_commands_that_redis_has_answer_the_same_there() {
    let redis = Server::start(Options::new().kind(Kind::Redis).set(NEVER_SLOW.0, NEVER_SLOW.1));
    let mut known = BTreeSet::new();
    let mut client = redis.client();
    let mut has = |line: &str| {
        let name = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        known.contains(&name) || {
            let is_known = matches!(&client.run(&format!("COMMAND INFO {name}")).items()[0], Value::Array(_));
            is_known && known.insert(name)
        }
    };
    let (mut wrong, mut count) = (String::new(), 0);
    for example in Group::ALL.into_iter().flat_map(of_group) {
        let is_there = example.steps.iter().all(|step| step.command.is_empty() || has(step.command));
        if !is_there || example.oracle == Oracle::Differs || has_newer_subcommand(&example) {
            continue;
        }
        count += 1;
        for (step, lines) in example.steps.iter().zip(play(&redis, &example)) {
            let is_equal = match example.oracle {
                Oracle::AnyOrder => sorted(&step.lines) == sorted(&lines),
                Oracle::Same | Oracle::Differs => is_as_said(&step.lines, &lines),
            };
            if !is_equal {
                complain(&mut wrong, &example, step, &lines);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 150, "only {count} examples were compared");
}

/// Subcommands that Redis 7.0 has not, though it has what stands before them.
fn has_newer_subcommand(example: &Example) -> bool {
    let spec = example.spec().expect("an example is of a command");
    spec.parent_name().is_some() && (spec.since.starts_with("narf") || *spec.since > *"7.0.15")
}

/// Plays an example; for each step the lines that were heard. What stood in the place of a mark is said in its place, too.
fn play(server: &Server, example: &Example) -> Vec<Vec<String>> {
    server.bare_client().check("FLUSHALL", "+OK");
    let (mut first, mut other) = (server.bare_client(), server.bare_client());
    let (mut heard, mut marks) = (Vec::new(), Vec::new());
    for step in &example.steps {
        let client = match step.who {
            Who::First => &mut first,
            Who::Other => &mut other,
        };
        let lines: Vec<String> = take(client, step, &marks).iter().flat_map(shown).collect();
        marks.extend(as_said(&step.lines, &lines).unwrap_or_default());
        heard.push(lines);
    }
    // The next example must not meet what they listen to.
    [first, other].into_iter().for_each(reset);
    heard
}

/// Takes back what a connection asked for, unless it is closed.
fn reset(mut client: Client) {
    let mut reply = client.try_run("RESET");
    while reply.is_ok_and(|reply| reply.to_string() != "+RESET") {
        reply = client.try_reply(DEADLINE);
    }
}

/// Says what a step says; what is heard then. Where nothing is written, nothing is awaited, but to find out what to write.
fn take(client: &mut Client, step: &Step, marks: &[Mark]) -> Option<Value> {
    if step.command.is_empty() {
        return Some(client.push());
    }
    let real = |word: &&str| marks.iter().find(|mark| mark.written == *word).map(|mark| mark.heard.clone());
    let words = step.command.split(' ').map(|word| real(&word).unwrap_or_else(|| word.to_owned()));
    client.send(&words.collect::<Vec<_>>().join(" "));
    match step.lines.is_empty() {
        false => Some(client.reply()),
        true if writes() => client.next_reply(Duration::from_millis(300)).expect("the connection is open"),
        true => None,
    }
}

fn writes() -> bool {
    std::env::var("NARF_EXAMPLES").is_ok_and(|word| word == "write")
}

/// The lines of a reply, as `redis-cli` shows it. Text of several lines stands as it is.
fn shown(value: &Value) -> Vec<String> {
    let mut lines: Vec<String> = text_of_value(value, 0).lines().map(str::to_owned).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

fn text_of_value(value: &Value, indent: usize) -> String {
    let plain = |bytes: &[u8]| format!("{}\n", String::from_utf8_lossy(bytes));
    match value {
        Value::Simple(text) | Value::BigNumber(text) => plain(text),
        Value::Error(text) => format!("(error) {}", plain(text)),
        Value::Int(number) => format!("(integer) {number}\n"),
        Value::Bulk(bytes) if is_text_of_lines(bytes) => plain(bytes).replace('\r', ""),
        Value::Bulk(bytes) => format!("\"{}\"\n", escaped(bytes)),
        Value::Verbatim(text) => plain(&text[4..]).replace('\r', ""),
        Value::NullBulk | Value::NullArray | Value::Null => "(nil)\n".into(),
        Value::Boolean(truth) => format!("({truth})\n"),
        Value::Double(digits) => format!("(double) {}", plain(digits)),
        Value::Array(items) => elements(items, ')', "(empty array)\n", indent),
        Value::Set(items) => elements(items, '~', "(empty set)\n", indent),
        Value::Push(items) => elements(items, '>', "(empty push)\n", indent),
        Value::Map(pairs) if pairs.is_empty() => "(empty hash)\n".into(),
        Value::Map(pairs) => {
            let width = pairs.len().to_string().len();
            let mut text = String::new();
            for (at, (key, value)) in pairs.iter().enumerate() {
                let key = text_of_value(key, 0);
                let (lead, key) = (if at == 0 { 0 } else { indent }, key.trim_end());
                let inner = indent + width + 2 + key.len() + 4;
                let value = text_of_value(value, inner);
                let _ = write!(text, "{:lead$}{:>width$}# {key} => {value}", "", at + 1);
            }
            text
        }
    }
}

fn is_text_of_lines(bytes: &[u8]) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~');
    bytes.contains(&b'\n') && bytes.iter().all(is_plain)
}

fn elements(items: &[Value], mark: char, empty: &str, indent: usize) -> String {
    if items.is_empty() {
        return empty.to_owned();
    }
    let width = items.len().to_string().len();
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let (lead, item) = (if at == 0 { 0 } else { indent }, text_of_value(item, indent + width + 2));
        let _ = write!(text, "{:lead$}{:>width$}{mark} {item}", "", at + 1);
    }
    text
}

/// As one would type it between double quotes.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'")
}

/// What stood in the place of something.
#[derive(Clone, Debug)]
struct Mark {
    written: String,
    heard: String,
}

fn is_as_said(written: &[&str], heard: &[String]) -> bool {
    as_said(written, heard).is_some()
}

/// If lines are what is written, where `<<..>>` is anything and a line `...` any lines: what stood for the marks.
fn as_said(written: &[&str], heard: &[String]) -> Option<Vec<Mark>> {
    match written.split_first() {
        None => heard.is_empty().then(Vec::new),
        Some((&"...", rest)) => (0..=heard.len()).find_map(|from| as_said(rest, &heard[from..])),
        Some((line, rest)) => {
            let (first, others) = heard.split_first()?;
            let mut marks = line_as_said(line, first)?;
            marks.extend(as_said(rest, others)?);
            Some(marks)
        }
    }
}

fn line_as_said(written: &str, heard: &str) -> Option<Vec<Mark>> {
    let Some((before, marked)) = written.split_once("<<") else {
        return (written == heard).then(Vec::new);
    };
    let rest = heard.strip_prefix(before)?;
    let (written, after) = marked.split_once(">>").expect("a mark is closed");
    let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
    ends.into_iter().find_map(|end| {
        let mut marks = line_as_said(after, &rest[end..])?;
        marks.push(Mark { written: written.to_owned(), heard: rest[..end].to_owned() });
        Some(marks)
    })
}

/// Lines without the numbers of elements, in order.
fn sorted(lines: &[impl AsRef<str>]) -> Vec<String> {
    let bare = |line: &str| line.split_once(") ").map_or(line, |(_, rest)| rest).to_owned();
    let mut lines: Vec<String> = lines.iter().map(|line| bare(line.as_ref())).collect();
    lines.sort();
    lines
}

fn complain(wrong: &mut String, example: &Example, step: &Step, heard: &[String]) {
    let _ = writeln!(
        wrong,
        "## {}\n> {}\n{}\n--- but it was\n{}\n",
        example.name,
        step.command,
        step.lines.join("\n"),
        heard.join("\n")
    );
}

/// Puts what was heard into the file of a group where that says something else.
fn write(group: Group, answers: &[(Vec<&'static str>, Vec<String>)]) {
    let mut answers = answers.iter();
    let mut text = String::new();
    for line in text_of(group).lines() {
        let is_said = said(line).is_some();
        if line.starts_with("## ") || line.is_empty() || is_said {
            let _ = writeln!(text, "{line}");
        }
        if is_said {
            let (written, heard) = answers.next().expect("each step was played");
            match is_as_said(written, heard) {
                true => written.iter().for_each(|line| text.extend([line, "\n"])),
                false => heard.iter().for_each(|line| text.extend([line.as_str(), "\n"])),
            }
        }
    }
    let path = format!("../crates/command/src/examples/{}.txt", group.name());
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).unwrap();
}

#[test]
fn marks_stand_for_anything_and_dots_for_any_lines() {
    let heard = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let check = |written: &[&str], text: &str, expect: bool| {
        assert_eq!(is_as_said(written, &heard(text)), expect, "{written:?} and {text:?}");
    };
    check(&["id <<7>> of <<9>>!"], "id 12 of 3!", true);
    check(&["id <<7>>"], "id ", false);
    check(&["a", "...", "z"], "a\nb\nc\nz", true);
    check(&["a", "..."], "b", false);
    check(&["(nil)"], "(nil)", true);
    check(&[], "more", false);
}
