//! `COMMAND` and its subcommands: the command table as Redis 7.2 shows it.
//!
//! Reads nothing but the table and its arguments. Which of a reply's parts are arrays, sets or maps follows
//! redis-server to the letter, for clients differ in what they put up with.

use base::Args;
use command::syntax::{self, Arg, Kind};
use command::{Category, FindKeys, KeyRange, KeySpec, KeyUse, Lookup, Movable, NodeCommand, Spec, help};
use engine::glob::{self, Case};
use resp::Reply;

/// Answers `COMMAND` or one of its subcommands.
pub(crate) fn reply(command: NodeCommand, args: Args<'_>, reply: &mut Reply<'_>) {
    match command {
        NodeCommand::CommandCount => reply.len_int(listed().count()),
        NodeCommand::CommandDocs => docs(args.tail(2), reply),
        NodeCommand::CommandGetKeys => keys(args.tail(2), KeysForm::Names, reply),
        NodeCommand::CommandGetKeysAndFlags => keys(args.tail(2), KeysForm::NamesAndFlags, reply),
        NodeCommand::CommandHelp => {
            let lines = help::subcommand_lines(NodeCommand::Command.spec());
            reply.array(lines.len());
            lines.iter().for_each(|line| reply.simple(line));
        }
        NodeCommand::CommandInfo => infos(args.tail(2), reply),
        NodeCommand::CommandList => list(args.tail(2), reply),
        // Plain `COMMAND` is `COMMAND INFO` without names.
        _ => infos(args.tail(args.len()), reply),
    }
}

/// The commands that clients can see, without subcommands.
fn listed() -> impl Iterator<Item = &'static Spec> + Clone {
    command::top_levels().filter(|spec| !spec.is_internal())
}

/// The visible command called `name`, which may be a subcommand.
fn named(name: &[u8]) -> Option<&'static Spec> {
    command::lookup_name(name).filter(|spec| !spec.is_internal())
}

fn infos(names: Args<'_>, reply: &mut Reply<'_>) {
    if names.is_empty() {
        reply.array(listed().count());
        listed().for_each(|spec| info(spec, reply));
        return;
    }
    reply.array(names.len());
    for name in names.iter() {
        match named(name) {
            Some(spec) => info(spec, reply),
            None => reply.null(),
        }
    }
}

fn info(spec: &Spec, reply: &mut Reply<'_>) {
    let range = positions(spec);
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.int(spec.arity.into());
    statuses(spec.flags.names(), reply);
    range.iter().for_each(|position| reply.int(*position));
    statuses(spec.categories.names(), reply);
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.key_specs.len());
    spec.key_specs.iter().for_each(|key| key_spec(key, reply));
    // No subcommands are a set, some are an array: so does redis-server.
    if !spec.has_subcommands() {
        return reply.set(0);
    }
    reply.array(spec.subcommands().len());
    spec.subcommands().iter().for_each(|sub| info(sub, reply));
}

/// First key, last key and step, as far as positions alone say.
fn positions(spec: &Spec) -> [i64; 3] {
    let ends =
        (spec.key_specs.first().and_then(KeySpec::range), spec.key_specs.last().and_then(KeySpec::range));
    let range = match ends {
        (Some(first), Some(last)) => KeyRange { last: last.last, ..first },
        _ => spec.keys,
    };
    let step = if range.first == 0 { 0 } else { range.step };
    [range.first.into(), range.last.into(), step.into()]
}

fn statuses(words: impl Iterator<Item = &'static str> + Clone, reply: &mut Reply<'_>) {
    reply.set(words.clone().count());
    words.for_each(|word| reply.simple(word));
}

fn key_spec(key: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    statuses(key.access.names(), reply);
    reply.bulk(b"begin_search");
    match key.find {
        FindKeys::Range(range) => {
            typed(reply, b"index", 1);
            number(reply, b"index", range.first.into());
            found_by_range(range.last_from_first(), range.step, reply);
        }
        FindKeys::Counted(counted) => {
            typed(reply, b"index", 1);
            number(reply, b"index", counted.count_at.into());
            reply.bulk(b"find_keys");
            typed(reply, b"keynum", 3);
            number(reply, b"keynumidx", 0);
            number(reply, b"firstkey", 1);
            number(reply, b"keystep", counted.step.into());
        }
        FindKeys::Behind { word, from } => {
            typed(reply, b"keyword", 2);
            text(reply, "keyword", word);
            number(reply, b"startfrom", from.into());
            found_by_range(0, 1, reply);
        }
        FindKeys::Stored(_) | FindKeys::Content => {
            typed(reply, b"unknown", 0);
            reply.bulk(b"find_keys");
            typed(reply, b"unknown", 0);
        }
    }
}

