//! What the server tells about itself: COMMAND, INFO, SLOWLOG, MONITOR, LATENCY, ROLE, MODULE, TIME, DEBUG.

use std::collections::BTreeMap;

use narf_tests::{Data, Kind, Options, Server, Value, eventually, on_one_and_two_workers, skip_unless_narf};

on_one_and_two_workers!(
    info_has_the_sections_and_fields_clients_read,
    what_fast_commands_take_is_told_too,
    the_keyspace_section_counts_keys_and_deadlines,
    slow_commands_are_logged,
    latencies_are_told_by_command_and_by_event,
    monitor_shows_every_command,
    time_and_role_and_modules_are_told,
    commands_name_their_keys,
    help_is_given,
    the_digest_depends_on_the_data_only,
);

fn info_has_the_sections_and_fields_clients_read(node: &Server) {
    let mut c = node.client();
    let text = c.run("INFO").text();
    for section in ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Keyspace"] {
        assert!(text.contains(&format!("# {section}\r\n")), "no section {section}");
    }
    for field in [
        "redis_version",
        "redis_mode",
        "os",
        "arch_bits",
        "process_id",
        "run_id",
        "tcp_port",
        "uptime_in_seconds",
        "connected_clients",
        "maxclients",
        "blocked_clients",
        "used_memory",
        "used_memory_human",
        "used_memory_rss",
        "used_memory_peak",
        "maxmemory",
        "maxmemory_policy",
        "loading",
        "rdb_last_save_time",
        "rdb_bgsave_in_progress",
        "aof_enabled",
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "rejected_connections",
        "expired_keys",
        "evicted_keys",
        "keyspace_hits",
        "keyspace_misses",
        "pubsub_channels",
        "pubsub_patterns",
        "role",
        "connected_slaves",
        "master_replid",
        "used_cpu_sys",
        "used_cpu_user",
        "cluster_enabled",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{field}:"))), "no field {field}");
    }
    let field = |name: &str| node.info(name).unwrap();
    assert_eq!(field("process_id"), node.pid().to_string());
    assert_eq!(field("role"), "master");
    assert_eq!(field("loading"), "0");
    assert!(field("used_memory_rss").parse::<u64>().unwrap() > 1_000_000);
    let server = c.run("INFO server").text();
    assert!(server.contains("redis_version:") && !server.contains("# Clients"));
    let two = c.run("INFO server clients").text();
    assert!(two.contains("# Server") && two.contains("# Clients") && !two.contains("# Memory"));
    assert!(c.run("INFO commandstats").text().contains("cmdstat_info:calls="));
    assert_eq!(c.run("INFO no-such-section").text(), "");
    assert!(c.run("INFO all").text().contains("# Commandstats"));
    let mut c = node.client3();
    assert!(matches!(c.run("INFO"), Value::Verbatim(_)));
    if node.kind() == Kind::Narf {
        assert!(text.contains("narf_version:"));
        assert!(!text.contains("dragonfly_version:") && !text.contains("valkey_version:"));
    }
}

fn what_fast_commands_take_is_told_too(node: &Server) {
    let mut c = node.client();
    c.check("CONFIG RESETSTAT", "+OK");
    for number in 0..1000 {
        c.check(&format!("SET k:{number} v"), "+OK");
        c.check(&format!("MSET k:{number} v l:{number} w"), "+OK");
        c.check(&format!("GET k:{number}"), "\"v\"");
    }
    let text = c.run("INFO commandstats").text();
    for name in ["set", "mset", "get"] {
        let row = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:"))).unwrap();
        let fields: BTreeMap<&str, f64> = row
            .split(',')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect();
        let (calls, micros, each) = (fields["calls"], fields["usec"], fields["usec_per_call"]);
        assert_eq!(calls, 1000.0, "{row}");
        assert!(micros > 0.0 && each > 0.0, "{row}");
        assert!((micros / calls / each - 1.0).abs() < 0.15, "{row}");
    }
}

