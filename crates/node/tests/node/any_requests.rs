//! Any bytes as a story: clients of a whole node that send any request of the table with any arguments, or no request
//! at all, while time passes. Run by the test below and by the fuzz target `requests`.
//!
//! What holds: nothing panics; every request has its answer, in order, unless the connection was closed; a client that
//! says goodbye is let go; and what the log holds is what the node was.

use command::Spec;
use resp::Value;

use crate::net::{ClientId, Net, Options};

/// Steps of a story; more of them find nothing that fewer do not.
const STEPS_MAX: usize = 120;
const CLIENTS: usize = 2;
/// Small enough that a story's values and their copies in the log are.
const VALUE_BYTES_MAX: &str = "1mb";

/// Arguments that commands of any family trip over. None makes a value as long as it may be: every copy in the log would
/// be of half a gigabyte.
const WORDS: &[&str] = &[
    "k",
    "{k}1",
    "other",
    "h",
    "s",
    "new{k}",
    "0",
    "1",
    "2",
    "-1",
    "7",
    "15",
    "16",
    "100",
    "4999",
    "536870912",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "1700000000",
    "1700000000000",
    "1.5",
    "-0",
    "1e308",
    "-1e400",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "",
    " 1",
    "1 ",
    "007",
    "+1",
    "*",
    "k*",
    "[a-",
    "\\",
    "?",
    "**a*b",
    "default",
    "ch",
    "on",
    "off",
    "yes",
    "no",
    "skip",
    "value",
];

/// Set by clients at run time, and of any value.
const SETTINGS: &[&str] = &["maxmemory", "timeout", "maxclients", "hz", "ack", "requirepass", "save", "*"];

/// Plays a story; panics if something does not hold.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let setup = bytes.next();
    let mut story = Story::new(1 + u16::from(setup & 1), u64::from(setup >> 1));
    for _ in 0..STEPS_MAX {
        if bytes.0.is_empty() {
            break;
        }
        story.step(&mut bytes);
    }
    story.end();
}

/// What is left to read; past the end there are zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

struct Talker {
    client: ClientId,
    /// Requests whose answers were not taken yet.
    unanswered: usize,
    /// It said something after which answers cannot be counted.
    is_wild: bool,
    /// It said something of which nobody knows where it ends.
    may_hang: bool,
    is_deaf: bool,
}

struct Story {
    net: Net,
    talkers: Vec<Talker>,
    commands: Vec<&'static Spec>,
    /// To look into a finding, each step is told: `NARF_STORY=1`.
    is_told: bool,
}

impl Story {
    fn new(workers: u16, seed: u64) -> Story {
        let settings = vec![("proto-max-bulk-len", VALUE_BYTES_MAX)];
        let mut net = Net::with(Options { workers, seed, logging: true, settings });
        let talkers = (0..CLIENTS).map(|worker| Talker::new(net.connect(worker))).collect();
        let commands = command::all().filter(|spec| !spec.is_internal()).collect();
        Story { net, talkers, commands, is_told: std::env::var_os("NARF_STORY").is_some() }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let step = bytes.next();
        let who = usize::from(step) % CLIENTS;
        if self.is_told {
            eprintln!("step {}, client {who}", step / 2 % 32);
        }
        match step / 2 % 32 {
            0 => {
                let count = usize::from(bytes.next() % 48);
                let raw = bytes.take(count);
                self.talkers[who].is_wild = true;
                self.talkers[who].may_hang = true;
                self.net.write(self.talkers[who].client, &raw);
            }
            1 => self.net.pass([1, 20, 150, 1100][usize::from(bytes.next()) % 4]),
            2 => {
                // The clocks jump: the machine slept, or somebody set the time.
                let by = [1_000_000, 3_600_000_000, 86_400_000_000, 3_000_000_000_000_000];
                let kind = bytes.next();
                let by = by[usize::from(kind >> 1) % by.len()];
                self.net.now.wall_us += by;
                if kind & 1 == 0 {
                    self.net.now.mono_us += by;
                }
                self.net.pass(1);
            }
            3 => self.reconnect(who),
            4 => {
                let talker = &mut self.talkers[who];
                talker.is_deaf = !talker.is_deaf;
                if self.net.is_open(talker.client) {
                    self.net.set_deaf(talker.client, talker.is_deaf);
                }
            }
            5 => self.net.begin_checkpoints(),
            6 => self.net.tick(),
            7 => self.settle(),
            8 => self.net.hold_sync = !self.net.hold_sync,
            _ => self.request(who, bytes),
        }
        if step & 0x80 == 0 {
            self.settle();
        }
    }

    /// A request of the table, nearly right: the right number of arguments or about that, its own words among them.
    fn request(&mut self, who: usize, bytes: &mut Bytes<'_>) {
        let spec = self.commands[usize::from(bytes.next()) % self.commands.len()];
        let shape = bytes.next();
        let mut parts: Vec<Vec<u8>> = spec.name.split('|').map(|word| word.as_bytes().to_vec()).collect();
        let least = usize::from(spec.arity.unsigned_abs()).saturating_sub(parts.len());
        let count = match shape % 8 {
            0..4 => least,
            more @ 4..7 => least + usize::from(more) - 3,
            _ => least.saturating_sub(1),
        };
        let own: Vec<&str> = spec
            .syntax
            .split_ascii_whitespace()
            .map(|word| word.trim_matches(['[', ']', '<', '>']))
            .collect();
        for _ in 0..count {
            parts.push(argument(&own, spec, bytes));
        }
        let talker = &mut self.talkers[who];
        talker.note(spec.name);
        if self.is_told {
            eprintln!("  {:?}", parts.iter().map(|part| part.escape_ascii().to_string()).collect::<Vec<_>>());
        }
        let mut request = Vec::new();
        resp::write_request(&mut request, parts.iter());
        self.net.write(talker.client, &request);
    }

