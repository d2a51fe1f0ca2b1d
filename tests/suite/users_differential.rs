//! Random rules for users, to `redis-server` and to the server under test: the same rules must be taken and refused, in the
//! same words, and allow the same requests.
//!
//! Redis 7.2, which is followed, words some things in another way than 7.0, which is here: see [`normal`]. It also keeps
//! rules about commands as they were given, where 7.0 thinks out others that amount to the same; so these are given to
//! `redis-server` again, and must make the same rights there.
//!
//! Malformed `%` rules and brackets are left out: 7.0 takes some of them (CVE-2024-51741, CVE-2024-31227), we take none.
//!
//! `NARF_TEST_SEED` repeats a run, `NARF_TEST_RULES` changes its length.

use std::collections::BTreeSet;

use base::Random;
use narf_tests::{Client, Kind, Options, Server, Value, env_number, skip_unless_narf};

const HASHES: [&str; 2] = [
    "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90",
    "5feceb66ffc86f38d952786c6d696c79c2dba239dd4e91b46729d73a27fb57e9",
];
const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];
/// Commands whose categories 7.2, or we ourselves, changed. See `crates/command/tests/redis.rs`.
const CHANGED: [&str; 2] = ["wait", "debug"];
/// Redis asks about no key at all where one of several places has none: `PFMERGE other` is allowed to everybody.
const UNASKED: [&str; 1] = ["pfmerge"];

/// Requests whose keys are not all where positions say.
const COUNTED: [&str; 8] = [
    "zunion 2 %k %k",
    "zinterstore %k 1 %k",
    "zdiffstore %k 2 %k %k",
    "lmpop 2 %k %k LEFT",
    "zmpop 1 %k MIN",
    "sintercard 2 %k %k",
    "zintercard 1 %k",
    "zunionstore %k 2 %k %k WEIGHTS 1 2",
];

struct Generator {
    random: Random,
    commands: Vec<String>,
}

impl Generator {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn command(&mut self) -> String {
        let number = self.random.below(self.commands.len() as u64) as usize;
        self.commands[number].clone()
    }

    fn pattern(&mut self) -> &'static str {
        self.pick(&["k:*", "k:1", "*", "[ko]*", "?:2", "", "other", "\\*", "k:1*", "a*b"])
    }

    /// A rule of a selector.
    fn selector_rule(&mut self) -> String {
        let sign = self.pick(&["+", "+", "-"]);
        match self.random.below(22) {
            0..5 => format!("{sign}{}", self.command()),
            5..9 => format!("{sign}@{}", self.pick(&CATEGORIES)),
            9 => format!("{sign}@all"),
            10 => self.pick(&["allcommands", "nocommands", "ALLKEYS", "allchannels"]).to_owned(),
            11 | 12 => format!("~{}", self.pattern()),
            13 => format!("{}~{}", self.pick(&["%R", "%W", "%RW", "%wr", "%r"]), self.pattern()),
            14 | 15 => format!("&{}", self.pattern()),
            16 => self.pick(&["resetkeys", "resetchannels", "&*", "~*"]).to_owned(),
            17 => self
                .pick(&["+select|0", "+SELECT|1", "+select|x", "+get|k:1", "+config|get", "-config|set"])
                .to_owned(),
            18 => self.pick(&["resetkeys", "resetchannels"]).to_owned(),
            _ => match self.random.below(6) {
                0 => self
                    .pick(&[
                        "+nope",
                        "-nope",
                        "+@nope",
                        "-@",
                        "+",
                        "+get|",
                        "+config|nope",
                        "-config|nope",
                        "-get|x",
                        "foo",
                    ])
                    .to_owned(),
                1 => self.pick(&["+config|get|x", "+GET", "-Config|Get", "+@READ"]).to_owned(),
                _ => format!("{sign}{}", self.command()),
            },
        }
    }

    /// A word of `ACL SETUSER`.
    fn rule(&mut self) -> Vec<String> {
        match self.random.below(20) {
            0 => vec![self.pick(&["on", "off", "ON", "nopass", "resetpass"]).to_owned()],
            1 => vec![format!("{}{}", self.pick(&["#", "!"]), self.pick(&HASHES))],
            2 => match self.random.below(5) {
                0 => vec![self.pick(&["reset", "clearselectors"]).to_owned()],
                1 => vec![self.pick(&["#12", "!", "%X~a", "%RR~a", "(on)", ")", "~a b", "&a b"]).to_owned()],
                2 => vec![
                    self.pick(&["", "sanitize-payload", "skip-sanitize-payload", "sanitize-payload"])
                        .to_owned(),
                ],
                _ => vec!["resetkeys".to_owned()],
            },
            3 | 4 => {
                let rules: Vec<String> = (0..self.random.below(4)).map(|_| self.selector_rule()).collect();
                let text = format!("({})", rules.join(" "));
                // In one word, or in several.
                match self.random.chance(1, 2) {
                    true => vec![text],
                    false => text.split(' ').map(str::to_owned).collect(),
                }
            }
            _ => vec![self.selector_rule()],
        }
    }

    /// A request that both servers could run.
    fn request(&mut self, arities: &[(String, i64)]) -> Vec<String> {
        if self.random.chance(1, 8) {
            let text = self.pick(&COUNTED);
            return text
                .split(' ')
                .map(|word| if word == "%k" { self.key() } else { word.to_owned() })
                .collect();
        }
        let (name, arity) = arities[self.random.below(arities.len() as u64) as usize].clone();
        let mut request: Vec<String> = name.split('|').map(str::to_owned).collect();
        let extra = if arity < 0 { self.random.below(3) as usize } else { 0 };
        while request.len() < arity.unsigned_abs() as usize + extra {
            request.push(match self.random.below(8) {
                0 => self.pick(&["0", "1", "GET", "set", "overflow"]).to_owned(),
                _ => self.key(),
            });
        }
        request
    }

    fn key(&mut self) -> String {
        self.pick(&["k:1", "k:2", "other", "0", "*", "k:*", ""]).to_owned()
    }
}

