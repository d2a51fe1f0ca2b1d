//! Random commands: mostly sensible, some of them wrong.
//!
//! Every data command of the table must be generated: one without a generator in the file of its group fails. Deadlines lie in the far future or in the past; what would depend on the moment at which
//! a command arrives is not generated.

mod bitmap;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod internal;
mod list;
mod set;
mod sorted_set;
mod string;

use base::Random;
use command::{DataCommand, Flags, Group};

use super::Step;
use super::pair::{CONNECTIONS, Shadow, is_subscription};

/// Commands of the node that are generated.
pub(crate) const NODE_COMMANDS: &[&str] = &[
    "client|getname",
    "client|id",
    "client|setname",
    "command|getkeys",
    "command|getkeysandflags",
    "dbsize",
    "discard",
    "echo",
    "exec",
    "flushall",
    "flushdb",
    "hello",
    "keys",
    "multi",
    "ping",
    "psubscribe",
    "publish",
    "pubsub|channels",
    "pubsub|numpat",
    "pubsub|numsub",
    "pubsub|shardchannels",
    "pubsub|shardnumsub",
    "punsubscribe",
    "randomkey",
    "reset",
    "scan",
    "select",
    "spublish",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "swapdb",
    "time",
    "unsubscribe",
    "unwatch",
    "wait",
    "watch",
    "client|trackinginfo",
    "client|getredir",
    "client|no-evict",
    "lastsave",
];

