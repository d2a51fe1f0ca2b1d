//! The table as clients and files see it. The expected error texts were read off redis-server 7.0.15.

use super::*;

/// The reply of `CONFIG SET` with these words, without its `ERR `; empty if it succeeded.
fn reply_to(words: &[&str]) -> String {
    let pairs = words.chunks_exact(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()));
    Settings::new().with_changes(pairs).err().map(|error| error.to_string()).unwrap_or_default()
}

#[track_caller]
fn refused(name: &str, value: &str, reason: &str) {
    let expect = format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}");
    assert_eq!(reply_to(&[name, value]), expect);
}

#[test]
fn every_default_is_accepted_and_reads_back() {
    let settings = Settings::new();
    for row in SETTINGS {
        let mut again = Settings::new();
        assert_eq!(again.set_at_start(row, row.default), Ok(()), "{}", row.name);
        assert_eq!(row.format(&again), row.format(&settings), "{}", row.name);
    }
}

#[test]
fn what_config_get_shows_config_set_takes() {
    let settings = Settings::new();
    for row in SETTINGS.iter().filter(|row| !row.is_immutable()) {
        let mut again = settings.clone();
        let shown = row.format(&settings);
        assert_eq!(again.set(row.name, &shown), Ok(()), "{} {shown}", row.name);
        assert_eq!(again, settings, "{}", row.name);
    }
}

#[test]
fn every_kind_of_value_survives_the_trip_through_text() {
    for (key, value, shown) in [
        ("port", "7000", "7000"),
        ("bind", "127.0.0.1, ::1", "127.0.0.1 ::1"),
        ("unix", "/tmp/narf.sock", "/tmp/narf.sock"),
        ("unix-mode", "0660", "660"),
        ("timeout", "2m", "120"),
        ("fsync-interval", "1500ms", "1500ms"),
        ("ack", "Durable", "durable"),
        ("log-level", "notice", "info"),
        ("daemon", "true", "yes"),
        ("no-data", "off", "no"),
        ("log-segment-size", "8mb", "8388608"),
        ("slowlog-log-slower-than", "-1", "-1"),
        ("name", "quiet \"otter\"\n", "quiet \"otter\"\n"),
        (
            "client-output-buffer-limit",
            "pubsub 1mb 2kb 3",
            "normal 1073741824 0 0 slave 268435456 67108864 60 pubsub 1048576 2048 3",
        ),
    ] {
        let row = find(key).unwrap();
        let mut settings = Settings::new();
        assert_eq!(settings.set_at_start(row, value), Ok(()), "{key}");
        assert_eq!(row.format(&settings), shown, "{key}");
        let mut again = Settings::new();
        assert_eq!(again.set_at_start(row, &row.format(&settings)), Ok(()), "{key}");
        assert_eq!(again, settings, "{key}");
    }
}

