//! What kinds of values there are, and how each is read from text, checked, and written as text.
//!
//! A kind carries the way to its field of [`Settings`], typed, so that a row whose kind does not fit its field does
//! not compile. Text comes in two voices: clients speak Redis's strict forms, people also say `true` and `10s`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Settings;
use super::error::{Invalid, Unit};
use super::notify::Notify;
use super::percentiles::Percentiles;
use super::text::{self, SizeError};
use super::values::{OutputLimit, OutputLimits, Secret};

/// Most seconds of a soft output limit, as in Redis.
const SECONDS_MAX: u64 = i32::MAX as u64;

/// Who gave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// A client by `CONFIG SET`: only what Redis takes.
    Client,
    /// A person by flag, environment or file.
    Person,
}

/// The way to a field.
pub struct Access<T: 'static> {
    pub(super) read: fn(&Settings) -> &T,
    pub(super) write: fn(&mut Settings) -> &mut T,
}

/// The kind of a setting's value, with its bounds and its field.
pub enum Kind {
    /// Yes or no.
    Bool(Access<bool>),
    /// A whole number.
    Integer {
        /// What is allowed.
        range: RangeInclusive<i64>,
        /// Reads the field.
        read: fn(&Settings) -> i64,
        /// Writes the field; the number is within `range`.
        write: fn(&mut Settings, i64),
    },
    /// Octal digits of a file mode.
    Mode(Access<u32>),
    /// A number of bytes.
    Bytes {
        /// What is allowed; at most `i64::MAX`.
        range: RangeInclusive<u64>,
        /// The field.
        field: Access<u64>,
    },
    /// A span of time that Redis counts in whole seconds; people may give a unit.
    Seconds {
        /// What is allowed, in seconds.
        range: RangeInclusive<i64>,
        /// The field.
        field: Access<Duration>,
    },
    /// A span of time of ours, always with its unit.
    Span {
        /// What is allowed.
        range: RangeInclusive<Duration>,
        /// The field.
        field: Access<Duration>,
    },
    /// One of a few words.
    Word {
        /// All of them, synonyms left out.
        words: &'static [&'static str],
        /// Reads the field.
        read: fn(&Settings) -> &'static str,
        /// Writes the field, or answers that there is no such word.
        write: fn(&mut Settings, &str) -> bool,
    },
    /// Free text.
    Text(Access<String>),
    /// A file or folder.
    Path(Access<PathBuf>),
    /// A file or folder that need not be given; empty is none.
    OptionalPath(Access<Option<PathBuf>>),
    /// Words separated by spaces or commas.
    List(Access<Vec<String>>),
    /// A password.
    Secret(Access<Secret>),
    /// `client-output-buffer-limit`.
    OutputLimits(Access<OutputLimits>),
    /// `notify-keyspace-events`.
    Notify(Access<Notify>),
    /// `latency-tracking-info-percentiles`.
    Percentiles(Access<Percentiles>),
    /// Something that clients ask about and nobody can change.
    Fact {
        /// What it is.
        value: fn(&Settings) -> String,
        /// Why it cannot be anything else.
        why: &'static str,
    },
}