/// Commands of the node that are not, and why.
pub(crate) const EXCLUDED: &[(&str, &str)] = &[
    ("acl|cat", "suite/users_differential.rs"),
    ("acl|deluser", "suite/users_differential.rs"),
    ("acl|dryrun", "suite/users_differential.rs"),
    ("acl|genpass", "random"),
    ("acl|getuser", "suite/users_differential.rs"),
    ("acl|help", "text of our own"),
    ("acl|list", "hashes with salts: suite/users.rs"),
    ("acl|load", "needs a file: suite/users.rs"),
    ("acl|log", "ids, addresses, times: suite/users.rs"),
    ("acl|save", "needs a file: suite/users.rs"),
    ("acl|setuser", "suite/users_differential.rs"),
    ("acl|users", "suite/users_differential.rs"),
    ("acl|whoami", "suite/users.rs"),
    ("auth", "suite/auth.rs: no password here"),
    ("bgrewriteaof", "answers depend on work under way"),
    ("bgsave", "answers depend on work under way"),
    ("client|ack", "only Narf has it"),
    ("client|caching", "needs tracking, suite/differential/tracking.rs"),
    ("client|help", "text of our own"),
    ("client|info", "ids, addresses, sizes: suite/clients.rs"),
    ("client|kill", "would end the compared connections: suite/clients.rs"),
    ("client|list", "ids, addresses, sizes: suite/clients.rs"),
    ("client|no-touch", "newer than Redis 7.0"),
    ("client|pause", "stops the clock of the comparison: suite/clients.rs"),
    ("client|read", "only Narf has it: crates/node/tests/node/read_levels.rs"),
    ("client|redirect", "only Narf has it: suite/redirects.rs"),
    ("client|reply", "replies are what is compared: suite/clients.rs"),
    ("client|session", "only Narf has it: suite/real_clients.rs"),
    ("client|setinfo", "newer than Redis 7.0"),
    ("client|tracking", "suite/differential/tracking.rs"),
    ("client|unblock", "differential/blocking.rs"),
    ("client|unpause", "see client|pause"),
    ("cluster|help", "text of our own"),
    ("cluster|countkeysinslot", "Redis runs without cluster support"),
    ("cluster|getkeysinslot", "Redis runs without cluster support"),
    ("cluster|links", "Redis runs without cluster support"),
    ("cluster|count-failure-reports", "Redis runs without cluster support"),
    ("cluster|myshardid", "newer than Redis 7.0"),
    ("cluster|slaves", "Redis runs without cluster support"),
    ("cluster|replicas", "Redis runs without cluster support"),
    ("cluster|info", "Redis runs without cluster support"),
    ("cluster|myid", "Redis runs without cluster support"),
    ("cluster|nodes", "Redis runs without cluster support"),
    ("cluster|shards", "Redis runs without cluster support"),
    ("cluster|slots", "Redis runs without cluster support"),
    ("cluster|keyslot", "Redis runs without cluster support"),
    ("fabric|check", "only Narf has it: suite/cluster.rs"),
    ("fabric|drain", "only Narf has it: suite/cluster.rs"),
    ("fabric|help", "only Narf has it: suite/cluster.rs"),
    ("fabric|clock", "only Narf has it: suite/clock.rs"),
    ("fabric|hotkeys", "only Narf has it: crates/node/tests/node/hot_keys.rs"),
    ("fabric|invite", "only Narf has it: suite/cluster.rs"),
    ("fabric|join", "only Narf has it: suite/other_cluster.rs"),
    ("fabric|leave", "only Narf has it: suite/cluster.rs"),
    ("fabric|map", "only Narf has it: suite/cluster.rs"),
    ("fabric|members", "only Narf has it: suite/cluster.rs"),
    ("fabric|owner", "only Narf has it: suite/cluster.rs"),
    ("fabric|rebalance", "only Narf has it: crates/node/tests/node/membership.rs"),
    ("fabric|remove", "only Narf has it: suite/cluster.rs"),
    ("fabric|replicas", "only Narf has it: suite/cluster.rs"),
    ("fabric|scrub", "only Narf has it: suite/cluster.rs"),
    ("fabric|status", "only Narf has it: suite/cluster.rs"),
    ("fabric|trust", "only Narf has it: crates/node/tests/node/power.rs"),
    ("fabric|upgrade", "only Narf has it: crates/node/tests/node/levels.rs"),
    ("asking", "Redis runs without cluster support"),
    ("readonly", "Redis runs without cluster support"),
    ("readwrite", "Redis runs without cluster support"),
    ("command", "the tables differ: suite/introspection.rs"),
    ("command|count", "the tables differ"),
    ("command|docs", "texts of our own"),
    ("command|help", "text of our own"),
    ("command|info", "suite/introspection.rs compares it row by row"),
    ("command|list", "the tables differ"),
    ("config|get", "settings differ: suite/config.rs"),
    ("config|help", "text of our own"),
    ("config|resetstat", "suite/config.rs"),
    ("config|rewrite", "suite/config.rs"),
    ("config|set", "settings differ: suite/config.rs"),
    ("debug|digest", "another digest"),
    ("debug|digest-at", "narf's; it is about the log"),
    ("debug|help", "text of our own"),
    ("debug|reload", "slow; suite/durability.rs"),
    ("debug|set-active-expire", "state of the whole node"),
    ("debug|sleep", "takes time"),
    ("info", "suite/introspection.rs"),
    ("latency|doctor", "times: suite/introspection.rs"),
    ("latency|graph", "times: suite/introspection.rs"),
    ("latency|help", "text of our own"),
    ("latency|histogram", "times: suite/introspection.rs"),
    ("latency|history", "times: suite/introspection.rs"),
    ("latency|latest", "times: suite/introspection.rs"),
    ("latency|reset", "times: suite/introspection.rs"),
    ("lolwut", "art"),
    ("memory|doctor", "about the machine"),
    ("memory|help", "text of our own"),
    ("migrate", "refused here: suite/dump.rs"),
    ("memory|malloc-stats", "about the allocator"),
    ("memory|purge", "about the allocator"),
    ("memory|stats", "about the allocator"),
    ("module|list", "suite/introspection.rs"),
    ("monitor", "turns the connection into a stream: suite/introspection.rs"),
    ("object|help", "text of our own"),
    ("pfselftest", "takes its time: suite/hyperloglogs.rs"),
    ("pubsub|help", "text of our own"),
    ("quit", "ends the connection: suite/protocol.rs"),
    ("role", "suite/introspection.rs"),
    ("save", "writes files"),
    ("shutdown", "suite/lifecycle.rs"),
    ("slowlog|get", "about time spent"),
    ("slowlog|help", "text of our own"),
    ("slowlog|len", "about time spent"),
    ("slowlog|reset", "suite/introspection.rs"),
    ("waitaof", "newer than Redis 7.0"),
];

/// Commands on data that Redis 7.0 has not, by the file of the suite that holds them to tables instead.
pub(crate) const NEWER: &[(&str, &[&str])] = &[
    ("conditions.rs", &["delex", "delifeq", "digest", "msetex"]),
    ("fields.rs", &["hexpire", "hexpireat", "hexpiretime", "hgetdel", "hgetex", "hpersist", "hpexpire"]),
    ("fields.rs", &["hpexpireat", "hpexpiretime", "hpttl", "hsetex", "httl"]),
    ("recent.rs", &["blmovem", "increx", "lmovem", "sdiffcard", "sunioncard"]),
];

