//! Names to rows, and rows to keys, whatever the request.

use base::Request;
use command::{DataCommand, Lookup, NodeCommand, Run, Spec, all, lookup, lookup_name};
use proptest::prelude::*;

fn find(parts: &[&str]) -> String {
    match lookup(Request::from_parts(parts).args()) {
        Lookup::Found(spec) => spec.name.into(),
        Lookup::UnknownSubcommand(spec) => format!("{} ?", spec.name),
        Lookup::Unknown => "?".into(),
    }
}

#[test]
fn a_request_finds_its_row() {
    assert_eq!(find(&["GET", "k"]), "get");
    assert_eq!(find(&["config", "Get", "*"]), "config|get");
    assert_eq!(find(&["CONFIG"]), "config");
    assert_eq!(find(&["CONFIG", "nope"]), "config ?");
    assert_eq!(find(&["CONFIG", ""]), "config ?");
    assert_eq!(find(&["COMMAND"]), "command");
    assert_eq!(find(&["COMMAND", "DOCS"]), "command|docs");
    assert_eq!(find(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), "debug|set-active-expire");
    assert_eq!(find(&["config|get", "*"]), "?");
    assert_eq!(find(&["nope"]), "?");
    assert_eq!(find(&[""]), "?");
    assert_eq!(find(&[]), "?");
}

#[test]
fn words_that_only_resemble_a_name_are_unknown() {
    for word in [
        "ge",
        "gett",
        "get\0",
        "\0get",
        "g\u{5}t",
        "GE4",
        "SETS",
        "hset\0",
        "psubscriubscribe",
        "narf\x0Eput",
    ] {
        assert_eq!(find(&[word]), "?", "{word:?}");
    }
}

#[test]
fn every_variant_and_its_row_name_each_other() {
    assert!(DataCommand::ALL.iter().all(|&command| command.spec().run == Run::Data(command)));
    assert!(NodeCommand::ALL.iter().all(|&command| command.spec().run == Run::Node(command)));
}

#[test]
fn no_row_shadows_another() {
    for spec in all() {
        let found = lookup_name(spec.name).expect("a row's own name");
        assert!(std::ptr::eq(found, spec), "{}", spec.name);
        assert_eq!(spec.name, spec.name.to_ascii_lowercase());
    }
}

#[test]
fn variants_are_the_names_in_camel_case() {
    let flat = |name: &str| name.replace(['|', '-', '.', '_'], "");
    for spec in all() {
        let variant = match spec.run {
            Run::Data(command) => format!("{command:?}"),
            Run::Node(command) => format!("{command:?}"),
            Run::Container => continue,
        };
        assert_eq!(flat(spec.name), variant.to_ascii_lowercase());
    }
}

#[test]
fn every_row_is_documented() {
    for spec in all() {
        assert!(spec.summary.ends_with('.') && spec.summary.len() < 120, "{}: {}", spec.name, spec.summary);
        assert!(!spec.since.is_empty() && !spec.complexity.is_empty(), "{}", spec.name);
        // What a row costs that does not say it.
        let is_said = spec.complexity != "depends on the subcommand";
        assert!(is_said || matches!(spec.run, Run::Container), "{}", spec.name);
    }
}

/// No key at all and an unknown name must not look alike.
fn keys(parts: &[&str]) -> Option<Vec<usize>> {
    let request = Request::from_parts(parts);
    match lookup(request.args()) {
        Lookup::Found(spec) => Some(spec.keys_of(request.args()).collect()),
        _ => None,
    }
}

#[test]
fn keys_are_where_redis_has_them() {
    #[track_caller]
    fn check(parts: &[&str], expect: &[usize]) {
        assert_eq!(keys(parts).as_deref(), Some(expect));
    }
    check(&["get", "k"], &[1]);
    check(&["mget", "a", "b", "c"], &[1, 2, 3]);
    check(&["mset", "a", "1", "b", "2"], &[1, 3]);
    check(&["lcs", "a", "b", "LEN"], &[1, 2]);
    check(&["copy", "a", "b", "DB", "1"], &[1, 2]);
    check(&["object", "encoding", "k"], &[2]);
    check(&["memory", "usage", "k", "samples", "0"], &[2]);
    check(&["debug", "digest-value", "a", "b"], &[2, 3]);
    check(&["watch", "a", "b"], &[1, 2]);
    check(&["georadius", "k", "1", "1", "1", "m", "STORE", "a", "asc", "storedist", "b"], &[1, 10]);
    check(&["georadius", "k", "1", "1", "1", "m", "count", "store", "store", "count"], &[1, 9]);
    check(&["georadius", "k", "1", "1", "1", "m", "store"], &[1]);
    check(&["georadius_ro", "k", "1", "1", "1", "m", "store", "a"], &[1]);
    check(&["georadiusbymember", "k", "store", "1", "m", "store", "a"], &[1, 6]);
    check(&["geosearchstore", "a", "b", "frommember", "store", "byradius", "1", "m"], &[1, 2]);
    check(
        &["sort", "k", "by", "store", "get", "store", "limit", "store", "1", "store", "a", "STORE", "by"],
        &[1, 12],
    );
    check(&["sort", "k", "store"], &[1]);
    check(&["sort_ro", "k", "by", "w_*", "get", "#"], &[1]);
    check(&["ping", "a"], &[]);
    // Channels place a request in Redis Cluster, but they are no keys.
    check(&["spublish", "channel", "message"], &[]);
    check(&["narf.flush"], &[]);
    // Too short for its arity, and still in bounds.
    check(&["get"], &[]);
    check(&["mset"], &[]);
}

