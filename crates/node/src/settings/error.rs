//! Why a setting was not set, in Redis's words for the wire and in ours for a person with a file.

use std::fmt;

/// A refused `CONFIG SET`, or a refused value at start. Nothing was changed.
///
/// `Display` is the reply of `CONFIG SET` after `ERR `, to the letter of Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("Unknown option or number of arguments for CONFIG SET - '{name}'")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// One request names it twice.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - duplicate parameter")]
    Duplicate {
        /// What was asked for.
        name: String,
    },
    /// It can be given at start only.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config")]
    Immutable {
        /// What was asked for.
        name: String,
    },
    /// The value cannot be taken.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Invalid {
        /// What was asked for.
        name: String,
        /// What is wrong with the value.
        reason: Invalid,
    },
}

/// What is wrong with a value. `Display` is Redis's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Neither yes nor no.
    NotBool,
    /// Not a whole number of 64 bits.
    NotInteger,
    /// A number outside its bounds, both of which are allowed.
    OutOfRange {
        /// The least allowed.
        low: i64,
        /// The greatest allowed.
        high: i64,
        /// How a person should read the bounds.
        unit: Unit,
    },
    /// Not a size such as `64mb`.
    NotSize,
    /// Not a duration such as `10s`.
    NotDuration,
    /// Not octal digits of a file mode.
    NotOctal,
    /// Not UTF-8, or with a zero byte where a path is wanted.
    NotText,
    /// None of the words that can be said.
    NotOneOf(&'static [&'static str]),
    /// `client-output-buffer-limit`: the groups are not of four words.
    OutputLimitWords,
    /// `client-output-buffer-limit`: no such class of client.
    OutputLimitClass,
    /// `client-output-buffer-limit`: a number in it cannot be read.
    OutputLimitNumber,
    /// `notify-keyspace-events`: a letter that is none of it.
    EventClass,
    /// `latency-tracking-info-percentiles`: a word that is no number.
    PercentileNumber,
    /// `latency-tracking-info-percentiles`: not from 0 to 100.
    PercentileRange,
    /// Understood, and refused for this reason.
    Refused(&'static str),
}

/// How the bounds of a range are shown to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    Count,
    /// A size.
    Bytes,
    /// Microseconds, shown with a fitting unit.
    Micros,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::NotBool => f.write_str("argument must be 'yes' or 'no'"),
            Invalid::NotInteger => f.write_str("argument couldn't be parsed into an integer"),
            Invalid::OutOfRange { low, high, unit: Unit::Micros } => {
                write!(f, "argument must be between {} and {} inclusive", micros(*low), micros(*high))
            }
            Invalid::OutOfRange { low, high, unit: Unit::Count | Unit::Bytes } => {
                write!(f, "argument must be between {low} and {high} inclusive")
            }
            Invalid::NotSize => f.write_str("argument must be a memory value"),
            Invalid::NotDuration => f.write_str("argument must be a duration such as 250ms, 1s or 10m"),
            Invalid::NotOctal => f.write_str("argument couldn't be parsed as an octal number"),
            Invalid::NotText => f.write_str("argument must be valid UTF-8 text without zero bytes"),
            Invalid::NotOneOf(words) => {
                write!(f, "argument(s) must be one of the following: {}", words.join(", "))
            }
            Invalid::OutputLimitWords => {
                f.write_str("Wrong number of arguments in buffer limit configuration.")
            }
            Invalid::OutputLimitClass => {
                f.write_str("Invalid client class specified in buffer limit configuration.")
            }
            Invalid::OutputLimitNumber => {
                f.write_str("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            }
            Invalid::EventClass => f.write_str("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            Invalid::PercentileNumber => f.write_str("Invalid latency-tracking-info-percentiles parameters"),
            Invalid::PercentileRange => {
                f.write_str("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            }
            Invalid::Refused(why) => f.write_str(why),
        }
    }
}

impl Invalid {
    /// The same for someone who reads a file or a command line: follows "port ", as in "port must be …".
    pub fn for_person(&self) -> String {
        match self {
            Invalid::NotBool => "must be true or false".to_owned(),
            Invalid::NotInteger => "must be a whole number".to_owned(),
            Invalid::OutOfRange { low, high, unit } => match (unit, *high) {
                (Unit::Count, i64::MAX) => format!("must be at least {low}"),
                (Unit::Count, high) => format!("must be from {low} to {high}"),
                (Unit::Bytes, i64::MAX) => format!("must be at least {}", bytes(*low)),
                (Unit::Bytes, high) => format!("must be from {} to {}", bytes(*low), bytes(high)),
                (Unit::Micros, i64::MAX) => format!("must be at least {}", micros(*low)),
                (Unit::Micros, high) => format!("must be from {} to {}", micros(*low), micros(high)),
            },
            Invalid::NotSize => "must be a size such as 512kb, 64mb or 1gb".to_owned(),
            Invalid::NotDuration => "must be a duration such as 250ms, 1s or 10m".to_owned(),
            Invalid::NotOctal => "must be an octal file mode such as 600".to_owned(),
            Invalid::NotText => "must be UTF-8 text without zero bytes".to_owned(),
            Invalid::NotOneOf(words) => format!("must be one of {}", words.join(", ")),
            Invalid::OutputLimitWords => {
                "must be groups of four words: class hard soft seconds, such as \"pubsub 32mb 8mb 60\""
                    .to_owned()
            }
            Invalid::OutputLimitClass => "must name the classes normal, replica or pubsub".to_owned(),
            Invalid::OutputLimitNumber => {
                "must give hard and soft limits as sizes and the time in whole seconds".to_owned()
            }
            Invalid::EventClass => "must be made of the letters Ag$lshzxeKEtmdn".to_owned(),
            Invalid::PercentileNumber => "must be numbers with spaces between".to_owned(),
            Invalid::PercentileRange => "must be numbers from 0 to 100".to_owned(),
            Invalid::Refused(why) => format!("is refused: {why}"),
        }
    }
}

fn bytes(count: i64) -> String {
    super::text::format_size(count.unsigned_abs())
}

fn micros(count: i64) -> String {
    super::text::format_duration(std::time::Duration::from_micros(count.unsigned_abs()))
}