/// Whether Redis 7.0 has a command.
pub(crate) fn is_known(command: DataCommand) -> bool {
    let since = command.spec().since.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    since.take(2).collect::<Vec<_>>() <= vec![7, 0]
}

type Args = Vec<Vec<u8>>;

/// Makes batches of commands.
pub(crate) struct Generator {
    random: Random,
    commands: Vec<DataCommand>,
}

impl Generator {
    pub(crate) fn new(random: Random) -> Generator {
        let compared = |command: &DataCommand| !command.spec().is_internal() && is_known(*command);
        let commands = DataCommand::ALL.iter().copied().filter(compared).collect();
        Generator { random, commands }
    }

    /// Commands for one connection.
    pub(crate) fn batch(&mut self, shadows: &[Shadow]) -> Vec<Step> {
        let connection = self.random.below(CONNECTIONS as u64) as usize;
        let shadow = &shadows[connection];
        if shadow.is_restricted() {
            return vec![Step { connection, args: self.restricted() }];
        }
        let mut in_transaction = shadow.queued.is_some();
        let mut is_subscribed = shadow.is_subscribed();
        let len = 1 + self.random.below(24);
        let steps = (0..len)
            .map(|_| {
                let args = loop {
                    let args = self.command(in_transaction);
                    let step = Step { connection, args };
                    let name = String::from_utf8_lossy(&step.args[0]).to_ascii_uppercase();
                    // Subscribed connections do not go into transactions, nor subscriptions and protocol switches:
                    // their replies would come where others are expected, and 7.0 puts messages into that of `EXEC`.
                    let apart = (in_transaction && (is_subscription(&step) || name == "HELLO"))
                        || (is_subscribed && name == "MULTI");
                    if !apart {
                        is_subscribed |= is_subscription(&step);
                        match name.as_str() {
                            "MULTI" => in_transaction = true,
                            // With an argument too many it is refused and the transaction goes on.
                            "EXEC" | "DISCARD" | "RESET" => in_transaction &= step.args.len() > 1,
                            _ => {}
                        }
                        break step.args;
                    }
                };
                Step { connection, args }
            })
            .collect();
        with_clear_error(steps)
    }

    /// Now and then asks for other events than before, ahead of a batch.
    pub(crate) fn choose_events(&mut self, shadows: &[Shadow], batch: &mut Vec<Step>) {
        let Some(connection) = batch.first().map(|step| step.connection) else { return };
        if shadows[connection].queued.is_some() || self.random.below(10) > 0 {
            return;
        }
        let letters =
            self.pick(&["KA", "EA", "AKEn", "KEAm", "KEnm", "Kg$lshzxe", "Emn", "A", "Kl", "KEh$", ""]);
        let args = vec![b"CONFIG".to_vec(), b"SET".to_vec(), b"notify-keyspace-events".to_vec(), letters];
        batch.insert(0, Step { connection, args });
    }

    fn command(&mut self, in_transaction: bool) -> Args {
        let roll = self.random.below(1000);
        if in_transaction && roll < 150 {
            return self.line(&["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD", "MULTI", "EXEC extra"]);
        }
        match roll {
            0..=780 => {
                let command = self.commands[self.random.below(self.commands.len() as u64) as usize];
                let args = data(command, self);
                self.mutated(args)
            }
            781..=899 => {
                let args = self.connection_command();
                self.mutated(args)
            }
            900..=939 => self.pubsub_command(),
            940..=964 => self.line(&["MULTI", "MULTI", "MULTI", "EXEC", "DISCARD"]),
            965..=989 => match self.random.below(4) {
                0 => self.line(&["UNWATCH"]),
                1 => vec![b"WATCH".to_vec(), self.key(), self.key()],
                _ => vec![b"WATCH".to_vec(), self.key()],
            },
            _ => self.whole_database_command(),
        }
    }

    fn restricted(&mut self) -> Args {
        match self.random.below(10) {
            0..=5 => self.pubsub_command(),
            6 => self.line(&["PING", "PING hello", "ping a b"]),
            7 => self.line(&[
                "RESET",
                "GET k1",
                "MULTI",
                "SET k1 v",
                "PUBLISH ch1 x",
                "BANANA",
                "CLIENT ID",
                "WATCH k1",
            ]),
            _ => self.line(&["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"]),
        }
    }

