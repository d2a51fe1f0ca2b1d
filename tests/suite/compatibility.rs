//! Whether `docs/compatibility.md` is true: its list of Redis against a `redis-server`, and what it says of Narf against
//! Narf. What `COMMAND INFO` tells is compared row by row in suite/introspection.rs, replies in suite/differential.

use std::collections::{BTreeMap, BTreeSet};

use command::compatibility::{RedisCommand, Standing, redis_commands};
use narf_tests::{Client, Kind, Options, Server, Value, skip_unless_narf};

/// All fixed words in the documentation of arguments, inner ones too.
fn words_of(arguments: &Value, words: &mut BTreeSet<String>) {
    for argument in arguments.items() {
        // Redis documents an empty word in the place of the key of `MIGRATE`.
        words.extend(argument.field("token").map(|word| word.text()).filter(|word| !word.is_empty()));
        if let Some(inner) = argument.field("arguments") {
            words_of(&inner, words);
        }
    }
}

/// The words of each command that `docs` describes, subcommands in the place of what stands before them.
fn collect(docs: &Value, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for pair in docs.items().chunks(2) {
        let [name, facts] = pair else { panic!("names and facts in turn, not {docs}") };
        let mut words = BTreeSet::new();
        if let Some(arguments) = facts.field("arguments") {
            words_of(&arguments, &mut words);
        }
        let subcommands = facts.field("subcommands");
        subcommands.iter().for_each(|subcommands| collect(subcommands, found));
        // `COMMAND` alone is a command.
        if subcommands.is_none() || name.text() == "command" {
            found.insert(name.text(), words);
        }
    }
}

fn documented(client: &mut Client) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    collect(&client.run("COMMAND DOCS"), &mut found);
    found
}

fn options(command: &RedisCommand, with_new: bool) -> BTreeSet<String> {
    let of_version = command.options.iter().filter(|option| with_new || !option.is_new);
    of_version.map(|option| option.word.to_owned()).collect()
}

#[test]
fn the_list_of_redis_is_what_redis_says() {
    let redis = Server::start(Options::new().kind(Kind::Redis));
    let documented = documented(&mut redis.client());
    let listed: BTreeMap<String, BTreeSet<String>> = redis_commands()
        .filter(|command| !command.since.starts_with("7.2"))
        .map(|command| (command.name.to_owned(), options(&command, false)))
        .collect();
    let names = |commands: &BTreeMap<String, BTreeSet<String>>| commands.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&listed), names(&documented));
    for (name, words) in &documented {
        assert_eq!(&listed[name], words, "{name}");
    }
}

#[test]
fn what_is_said_to_be_here_is_known_with_its_options() {
    if skip_unless_narf() {
        return;
    }
    let narf = Server::new();
    let mut client = narf.client();
    let documented = documented(&mut client);
    for command in redis_commands().filter(|command| !matches!(command.standing(), Standing::Missing(_))) {
        // `DEBUG` has rows for what it does.
        if command.name == "debug" {
            continue;
        }
        let words =
            documented.get(command.name).unwrap_or_else(|| panic!("{} is not documented", command.name));
        let missing: BTreeSet<String> = command.missing_options().into_iter().map(str::to_owned).collect();
        let lacking: BTreeSet<String> = options(&command, true).difference(words).cloned().collect();
        assert_eq!(lacking, missing, "{}: what the page says it lacks", command.name);
        let info = client.run(&format!("COMMAND INFO {}", command.name));
        assert_eq!(info.items()[0].items()[0].text(), command.name);
    }
}

#[test]
fn what_is_said_to_be_missing_is_refused() {
    if skip_unless_narf() {
        return;
    }
    let narf = Server::new();
    let mut client = narf.client();
    client.check("SET key value", "+OK");
    for command in redis_commands() {
        let Standing::Missing(instead) = command.standing() else { continue };
        let line = format!("{} localhost 1 key 0 10", command.name.replace('|', " "));
        let answer = client.run(&line);
        let is_expected = match command.spec() {
            // Not for the number of its words.
            Some(_) => answer.is_error() && !answer.text().contains("wrong number"),
            None => {
                let is_told = answer.text().ends_with(&format!("(not in Narf: {instead})"));
                answer.text().starts_with("ERR unknown ") && is_told
            }
        };
        assert!(is_expected, "{line}: {answer}");
    }
    client.check("GET key", "\"value\"");
}
