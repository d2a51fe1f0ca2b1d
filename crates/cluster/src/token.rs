//! The token that admits a node from another machine: what it says, its text, and how it is compared.
//!
//! ```text
//! narf1.<fingerprint of the cluster's CA, 64 hex>.<secret, 32 hex>.<address>,<address>,...
//! ```
//!
//! The cluster keeps the SHA-256 of a secret, never the secret. The secret has 128 random bits, so a plain hash is
//! enough: there is no dictionary to try. Hashes, and secrets among each other, are compared in constant time.
//!
//! Does not know: whether a token was used or expired (`meta`), nor how the secret was drawn.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::member::check_address;

/// Most addresses in a token.
pub const TOKEN_ADDRESSES_MAX: usize = 16;
/// Longer texts are no tokens.
const TEXT_BYTES_MAX: usize = 8 * 1024;
const PREFIX: &str = "narf1";

/// SHA-256 of the certificate authority's certificate: whom the joining node may trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// What proves that the bearer was invited. Shown by nothing but [`JoinToken::text`].
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

/// SHA-256 of a [`Secret`]: what the cluster keeps, and the name of a token in its commands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// An invitation: whom to trust, how to prove that one was invited, and where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    fingerprint: Fingerprint,
    secret: Secret,
    addresses: Vec<String>,
}

/// A text that is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin like one.
    #[error("this is no join token: it should begin with `narf1.`; `narf cluster invite` prints one")]
    NotAToken,
    /// A token of another version of the program.
    #[error(
        "the join token is of the kind `{found}`, this program knows `narf1`; use the same version of narf on both sides"
    )]
    OtherVersion {
        /// Its kind.
        found: String,
    },
    /// A part is absent.
    #[error("the join token ends before its {part}; copy all of it")]
    Incomplete {
        /// What is absent.
        part: &'static str,
    },
    /// A part has the wrong length.
    #[error("the {part} of the join token has {found} characters, not {expected}; copy all of it")]
    Length {
        /// Which part.
        part: &'static str,
        /// Its length.
        found: usize,
        /// What it should be.
        expected: usize,
    },
    /// A part has a character that is no hexadecimal digit. Which one is not said: it may be of the secret.
    #[error("the {part} of the join token has a character that is no hexadecimal digit; copy it again")]
    Digit {
        /// Which part.
        part: &'static str,
    },
    /// An address is malformed.
    #[error("the join token has `{address}` as an address; it should be `host:port`")]
    Address {
        /// The address, cut to a readable length.
        address: String,
    },
    /// None or too many addresses.
    #[error("a join token has 1 to 16 addresses, not {count}")]
    AddressCount {
        /// How many.
        count: usize,
    },
}

impl Secret {
    /// The secret of 16 bytes that a shell drew from the system's source of randomness.
    pub fn new(bytes: [u8; 16]) -> Secret {
        Secret(bytes)
    }

    /// What the cluster may keep of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// Its bytes, for the link that carries it to the cluster.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// In constant time: whoever guesses learns nothing from how long it took.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        is_equal_in_constant_time(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl TokenHash {
    /// Whether it is the hash of `secret`; in constant time.
    pub fn matches(&self, secret: &Secret) -> bool {
        is_equal_in_constant_time(&self.0, &secret.hash().0)
    }
}

/// Its first eight digits: enough to tell tokens apart.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl JoinToken {
    /// A token with 1 to [`TOKEN_ADDRESSES_MAX`] addresses of the form `host:port`.
    pub fn new(
        fingerprint: Fingerprint,
        secret: Secret,
        addresses: Vec<String>,
    ) -> Result<JoinToken, TokenError> {
        if addresses.is_empty() || addresses.len() > TOKEN_ADDRESSES_MAX {
            return Err(TokenError::AddressCount { count: addresses.len() });
        }
        if let Some(bad) = addresses.iter().find(|address| check_address("address", address).is_err()) {
            let address = bad.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(TokenError::Address { address });
        }
        Ok(JoinToken { fingerprint, secret, addresses })
    }

    /// Reads the text of a token; spaces and line ends around it are ignored.
    pub fn parse(text: &str) -> Result<JoinToken, TokenError> {
        let text = text.trim();
        let Some((kind, rest)) = text.split_once('.').filter(|_| text.len() <= TEXT_BYTES_MAX) else {
            return Err(if text == PREFIX {
                TokenError::Incomplete { part: "fingerprint" }
            } else {
                TokenError::NotAToken
            });
        };
        if kind != PREFIX {
            let digits = kind.strip_prefix("narf").unwrap_or_default();
            let is_version = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            return Err(if is_version {
                TokenError::OtherVersion { found: kind.to_owned() }
            } else {
                TokenError::NotAToken
            });
        }
        let (fingerprint, rest) = rest.split_once('.').ok_or(TokenError::Incomplete { part: "secret" })?;
        let (secret, addresses) = rest.split_once('.').ok_or(TokenError::Incomplete { part: "addresses" })?;
        let fingerprint = Fingerprint(parse_hex("fingerprint", fingerprint)?);
        let secret = Secret(parse_hex("secret", secret)?);
        JoinToken::new(fingerprint, secret, addresses.split(',').map(str::to_owned).collect())
    }

    /// The text that admits whoever has it. The only place where the secret is shown.
    pub fn text(&self) -> String {
        let mut text = String::from(PREFIX);
        for bytes in [&self.fingerprint.0[..], &self.secret.0[..]] {
            text.push('.');
            push_hex(bytes, &mut text);
        }
        text.push('.');
        text.push_str(&self.addresses.join(","));
        text
    }

    /// Whom the joining node may trust.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What proves that the node was invited.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Where members listen for peers.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }
}