    fn connection_command(&mut self) -> Args {
        match self.random.below(20) {
            0..=5 => self.line(&[
                "SELECT 0",
                "SELECT 0",
                "SELECT 0",
                "SELECT 1",
                "SELECT 2",
                "SELECT 9",
                "SELECT 16",
                "SELECT x",
                "SELECT -1",
            ]),
            6 => self.line(&[
                "HELLO 2",
                "HELLO 3",
                "HELLO 3",
                "HELLO 9",
                "HELLO x",
                "HELLO",
                "HELLO 3 SETNAME you",
            ]),
            7 => self.line(&["PING", "PING hi", "PING a b"]),
            8 => vec![b"ECHO".to_vec(), self.value()],
            9 => self.line(&[
                "CLIENT SETNAME me",
                "CLIENT SETNAME ''",
                "CLIENT GETNAME",
                "CLIENT ID",
                "CLIENT SETNAME 'a b'",
                "CLIENT GETREDIR",
                "CLIENT TRACKINGINFO",
                "CLIENT NO-EVICT on",
                "CLIENT NO-EVICT maybe",
            ]),
            10 => self.line(&[
                "BANANA",
                "banana split",
                "CLIENT BANANA",
                "GETX k1",
                "OBJECT BANANA k1",
                "CONFIG",
                "COMMAND BANANA",
            ]),
            11 | 12 => {
                let command = self.commands[self.random.below(self.commands.len() as u64) as usize];
                let mut args = self.line(&["COMMAND GETKEYS", "COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"]);
                let of = data(command, self);
                // In the table of Redis `DEBUG` has no keys.
                args.extend(if of[0] == b"DEBUG" { self.line(&["GET k1"]) } else { of });
                args
            }
            13 => self.line(&["RESET", "PING", "PING", "PING", "PING", "PING"]),
            14 => self.line(&["DBSIZE", "RANDOMKEY", "TIME", "LASTSAVE", "WAIT 0 0"]),
            15 => self.line(&[
                "KEYS *",
                "KEYS k*",
                "KEYS *5",
                "KEYS k[0-3]",
                "KEYS k[^0-3]",
                "KEYS ?1",
                "KEYS none",
                "KEYS",
            ]),
            16 => self.line(&[
                "SCAN 0",
                "SCAN 0 COUNT 3",
                "SCAN 0 MATCH k[0-5]",
                "SCAN 0 TYPE hash",
                "SCAN 0 TYPE string COUNT 1",
                "SCAN 0 COUNT 0",
                "SCAN x",
                "SCAN 0 MATCH",
            ]),
            17 => self.line(&["DBSIZE", "DBSIZE extra"]),
            _ => self.line(&["TIME", "PING", "DBSIZE"]),
        }
    }

    fn pubsub_command(&mut self) -> Args {
        match self.random.below(12) {
            0..=2 => {
                let name = self.pick(&["PUBLISH", "PUBLISH", "SPUBLISH"]);
                vec![name, self.channel(), self.value()]
            }
            3 => self.several("SUBSCRIBE", 3, Generator::channel),
            4 => self.several("PSUBSCRIBE", 2, |g| g.pick(&["ch*", "ch?", "*", "ch[1-2]", "other"])),
            5 => self.several("SSUBSCRIBE", 1, Generator::channel),
            6 => self.several("UNSUBSCRIBE", 2, Generator::channel),
            7 => self.line(&["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"]),
            8 => self.several("PUNSUBSCRIBE", 1, |g| g.pick(&["ch*", "ch?", "*", "ch[1-2]", "other"])),
            9 => self.several("SUNSUBSCRIBE", 1, Generator::channel),
            _ => self.line(&[
                "PUBSUB CHANNELS",
                "PUBSUB CHANNELS ch1*",
                "PUBSUB NUMSUB ch1 ch2 ch3",
                "PUBSUB NUMPAT",
                "PUBSUB NUMSUB",
                "PUBSUB SHARDCHANNELS",
                "PUBSUB SHARDNUMSUB ch1 ch2",
                "PUBSUB BANANA",
                "PUBLISH ch1",
                "SUBSCRIBE",
            ]),
        }
    }