fn found_by_range(last: i64, step: u8, reply: &mut Reply<'_>) {
    reply.bulk(b"find_keys");
    typed(reply, b"range", 3);
    number(reply, b"lastkey", last);
    number(reply, b"keystep", step.into());
    number(reply, b"limit", 0);
}

/// Starts `{type, spec: {..}}` with room for `numbers`.
fn typed(reply: &mut Reply<'_>, kind: &[u8], numbers: usize) {
    reply.map(2);
    text(reply, "type", kind);
    reply.bulk(b"spec");
    reply.map(numbers);
}

fn number(reply: &mut Reply<'_>, name: &[u8], value: i64) {
    reply.bulk(name);
    reply.int(value);
}

fn text(reply: &mut Reply<'_>, name: &str, value: impl AsRef<[u8]>) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_ref());
}

fn docs(names: Args<'_>, reply: &mut Reply<'_>) {
    let specs: Vec<&Spec> =
        if names.is_empty() { listed().collect() } else { names.iter().filter_map(named).collect() };
    docs_of(&specs, reply);
}

fn docs_of(specs: &[&Spec], reply: &mut Reply<'_>) {
    reply.map(specs.len());
    for spec in specs {
        reply.bulk(spec.name.as_bytes());
        doc(spec, reply);
    }
}

fn doc(spec: &Spec, reply: &mut Reply<'_>) {
    let arguments = syntax::arguments(spec);
    let optional = usize::from(!arguments.is_empty()) + usize::from(spec.has_subcommands());
    reply.map(4 + optional + spec.deprecated.map_or(0, |_| 3));
    text(reply, "summary", spec.summary);
    text(reply, "since", spec.since);
    text(reply, "group", spec.group.name());
    text(reply, "complexity", spec.complexity);
    if let Some(deprecated) = spec.deprecated {
        reply.bulk(b"doc_flags");
        statuses(["deprecated"].into_iter(), reply);
        text(reply, "deprecated_since", deprecated.since);
        text(reply, "replaced_by", deprecated.replaced_by);
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        arguments_of(&arguments, reply);
    }
    if spec.has_subcommands() {
        reply.bulk(b"subcommands");
        docs_of(&spec.subcommands().iter().collect::<Vec<_>>(), reply);
    }
}

fn arguments_of(args: &[Arg], reply: &mut Reply<'_>) {
    reply.array(args.len());
    args.iter().for_each(|arg| argument(arg, reply));
}