#[test]
fn arity_counts_the_name() {
    let ok = |name: &str, len| lookup_name(name).is_some_and(|spec| spec.arity_ok(len));
    assert!(ok("get", 2) && !ok("get", 1) && !ok("get", 3));
    assert!(ok("set", 3) && ok("set", 9) && !ok("set", 2));
    assert!(ok("config get", 3) && !ok("config get", 2));
    assert!(!ok("config", 1), "a container alone is refused by its arity");
}

fn any_spec() -> impl Strategy<Value = &'static Spec> {
    prop::sample::select(all().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn case_does_not_matter(spec in any_spec(), flips in any::<u64>()) {
        let name: String = (0..).zip(spec.name.chars())
            .map(|(at, c)| if flips >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        let request = Request::from_parts(name.split('|'));
        match lookup(request.args()) {
            Lookup::Found(found) => prop_assert!(std::ptr::eq(found, spec)),
            other => prop_assert!(false, "{name}: {other:?}"),
        }
    }

    #[test]
    fn any_word_finds_only_its_own_name(word in proptest::collection::vec(any::<u8>(), 0..20)) {
        if let Lookup::Found(spec) = lookup(Request::from_parts([&word]).args()) {
            prop_assert!(spec.name.as_bytes().eq_ignore_ascii_case(&word));
        }
    }

    #[test]
    fn a_name_with_a_byte_changed_is_not_that_name(spec in any_spec(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut word = spec.name.as_bytes().to_vec();
        let at = at.index(word.len());
        word[at] = byte;
        if let Some(found) = lookup_name(&word) {
            prop_assert!(found.name.replace('|', " ").as_bytes().eq_ignore_ascii_case(&word) || found.name.as_bytes().eq_ignore_ascii_case(&word));
        }
    }

    #[test]
    fn keys_stay_in_bounds_and_ascend(spec in any_spec(), len in 0usize..12) {
        let request = Request::from_parts(vec!["x"; len]);
        let keys = spec.keys_of(request.args());
        prop_assert_eq!(keys.len(), keys.count());
        let mut last = 0;
        for index in keys {
            prop_assert!(index > last && index < len);
            last = index;
        }
    }

    /// Access control asks about these keys, the router goes to those: a difference would be a way around the rules.
    #[test]
    fn keys_that_are_touched_are_asked_about(
        spec in any_spec(),
        words in proptest::collection::vec(prop::sample::select(vec!["0", "1", "2", "3", "-1", "x", "GET", "STORE", "storedist", "COUNT", "by", "99999999999999999999"]), 0..9),
    ) {
        let request = Request::from_parts(&words);
        let args = request.args();
        let touched: Vec<usize> = spec.keys_of(args).collect();
        match spec.key_uses(args) {
            Ok(uses) => {
                let asked: Vec<usize> = uses.map(|used| used.index).collect();
                prop_assert!(touched.iter().all(|index| asked.contains(index)), "{:?} of {:?}", asked, touched);
                prop_assert!(asked.iter().all(|index| *index > 0 && *index < words.len()));
                prop_assert!(asked.len() == touched.len() || spec.movable.is_some());
            }
            Err(_) => prop_assert!(spec.movable.is_some()),
        }
    }

    #[test]
    fn hints_and_help_take_any_words(spec in any_spec(), words in proptest::collection::vec("[A-Za-z0-9 ]{0,9}", 0..8)) {
        let typed: Vec<&str> = words.iter().map(String::as_str).collect();
        command::hint(spec, &typed);
        command::help::topic(&words.join(" "));
    }
}