    fn whole_database_command(&mut self) -> Args {
        match self.random.below(40) {
            0 => self.line(&["FLUSHALL", "FLUSHALL ASYNC", "FLUSHALL BANANA"]),
            1..=3 => self.line(&["FLUSHDB", "FLUSHDB SYNC", "FLUSHDB BANANA x"]),
            4..=8 => self.line(&[
                "SWAPDB 0 1",
                "SWAPDB 1 2",
                "SWAPDB 0 0",
                "SWAPDB 0 99",
                "SWAPDB a 1",
                "SWAPDB 1 a",
            ]),
            _ => self.line(&["DBSIZE", "RANDOMKEY", "KEYS *", "SCAN 0"]),
        }
    }

    /// Now and then with a mistake in it.
    fn mutated(&mut self, mut args: Args) -> Args {
        const ODD: &[&[u8]] = &[
            b"",
            b"abc",
            b"-1",
            b"0",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"9223372036854775808",
            b"1.5",
            b" 1",
            b"+1",
            b"0x10",
            b"nan",
            b"inf",
            b"1e400",
            b"\xff\x00",
            b"NX",
            b"XX",
            b"GET",
            b"KEEPTTL",
            b"COUNT",
            b"PERSIST",
            b"EX",
        ];
        // With another timeout a wait might never end; `DEBUG` is told wrong arguments in other words; what
        // `COMMAND` tells of the table differs; 7.0 keeps the name that a refused `HELLO` gave, 7.2 does not; 7.0 takes
        // the least rank of all for one of its own making, 7.2 refuses it; `SPOP` without its count takes what chance says; `ZRANK` takes one more argument in 7.2; and the
        // members of some keys keep one score.
        let left_alone: [&[u8]; 7] =
            [b"DEBUG", b"COMMAND", b"HELLO", b"LPOS", b"SPOP", b"ZRANK", b"ZREVRANK"];
        let waits = command::lookup_name(&args[0]).is_some_and(|spec| spec.flags.contains(Flags::BLOCKING));
        let keeps_scores = args[0] == b"ZADD" && sorted_set::NAMES_KEYS.contains(&args[1].as_slice());
        let is_left_alone = waits || left_alone.contains(&args[0].as_slice()) || keeps_scores;
        if self.random.chance(92, 100) || is_left_alone {
            return args;
        }
        let odd = ODD[self.random.below(ODD.len() as u64) as usize].to_vec();
        match self.random.below(4) {
            0 if args.len() > 1 => {
                args.pop();
            }
            1 => args.push(odd),
            2 => args[0].make_ascii_lowercase(),
            _ => {
                // Not the name: an unknown command is generated elsewhere.
                let at = 1 + self.random.below(args.len() as u64) as usize;
                if let Some(arg) = args.get_mut(at) {
                    *arg = odd;
                }
            }
        }
        args
    }

    fn pick(&mut self, from: &[&str]) -> Vec<u8> {
        from[self.random.below(from.len() as u64) as usize].as_bytes().to_vec()
    }

    fn line(&mut self, from: &[&str]) -> Args {
        narf_tests::words(from[self.random.below(from.len() as u64) as usize])
    }

    fn several(&mut self, name: &str, most: u64, one: impl Fn(&mut Generator) -> Vec<u8>) -> Args {
        let mut args = vec![name.as_bytes().to_vec()];
        for _ in 0..=self.random.below(most) {
            args.push(one(self));
        }
        args
    }