impl Kind {
    /// Checks `value` and puts it into `settings`.
    pub(super) fn set(&self, settings: &mut Settings, value: &str, voice: Voice) -> Result<(), Invalid> {
        match self {
            Kind::Bool(field) => *(field.write)(settings) = parse_bool(value, voice)?,
            Kind::Integer { range, write, .. } => {
                write(settings, within(parse_integer(value)?, range, Unit::Count)?);
            }
            Kind::Mode(field) => *(field.write)(settings) = parse_mode(value)?,
            Kind::Bytes { range, field } => *(field.write)(settings) = parse_bytes(value, range)?,
            Kind::Seconds { range, field } => {
                *(field.write)(settings) = parse_seconds(value, range, voice)?;
            }
            Kind::Span { range, field } => *(field.write)(settings) = parse_span(value, range)?,
            Kind::Word { words, write, .. } => {
                if !write(settings, value) {
                    return Err(Invalid::NotOneOf(words));
                }
            }
            Kind::Text(field) => *(field.write)(settings) = plain(value)?.to_owned(),
            Kind::Path(field) => *(field.write)(settings) = PathBuf::from(plain(value)?),
            Kind::OptionalPath(field) => {
                let path = plain(value)?;
                *(field.write)(settings) = (!path.is_empty()).then(|| PathBuf::from(path));
            }
            Kind::List(field) => *(field.write)(settings) = parse_list(plain(value)?),
            Kind::Secret(field) => {
                if value == Secret::REDACTED {
                    return Err(Invalid::Refused(
                        "that is what CONFIG GET shows instead of a secret, not a secret",
                    ));
                }
                *(field.write)(settings) = Secret::new(value);
            }
            Kind::OutputLimits(field) => {
                let parsed = parse_output_limits(value, *(field.read)(settings), voice)?;
                *(field.write)(settings) = parsed;
            }
            Kind::Notify(field) => {
                *(field.write)(settings) = Notify::parse(value).ok_or(Invalid::EventClass)?;
            }
            Kind::Percentiles(field) => *(field.write)(settings) = Percentiles::parse(value)?,
            // Tools set these to what they already are; that is no reason to fail.
            Kind::Fact { value: fact, why } => {
                if !fact(settings).eq_ignore_ascii_case(value) {
                    return Err(Invalid::Refused(why));
                }
            }
        }
        Ok(())
    }

    /// The value as `CONFIG GET` shows it, secrets hidden.
    pub(super) fn format(&self, settings: &Settings) -> String {
        match self {
            Kind::Bool(field) => if *(field.read)(settings) { "yes" } else { "no" }.to_owned(),
            Kind::Integer { read, .. } => read(settings).to_string(),
            Kind::Mode(field) => format!("{:o}", (field.read)(settings)),
            Kind::Bytes { field, .. } => (field.read)(settings).to_string(),
            Kind::Seconds { field, .. } => (field.read)(settings).as_secs().to_string(),
            Kind::Span { field, .. } => text::format_duration(*(field.read)(settings)),
            Kind::Word { read, .. } => read(settings).to_owned(),
            Kind::Text(field) => (field.read)(settings).clone(),
            Kind::Path(field) => show_path((field.read)(settings)),
            Kind::OptionalPath(field) => (field.read)(settings).as_deref().map(show_path).unwrap_or_default(),
            Kind::List(field) => (field.read)(settings).join(" "),
            Kind::Secret(field) => {
                if (field.read)(settings).is_empty() { "" } else { Secret::REDACTED }.to_owned()
            }
            Kind::OutputLimits(field) => format_output_limits((field.read)(settings)),
            Kind::Notify(field) => (field.read)(settings).text(),
            Kind::Percentiles(field) => (field.read)(settings).text(),
            Kind::Fact { value, .. } => value(settings),
        }
    }

    /// The value as it is written into the operator's file: TOML, with units for people, secrets in clear.
    pub(super) fn format_toml(&self, settings: &Settings) -> String {
        match self {
            Kind::Bool(field) => (field.read)(settings).to_string(),
            Kind::Integer { read, .. } => read(settings).to_string(),
            Kind::Bytes { field, .. } => quoted(&text::format_size(*(field.read)(settings))),
            Kind::Seconds { field, .. } => quoted(&text::format_duration(*(field.read)(settings))),
            Kind::List(field) => {
                let words: Vec<_> = (field.read)(settings).iter().map(|word| quoted(word)).collect();
                format!("[{}]", words.join(", "))
            }
            Kind::Secret(field) => quoted((field.read)(settings).expose()),
            Kind::OutputLimits(field) => quoted(&show_output_limits((field.read)(settings))),
            Kind::Notify(field) => quoted(&(field.read)(settings).whole_text()),
            Kind::Mode(_)
            | Kind::Span { .. }
            | Kind::Word { .. }
            | Kind::Text(_)
            | Kind::Path(_)
            | Kind::OptionalPath(_)
            | Kind::Percentiles(_)
            | Kind::Fact { .. } => quoted(&self.format(settings)),
        }
    }