/// Differences are gathered and looked at once, behind a barrier that keeps the compiler from leaving early.
fn is_equal_in_constant_time<const N: usize>(left: &[u8; N], right: &[u8; N]) -> bool {
    let difference = left.iter().zip(right).fold(0u8, |all, (l, r)| std::hint::black_box(all | (l ^ r)));
    difference == 0
}

fn parse_hex<const N: usize>(part: &'static str, text: &str) -> Result<[u8; N], TokenError> {
    if text.len() != 2 * N {
        return Err(TokenError::Length { part, found: text.chars().count(), expected: 2 * N });
    }
    let digit = |byte: u8| (byte as char).to_digit(16).ok_or(TokenError::Digit { part });
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

fn push_hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).expect("four bits are a digit"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        let addresses = vec!["10.0.0.7:7979".to_owned(), "[::1]:7979".to_owned()];
        JoinToken::new(Fingerprint([0xAB; 32]), Secret::new([0x5C; 16]), addresses).unwrap()
    }

    #[test]
    fn a_token_comes_back_from_its_text() {
        let text = token().text();
        assert_eq!(text, format!("narf1.{}.{}.10.0.0.7:7979,[::1]:7979", "ab".repeat(32), "5c".repeat(16)));
        assert_eq!(JoinToken::parse(&text), Ok(token()));
        assert_eq!(JoinToken::parse(&format!("  {text}\r\n")), Ok(token()));
        assert_eq!(JoinToken::parse(&text.replace("ab", "AB")), Ok(token()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:#?}", token(), token().secret());
        assert!(!shown.contains("5c") && !shown.contains("92"), "{shown}");
        assert!(shown.contains("Secret(..)"));
    }

    #[track_caller]
    fn check(text: &str, expect: TokenError) {
        assert_eq!(JoinToken::parse(text), Err(expect), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_said() {
        let text = token().text();
        let (head, tail) = (format!("narf1.{}", "ab".repeat(32)), "5c".repeat(16));
        check("", TokenError::NotAToken);
        check("hello.world", TokenError::NotAToken);
        check(&"narf1.".repeat(2000), TokenError::NotAToken);
        check("narf1", TokenError::Incomplete { part: "fingerprint" });
        check(&text.replace("narf1", "narf2"), TokenError::OtherVersion { found: "narf2".to_owned() });
        check(&head, TokenError::Incomplete { part: "secret" });
        check(&format!("{head}.{tail}"), TokenError::Incomplete { part: "addresses" });
        check(
            &format!("{head}.{tail}00.a:1"),
            TokenError::Length { part: "secret", found: 34, expected: 32 },
        );
        check(
            &format!("narf1.ab.{tail}.a:1"),
            TokenError::Length { part: "fingerprint", found: 2, expected: 64 },
        );
        check(&format!("{head}.{}.a:1", tail.replace('5', "g")), TokenError::Digit { part: "secret" });
        check(&format!("{head}.{tail}."), TokenError::Address { address: String::new() });
        check(&format!("{head}.{tail}.a:1,b"), TokenError::Address { address: "b".to_owned() });
        check(&format!("{head}.{tail}.{}a:1", "a:1,".repeat(16)), TokenError::AddressCount { count: 17 });
    }

    /// From `printf '\x5c%.0s' {1..16} | sha256sum`, and one bit beside it.
    #[test]
    fn a_hash_matches_its_secret_only() {
        let hash = token().secret().hash();
        assert!(hash.matches(token().secret()));
        let mut other = *token().secret().bytes();
        other[15] ^= 1;
        assert!(!hash.matches(&Secret::new(other)));
        assert_ne!(Secret::new(other), *token().secret());
    }
}