fn run(client: &mut Client, words: &[String]) -> Value {
    client.run_args(words)
}

/// The words of 7.2 in those of 7.0.
fn normal(reply: &Value) -> String {
    let text = reply.to_string();
    text.replace("User u has no permissions", "This user has no permissions")
        .replace(", \"sanitize-payload\"", "")
}

/// Redis writes a pattern of all keys as `~*`, which it does not take back where there are others; we do not.
fn keys_of(rights: &Value) -> String {
    rights.field("keys").unwrap().text().replace("%RW~*", "~*")
}

/// A user without what is known to be told otherwise: commands, and passwords but for their number.
fn user_of(client: &mut Client) -> (String, Vec<String>) {
    let user = client.run("ACL GETUSER u");
    let mut commands = vec![user.field("commands").unwrap().text()];
    let mut seen = vec![
        normal(&user.field("flags").unwrap()),
        user.field("passwords").unwrap().to_string(),
        keys_of(&user),
        user.field("channels").unwrap().text(),
    ];
    for selector in user.field("selectors").unwrap().items() {
        commands.push(selector.field("commands").unwrap().text());
        seen.push(keys_of(&selector));
        seen.push(selector.field("channels").unwrap().text());
    }
    (seen.join("\n"), commands)
}

/// Names and arities of the commands that clients of a server can use and whose keys are where positions say;
/// subcommands as `parent|sub`.
fn commands_of(client: &mut Client) -> BTreeSet<(String, i64)> {
    let mut all = BTreeSet::new();
    for info in client.run("COMMAND").items() {
        let subs = info.items()[9].items();
        let runs = if subs.is_empty() { vec![info] } else { subs };
        // Where the number of keys is not right, we refuse and Redis lets the command itself do so.
        let is_plain = |info: &&Value| !info.items()[2].to_string().contains("movablekeys");
        all.extend(runs.iter().filter(is_plain).map(|info| (info.items()[0].text(), info.items()[1].int())));
    }
    all
}

