//! What a request does to which key, and which channels it names: the one answer that access control, `COMMAND GETKEYS`
//! and, for the places of keys, routing share.
//!
//! Invariant: the indexes of [`Spec::keys_of`] are among them, so what is touched is asked about. Where the request
//! leaves open which of its words are keys there is no answer at all, and nobody may take that for "none".

use base::Args;

use crate::keys::{FindKeys, KeyAccess, KeyRange, KeySpec};
use crate::{DataCommand, NodeCommand, Run, Spec};

/// One key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which argument it is.
    pub index: usize,
    /// What happens to it.
    pub access: KeyAccess,
}

/// Which words of a request are keys cannot be told: it says how many there are, and that is no number or not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsureKeys;

/// How a channel is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelName {
    /// By its name.
    Literal,
    /// By a pattern that names many.
    Pattern,
}

impl KeyUse {
    /// Whether content of the key comes back, or goes elsewhere.
    pub fn reads(self) -> bool {
        self.access.contains(KeyAccess::ACCESS)
    }

    /// Whether content of the key changes.
    pub fn writes(self) -> bool {
        [KeyAccess::UPDATE, KeyAccess::INSERT, KeyAccess::DELETE]
            .into_iter()
            .any(|change| self.access.contains(change))
    }
}

impl Spec {
    /// Whether it can name keys at all.
    #[inline]
    pub fn has_keys(&self) -> bool {
        self.keys != KeyRange::NONE || self.movable.is_some()
    }

    /// The keys that the specs name, and what happens to each: what Redis tells of a request.
    pub fn named_keys<'a>(&'a self, args: Args<'a>) -> impl Iterator<Item = KeyUse> + Clone + 'a {
        self.specs_of_keys().flat_map(move |key| {
            let access = self.access(key, args);
            key.of(args).map(move |index| KeyUse { index, access })
        })
    }

    /// All keys of a request and what happens to each. Of an option that is given twice the specs name the first, and the
    /// command stores at the last: both are here.
    pub fn key_uses<'a>(
        &'a self,
        args: Args<'a>,
    ) -> Result<impl Iterator<Item = KeyUse> + Clone + 'a, UnsureKeys> {
        let is_unsure = |key: &KeySpec| matches!(key.find, FindKeys::Counted(_)) && key.of(args).len() == 0;
        if self.specs_of_keys().any(is_unsure) {
            return Err(UnsureKeys);
        }
        let is_named = move |index: &usize| self.specs_of_keys().any(|key| key.of(args).contains(*index));
        let access = KeyAccess::OW.and(KeyAccess::UPDATE);
        let touched = self.movable.into_iter().flat_map(move |movable| movable.of(args));
        let unnamed =
            touched.filter(move |index| !is_named(index)).map(move |index| KeyUse { index, access });
        Ok(self.named_keys(args).chain(unnamed))
    }

    /// The option because of which a request reads keys besides those, named by what another key holds: any key, that is.
    pub fn follows_content(&self, args: Args<'_>) -> Option<usize> {
        let may = self.specs_of_keys().any(|key| key.find == FindKeys::Content);
        follows_content(args).filter(|_| may)
    }

    fn specs_of_keys(&self) -> impl Iterator<Item = &KeySpec> + Clone {
        self.key_specs.iter().filter(|key| !key.access.contains(KeyAccess::NOT_KEY))
    }

    /// What happens to a key in this very request: `SET` with and without `GET` or a comparison, `DELEX` with and
    /// without one, and `BITFIELD`, make a difference.
    fn access(&self, key: &KeySpec, request: Args<'_>) -> KeyAccess {
        if !key.access.contains(KeyAccess::VARIABLE) {
            return key.access;
        }
        let read_and_changed = KeyAccess::RW.and(KeyAccess::ACCESS).and(KeyAccess::UPDATE);
        if self.run == Run::Data(DataCommand::BitField) {
            return match reads_only(request.tail(2)) {
                true => KeyAccess::RO.and(KeyAccess::ACCESS),
                false => read_and_changed,
            };
        }
        if self.run == Run::Data(DataCommand::DelEx) {
            return match request.len() {
                2 => KeyAccess::RM.and(KeyAccess::DELETE),
                _ => KeyAccess::RW.and(KeyAccess::ACCESS).and(KeyAccess::DELETE),
            };
        }
        // Whoever learns that a string is another learns something of it.
        const TELLING: [&[u8]; 5] = [b"get", b"ifeq", b"ifne", b"ifdeq", b"ifdne"];
        let tells = |arg: &[u8]| TELLING.iter().any(|word| arg.eq_ignore_ascii_case(word));
        match request.iter().skip(3).any(tells) {
            true => read_and_changed,
            false => KeyAccess::OW.and(KeyAccess::UPDATE),
        }
    }

    /// Which arguments name channels to publish to or to listen to, and how. Ending a subscription asks for nothing.
    #[inline]
    pub fn channels(&self) -> Option<(KeyRange, ChannelName)> {
        use NodeCommand as N;
        let one = KeyRange { first: 1, last: 1, step: 1 };
        let all = KeyRange { last: -1, ..one };
        match self.run {
            Run::Node(N::Publish | N::SPublish) => Some((one, ChannelName::Literal)),
            Run::Node(N::Subscribe | N::SSubscribe) => Some((all, ChannelName::Literal)),
            Run::Node(N::PSubscribe) => Some((all, ChannelName::Pattern)),
            Run::Node(_) | Run::Data(_) | Run::Container => None,
        }
    }
}

/// Which option has a request of `SORT` go to keys that are named by what another key holds.
fn follows_content(request: Args<'_>) -> Option<usize> {
    (2..request.len()).find(|&at| {
        let word = request.at(at);
        word.eq_ignore_ascii_case(b"get")
            || word.eq_ignore_ascii_case(b"by") && request.at(at + 1).contains(&b'*')
    })
}

/// Whether no step of `BITFIELD` writes. What is no step might.
fn reads_only(steps: Args<'_>) -> bool {
    let mut at = 0;
    while let Some(word) = steps.get(at) {
        let follow = steps.len() - at - 1;
        at += if word.eq_ignore_ascii_case(b"get") && follow >= 2 {
            3
        } else if word.eq_ignore_ascii_case(b"overflow") && follow >= 1 {
            2
        } else {
            return false;
        };
    }
    true
}