    /// What values there are, for help and the reference page.
    pub(super) fn describe(&self) -> String {
        match self {
            Kind::Bool(_) => "yes or no".to_owned(),
            Kind::Integer { range, .. } => describe_range(range, Unit::Count, "number"),
            Kind::Mode(_) => "octal file mode".to_owned(),
            Kind::Bytes { range, .. } => {
                let high = i64::try_from(*range.end()).unwrap_or(i64::MAX);
                describe_range(&(range.start().cast_signed()..=high), Unit::Bytes, "size")
            }
            Kind::Seconds { .. } => "duration, bare numbers are seconds".to_owned(),
            Kind::Span { range, .. } => describe_range(&micros_range(range), Unit::Micros, "duration"),
            Kind::Word { words, .. } => words.join(", "),
            Kind::Text(_) => "text".to_owned(),
            Kind::Path(_) | Kind::OptionalPath(_) => "path".to_owned(),
            Kind::List(_) => "list".to_owned(),
            Kind::Secret(_) => "secret".to_owned(),
            Kind::OutputLimits(_) => "class hard soft seconds, repeated".to_owned(),
            Kind::Notify(_) => "letters of `Ag$lshzxeKEtmdn`".to_owned(),
            Kind::Percentiles(_) => "numbers from 0 to 100".to_owned(),
            Kind::Fact { .. } => "fixed".to_owned(),
        }
    }
}

fn parse_bool(value: &str, voice: Voice) -> Result<bool, Invalid> {
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    let (yes, no) = match voice {
        Voice::Client => (is("yes"), is("no")),
        Voice::Person => {
            (is("yes") || is("true") || is("on") || is("1"), is("no") || is("false") || is("off") || is("0"))
        }
    };
    match (yes, no) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Invalid::NotBool),
    }
}

fn parse_integer(value: &str) -> Result<i64, Invalid> {
    base::parse_i64(value.as_bytes()).ok_or(Invalid::NotInteger)
}

fn within(value: i64, range: &RangeInclusive<i64>, unit: Unit) -> Result<i64, Invalid> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Invalid::OutOfRange { low: *range.start(), high: *range.end(), unit })
}

fn parse_mode(value: &str) -> Result<u32, Invalid> {
    let digits = value.strip_prefix("0o").unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Invalid::NotOctal);
    }
    u32::from_str_radix(digits, 8).ok().filter(|&mode| mode <= 0o777).ok_or(Invalid::NotOctal)
}

fn parse_bytes(value: &str, range: &RangeInclusive<u64>) -> Result<u64, Invalid> {
    let too_far = Invalid::OutOfRange {
        low: i64::try_from(*range.start()).unwrap_or(i64::MAX),
        high: i64::try_from(*range.end()).unwrap_or(i64::MAX),
        unit: Unit::Bytes,
    };
    match text::parse_size(value) {
        Ok(size) if range.contains(&size) => Ok(size),
        Ok(_) | Err(SizeError::TooLarge) => Err(too_far),
        Err(SizeError::Malformed) => Err(Invalid::NotSize),
    }
}

fn parse_seconds(value: &str, range: &RangeInclusive<i64>, voice: Voice) -> Result<Duration, Invalid> {
    let seconds = match (parse_integer(value), voice) {
        (Ok(seconds), _) => seconds,
        (Err(error), Voice::Client) => return Err(error),
        (Err(_), Voice::Person) => {
            let span = text::parse_duration(value, Duration::from_secs(1)).ok_or(Invalid::NotDuration)?;
            if span.subsec_nanos() != 0 {
                return Err(Invalid::Refused("it is counted in whole seconds"));
            }
            i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
        }
    };
    Ok(Duration::from_secs(within(seconds, range, Unit::Count)?.unsigned_abs()))
}