    fn key(&mut self) -> Vec<u8> {
        self.pick(&["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "{tag}k8", "{tag}k9"])
    }

    fn channel(&mut self) -> Vec<u8> {
        self.pick(&["ch1", "ch2", "ch3"])
    }

    fn field(&mut self) -> Vec<u8> {
        self.pick(&["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "", "a longer field with blanks"])
    }

    fn member(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => self.value(),
            1 | 2 => self.pick(&["m0", "m1", "m2", "m3", "m4"]),
            _ => self.random.below(12).to_string().into_bytes(),
        }
    }

    /// Mostly one of a few, so that it is met again.
    fn element(&mut self) -> Vec<u8> {
        if self.random.chance(1, 4) { self.value() } else { self.pick(&["a", "b", "c", "1", "2", ""]) }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => Vec::new(),
            1..=3 => self.int(),
            4 => self.float(),
            5 => vec![b'x'; self.random.below(80) as usize],
            6 => vec![b'y'; self.random.below(2000) as usize],
            7 => b"\x00\xff\r\n".to_vec(),
            8 => b"00012".to_vec(),
            _ => {
                let number = self.random.below(100_000);
                format!("value-{number}").into_bytes()
            }
        }
    }

    fn int(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => b"9223372036854775807".to_vec(),
            1 => b"-9223372036854775808".to_vec(),
            2 => b"0".to_vec(),
            3 => b"1.0".to_vec(),
            _ => (self.random.below(2000) as i64 - 1000).to_string().into_bytes(),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        self.pick(&[
            "0.1",
            "0.2",
            "1.5",
            "-3",
            "1e3",
            "3.0e2",
            "0.0000001",
            "-0.3",
            "100",
            "3.14159",
            "1e-10",
            "1e17",
            "-2.5e-3",
            "12345678.9",
        ])
    }

    /// A position within or a little outside of a short string.
    fn index(&mut self) -> Vec<u8> {
        (self.random.below(40) as i64 - 20).to_string().into_bytes()
    }

    /// Seconds from now: far enough that nothing expires, all different, so that `GT` and `LT` have one answer.
    fn far_seconds(&mut self) -> i64 {
        100_000 + self.random.below(900_000_000) as i64
    }

    fn absolute_seconds(&mut self) -> i64 {
        33_000_000_000 + self.random.below(100) as i64 * 1000
    }

    /// Options that set a deadline. None in the past: whether such a key still counts in `DBSIZE` depends on when it
    /// is deleted.
    fn deadline_option(&mut self) -> Args {
        let (word, value) = match self.random.below(5) {
            0 => ("EX", self.far_seconds()),
            1 => ("PX", self.far_seconds() * 1000),
            2 => ("EXAT", self.absolute_seconds()),
            3 => ("PXAT", self.absolute_seconds() * 1000),
            _ => ("ex", -5),
        };
        vec![word.as_bytes().to_vec(), value.to_string().into_bytes()]
    }
}

/// Redis's `SORT` takes C's `errno` as its own even if an earlier command has left it behind (`ZCOUNT` with `1e400`); what
/// reads a timeout clears it.
fn with_clear_error(steps: Vec<Step>) -> Vec<Step> {
    let ahead = |step: Step| {
        let is_sort = step.args[0].to_ascii_uppercase().starts_with(b"SORT");
        let args = ["BLPOP", "none", "x"].map(owned).to_vec();
        let clears = is_sort.then_some(Step { connection: step.connection, args });
        clears.into_iter().chain([step])
    };
    steps.into_iter().flat_map(ahead).collect()
}

fn args(name: &str, rest: impl IntoIterator<Item = Vec<u8>>) -> Args {
    let mut all = vec![name.as_bytes().to_vec()];
    all.extend(rest);
    all
}

fn owned(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A request of this command with arguments that mostly make sense.
pub(crate) fn data(command: DataCommand, g: &mut Generator) -> Args {
    let spec = command.spec();
    match spec.group {
        _ if spec.is_internal() => internal::data(command, g),
        Group::String => string::data(command, g),
        Group::Hash => hash::data(command, g),
        Group::Set => set::data(command, g),
        Group::List => list::data(command, g),
        Group::SortedSet => sorted_set::data(command, g),
        Group::Bitmap => bitmap::data(command, g),
        Group::Geo => geo::data(command, g),
        Group::HyperLogLog => hyperloglog::data(command, g),
        _ => generic::data(command, g),
    }
}

fn missing(command: DataCommand) -> Args {
    panic!("no generator for {}", command.spec().name)
}

fn pairs(name: &str, g: &mut Generator, key: impl Fn(&mut Generator) -> Vec<u8>) -> Args {
    let mut all = args(name, []);
    for _ in 0..=g.random.below(3) {
        all.push(key(g));
        all.push(g.value());
    }
    all
}

/// A key and one to `most` of something.
fn keyed(name: &str, g: &mut Generator, most: u64, one: impl Fn(&mut Generator) -> Vec<u8>) -> Args {
    let mut all = g.several(name, most, one);
    all.insert(1, g.key());
    all
}

/// A number, mostly right, and keys. Never a fraction: `COMMAND GETKEYS` of Redis reads it as far as it goes.
fn counted_keys(name: &str, g: &mut Generator) -> Args {
    let mut all = g.several(name, 3, Generator::key);
    let count = match g.random.chance(1, 15) {
        true => g.pick(&["0", "-1", "2", "100", "9223372036854775807", "x", ""]),
        false => (all.len() - 1).to_string().into_bytes(),
    };
    all.insert(1, count);
    all
}