fn the_keyspace_section_counts_keys_and_deadlines(node: &Server) {
    let mut c = node.client();
    assert!(!c.run("INFO keyspace").text().contains("db0"));
    c.check("MSET a 1 b 2 c 3", "+OK");
    c.check("EXPIRE a 1000", ":1");
    c.check("SELECT 9", "+OK");
    c.check("SET x 1", "+OK");
    let text = c.run("INFO keyspace").text();
    assert!(text.contains("db0:keys=3,expires=1,avg_ttl="), "{text}");
    assert!(text.contains("db9:keys=1,expires=0,avg_ttl=0"), "{text}");
}

fn slow_commands_are_logged(node: &Server) {
    let mut c = node.client();
    c.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    c.check("CLIENT SETNAME slow", "+OK");
    c.check("SLOWLOG RESET", "+OK");
    c.check("SET k v", "+OK");
    let log = eventually("the log has entries", || {
        let log = c.run("SLOWLOG GET 10").items();
        log.iter().any(|entry| entry.items()[3].to_string() == r#"["SET", "k", "v"]"#).then_some(log)
    });
    let entry =
        log.iter().find(|entry| entry.items()[3].to_string() == r#"["SET", "k", "v"]"#).unwrap().items();
    assert_eq!(entry.len(), 6);
    assert!(entry[0].int() >= 0 && entry[1].int() > 1_600_000_000 && entry[2].int() >= 0);
    assert_eq!(entry[4].text(), c.local_address().to_string());
    assert_eq!(entry[5].text(), "slow");
    assert!(c.run("SLOWLOG LEN").int() >= 1);
    assert_eq!(c.run("SLOWLOG GET 1").items().len(), 1);
    assert!(!c.run("SLOWLOG GET -1").items().is_empty());
    c.check("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1");
    c.check("CONFIG SET slowlog-log-slower-than -1", "+OK");
    c.check("SLOWLOG RESET", "+OK");
    c.check("SLOWLOG LEN", ":0");
    // Passwords never get there, and long arguments are cut.
    c.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    c.run("AUTH very-secret");
    c.run_args(&["SET", "long", &"x".repeat(1000)]);
    let log = c.run("SLOWLOG GET 128").to_string();
    assert!(!log.contains("very-secret"), "{log}");
    assert!(log.contains("... (872 more bytes)"), "{log}");
}

fn latencies_are_told_by_command_and_by_event(node: &Server) {
    let mut c = node.client();
    // Each one is timed.
    let tracking = if node.kind() == Kind::Narf { "all" } else { "yes" };
    c.check(&format!("CONFIG SET latency-tracking {tracking} latency-monitor-threshold 0"), "+OK");
    c.check("CONFIG RESETSTAT", "+OK");
    for _ in 0..5 {
        c.check("PING", "+PONG");
    }
    c.check("CONFIG SET latency-monitor-threshold 1", "+OK");
    // It takes some milliseconds, on the worker of the client.
    c.check("PFSELFTEST", "+OK");
    let histogram = c.run("LATENCY HISTOGRAM ping nothing config").items();
    let text = Value::Array(histogram.clone()).to_string();
    assert!(text.starts_with(r#"["ping", ["calls", :5, "histogram_usec", ["#), "{text}");
    assert!(text.contains(r#""config|set", ["calls", :"#), "{text}");
    assert!(c.run("LATENCY HISTOGRAM").to_string().contains("\"pfselftest\""));
    let latest = c.run("LATENCY LATEST").items();
    let command = latest.iter().map(Value::items).find(|event| event[0].text() == "command").unwrap();
    assert!(
        command[1].int() > 1_600_000_000 && command[2].int() >= 1 && command[3].int() >= command[2].int()
    );
    let history = c.run("LATENCY HISTORY command").items();
    assert!(!history.is_empty() && history.iter().all(|moment| moment.items().len() == 2));
    c.check("LATENCY HISTORY nothing", "[]");
    assert!(c.run("LATENCY GRAPH command").text().starts_with("command - high "));
    c.check("LATENCY GRAPH nothing", "-ERR No samples available for event 'nothing'");
    assert!(!c.run("LATENCY DOCTOR").text().is_empty());
    c.check("LATENCY RESET nothing", ":0");
    assert!(c.run("LATENCY RESET").int() >= 1);
    c.check("CONFIG SET latency-monitor-threshold 0", "+OK");
    c.run("LATENCY RESET");
    c.check("LATENCY LATEST", "[]");
}

fn monitor_shows_every_command(node: &Server) {
    let mut monitor = node.client();
    monitor.check("MONITOR", "+OK");
    let mut c = node.client();
    c.check("SELECT 3", "+OK");
    c.run_args(&[b"SET".as_slice(), b"k", b"a\"b\x00\n"]);
    c.run("AUTH very-secret");
    c.check("PING", "+PONG");
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.to_lowercase().ends_with("\"ping\"")) {
        lines.push(monitor.reply().text());
    }
    let set = lines.iter().find(|line| line.contains("\"SET\"")).unwrap();
    let (time, rest) = set.split_once(" [").unwrap();
    assert!(time.split_once('.').is_some_and(|(_, micros)| micros.len() == 6), "{set}");
    assert_eq!(rest, format!(r#"3 {}] "SET" "k" "a\"b\x00\n""#, c.local_address()));
    assert!(!lines.concat().contains("very-secret"), "{lines:?}");
    monitor.check("RESET", "+RESET");
    c.check("PING", "+PONG");
    monitor.check("PING", "+PONG");
}

fn time_and_role_and_modules_are_told(node: &Server) {
    let mut c = node.client();
    let time = c.run("TIME").items();
    assert!(
        time[0].text().parse::<i64>().unwrap() > 1_700_000_000
            && time[1].text().parse::<i64>().unwrap() < 1_000_000
    );
    assert_eq!(c.run("ROLE").items()[0].to_string(), r#""master""#);
    assert_eq!(c.run("ROLE").items()[2].to_string(), "[]");
    c.check("MODULE LIST", "[]");
    assert!(c.run("LASTSAVE").int() > 1_600_000_000);
    assert!(!c.run("LOLWUT").is_error());
    assert!(!c.run("MEMORY DOCTOR").is_error());
    assert!(!c.run("MEMORY STATS").is_error());
    assert!(!c.run("MEMORY MALLOC-STATS").is_error());
    c.check("MEMORY PURGE", "+OK");
    c.check("DEBUG SLEEP 0", "+OK");
}

fn commands_name_their_keys(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        COMMAND GETKEYS GET k => ["k"]
        COMMAND GETKEYS MSET a 1 b 2 => ["a", "b"]
        COMMAND GETKEYS COPY a b REPLACE => ["a", "b"]
        COMMAND GETKEYS OBJECT ENCODING k => ["k"]
        COMMAND GETKEYS ECHO x => -ERR The command has no key arguments
        COMMAND GETKEYS BANANA x => -ERR Invalid command specified
        COMMAND GETKEYS SET k => -ERR Invalid number of arguments specified for command
        COMMAND GETKEYSANDFLAGS SET k v => [["k", [+OW, +update]]]
        COMMAND GETKEYSANDFLAGS BITFIELD k OVERFLOW SAT GET u8 0 => [["k", [+RO, +access]]]
        COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1 => [["k", [+RW, +access, +update]]]
        COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 => [["k", [+RW, +access, +update]]]
        COMMAND INFO banana => [nil]
        "#,
    );
    let count = c.run("COMMAND COUNT").int();
    assert_eq!(c.run("COMMAND").items().len() as i64, count);
    assert_eq!(
        c.run("COMMAND LIST").items().iter().filter(|name| !name.text().contains('|')).count() as i64,
        count
    );
    c.check_sorted("COMMAND LIST FILTERBY PATTERN hincr*", r#"["hincrby", "hincrbyfloat"]"#);
    let docs = c.run("COMMAND DOCS get").items();
    assert_eq!(docs[0].text(), "get");
    for field in ["summary", "since", "group", "complexity", "arguments"] {
        assert!(docs[1].field(field).is_some(), "no {field} in COMMAND DOCS get");
    }
    c.check("COMMAND DOCS banana", "[]");
    assert!(!c.run("COMMAND").to_string().contains("narf.expire"), "internal commands are no one's business");
}

fn help_is_given(node: &Server) {
    let mut c = node.client();
    for name in ["CLIENT", "CONFIG", "COMMAND", "OBJECT", "PUBSUB", "SLOWLOG", "MEMORY", "DEBUG"] {
        let help = c.run(&format!("{name} HELP")).items();
        let first = help[0].text();
        assert_eq!(first, format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
        assert_eq!(help[help.len() - 2].text(), "HELP");
    }
}

fn the_digest_depends_on_the_data_only(node: &Server) {
    let mut c = node.client();
    c.check("DEBUG DIGEST", "+0000000000000000000000000000000000000000");
    c.check("MSET a 1 b 2 c 3", "+OK");
    c.check("HSET h x 1 y 2", ":2");
    let first = c.run("DEBUG DIGEST").text();
    assert_eq!(first.len(), 40);
    c.check("SET a 2", "+OK");
    assert_ne!(c.run("DEBUG DIGEST").text(), first);
    c.check("FLUSHALL", "+OK");
    c.check("HSET h y 2 x 1", ":2");
    c.check("MSET c 3 b 2 a 1", "+OK");
    assert_eq!(c.run("DEBUG DIGEST").text(), first, "the same data written in another order");
}

#[test]
fn a_reload_brings_everything_back() {
    let node = Server::start(Options::new().data(Data::Temporary));
    let mut c = node.client();
    for i in 0..500 {
        c.check(&format!("SET k{i} {i} PXAT 33177117420000"), "+OK");
        c.check(&format!("HSET h{i} f {i}"), ":1");
    }
    c.check("SELECT 9", "+OK");
    c.check("SET nine 9", "+OK");
    let digest = c.run("DEBUG DIGEST").text();
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST").text(), digest);
    c.check("GET nine", r#""9""#);
    c.check("SELECT 0", "+OK");
    c.check("DBSIZE", ":1000");
    c.check("PEXPIRETIME k7", ":33177117420000");
}

/// Name, arity, flags and first, last and step of the keys of each command.
fn table(node: &Server) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for row in node.client().run("COMMAND").items() {
        let row = row.items();
        let mut flags: Vec<_> = row[2].items().iter().map(Value::text).collect();
        flags.sort();
        let keys = format!("keys {} {} {}", row[3], row[4], row[5]);
        rows.insert(row[0].text(), format!("arity {} flags {} {keys}", row[1], flags.join(" ")));
        // Subcommands.
        for sub in row.get(9).map(Value::items).unwrap_or_default() {
            let sub = sub.items();
            rows.insert(sub[0].text(), format!("arity {} keys {} {} {}", sub[1], sub[3], sub[4], sub[5]));
        }
    }
    rows
}

#[test]
fn the_command_table_says_what_that_of_redis_says() {
    if skip_unless_narf() {
        return;
    }
    let reference = table(&Server::start(Options::new().kind(Kind::Redis)));
    let subject = table(&Server::new());
    // Changed between Redis 7.0, which we compare with, and 7.2, which we are like. `DEBUG` has rows of its own for its
    // subcommands here, so the flags stand there.
    let other = [
        "client|setinfo",
        "client|no-touch",
        "waitaof",
        "wait",
        "command|getkeys",
        "command|getkeysandflags",
        "zrank",
        "zrevrank",
        "debug",
    ];
    let differing: Vec<_> = subject
        .iter()
        .filter(|(name, _)| !other.contains(&name.as_str()))
        .filter_map(|(name, row)| {
            let expect = reference.get(name)?;
            (expect != row).then(|| format!("{name}\n  redis: {expect}\n  narf:  {row}"))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn long_turns_are_counted_and_the_longest_is_told() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut c = node.client();
    let field = |info: &str, name: &str| -> u64 {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {info}")).trim().parse().unwrap()
    };
    let before = c.run("INFO stats").text();
    c.check("DEBUG SLEEP 0.3", "+OK");
    let after = c.run("INFO stats").text();
    assert!(field(&after, "narf_turns_over_2ms") > field(&before, "narf_turns_over_2ms"), "{after}");
    assert!(field(&after, "narf_turns") > field(&before, "narf_turns"));
    let longest = field(&after, "narf_turn_longest_usec");
    assert!((300_000..60_000_000).contains(&longest), "{longest}");
}