#[test]
fn config_set_refuses_in_redis_words() {
    assert_eq!(reply_to(&["foo", "bar"]), "Unknown option or number of arguments for CONFIG SET - 'foo'");
    refused("maxclients", "0", "argument must be between 1 and 4294967295 inclusive");
    refused("maxclients", "abc", "argument couldn't be parsed into an integer");
    refused("maxclients", "", "argument couldn't be parsed into an integer");
    refused("timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    refused("timeout", "10s", "argument couldn't be parsed into an integer");
    refused("timeout", "01", "argument couldn't be parsed into an integer");
    refused("port", "70000", "can't set immutable config");
    refused("databases", "16", "can't set immutable config");
    refused("tcp-backlog", "abc", "can't set immutable config");
    refused("daemonize", "yes", "can't set immutable config");
    refused(
        "client-query-buffer-limit",
        "1",
        "argument must be between 1048576 and 9223372036854775807 inclusive",
    );
    refused("client-query-buffer-limit", "5x", "argument must be a memory value");
    refused("client-query-buffer-limit", "-1", "argument must be a memory value");
    refused(
        "client-query-buffer-limit",
        "99999999999999999999",
        "argument must be between 1048576 and 9223372036854775807 inclusive",
    );
    refused("proto-max-bulk-len", "1.5mb", "argument must be a memory value");
    refused("slowlog-log-slower-than", "-5", "argument must be between -1 and 9223372036854775807 inclusive");
    refused("slowlog-max-len", "-5", "argument must be between 0 and 9223372036854775807 inclusive");
    refused("hash-max-listpack-value", "-5", "argument must be a memory value");
    refused(
        "hash-max-listpack-entries",
        "99999999999999999999",
        "argument couldn't be parsed into an integer",
    );
    refused("client-output-buffer-limit", "foo", "Wrong number of arguments in buffer limit configuration.");
    refused(
        "client-output-buffer-limit",
        "foo 1 2 3",
        "Invalid client class specified in buffer limit configuration.",
    );
    refused(
        "client-output-buffer-limit",
        "normal a 2 3",
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    );
    refused(
        "client-output-buffer-limit",
        "Replica 1k 2kb -3",
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    );
    refused(
        "loglevel",
        "loud",
        "argument(s) must be one of the following: off, error, warn, info, debug, trace",
    );
}

#[test]
fn several_pairs_are_set_together_or_not_at_all() {
    assert_eq!(
        reply_to(&["timeout", "1", "foo", "2"]),
        "Unknown option or number of arguments for CONFIG SET - 'foo'"
    );
    // Names are judged before values.
    assert_eq!(
        reply_to(&["timeout", "x", "foo", "2"]),
        "Unknown option or number of arguments for CONFIG SET - 'foo'"
    );
    assert_eq!(
        reply_to(&["timeout", "1", "TIMEOUT", "2"]),
        "CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter"
    );
    let settings = Settings::new();
    let pairs: [(&[u8], &[u8]); 2] = [(b"timeout", b"9"), (b"maxclients", b"x")];
    assert!(settings.with_changes(pairs.into_iter()).is_err());
    assert_eq!(settings.timeout, Duration::ZERO);
    let pairs: [(&[u8], &[u8]); 2] =
        [(b"hash-max-ziplist-value", b"70"), (b"hash-max-listpack-value", b"71")];
    assert_eq!(settings.with_changes(pairs.into_iter()).unwrap().hash_max_listpack_value, 71);
}

#[test]
fn config_get_matches_globs_aliases_and_case() {
    let settings = Settings::new();
    let one = |name, value: &str| vec![(name, value.to_owned())];
    assert_eq!(settings.get_matching("PORT"), one("port", "6379"));
    assert_eq!(settings.get_matching("time[o-o]ut"), one("timeout", "0"));
    assert_eq!(settings.get_matching("save"), one("save", ""));
    assert_eq!(settings.get_matching("nothing-like-it"), vec![]);
    assert_eq!(
        settings.get_matching("hash-max-*-value"),
        vec![("hash-max-listpack-value", "64".to_owned()), ("hash-max-ziplist-value", "64".to_owned())]
    );
    // A name that two patterns match is answered once.
    let patterns: [&[u8]; 2] = [b"TIME*", b"timeout"];
    assert_eq!(settings.get_matching_any(patterns.into_iter()), one("timeout", "0"));
}

#[test]
fn hidden_settings_answer_to_their_exact_name_only() {
    let settings = Settings::new();
    assert!(settings.get_matching("*").iter().all(|(name, _)| *name != "active-expire"));
    assert_eq!(settings.get_matching("active-expire").len(), 1);
}

#[test]
fn a_secret_is_never_shown_and_its_placeholder_never_set() {
    let mut settings = Settings::new();
    assert_eq!(settings.get_matching("requirepass"), vec![("requirepass", String::new())]);
    settings.set("requirepass", "hunter2").unwrap();
    assert_eq!(settings.get_matching("requirepass"), vec![("requirepass", "(redacted)".to_owned())]);
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(settings.set("requirepass", "(redacted)").is_err());
    assert_eq!(settings.requirepass.expose(), "hunter2");
}

#[test]
fn facts_may_be_set_to_what_they_are() {
    let mut settings = Settings::new();
    assert_eq!(settings.set("save", ""), Ok(()));
    assert_eq!(settings.set("appendonly", "YES"), Ok(()));
    assert_eq!(settings.set("lazyfree-lazy-eviction", "yes"), Ok(()));
    refused("lazyfree-lazy-eviction", "no", "big values are always freed in slices");
    refused("slave-ignore-maxmemory", "no", "replicas delete what the log says and nothing else");
}

#[test]
fn bytes_that_are_no_text_are_refused_as_their_kind_refuses() {
    let reply = |name: &[u8], value: &[u8]| {
        Settings::new().with_changes(std::iter::once((name, value))).unwrap_err().to_string()
    };
    assert!(reply(b"timeout", b"\xff").ends_with("argument couldn't be parsed into an integer"));
    assert!(reply(b"requirepass", b"\xff").ends_with("argument must be valid UTF-8 text without zero bytes"));
    assert!(reply(b"\xff", b"1").starts_with("Unknown option"));
}

#[test]
fn the_reference_page_in_docs_is_the_one_the_table_writes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let page = reference_markdown();
    if std::env::var_os("NARF_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/settings.md is stale; run this test with NARF_BLESS=1");
}

#[test]
fn partitions_are_as_many_as_workers_ask_for_within_bounds() {
    let of = |workers: &[u16]| workers.iter().map(|&workers| partitions_for(workers)).collect::<Vec<_>>();
    assert_eq!(of(&[1, 2, 3, 4, 6, 8, 16, 32, 33, 1024]), [16, 16, 32, 32, 64, 64, 128, 256, 256, 256]);
}
