//! A user: a name, passwords, and rights.
//!
//! Invariant: [`User::describe`] gives rules that make the same user again.

use base::Args;
use command::{ChannelName, Spec};

use super::password::{PASSWORDS_MAX, Password};
use super::rules::{RuleError, Strictness, words_of};
use super::selector::{Denied, Selector};

/// A password in plain text and what is known of it: the hashes that are its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// The word itself.
    pub(crate) word: Vec<u8>,
    /// Hashes of it, one for a user that has none yet among them.
    pub(crate) hashes: Vec<Password>,
}

/// What rules may depend on beside themselves.
#[derive(Clone, Copy)]
pub(crate) struct RuleContext<'a> {
    /// `acl-pubsub-default` is `allchannels`.
    pub(crate) all_channels: bool,
    pub(crate) strictness: Strictness,
    /// The passwords that rules name in plain text.
    pub(crate) known: &'a [Known],
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<[u8]>,
    is_on: bool,
    takes_any_password: bool,
    /// What `RESTORE` is to do with the user's payloads.
    skips_sanitizing: bool,
    passwords: Vec<Password>,
    root: Selector,
    selectors: Vec<Selector>,
}

impl Known {
    /// A hash of it that is kept.
    pub(crate) fn salted(&self) -> Option<&Password> {
        self.hashes.iter().find(|hash| hash.is_salted())
    }

    /// Whether these are what is known of exactly these words.
    pub(crate) fn are_of(known: &[Known], words: &[Vec<u8>]) -> bool {
        known.iter().map(|known| &known.word).eq(words)
    }
}

impl User {
    /// A user that may do nothing.
    pub(crate) fn new(name: &[u8], all_channels: bool) -> User {
        User {
            name: name.into(),
            is_on: false,
            takes_any_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// The user that may do all, and by whose name nobody has to prove himself.
    pub(crate) fn unrestricted(name: &[u8]) -> User {
        let mut user = User::new(name, true);
        (user.is_on, user.takes_any_password) = (true, true);
        for rule in [b"~*", b"&*"] {
            let _ = user.root.set(rule, Strictness::Written);
        }
        let _ = user.root.set(b"+@all", Strictness::Written);
        user
    }

    /// The user that rules make, from nothing. Names that this version does not know allow nothing.
    pub fn stored(name: &[u8], definition: &[u8]) -> Result<User, RuleError> {
        let context = RuleContext { all_channels: false, strictness: Strictness::Stored, known: &[] };
        let mut user = User::new(name, false);
        let words = definition.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let rules = super::merge_selectors(words).map_err(|_| RuleError::Syntax)?;
        rules.iter().try_for_each(|rule| user.set(rule, context))?;
        Ok(user)
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(crate) fn takes_any_password(&self) -> bool {
        self.takes_any_password
    }

    pub(crate) fn passwords(&self) -> &[Password] {
        &self.passwords
    }

    /// Whether a new connection is this user's without a password.
    pub(crate) fn is_open(&self) -> bool {
        self.is_on && self.takes_any_password
    }

    /// Whether nothing is denied to the user, so that nobody has to ask.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.root.is_unrestricted() || self.selectors.iter().any(Selector::is_unrestricted)
    }

    /// Takes up one rule. After an error the user is of no use.
    pub(crate) fn set(&mut self, rule: &[u8], context: RuleContext<'_>) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"nopass" => (self.takes_any_password, self.passwords) = (true, Vec::new()),
            b"resetpass" => (self.takes_any_password, self.passwords) = (false, Vec::new()),
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = User::new(&self.name, context.all_channels),
            _ => return self.set_other(rule, context),
        }
        Ok(())
    }

    fn set_other(&mut self, rule: &[u8], context: RuleContext<'_>) -> Result<(), RuleError> {
        match rule {
            [b'>', word @ ..] => self.add_word(word, context.known),
            [b'<', word @ ..] => self.remove_word(word, context.known),
            [b'#', hash @ ..] => self.add_password(Password::parse(hash).ok_or(RuleError::BadHash)?),
            [b'!', hash @ ..] => {
                let hash = Password::parse(hash).ok_or(RuleError::BadHash)?;
                self.remove_passwords(&[hash])
            }
            [b'(', inner @ .., b')'] => {
                let mut selector = Selector::new(context.all_channels);
                // A bracket inside would end the selector when it is read back.
                if words_of(inner).any(|word| word.ends_with(b")")) {
                    return Err(RuleError::Syntax);
                }
                words_of(inner).try_for_each(|word| selector.set(word, context.strictness))?;
                self.selectors.push(selector);
                Ok(())
            }
            _ => self.root.set(rule, context.strictness),
        }
    }

    /// Takes this password and no other.
    pub(crate) fn take_password(&mut self, password: Password) {
        (self.takes_any_password, self.passwords) = (false, vec![password]);
    }

    fn add_word(&mut self, word: &[u8], known: &[Known]) -> Result<(), RuleError> {
        let known = known.iter().find(|known| known.word == word).ok_or(RuleError::Syntax)?;
        self.takes_any_password = false;
        if known.hashes.iter().any(|hash| self.passwords.contains(hash)) {
            return Ok(());
        }
        let hash = known.hashes.iter().find(|hash| hash.is_salted()).ok_or(RuleError::Syntax)?;
        self.add_password(hash.clone())
    }

    fn add_password(&mut self, password: Password) -> Result<(), RuleError> {
        self.takes_any_password = false;
        if self.passwords.contains(&password) {
            return Ok(());
        }
        if self.passwords.len() >= PASSWORDS_MAX {
            return Err(RuleError::TooMany);
        }
        self.passwords.push(password);
        Ok(())
    }

    fn remove_word(&mut self, word: &[u8], known: &[Known]) -> Result<(), RuleError> {
        let known = known.iter().find(|known| known.word == word).ok_or(RuleError::NoSuchPassword)?;
        self.remove_passwords(&known.hashes)
    }

    fn remove_passwords(&mut self, gone: &[Password]) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|password| !gone.contains(password));
        if self.passwords.len() == before { Err(RuleError::NoSuchPassword) } else { Ok(()) }
    }

    /// Whether the user may run a request.
    pub(crate) fn check(&self, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        let mut denied = match self.root.check(spec, args) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        for selector in &self.selectors {
            match selector.check(spec, args) {
                Ok(()) => return Ok(()),
                Err(other) => denied = denied.max(other),
            }
        }
        Err(denied)
    }

    /// Whether the user may listen to a channel.
    pub(crate) fn allows_channel(&self, channel: &[u8], named: ChannelName) -> bool {
        self.all_selectors().any(|selector| selector.allows_channel(channel, named))
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// The user's words of `ACL GETUSER`.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.takes_any_password {
            flags.push("nopass");
        }
        flags.push(if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" });
        flags
    }

    pub(crate) fn root(&self) -> &Selector {
        &self.root
    }

    pub(crate) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// All of the user but its name, as rules.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.passwords.iter().map(|password| format!("#{password}").into_bytes()));
        parts.push(self.root.describe());
        parts.extend(
            self.selectors.iter().map(|selector| [b"(".as_slice(), &selector.describe(), b")"].concat()),
        );
        parts.join(&b' ')
    }
}
