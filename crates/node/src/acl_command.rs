//! The `ACL` family: users are looked at here and changed by way of [`users`](crate::users).

use std::path::PathBuf;

use base::{Args, WorkerId, parse_i64};
use command::{Category, Lookup, NodeCommand};
use resp::Reply;

use crate::acl::password::{Job, SALT_LEN, WORD_BYTES_MAX};
use crate::acl::{User, file, has_spaces, merge_selectors};
use crate::acl_log::write_entries;
use crate::dispatch::Taken;
use crate::gather::{Answer, Question};
use crate::rights::told_in_full;
use crate::session::Session;
use crate::users::{NOT_LOADED, WishedUsers};
use crate::worker::Worker;

/// Most passwords in plain text in one request: each takes tens of milliseconds.
const WORDS_MAX: usize = 16;
/// The same in a file.
const FILE_WORDS_MAX: usize = 1024;
const GENPASS_BITS: i64 = 256;
const GENPASS_BITS_MAX: i64 = 4096;

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via \
                       the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis \
                       configuration file set) in order to store users in the Redis configuration.";
pub(crate) const BUSY: &str = "ERR too many passwords are being checked at the moment; try again";
const TOO_LONG: &str = "ERR a password has at most 4096 bytes";
const NOT_IN_EXEC: &str = "ERR a password in plain text cannot be hashed inside a transaction; send the command outside \
                           of MULTI, or give a hash with #";

impl Worker {
    pub(crate) fn run_acl(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) -> Taken {
        use NodeCommand as N;
        match command {
            N::AclSetUser => return self.acl_set_user(session, args),
            N::AclLoad => return self.acl_load(session),
            N::AclDelUser => {
                let names = args.iter().skip(2).map(<[u8]>::to_vec).collect();
                self.wish_users(session, WishedUsers::Delete(names));
            }
            N::AclLog => self.acl_log(session, args),
            _ => {
                self.with_reply(session, |worker, session, out| {
                    worker.acl_look(session, command, args, &mut Reply::new(out, session.version));
                });
            }
        }
        Taken::Done
    }

    /// Those that only look.
    fn acl_look(&mut self, session: &Session, command: NodeCommand, args: Args<'_>, reply: &mut Reply<'_>) {
        use NodeCommand as N;
        match command {
            N::AclCat => categories(args, reply),
            N::AclDryRun => self.acl_dry_run(args, reply),
            N::AclGenPass => self.acl_genpass(args, reply),
            N::AclGetUser => match self.users.find(args.at(2)) {
                Some(user) => write_user(user, reply),
                None => reply.null(),
            },
            N::AclList => {
                let all = self.users.all();
                reply.array(all.len());
                all.iter().for_each(|user| reply.bulk(&line_of(user)));
            }
            N::AclUsers => {
                let all = self.users.all();
                reply.array(all.len());
                all.iter().for_each(|user| reply.bulk(user.name()));
            }
            N::AclSave => match self.acl_save() {
                Ok(()) => reply.ok(),
                Err(text) => reply.error(text),
            },
            _ => reply.bulk(session.user_name()),
        }
    }

    fn acl_set_user(&mut self, session: &mut Session, args: Args<'_>) -> Taken {
        let name = args.at(2);
        let refuse = |session: &mut Session, text: String| {
            Reply::new(session.output.end(), session.version).error(text);
            Taken::Done
        };
        if has_spaces(name) {
            return refuse(session, "ERR Usernames can't contain spaces or null characters".to_owned());
        }
        let rules = match merge_selectors(args.iter().skip(3)) {
            Ok(rules) => rules,
            Err(number) => {
                let word = String::from_utf8_lossy(args.at(3 + number));
                return refuse(
                    session,
                    format!("ERR Unmatched parenthesis in acl selector starting at '{word}'."),
                );
            }
        };
        let words = words_of(&rules);
        if words.len() > WORDS_MAX {
            let text =
                format!("ERR at most {WORDS_MAX} passwords in plain text in one request; send several");
            return refuse(session, text);
        }
        let against = self.users.find(name).map_or_else(Vec::new, |user| user.passwords().to_vec());
        let job = |worker: &mut Worker| worker.job_to_hash(words.clone(), against);
        match self.known_words(session, &words, job) {
            Ok(Some(known)) => {
                self.wish_users(session, WishedUsers::Set { name: name.to_vec(), rules, known });
                Taken::Done
            }
            Ok(None) => Taken::Later,
            Err(text) => refuse(session, text.to_owned()),
        }
    }

