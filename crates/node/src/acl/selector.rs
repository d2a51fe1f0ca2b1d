//! One set of rights: commands, keys, channels. All of a request must be within it.
//!
//! Invariants: the commands that are allowed are exactly what `rules`, in their order, say after `all` or nothing; with
//! `all_keys` or `all_channels` there are no patterns.

use base::Args;
use command::{Category, ChannelName, Flags, KeyUse, ROWS, Spec};
use engine::glob;

use super::name::has_spaces;
use super::rules::{RuleError, Strictness};

const WORDS: usize = ROWS.div_ceil(64);

/// Why a request is denied, in the order in which Redis prefers to tell: the greater one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The command itself.
    Command,
    /// This argument, a key.
    Key(usize),
    /// This argument, an option of `SORT` that reads keys which another key names.
    Content(usize),
    /// This argument, a channel.
    Channel(usize),
}

/// A set of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandSet(Box<[u64; WORDS]>);

impl CommandSet {
    fn filled(with: bool) -> CommandSet {
        CommandSet(Box::new([if with { u64::MAX } else { 0 }; WORDS]))
    }

    #[inline]
    fn contains(&self, spec: &Spec) -> bool {
        self.0[spec.index() / 64] & 1 << (spec.index() % 64) != 0
    }

    fn put(&mut self, spec: &Spec, allow: bool) {
        let (word, bit) = (&mut self.0[spec.index() / 64], 1 << (spec.index() % 64));
        *word = if allow { *word | bit } else { *word & !bit };
    }
}

