//! What the environment says about this run.

use std::str::FromStr;

/// Which server is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The product.
    Narf,
    /// `redis-server`: the reference, and what the suite itself is tried on.
    Redis,
}

impl Kind {
    /// As `NARF_TEST_SERVER` says.
    pub fn under_test() -> Kind {
        match std::env::var("NARF_TEST_SERVER").as_deref() {
            Ok("redis") => Kind::Redis,
            Ok("narf") | Err(_) => Kind::Narf,
            Ok(other) => panic!("NARF_TEST_SERVER is `{other}`; use `narf` or `redis`"),
        }
    }
}

/// Says that a test was not run, loudly enough to be found in the output.
pub fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

/// True, and said, if this run is not against Narf.
pub fn skip_unless_narf() -> bool {
    let other = Kind::under_test() != Kind::Narf;
    if other {
        skip("only Narf has this");
    }
    other
}

/// A number from the environment, or the default.
pub fn env_number<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, not a number")),
        Err(_) => default,
    }
}
