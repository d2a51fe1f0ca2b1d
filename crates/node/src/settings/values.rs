//! The types that settings have beyond numbers and text. Each is made only by parsing, so any value of it is valid.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A password. It never shows itself: not in `Debug`, not in `CONFIG GET`, not in an error.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What `CONFIG GET` answers for a secret that is set. Setting a secret to this is refused, so that a tool
    /// which copies settings around cannot make it the password.
    pub const REDACTED: &'static str = "(redacted)";

    /// Keeps `text`; empty means that there is none.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The password itself. Call this where it is compared or written to the operator's own file, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(none)" } else { "Secret(redacted)" })
    }
}

/// When a connection that does not read its replies fast enough is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes waiting at which it is closed at once; zero is no limit.
    pub hard_bytes: u64,
    /// Bytes waiting that are tolerated for `soft_time`; zero is no limit.
    pub soft_bytes: u64,
    /// How long more than `soft_bytes` may wait.
    pub soft_time: Duration,
}

impl OutputLimit {
    /// A limit in bytes, bytes and seconds, the order of `client-output-buffer-limit`.
    pub const fn new(hard_bytes: u64, soft_bytes: u64, soft_seconds: u64) -> OutputLimit {
        OutputLimit { hard_bytes, soft_bytes, soft_time: Duration::from_secs(soft_seconds) }
    }
}

/// The output limit of each class of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Connections that send commands.
    pub normal: OutputLimit,
    /// Connections that copy a whole data set.
    pub replica: OutputLimit,
    /// Connections with at least one subscription.
    pub pubsub: OutputLimit,
}

/// Declares a closed set of words as an enum with its spellings.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $other:literal)*),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// Its word in settings.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The value of this word or one of its synonyms, in any case.
            pub fn from_name(word: &str) -> Option<$name> {
                $(if [$word $(, $other)*].iter().any(|known| known.eq_ignore_ascii_case(word)) {
                    return Some($name::$variant);
                })+
                None
            }

            /// Every word, synonyms left out.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}

words! {
    /// How much is logged. Redis's words are synonyms.
    LogLevel {
        /// Nothing at all.
        Off = "off" | "nothing",
        /// What someone must look at.
        Error = "error",
        /// The unexpected that was coped with.
        Warn = "warn" | "warning",
        /// Changes of state.
        Info = "info" | "notice",
        /// For those who work on narf.
        Debug = "debug" | "verbose",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// Of which requests it is told how long they took.
    LatencyTracking {
        /// Of none.
        No = "no" | "false" | "off" | "0",
        /// Of all, as some of them tell for the others where reading a clock would cost more than the request.
        Yes = "yes" | "true" | "on" | "1",
        /// Of all, and each is timed.
        All = "all",
    }
}

words! {
    /// What a log line looks like.
    LogFormat {
        /// `Pretty` on a terminal, `Json` elsewhere.
        Auto = "auto",
        /// For people.
        Pretty = "pretty",
        /// One object a line, for machines.
        Json = "json",
    }
}

words! {
    /// What to do at start-up about a log that is damaged or lacks bytes that had been synced.
    DamagePolicy {
        /// Change nothing, say what is damaged, and do not start.
        Refuse = "refuse",
        /// Keep what stands before the damage, set the rest aside, and start.
        Cut = "cut",
    }
}

words! {
    /// What channels a new user may use.
    PubSubDefault {
        /// None.
        ResetChannels = "resetchannels",
        /// All of them.
        AllChannels = "allchannels",
    }
}

impl PubSubDefault {
    /// Whether it is all of them.
    pub fn is_all(self) -> bool {
        self == PubSubDefault::AllChannels
    }
}

words! {
    /// Whether clients that come over TLS show a certificate.
    TlsAuthClients {
        /// They are not asked for one.
        No = "no",
        /// They must.
        Yes = "yes",
        /// They may; one that they show must be right.
        Optional = "optional",
    }
}

/// How clients are served over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the help text of each field is in its row of the table")]
pub struct TlsSettings {
    pub port: u16,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub ca_cert_file: Option<PathBuf>,
    pub auth_clients: TlsAuthClients,
    pub protocols: Vec<String>,
}

words! {
    /// What is done at the limit of memory.
    MemoryPolicy {
        /// Evict keys with a deadline, the one that was not used for longest first.
        VolatileLru = "volatile-lru",
        /// The same, the one that is used least first.
        VolatileLfu = "volatile-lfu",
        /// The same, any of them.
        VolatileRandom = "volatile-random",
        /// The same, the one that lapses soonest first.
        VolatileTtl = "volatile-ttl",
        /// Evict any key, the one that was not used for longest first.
        AllkeysLru = "allkeys-lru",
        /// The same, the one that is used least first.
        AllkeysLfu = "allkeys-lfu",
        /// The same, any of them.
        AllkeysRandom = "allkeys-random",
        /// Evict nothing; refuse what would add.
        NoEviction = "noeviction",
    }
}

impl MemoryPolicy {
    /// Whether keys may go at all.
    pub(crate) fn evicts(self) -> bool {
        self != MemoryPolicy::NoEviction
    }

    /// Whether only keys with a deadline may.
    pub(crate) fn only_lapsing(self) -> bool {
        use MemoryPolicy as P;
        match self {
            P::VolatileLru | P::VolatileLfu | P::VolatileRandom | P::VolatileTtl => true,
            P::AllkeysLru | P::AllkeysLfu | P::AllkeysRandom | P::NoEviction => false,
        }
    }
}

words! {
    /// Who may use `DEBUG`.
    DebugCommand {
        /// Nobody.
        No = "no",
        /// Anybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}