fn parse_span(value: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Invalid> {
    // A bare number would be a guess of the unit; only zero needs none.
    let bare = value != "0" && value.bytes().all(|byte| byte.is_ascii_digit());
    let span = text::parse_duration(value, Duration::from_secs(1)).filter(|_| !bare);
    let span = span.ok_or(Invalid::NotDuration)?;
    if range.contains(&span) {
        return Ok(span);
    }
    let bounds = micros_range(range);
    Err(Invalid::OutOfRange { low: *bounds.start(), high: *bounds.end(), unit: Unit::Micros })
}

fn micros_range(range: &RangeInclusive<Duration>) -> RangeInclusive<i64> {
    let micros = |span: &Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    micros(range.start())..=micros(range.end())
}

fn plain(value: &str) -> Result<&str, Invalid> {
    if value.contains('\0') { Err(Invalid::NotText) } else { Ok(value) }
}

fn parse_list(value: &str) -> Vec<String> {
    let words = value.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Reads `class hard soft seconds` groups over the present limits; classes that are not named stay.
fn parse_output_limits(value: &str, present: OutputLimits, voice: Voice) -> Result<OutputLimits, Invalid> {
    let words: Vec<&str> = match voice {
        Voice::Client if value.is_empty() => Vec::new(),
        // Redis cuts at each space, so that two in a row are an empty word.
        Voice::Client => value.split(' ').collect(),
        Voice::Person => value.split_ascii_whitespace().collect(),
    };
    if !words.len().is_multiple_of(4) {
        return Err(Invalid::OutputLimitWords);
    }
    let mut limits = present;
    for group in words.chunks_exact(4) {
        let class = match group[0].to_ascii_lowercase().as_str() {
            "normal" => &mut limits.normal,
            "replica" | "slave" => &mut limits.replica,
            "pubsub" => &mut limits.pubsub,
            _ => return Err(Invalid::OutputLimitClass),
        };
        let size = |word| text::parse_size(word).map_err(|_| Invalid::OutputLimitNumber);
        let seconds = parse_integer(group[3]).ok().and_then(|count| u64::try_from(count).ok());
        let seconds = seconds.filter(|&count| count <= SECONDS_MAX).ok_or(Invalid::OutputLimitNumber)?;
        *class = OutputLimit::new(size(group[1])?, size(group[2])?, seconds);
    }
    Ok(limits)
}

/// Redis still says `slave` here, and tools look for it.
fn format_output_limits(limits: &OutputLimits) -> String {
    let one = |class: &str, limit: &OutputLimit| {
        format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_time.as_secs())
    };
    [one("normal", &limits.normal), one("slave", &limits.replica), one("pubsub", &limits.pubsub)].join(" ")
}

/// The same for people.
fn show_output_limits(limits: &OutputLimits) -> String {
    let one = |class: &str, limit: &OutputLimit| {
        let (hard, soft) = (text::format_size(limit.hard_bytes), text::format_size(limit.soft_bytes));
        format!("{class} {hard} {soft} {}", limit.soft_time.as_secs())
    };
    [one("normal", &limits.normal), one("replica", &limits.replica), one("pubsub", &limits.pubsub)].join(" ")
}

fn show_path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            control if control.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn describe_range(range: &RangeInclusive<i64>, unit: Unit, noun: &str) -> String {
    let bounds = Invalid::OutOfRange { low: *range.start(), high: *range.end(), unit }.for_person();
    let bounds = bounds.strip_prefix("must be ").unwrap_or(&bounds).to_owned();
    if *range.start() == 0 && *range.end() == i64::MAX { noun.to_owned() } else { format!("{noun} {bounds}") }
}