    /// What is known of passwords in plain text; none if that has to be worked out first, and is being.
    pub(crate) fn known_words(
        &mut self,
        session: &mut Session,
        words: &[Vec<u8>],
        job: impl FnOnce(&mut Worker) -> Job,
    ) -> Result<Option<Vec<crate::acl::Known>>, &'static str> {
        let solved = session.solved.take();
        if words.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if let Some(known) = solved.filter(|known| crate::acl::Known::are_of(known, words)) {
            return Ok(Some(known));
        }
        if words.iter().any(|word| word.len() > WORD_BYTES_MAX) {
            return Err(TOO_LONG);
        }
        if session.runs_exec() {
            return Err(NOT_IN_EXEC);
        }
        let job = job(self);
        if self.begin_job(session, job, None) { Ok(None) } else { Err(BUSY) }
    }

    /// Passwords that need hashes, if none of these is theirs.
    pub(crate) fn job_to_hash(
        &self,
        words: Vec<Vec<u8>>,
        against: Vec<crate::acl::password::Password>,
    ) -> Job {
        let salt = || {
            let mut salt = [0; SALT_LEN];
            self.host.random(&mut salt);
            salt
        };
        let salts = words.iter().map(|_| salt()).collect();
        let against = against.into_iter().filter(|hash| hash.is_salted()).collect();
        Job { number: 0, words, against, salts, stops_at_first: false }
    }

    fn acl_load(&mut self, session: &mut Session) -> Taken {
        let read = self.acl_file().and_then(|path| {
            let shown = path.display().to_string();
            let text = self
                .host
                .read_acl_file(&path)
                .map_err(|error| format!("ERR Error loading ACLs, opening file '{shown}': {error}"))?;
            let lines = file::parse(&shown, &text).map_err(|errors| format!("ERR {errors}{NOT_LOADED}"))?;
            Ok((shown, lines))
        });
        let known = read.and_then(|(path, lines)| {
            let rules: Vec<Vec<u8>> = lines.iter().flat_map(|line| line.rules.iter().cloned()).collect();
            let words = words_of(&rules);
            if words.len() > FILE_WORDS_MAX {
                return Err(format!(
                    "ERR more than {FILE_WORDS_MAX} passwords in plain text; give hashes with #"
                ));
            }
            let job = |worker: &mut Worker| worker.job_to_hash(words.clone(), Vec::new());
            let known = self.known_words(session, &words, job)?;
            Ok(known.map(|known| WishedUsers::Replace { path, lines, known }))
        });
        match known {
            Ok(Some(wished)) => self.wish_users(session, wished),
            Ok(None) => return Taken::Later,
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
        }
        Taken::Done
    }

    fn acl_save(&mut self) -> Result<(), String> {
        let path = self.acl_file()?;
        let all: Vec<(Vec<u8>, Vec<u8>)> =
            self.users.all().iter().map(|user| (user.name().to_vec(), user.describe())).collect();
        let text = file::write(all.iter().map(|(name, rules)| (name.as_slice(), rules.as_slice())));
        self.host.write_acl_file(&path, &text).map_err(|error| {
            format!("ERR There was an error trying to save the ACLs to '{}': {error}", path.display())
        })
    }

    fn acl_file(&self) -> Result<PathBuf, String> {
        self.settings.aclfile.clone().ok_or_else(|| NO_FILE.to_owned())
    }

    fn acl_log(&mut self, session: &mut Session, args: Args<'_>) {
        let mut count = 10;
        if args.len() > 3 {
            return crate::admin::wrong_subcommand(session, "ACL", args);
        }
        if let Some(word) = args.get(2) {
            if word.eq_ignore_ascii_case(b"reset") {
                return self.ask(session, Question::ResetAclLog, Box::new(|_, _, reply| reply.ok()));
            }
            let Some(number) = parse_i64(word) else {
                let text = "ERR value is not an integer or out of range";
                return Reply::new(session.output.end(), session.version).error(text);
            };
            count = usize::try_from(number).unwrap_or(0);
        }
        let finish = |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let entries = answers.into_iter().find_map(|answer| match answer {
                Answer::AclLog(entries) => Some(entries),
                _ => None,
            });
            write_entries(&entries.unwrap_or_default(), worker.now.millis().0, reply);
        };
        self.ask(session, Question::AclLog(count), Box::new(finish));
    }

    /// The first worker's answer to a question about the log.
    pub(crate) fn answer_acl_log(&self, count: usize) -> Answer {
        match self.id {
            WorkerId(0) => Answer::AclLog(self.users.log.newest(count)),
            _ => Answer::Done,
        }
    }

    fn acl_dry_run(&self, args: Args<'_>, reply: &mut Reply<'_>) {
        let text = |index: usize| String::from_utf8_lossy(args.at(index)).into_owned();
        let Some(user) = self.users.find(args.at(2)) else {
            return reply.error(format!("ERR User '{}' not found", text(2)));
        };
        let request = args.tail(3);
        let spec = match command::lookup(request) {
            Lookup::Found(spec) if !spec.is_internal() => spec,
            Lookup::Found(_) | Lookup::UnknownSubcommand(_) | Lookup::Unknown => {
                return reply.error(format!("ERR Command '{}' not found", text(3)));
            }
        };
        if !spec.arity_ok(request.len()) {
            return reply.error(format!("ERR wrong number of arguments for '{}' command", spec.name));
        }
        match user.check(spec, request) {
            Ok(()) => reply.ok(),
            Err(denied) => reply.bulk(told_in_full(user, spec, request, denied).as_bytes()),
        }
    }

    fn acl_genpass(&self, args: Args<'_>, reply: &mut Reply<'_>) {
        if args.len() > 3 {
            let given = String::from_utf8_lossy(args.at(1));
            return reply.error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{given}'. Try ACL HELP."
            ));
        }
        let bits = match args.get(2).map(parse_i64) {
            None => GENPASS_BITS,
            Some(None) => return reply.error("ERR value is not an integer or out of range"),
            Some(Some(bits)) => bits,
        };
        if !(1..=GENPASS_BITS_MAX).contains(&bits) {
            return reply.error(format!(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
                 {GENPASS_BITS_MAX}"
            ));
        }
        // Four bits a digit.
        let digits = bits.unsigned_abs().div_ceil(4) as usize;
        let mut bytes = vec![0; digits.div_ceil(2)];
        self.host.random(&mut bytes);
        let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text.truncate(digits);
        reply.bulk(text.as_bytes());
    }
}