/// Depth is that of the syntax in the table, a handful.
fn argument(arg: &Arg, reply: &mut Reply<'_>) {
    let is_group = matches!(arg.kind, Kind::OneOf | Kind::Block);
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, word)| word);
    let has_flags = flags.clone().next().is_some();
    // Groups have parts, the others a text to show.
    let fields =
        3 + usize::from(arg.key_spec.is_some()) + usize::from(arg.token.is_some()) + usize::from(has_flags);
    reply.map(fields);
    text(reply, "name", &arg.name);
    text(reply, "type", arg.kind.name());
    if !is_group {
        text(reply, "display_text", &arg.name);
    }
    if let Some(index) = arg.key_spec {
        reply.bulk(b"key_spec_index");
        reply.len_int(index);
    }
    if let Some(token) = &arg.token {
        text(reply, "token", token);
    }
    if has_flags {
        reply.bulk(b"flags");
        statuses(flags, reply);
    }
    if is_group {
        reply.bulk(b"arguments");
        arguments_of(&arg.args, reply);
    }
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`. Subcommands are in the list.
fn list(filter: Args<'_>, reply: &mut Reply<'_>) {
    let is = |at, word: &str| filter.at(at).eq_ignore_ascii_case(word.as_bytes());
    let value = filter.at(2);
    match filter.len() {
        0 => names(|_| true, reply),
        3 if is(0, "filterby") && is(1, "pattern") => {
            names(|spec| glob::matches_with(value, spec.name.as_bytes(), Case::Ignore), reply);
        }
        3 if is(0, "filterby") && is(1, "aclcat") => {
            let category = Category::by_name(value);
            names(|spec| category.is_some_and(|category| spec.categories.contains(category)), reply);
        }
        // There are no modules.
        3 if is(0, "filterby") && is(1, "module") => names(|_| false, reply),
        _ => reply.error("ERR syntax error"),
    }
}

fn names(is_wanted: impl Fn(&Spec) -> bool, reply: &mut Reply<'_>) {
    let wanted = || command::all().filter(|spec| !spec.is_internal() && is_wanted(spec));
    reply.array(wanted().count());
    wanted().for_each(|spec| reply.bulk(spec.name.as_bytes()));
}

#[derive(Clone, Copy)]
enum KeysForm {
    Names,
    NamesAndFlags,
}

/// Answers which arguments of `request` are keys.
fn keys(request: Args<'_>, form: KeysForm, reply: &mut Reply<'_>) {
    let Lookup::Found(spec) = command::lookup(request) else {
        return reply.error("ERR Invalid command specified");
    };
    if spec.is_internal() {
        return reply.error("ERR Invalid command specified");
    }
    if !spec.has_keys() {
        return reply.error("ERR The command has no key arguments");
    }
    if !spec.arity_ok(request.len()) {
        return reply.error("ERR Invalid number of arguments specified for command");
    }
    let is_wrong = match spec.movable {
        Some(Movable::Counted(_)) => spec.key_specs.last().is_some_and(|key| key.of(request).len() == 0),
        Some(Movable::Stored(_)) => false,
        // Keys that may be left out, and are: Redis does not know that of `PFMERGE`.
        None => spec
            .key_specs
            .iter()
            .filter_map(KeySpec::range)
            .any(|range| usize::from(range.first) >= request.len()),
    };
    if is_wrong {
        return reply.error("ERR Invalid arguments specified for command");
    }
    let found = spec.named_keys(request);
    reply.array(found.clone().count());
    for KeyUse { index, access } in found {
        match form {
            KeysForm::Names => reply.bulk(request.at(index)),
            KeysForm::NamesAndFlags => {
                reply.array(2);
                reply.bulk(request.at(index));
                statuses(access.names(), reply);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Request;
    use resp::Version;

    use super::*;

    #[track_caller]
    fn check(request: &[&str], version: Version, expect: &str) {
        let request = Request::from_parts(request);
        let Lookup::Found(Spec { run: command::Run::Node(command), .. }) = command::lookup(request.args())
        else {
            panic!("{request:?} is none of ours")
        };
        let mut out = Vec::new();
        reply(*command, request.args(), &mut Reply::new(&mut out, version));
        assert_eq!(String::from_utf8_lossy(&out).trim_end().replace("\r\n", " "), expect);
    }

    /// The bytes are those of redis-server 7.0.
    #[test]
    fn info_has_the_shape_of_redis() {
        check(
            &["COMMAND", "INFO", "copy", "nope", "narf.put"],
            Version::Resp2,
            "*3 *10 $4 copy :-3 *2 +write +denyoom :1 :2 :1 *3 +@keyspace +@write +@slow *0 *2 *6 $5 flags *2 +RO \
             +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range \
             $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *6 $5 flags *2 +OW +update $12 begin_search *4 $4 \
             type $5 index $4 spec *2 $5 index :2 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 \
             keystep :1 $5 limit :0 *0 $-1 $-1",
        );
        check(
            &["COMMAND", "INFO", "object|freq"],
            Version::Resp3,
            "*1 *10 $11 object|freq :3 ~1 +readonly :2 :2 :1 ~3 +@keyspace +@read +@slow ~1 $23 \
             nondeterministic_output ~1 %3 $5 flags ~1 +RO $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index \
             :2 $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0",
        );
    }

    #[test]
    fn docs_name_arguments_and_nest_subcommands() {
        check(&["COMMAND", "DOCS", "nope"], Version::Resp3, "%0");
        check(
            &["COMMAND", "DOCS", "expire"],
            Version::Resp3,
            "%1 $6 expire %5 $7 summary $37 Sets how many seconds a key has left. $5 since $5 1.0.0 $5 group $7 \
             generic $10 complexity $4 O(1) $9 arguments *3 %4 $4 name $3 key $4 type $3 key $12 display_text $3 key \
             $14 key_spec_index :0 %3 $4 name $7 seconds $4 type $7 integer $12 display_text $7 seconds %4 $4 name \
             $9 condition $4 type $5 oneof $5 flags ~1 +optional $9 arguments *4 %4 $4 name $2 nx $4 type $10 \
             pure-token $12 display_text $2 nx $5 token $2 NX %4 $4 name $2 xx $4 type $10 pure-token $12 \
             display_text $2 xx $5 token $2 XX %4 $4 name $2 gt $4 type $10 pure-token $12 display_text $2 gt $5 \
             token $2 GT %4 $4 name $2 lt $4 type $10 pure-token $12 display_text $2 lt $5 token $2 LT",
        );
        check(
            &["COMMAND", "DOCS", "module"],
            Version::Resp2,
            "*2 $6 module *10 $7 summary $17 Looks at modules. $5 since $5 4.0.0 $5 group $6 server $10 complexity \
             $25 depends on the subcommand $11 subcommands *2 $11 module|list *8 $7 summary $33 Returns the loaded \
             modules: none. $5 since $5 4.0.0 $5 group $6 server $10 complexity $4 O(1)",
        );
    }

    #[test]
    fn lists_are_filtered_by_pattern_and_category() {
        let list = |filter: [&str; 2], expect: &str| {
            check(&["COMMAND", "LIST", "FILTERBY", filter[0], filter[1]], Version::Resp3, expect);
        };
        list(["PATTERN", "CONFIG|re*"], "*2 $16 config|resetstat $14 config|rewrite");
        list(["ACLCAT", "transaction"], "*5 $7 discard $4 exec $5 multi $7 unwatch $5 watch");
        list(["ACLCAT", "nope"], "*0");
        list(["MODULE", "x"], "*0");
        list(["PATTERN", "narf.*"], "*0");
        list(["SIZE", "x"], "-ERR syntax error");
        check(&["COMMAND", "LIST", "FILTERBY"], Version::Resp3, "-ERR syntax error");
    }

    #[test]
    fn keys_of_a_request_are_found_with_their_flags() {
        let keys = |request: &[&str], expect: &str| {
            check(&[&["COMMAND", "GETKEYS"], request].concat(), Version::Resp3, expect);
        };
        keys(&["mset", "a", "1", "b", "2"], "*2 $1 a $1 b");
        keys(&["object", "freq", "k"], "*1 $1 k");
        keys(&["pfmerge", "a", "b"], "*2 $1 a $1 b");
        keys(&["pfmerge", "a"], "-ERR Invalid arguments specified for command");
        let circle = |options: &[&'static str]| [&["georadius", "k", "1", "1", "1", "m"], options].concat();
        keys(&circle(&["storedist", "b", "store", "a"]), "*3 $1 k $1 a $1 b");
        keys(&circle(&["asc", "store", "a", "store", "b"]), "*2 $1 k $1 a");
        keys(&circle(&["store"]), "*1 $1 k");
        keys(&["georadiusbymember", "k", "store", "1", "m", "store", "a"], "*2 $1 k $1 a");
        keys(&["nope", "a"], "-ERR Invalid command specified");
        keys(&["config", "nope", "x"], "-ERR Invalid command specified");
        keys(&["narf.put", "k", "0", "x"], "-ERR Invalid command specified");
        keys(&["config", "get", "a"], "-ERR The command has no key arguments");
        keys(&["spublish", "a", "b"], "-ERR The command has no key arguments");
        keys(&["set", "a"], "-ERR Invalid number of arguments specified for command");
        let flags = |request: &[&str], expect: &str| {
            check(&[&["COMMAND", "GETKEYSANDFLAGS"], request].concat(), Version::Resp3, expect);
        };
        flags(&["copy", "a", "b"], "*2 *2 $1 a ~2 +RO +access *2 $1 b ~2 +OW +update");
        flags(&["set", "a", "b"], "*1 *2 $1 a ~2 +OW +update");
        flags(&["set", "a", "b", "GET"], "*1 *2 $1 a ~3 +RW +access +update");
    }

    #[test]
    fn every_command_is_answered_in_full() {
        let count = listed().count();
        check(&["COMMAND", "COUNT"], Version::Resp2, &format!(":{count}"));
        for (request, head) in [(&["COMMAND"][..], "*"), (&["COMMAND", "DOCS"], "%")] {
            let request = Request::from_parts(request);
            let mut out = Vec::new();
            let command = if head == "*" { NodeCommand::Command } else { NodeCommand::CommandDocs };
            reply(command, request.args(), &mut Reply::new(&mut out, Version::Resp3));
            assert!(out.starts_with(format!("{head}{count}\r\n").as_bytes()));
        }
    }
}