#[test]
fn rules_mean_what_they_mean_to_redis() {
    if skip_unless_narf() {
        return;
    }
    let rounds: usize = env_number("NARF_TEST_RULES", 1500);
    let seed: u64 = env_number("NARF_TEST_SEED", 1);
    let reference = Server::start(Options::new().kind(Kind::Redis));
    let subject = Server::start(Options::new().workers(2));
    let (mut theirs, mut ours) = (reference.client3(), subject.client3());
    let is_same = |(name, _): &(String, i64)| {
        ![CHANGED.as_slice(), &UNASKED].concat().iter().any(|other| name.split('|').next() == Some(*other))
    };
    let both: Vec<(String, i64)> = commands_of(&mut ours)
        .intersection(&commands_of(&mut theirs))
        .filter(|one| is_same(one))
        .cloned()
        .collect();
    let mut commands: Vec<String> = both.iter().map(|(name, _)| name.clone()).collect();
    commands.extend(["config", "client", "object"].map(String::from));
    let mut generator = Generator { random: Random::new(seed), commands };
    for round in 0..rounds {
        let mut words: Vec<String> = ["ACL", "SETUSER", "u"].map(String::from).to_vec();
        for _ in 0..1 + generator.random.below(6) {
            words.extend(generator.rule());
        }
        let told = words.join(" ");
        let (expected, got) = (run(&mut theirs, &words), run(&mut ours, &words));
        assert_eq!(got.to_string(), expected.to_string(), "seed {seed}, round {round}: {told}");
        if theirs.run("ACL GETUSER u").to_string() == "null" {
            assert!(ours.run("ACL GETUSER u").to_string() == "null", "{told}");
            continue;
        }
        let ((expected, _), (got, commands)) = (user_of(&mut theirs), user_of(&mut ours));
        assert_eq!(got, expected, "seed {seed}, round {round}: {told}");
        for _ in 0..6 {
            let mut request: Vec<String> = ["ACL", "DRYRUN", "u"].map(String::from).to_vec();
            request.extend(generator.request(&both));
            let (expected, got) = (run(&mut theirs, &request), run(&mut ours, &request));
            let asked = request.join(" ");
            assert_eq!(
                normal(&got),
                normal(&expected),
                "seed {seed}, round {round}: {asked} of {}",
                ours.run("ACL LIST")
            );
        }
        check_description(&mut theirs, &commands, &told);
        if generator.random.chance(1, 40) {
            assert_eq!(
                ours.run("ACL DELUSER u nobody").to_string(),
                theirs.run("ACL DELUSER u nobody").to_string()
            );
        }
    }
}

/// 7.0 names first arguments in the order in which they came, which means nothing.
fn first_args_last(commands: String) -> String {
    let is_first_arg = |word: &&str| word.starts_with("+select|") || word.starts_with("+get|");
    let (mut args, rules): (Vec<&str>, Vec<&str>) = commands.split(' ').partition(is_first_arg);
    args.sort_unstable();
    [rules, args].concat().join(" ")
}

/// What we say of a user's commands makes the same of them where it came from.
fn check_description(theirs: &mut Client, commands: &[String], told: &str) {
    let (_, expected) = user_of(theirs);
    let mut words: Vec<String> = ["ACL", "SETUSER", "again", "reset"].map(String::from).to_vec();
    words.extend(commands[0].split(' ').map(str::to_owned));
    words.extend(commands[1..].iter().map(|rules| format!("({rules})")));
    assert_eq!(run(theirs, &words).to_string(), "+OK", "{told}: {words:?}");
    let again = theirs.run("ACL GETUSER again");
    let mut got = vec![again.field("commands").unwrap().text()];
    let selectors = again.field("selectors").unwrap();
    got.extend(selectors.items().iter().map(|selector| selector.field("commands").unwrap().text()));
    let sorted = |all: Vec<String>| all.into_iter().map(first_args_last).collect::<Vec<_>>();
    assert_eq!(sorted(got), sorted(expected), "{told}: {commands:?}");
}

#[test]
fn commands_are_in_the_categories_of_redis() {
    if skip_unless_narf() {
        return;
    }
    let reference = Server::start(Options::new().kind(Kind::Redis));
    let subject = Server::new();
    let (mut theirs, mut ours) = (reference.client(), subject.client());
    assert_eq!(ours.run("ACL CAT").to_string(), theirs.run("ACL CAT").to_string());
    let names = |client: &mut Client, line: &str| -> BTreeSet<String> {
        client.run(line).items().iter().map(Value::text).collect()
    };
    let both: BTreeSet<String> =
        names(&mut ours, "COMMAND LIST").intersection(&names(&mut theirs, "COMMAND LIST")).cloned().collect();
    assert!(both.len() > 200, "{}", both.len());
    for category in CATEGORIES {
        let line = format!("ACL CAT {category}");
        let of = |client: &mut Client| -> BTreeSet<String> {
            let is_compared = |name: &String| {
                both.contains(name) && !CHANGED.contains(&name.split('|').next().unwrap_or_default())
            };
            names(client, &line).into_iter().filter(is_compared).collect()
        };
        assert_eq!(of(&mut ours), of(&mut theirs), "{category}");
    }
}
