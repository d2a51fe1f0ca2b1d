//! Users and their rights, as in Redis 7.2: who may run which command on which keys and channels.
//!
//! A [`User`] is made of rules, the words of `ACL SETUSER`, and written back as rules, so what is kept and sent between
//! nodes names commands and never numbers them. Rights are one or more selectors; a request is allowed if one of them
//! allows all of it. What a request touches comes from the command table alone, and where that cannot tell, nothing is
//! allowed.
//!
//! Does not know: sessions, the fabric, where users are kept. Passwords are checked by [`password`], away from a turn.

pub mod file;
mod name;
pub mod password;
mod rules;
mod selector;
mod user;

pub(crate) use name::has_spaces;
pub use rules::{RuleError, Strictness, merge_selectors};
pub use selector::Denied;
pub(crate) use selector::Selector;
pub(crate) use user::RuleContext;
pub use user::{Known, User};

/// Takes any bytes as rules, a line each, and asserts what must hold for all: no panic, and a user that is written back is
/// the same user again. Run on random and on chosen bytes.
pub fn check_rules(bytes: &[u8]) {
    let _ = file::parse("users.acl", bytes);
    let _ = User::stored(b"u", bytes);
    let Ok(rules) = merge_selectors(bytes.split(|&byte| byte == b'\n')) else { return };
    for strictness in [Strictness::Written, Strictness::Stored] {
        let context = RuleContext { all_channels: bytes.first() == Some(&b'&'), strictness, known: &[] };
        let mut user = User::new(b"u", context.all_channels);
        for rule in &rules {
            let before = user.clone();
            if user.set(rule, context).is_err() {
                user = before;
            }
        }
        let text = user.describe();
        assert!(User::stored(b"u", &text).as_ref() == Ok(&user), "{}", text.escape_ascii());
        assert!(!text.contains(&b'\n') && !text.contains(&0), "it is one line");
        let request = base::Request::from_parts(bytes.split(|byte| matches!(byte, b'\n' | b' ')));
        if let command::Lookup::Found(spec) = command::lookup(request.args()) {
            let allowed = user.check(spec, request.args()).is_ok();
            assert!(allowed || !user.is_unrestricted(), "who may do all may do this");
        }
    }
}

#[cfg(test)]
mod tests;