    fn reconnect(&mut self, who: usize) {
        self.net.hang_up(self.talkers[who].client);
        if let Some(client) = self.net.try_connect(who) {
            self.talkers[who] = Talker::new(client);
        }
    }

    /// Everything comes to rest, and those who could be answered were.
    fn settle(&mut self) {
        self.net.settle();
        for talker in &mut self.talkers {
            if !self.net.is_open(talker.client) || talker.is_deaf || talker.is_wild {
                continue;
            }
            let values = self.net.take_values(talker.client);
            let replies = values.iter().filter(|value| !matches!(value, Value::Push(_))).count();
            assert!(replies <= talker.unanswered, "an answer that nobody asked for: {values:?}");
            talker.unanswered -= replies;
        }
    }

    /// Whoever waits for the disk, the clock or another client is let go; then everybody was answered.
    fn end(mut self) {
        self.net.hold_sync = false;
        for who in 0..CLIENTS {
            self.talkers[who].is_deaf = false;
            self.net.set_deaf(self.talkers[who].client, false);
        }
        self.settle();
        let (Some(helper), Some(other)) = (self.net.try_connect(0), self.net.try_connect(1)) else {
            return;
        };
        if self.net.talk(helper, &["CLIENT UNPAUSE"]) != ["OK"] {
            // Closed to newcomers.
            return;
        }
        for who in 0..CLIENTS {
            self.goodbye(who, (helper, other));
        }
        let digest = self.net.talk(helper, &["DEBUG DIGEST"]);
        if let [digest] = digest.as_slice()
            && !digest.starts_with('(')
        {
            assert_eq!(*digest, self.net.restarted(false).digest(), "the log says everything");
            // As far as checkpoints were written.
            assert_eq!(*digest, self.net.restarted(true).digest(), "with checkpoints, too");
        }
    }

    fn goodbye(&mut self, who: usize, helpers: (ClientId, ClientId)) {
        let client = self.talkers[who].client;
        if !self.net.is_open(client) || self.talkers[who].may_hang {
            return;
        }
        self.wait_until(helpers, |story| {
            story.talkers[who].is_wild || story.talkers[who].unanswered == 0 || !story.net.is_open(client)
        });
        let Talker { is_wild, unanswered, .. } = self.talkers[who];
        if !self.net.is_open(client) {
            return;
        }
        assert!(is_wild || unanswered == 0, "{unanswered} requests have no answer");
        self.net.send(client, &["QUIT"]);
        self.wait_until(helpers, |story| !story.net.is_open(client));
        assert!(!self.net.is_open(client), "who says goodbye is let go");
    }

    /// What was begun needs its time, each `SAVE` some turns; requests that were held may pause again, or wait for
    /// ever. Two helpers, as what lets go those who wait is held by a pause, and with it what ends the pause.
    fn wait_until(&mut self, helpers: (ClientId, ClientId), is_done: impl Fn(&Story) -> bool) {
        for _ in 0..2 * STEPS_MAX {
            self.settle();
            if is_done(self) {
                break;
            }
            self.net.pass(50);
            self.net.talk(helpers.0, &["CLIENT UNPAUSE"]);
            for who in 0..CLIENTS {
                let id = self.net.id_of(self.talkers[who].client);
                self.net.talk(helpers.1, &[&format!("CLIENT UNBLOCK {id}")]);
            }
        }
    }
}

impl Talker {
    fn new(client: ClientId) -> Talker {
        Talker { client, unanswered: 0, is_wild: false, may_hang: false, is_deaf: false }
    }

    fn note(&mut self, name: &str) {
        self.unanswered += 1;
        match name {
            // As many answers as channels, or answers of others' doing, or none.
            "subscribe" | "psubscribe" | "ssubscribe" | "unsubscribe" | "punsubscribe" | "sunsubscribe"
            | "monitor" | "client|reply" | "client|tracking" | "quit" | "shutdown" => self.is_wild = true,
            _ => {}
        }
    }
}

fn argument(own: &[&str], spec: &Spec, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let choice = bytes.next();
    let index = usize::from(choice & 0x7f);
    let text = match choice {
        0..0x60 if spec.name.starts_with("config|") && choice < 0x20 => SETTINGS[index % SETTINGS.len()],
        0..0x60 => WORDS[index % WORDS.len()],
        0x60..0xe0 if !own.is_empty() => own[index % own.len()],
        0x60..0xe0 => WORDS[index % WORDS.len()],
        _ => return bytes.take(usize::from(choice & 0x1f)),
    };
    text.as_bytes().to_vec()
}

#[test]
fn any_story_is_lived_through() {
    let mut random = base::Random::new(11);
    for _ in 0..1500 {
        let len = 1 + random.below(400) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        check_bytes(&bytes);
    }
}