/// A rule about commands, as it is written back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandRule {
    allow: bool,
    /// Lower case: `get`, `config|get`, `select|0`, `@read`.
    name: Box<[u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    pattern: Box<[u8]>,
    read: bool,
    write: bool,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// `+@all` was said: the rules take away. Commands of later versions are allowed as well.
    all_commands: bool,
    commands: CommandSet,
    /// Row of a command that is not allowed, and its first argument with which it is, in lower case.
    first_args: Vec<(usize, Box<[u8]>)>,
    rules: Vec<CommandRule>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

impl Selector {
    /// Nothing is allowed, but channels if the settings say so.
    pub(crate) fn new(all_channels: bool) -> Selector {
        Selector {
            all_commands: false,
            commands: CommandSet::filled(false),
            first_args: Vec::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Whether nothing is denied.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.all_keys && self.all_channels && self.all_commands && self.rules.is_empty()
    }

    /// Takes up one rule.
    pub(crate) fn set(&mut self, rule: &[u8], strictness: Strictness) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => (self.all_keys, self.keys) = (true, Vec::new()),
            b"resetkeys" => (self.all_keys, self.keys) = (false, Vec::new()),
            b"allchannels" | b"&*" => (self.all_channels, self.channels) = (true, Vec::new()),
            b"resetchannels" => (self.all_channels, self.channels) = (false, Vec::new()),
            b"allcommands" | b"+@all" => self.set_all_commands(true),
            b"nocommands" | b"-@all" => self.set_all_commands(false),
            _ => {
                return match rule.split_first() {
                    Some((b'~' | b'%', _)) => self.add_key_pattern(rule),
                    Some((b'&', pattern)) => self.add_channel(pattern),
                    Some((b'+', name)) => self.change_commands(name, true, strictness),
                    Some((b'-', name)) => self.change_commands(name, false, strictness),
                    _ => Err(RuleError::Syntax),
                };
            }
        }
        Ok(())
    }

    fn set_all_commands(&mut self, allow: bool) {
        self.all_commands = allow;
        self.commands = CommandSet::filled(allow);
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_key_pattern(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAreAll);
        }
        let (read, write, pattern) = match rule.split_first() {
            Some((b'~', pattern)) => (true, true, pattern),
            _ => {
                let tilde = rule.iter().position(|&byte| byte == b'~').ok_or(RuleError::Syntax)?;
                // Neither of them twice, at least one of them.
                match rule[1..tilde].to_ascii_uppercase().as_slice() {
                    b"R" => (true, false, &rule[tilde + 1..]),
                    b"W" => (false, true, &rule[tilde + 1..]),
                    b"RW" | b"WR" => (true, true, &rule[tilde + 1..]),
                    _ => return Err(RuleError::Syntax),
                }
            }
        };
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => (known.read, known.write) = (known.read | read, known.write | write),
            None => self.keys.push(KeyPattern { pattern: pattern.into(), read, write }),
        }
        Ok(())
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAreAll);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn change_commands(&mut self, name: &[u8], allow: bool, strictness: Strictness) -> Result<(), RuleError> {
        match self.try_change_commands(name, allow) {
            // What this version cannot run it need not allow. What it would have to take away and cannot name might be
            // anything.
            Err(RuleError::Unknown) if strictness == Strictness::Stored && !has_spaces(name) => {
                if !allow && name.starts_with(b"@") {
                    self.commands = CommandSet::filled(false);
                    self.first_args.clear();
                }
                self.note_rule(name, allow);
                Ok(())
            }
            result => result,
        }
    }

    fn try_change_commands(&mut self, name: &[u8], allow: bool) -> Result<(), RuleError> {
        if let Some(category) = name.strip_prefix(b"@") {
            let category = Category::by_name(category).ok_or(RuleError::Unknown)?;
            for spec in command::all().filter(|spec| spec.categories.contains(category)) {
                self.change_command(spec, allow);
            }
            self.note_rule(name, allow);
            return Ok(());
        }
        let Some(bar) = name.iter().rposition(|&byte| byte == b'|') else {
            let spec = find(name).ok_or(RuleError::Unknown)?;
            self.change_command(spec, allow);
            self.note_rule(spec.name.as_bytes(), allow);
            return Ok(());
        };
        let (parent, sub) = (&name[..bar], &name[bar + 1..]);
        if !allow {
            let spec = find(name).ok_or(RuleError::Unknown)?;
            self.change_command(spec, false);
            self.note_rule(spec.name.as_bytes(), false);
            return Ok(());
        }
        let spec = find(parent).ok_or(RuleError::Unknown)?;
        if spec.parent_name().is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if sub.is_empty() {
            return Err(RuleError::Syntax);
        }
        if spec.has_subcommands() {
            let spec = find(name).ok_or(RuleError::Unknown)?;
            self.change_command(spec, true);
        } else if !self
            .first_args
            .iter()
            .any(|(row, arg)| *row == spec.index() && arg.eq_ignore_ascii_case(sub))
        {
            // It is taken into a list of words between spaces.
            if has_spaces(sub) {
                return Err(RuleError::Syntax);
            }
            self.first_args.push((spec.index(), sub.to_ascii_lowercase().into()));
        }
        self.note_rule(name, true);
        Ok(())
    }

    fn change_command(&mut self, spec: &Spec, allow: bool) {
        self.commands.put(spec, allow);
        self.first_args.retain(|(row, _)| *row != spec.index());
        spec.subcommands().iter().for_each(|sub| self.commands.put(sub, allow));
    }

    /// Keeps a rule to write it back, instead of earlier ones about the same, or about a part of it.
    fn note_rule(&mut self, name: &[u8], allow: bool) {
        let name = name.to_ascii_lowercase();
        let is_covered = |rule: &CommandRule| {
            rule.name.strip_prefix(name.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'|', ..]))
        };
        self.rules.retain(|rule| !is_covered(rule));
        self.rules.push(CommandRule { allow, name: name.into() });
    }

    /// Whether a request is allowed.
    pub(crate) fn check(&self, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        if !self.allows_command(spec, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys && spec.has_keys() {
            // The first argument stands for those that cannot be told.
            let mut uses = spec.key_uses(args).map_err(|_| Denied::Key(1))?;
            if let Some(denied) = uses.find(|used| !self.allows_key(args.at(used.index), *used)) {
                return Err(Denied::Key(denied.index));
            }
            if !self.reads_all_keys()
                && let Some(option) = spec.follows_content(args)
            {
                return Err(Denied::Content(option));
            }
        }
        if !self.all_channels
            && let Some((range, named)) = spec.channels()
            && let Some(index) =
                range.of(args.len()).find(|&index| !self.allows_channel(args.at(index), named))
        {
            return Err(Denied::Channel(index));
        }
        Ok(())
    }

    fn allows_command(&self, spec: &Spec, args: Args<'_>) -> bool {
        if self.commands.contains(spec) || spec.flags.contains(Flags::NO_AUTH) {
            return true;
        }
        let index = if spec.parent_name().is_some() { 2 } else { 1 };
        let Some(first) = args.get(index) else { return false };
        self.first_args.iter().any(|(row, arg)| *row == spec.index() && arg.eq_ignore_ascii_case(first))
    }

    /// Whether any key may be read, whatever its name.
    fn reads_all_keys(&self) -> bool {
        self.all_keys || self.keys.iter().any(|known| known.read && *known.pattern == *b"*")
    }

    fn allows_key(&self, key: &[u8], used: KeyUse) -> bool {
        let (reads, writes) = (used.reads(), used.writes());
        self.keys.iter().any(|known| {
            (known.read || !reads) && (known.write || !writes) && glob::matches(&known.pattern, key)
        })
    }

    /// Whether a channel may be named so. One pattern does not match another: it has to be the same.
    pub(crate) fn allows_channel(&self, channel: &[u8], named: ChannelName) -> bool {
        self.all_channels
            || self.channels.iter().any(|known| match named {
                ChannelName::Pattern => **known == *channel,
                ChannelName::Literal => glob::matches(known, channel),
            })
    }

    /// The rules about commands.
    pub(crate) fn describe_commands(&self) -> Vec<u8> {
        let mut out = if self.all_commands { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for CommandRule { allow, name } in &self.rules {
            out.extend_from_slice(if *allow { b" +" } else { b" -" });
            out.extend_from_slice(name);
        }
        out
    }

    /// The rules about keys.
    pub(crate) fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let patterns = self.keys.iter().map(|KeyPattern { pattern, read, write }| {
            let kind: &[u8] = match (read, write) {
                // `~*` is another rule, beside which there can be none; Redis writes it here, and cannot read it back.
                (true, true) if **pattern == *b"*" => b"%RW~",
                (true, true) => b"~",
                (true, false) => b"%R~",
                (false, _) => b"%W~",
            };
            [kind, pattern].concat()
        });
        patterns.collect::<Vec<_>>().join(&b' ')
    }

    /// The rules about channels.
    pub(crate) fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels
            .iter()
            .map(|pattern| [b"&".as_slice(), pattern].concat())
            .collect::<Vec<_>>()
            .join(&b' ')
    }

    /// All of it as rules that make it again.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let channels = match (self.all_channels, self.channels.is_empty()) {
            (true, _) => b"&*".to_vec(),
            (false, true) => b"resetchannels".to_vec(),
            (false, false) => [b"resetchannels ".as_slice(), &self.describe_channels()].concat(),
        };
        let parts = [self.describe_keys(), channels, self.describe_commands()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
    }
}

/// The row of a command that clients can run: `get` or `config|get`.
fn find(name: &[u8]) -> Option<&'static Spec> {
    // A space is no way to write a subcommand in a rule.
    (!name.contains(&b' ')).then(|| command::lookup_name(name)).flatten().filter(|spec| !spec.is_internal())
}