/// Passwords in plain text, each once.
fn words_of(rules: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for rule in rules {
        if let [b'>' | b'<', word @ ..] = rule.as_slice()
            && !words.iter().any(|known| known == word)
        {
            words.push(word.to_vec());
        }
    }
    words
}

/// A user as `ACL LIST` and files have it.
fn line_of(user: &User) -> Vec<u8> {
    [b"user ", user.name(), b" ", &user.describe()].concat()
}

fn categories(args: Args<'_>, reply: &mut Reply<'_>) {
    match args.len() {
        2 => {
            reply.array(Category::ALL.len());
            Category::ALL.iter().for_each(|category| reply.bulk(&category.name().as_bytes()[1..]));
        }
        3 => match Category::by_name(args.at(2)) {
            None => reply.error(format!("ERR Unknown category '{}'", String::from_utf8_lossy(args.at(2)))),
            Some(category) => {
                let of = || {
                    command::all().filter(|spec| !spec.is_internal() && spec.categories.contains(category))
                };
                reply.array(of().count());
                of().for_each(|spec| reply.bulk(spec.name.as_bytes()));
            }
        },
        _ => {
            let given = String::from_utf8_lossy(args.at(1));
            reply.error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{given}'. Try ACL HELP."
            ));
        }
    }
}

/// Writes the reply of `ACL GETUSER`.
fn write_user(user: &User, reply: &mut Reply<'_>) {
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|password| reply.bulk(password.to_string().as_bytes()));
    let rights = |selector: &crate::acl::Selector, reply: &mut Reply<'_>| {
        for (name, value) in [
            ("commands", selector.describe_commands()),
            ("keys", selector.describe_keys()),
            ("channels", selector.describe_channels()),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(&value);
        }
    };
    rights(user.root(), reply);
    reply.bulk(b"selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(3);
        rights(selector, reply);
    }
}
