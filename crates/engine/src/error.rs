//! Why a request cannot be carried out, in Redis's words.
//!
//! A wrong request is a value: it is answered to the client and not logged. Whoever answers one has changed nothing.
//! Clients match on these texts, so they are Redis 7.2's to the letter and are never reused.

use std::borrow::Cow;

use command::DataCommand;
use resp::Reply;

use crate::double;

/// Why a request cannot be carried out. State is untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError<'a> {
    /// An option that is unknown, incomplete, or at odds with another.
    Syntax,
    /// Too many or too few arguments, beyond what the table's arity can say.
    Arity(DataCommand),
    /// The key holds another type.
    WrongType,
    /// An argument or a value is no 64-bit integer.
    NotInteger,
    /// An argument or a value is no number.
    NotFloat,
    /// The value of a hash field is no 64-bit integer.
    HashNotInteger,
    /// The value of a hash field is no number.
    HashNotFloat,
    /// An argument is a number that cannot be used here.
    OutOfRange,
    /// An argument does not fit a C `int`.
    NotInt,
    /// A count has no opposite.
    NotCount,
    /// A count that is none or below zero.
    NotPositive,
    /// A number of keys that is none or not above zero.
    NumKeysNotPositive,
    /// A number of keys beyond the arguments.
    TooFewKeys,
    /// A count that is none or not above zero.
    CountNotPositive,
    /// A count of matches that is none or below zero.
    NegativeCount,
    /// A number of elements to look at that is none or below zero.
    NegativeMaxLen,
    /// A rank of zero.
    RankZero,
    /// A list has no element at an index.
    NoSuchIndex,
    /// A limit that is none or below zero.
    NegativeLimit,
    /// The sum leaves 64 bits.
    Overflow,
    /// The negated decrement would leave 64 bits.
    DecrementOverflow,
    /// An increment that is infinite.
    InfiniteIncrement,
    /// The sum is no number, or infinite.
    InfiniteSum,
    /// An argument of `INCREX`, so called, is no 64-bit integer.
    NotIntegerOf(&'static str),
    /// An argument of `INCREX`, so called, is no number.
    NotFloatOf(&'static str),
    /// An argument of `INCREX`, so called, is infinite.
    InfinityOf(&'static str),
    /// The number to be added to is infinite.
    InfiniteValue,
    /// The lower bound is above the upper one.
    BoundsCross,
    /// From the number to the bound it is further than 64 bits can say.
    AppliedOverflow,
    /// From the number to the bound it is further than can be said.
    AppliedInfinity,
    /// `ENX` without a time.
    EnxWithoutTime,
    /// A life time that is not positive, or ends beyond the end of time.
    InvalidExpire(DataCommand),
    /// `EXPIRE` with something that is no option.
    UnsupportedOption(&'a [u8]),
    /// `EXPIRE` with `NX` and another option.
    NxWithOther,
    /// `EXPIRE` with `GT` and `LT`.
    GtWithLt,
    /// `ZADD` with `NX` and `XX`.
    NxWithXx,
    /// `ZADD` with two of `GT`, `LT` and `NX`.
    GtLtNx,
    /// `ZADD` with `INCR` and several members.
    IncrOfSeveral,
    /// Infinities of both signs would be added up.
    ScoreNotNumber,
    /// A timeout that is no number.
    TimeoutNotFloat,
    /// A timeout below zero.
    NegativeTimeout,
    /// A timeout beyond the end of time.
    TimeoutOutOfRange,
    /// A bound of a range of scores is none.
    NotScoreRange,
    /// A bound of a range of names is none.
    NotLexRange,
    /// `ZRANGE` with `LIMIT` for a range of places.
    LimitOfRanks,
    /// `ZRANGE` with `WITHSCORES` for a range of names.
    ScoresOfLex,
    /// A number of keys below one.
    NoInputKey(DataCommand),
    /// A weight is no number.
    NotWeight,
    /// A negative offset.
    NegativeOffset,
    /// A string would pass the longest allowed.
    StringTooLong,
    /// `LCS` of something that is no string.
    LcsNotString,
    /// `LCS` with `LEN` and `IDX`.
    LcsLenWithIdx,
    /// `LCS` of strings that are too long to be compared.
    LcsTooLarge,
    /// A cursor that is no number.
    InvalidCursor,
    /// The key is not there.
    NoSuchKey,
    /// Source and destination are one key.
    SameObject,
    /// There is no such database.
    NoSuchDb,
    /// Uses of keys are not counted.
    FrequencyNotTracked,
    /// Idle times are not kept.
    IdleTimeNotTracked,
    /// A key lies where this request cannot reach.
    CrossSlot,
    /// `DEBUG` with a subcommand that does not take so many arguments.
    DebugArguments(&'a [u8]),
    /// A place of a bit that is no number, or beyond the longest string.
    BitOffset,
    /// A bit to set that is neither 0 nor 1.
    BitValue,
    /// A bit to search that is neither 0 nor 1.
    BitArgument,
    /// `BITOP NOT` of several keys.
    BitOpNotOfSeveral,
    /// A type of number that `BITFIELD` does not have.
    BitFieldType,
    /// `OVERFLOW` with something that is none of its words.
    OverflowType,
    /// `BITFIELD_RO` that would write.
    BitFieldReadOnly,
    /// A longitude and a latitude that lie outside of the grid.
    InvalidPosition(&'a [u8], &'a [u8]),
    /// A radius that is no number.
    NotRadius,
    /// A width that is no number.
    NotWidth,
    /// A height that is no number.
    NotHeight,
    /// A radius below zero.
    NegativeRadius,
    /// A width or a height below zero.
    NegativeBox,
    /// A unit of length that there is not.
    UnknownUnit,
    /// The centre of an area is to be a member that is not there.
    NoSuchMember,
    /// A count that is not above zero.
    CountTooSmall,
    /// `STORE` of `GEORADIUS` with something that only an answer can have.
    GeoRadiusStoreWith,
    /// The same of `GEOSEARCHSTORE`.
    GeoSearchStoreWith,
    /// A search, so called by the client, without a centre.
    NoCentre(&'a [u8]),
    /// A search, so called by the client, without an area.
    NoShape(&'a [u8]),
    /// `ANY` without `COUNT`.
    AnyWithoutCount,
    /// An element of `SORT`, or what it goes by, is no number.
    NotWeights,
    /// A string that is no HyperLogLog.
    NotHll,
    /// A HyperLogLog whose registers do not add up.
    CorruptedHll,
    /// `PFDEBUG DECODE` of the dense form.
    HllNotSparse,
    /// `PFDEBUG` of a key that is not there.
    NoSpecifiedKey,
    /// `PFDEBUG` with something that it does not know.
    UnknownPfDebug(&'a [u8]),
    /// What holds a numbered request is not one.
    BadOnce,
    /// A record that a node wrote cannot be read.
    BadRecord,
    /// `RESTORE` of a key that is there, without `REPLACE`.
    BusyKey,
    /// A time to live below zero, or beyond the end of time.
    InvalidTtl,
    /// A time since the last use that is below zero.
    InvalidIdleTime,
    /// A count of uses that is none.
    InvalidFrequency,
    /// A request for fields without `FIELDS` where it belongs.
    FieldsMissing,
    /// A number of fields that is none or not above zero, in `HEXPIRE` and its kin.
    FieldCountNotPositive,
    /// The same in the words of other commands.
    FieldNumberNotPositive,
    /// The same in those of `HSETEX`.
    BadFieldCount,
    /// A number of fields that is not that of the arguments.
    FieldCountMismatch,
    /// A deadline of a field that is below zero.
    NegativeFieldTime,
    /// `HSETEX` with a word for a time and no time.
    NoFieldTime,
    /// `HSETEX` with two times.
    FieldTimesTwice,
    /// `HSETEX` with two conditions.
    FieldConditionsTwice,
    /// `HSETEX` with something that is no option.
    UnknownFieldOption(&'a [u8]),
    /// A digest that is not as long as one.
    NotDigest,
    /// `DELEX` with a condition, of something that is no string.
    ConditionOfString,
    /// `DELEX` with a condition that is none of the four.
    UnknownCondition,
    /// `MSETEX` with a number of keys that is none or not above zero.
    InvalidNumKeys,
    /// `MSETEX` with a number of keys beyond the arguments.
    WrongPairCount,
    /// A payload that is damaged, or of a newer version.
    PayloadEnvelope,
    /// A payload whose value is of no known form, or damaged.
    PayloadValue,
}

impl RequestError<'_> {
    /// Answers the client.
    #[cold]
    pub fn write(self, reply: &mut Reply<'_>) {
        reply.error(self.text());
    }

    /// Its text, code first, as it goes out after the `-`.
    pub fn text(self) -> Cow<'static, [u8]> {
        let fixed = match self {
            RequestError::Arity(command) => {
                let name = command.spec().name;
                return format!("ERR wrong number of arguments for '{name}' command").into_bytes().into();
            }
            RequestError::InvalidExpire(command) => {
                let name = command.spec().name;
                return format!("ERR invalid expire time in '{name}' command").into_bytes().into();
            }
            RequestError::NoInputKey(command) => {
                let name = command.spec().name;
                return format!("ERR at least 1 input key is needed for '{name}' command")
                    .into_bytes()
                    .into();
            }
            RequestError::NotIntegerOf(what) => {
                return format!("ERR {what} is not an integer or out of range").into_bytes().into();
            }
            RequestError::NotFloatOf(what) => {
                return format!("ERR {what} is not a valid float").into_bytes().into();
            }
            RequestError::InfinityOf(what) => {
                return format!("ERR {what} cannot be Infinity").into_bytes().into();
            }
            RequestError::UnsupportedOption(option) => {
                let shown = c_string(option);
                return [b"ERR Unsupported option ".as_slice(), shown].concat().into();
            }
            RequestError::UnknownFieldOption(option) => {
                return [b"ERR unknown argument: ".as_slice(), c_string(option)].concat().into();
            }
            RequestError::DebugArguments(subcommand) => {
                let before = b"ERR unknown subcommand or wrong number of arguments for '".as_slice();
                let shown = c_string(subcommand);
                return [before, &shown[..shown.len().min(128)], b"'. Try DEBUG HELP."].concat().into();
            }
            RequestError::InvalidPosition(longitude, latitude) => {
                let number = |text| double::parse(text).unwrap_or_default();
                let (longitude, latitude) = (number(longitude), number(latitude));
                return format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")
                    .into_bytes()
                    .into();
            }
            RequestError::NoCentre(name) => {
                let before = b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ".as_slice();
                return [before, name].concat().into();
            }
            RequestError::NoShape(name) => {
                let before = b"ERR exactly one of BYRADIUS and BYBOX can be specified for ".as_slice();
                return [before, name].concat().into();
            }
            RequestError::UnknownPfDebug(word) => {
                return [b"ERR Unknown PFDEBUG subcommand '".as_slice(), c_string(word), b"'"]
                    .concat()
                    .into();
            }
            RequestError::Syntax => "ERR syntax error",
            RequestError::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            RequestError::NotInteger => "ERR value is not an integer or out of range",
            RequestError::NotFloat => "ERR value is not a valid float",
            RequestError::HashNotInteger => "ERR hash value is not an integer",
            RequestError::HashNotFloat => "ERR hash value is not a float",
            RequestError::NotInt => {
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            }
            RequestError::OutOfRange => "ERR value is out of range",
            RequestError::NotPositive => "ERR value is out of range, must be positive",
            RequestError::NumKeysNotPositive => "ERR numkeys should be greater than 0",
            RequestError::TooFewKeys => "ERR Number of keys can't be greater than number of args",
            RequestError::CountNotPositive => "ERR count should be greater than 0",
            RequestError::NegativeCount => "ERR COUNT can't be negative",
            RequestError::NegativeMaxLen => "ERR MAXLEN can't be negative",
            RequestError::RankZero => {
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
                 start from the end of the list"
            }
            RequestError::NoSuchIndex => "ERR index out of range",
            RequestError::NegativeLimit => "ERR LIMIT can't be negative",
            RequestError::NotCount => {
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
            }
            RequestError::Overflow => "ERR increment or decrement would overflow",
            RequestError::DecrementOverflow => "ERR decrement would overflow",
            RequestError::InfiniteIncrement => "ERR value is NaN or Infinity",
            RequestError::InfiniteSum => "ERR increment would produce NaN or Infinity",
            RequestError::InfiniteValue => "ERR value cannot be Infinity",
            RequestError::BoundsCross => "ERR LBOUND can't be greater than UBOUND",
            RequestError::AppliedOverflow => "ERR applied increment would overflow",
            RequestError::AppliedInfinity => "ERR applied increment would produce Infinity",
            RequestError::EnxWithoutTime => "ERR ENX flag requires an expiration",
            RequestError::NxWithOther => {
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            }
            RequestError::GtWithLt => "ERR GT and LT options at the same time are not compatible",
            RequestError::NxWithXx => "ERR XX and NX options at the same time are not compatible",
            RequestError::GtLtNx => "ERR GT, LT, and/or NX options at the same time are not compatible",
            RequestError::IncrOfSeveral => "ERR INCR option supports a single increment-element pair",
            RequestError::ScoreNotNumber => "ERR resulting score is not a number (NaN)",
            RequestError::TimeoutNotFloat => "ERR timeout is not a float or out of range",
            RequestError::NegativeTimeout => "ERR timeout is negative",
            RequestError::TimeoutOutOfRange => "ERR timeout is out of range",
            RequestError::NotScoreRange => "ERR min or max is not a float",
            RequestError::NotLexRange => "ERR min or max not valid string range item",
            RequestError::LimitOfRanks => {
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
            }
            RequestError::ScoresOfLex => {
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
            }
            RequestError::NotWeight => "ERR weight value is not a float",
            RequestError::NegativeOffset => "ERR offset is out of range",
            RequestError::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            RequestError::LcsNotString => "ERR The specified keys must contain string values",
            RequestError::LcsLenWithIdx => {
                "ERR If you want both the length and indexes, please just use IDX."
            }
            RequestError::LcsTooLarge => {
                "ERR Insufficient memory, failed allocating transient memory for LCS"
            }
            RequestError::InvalidCursor => "ERR invalid cursor",
            RequestError::NoSuchKey => "ERR no such key",
            RequestError::SameObject => "ERR source and destination objects are the same",
            RequestError::NoSuchDb => "ERR DB index is out of range",
            RequestError::FrequencyNotTracked => {
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust."
            }
            RequestError::IdleTimeNotTracked => {
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust."
            }
            RequestError::CrossSlot => "CROSSSLOT Keys in request don't hash to the same slot",
            RequestError::BitOffset => "ERR bit offset is not an integer or out of range",
            RequestError::BitValue => "ERR bit is not an integer or out of range",
            RequestError::BitArgument => "ERR The bit argument must be 1 or 0.",
            RequestError::BitOpNotOfSeveral => "ERR BITOP NOT must be called with a single source key.",
            RequestError::BitFieldType => {
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
            }
            RequestError::OverflowType => "ERR Invalid OVERFLOW type specified",
            RequestError::BitFieldReadOnly => "ERR BITFIELD_RO only supports the GET subcommand",
            RequestError::FieldsMissing => {
                "ERR Mandatory argument FIELDS is missing or not at the right position"
            }
            RequestError::FieldCountNotPositive => "ERR Parameter `numFields` should be greater than 0",
            RequestError::FieldNumberNotPositive => "ERR Number of fields must be a positive integer",
            RequestError::BadFieldCount => "ERR invalid number of fields",
            RequestError::FieldCountMismatch => {
                "ERR The `numfields` parameter must match the number of arguments"
            }
            RequestError::NegativeFieldTime => "ERR invalid expire time, must be >= 0",
            RequestError::NoFieldTime => "ERR missing expire time",
            RequestError::FieldTimesTwice => {
                "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
            }
            RequestError::FieldConditionsTwice => "ERR Only one of FXX or FNX arguments can be specified",
            RequestError::NotDigest => "ERR must be exactly 16 hexadecimal characters",
            RequestError::ConditionOfString => "ERR Key should be of string type if conditions are specified",
            RequestError::UnknownCondition => "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
            RequestError::InvalidNumKeys => "ERR invalid numkeys value",
            RequestError::WrongPairCount => "ERR wrong number of key-value pairs",
            RequestError::BusyKey => "BUSYKEY Target key name already exists.",
            RequestError::InvalidTtl => "ERR Invalid TTL value, must be >= 0",
            RequestError::InvalidIdleTime => "ERR Invalid IDLETIME value, must be >= 0",
            RequestError::InvalidFrequency => "ERR Invalid FREQ value, must be >= 0 and <= 255",
            RequestError::PayloadEnvelope => "ERR DUMP payload version or checksum are wrong",
            RequestError::PayloadValue => "ERR Bad data format",
            RequestError::NotRadius => "ERR need numeric radius",
            RequestError::NotWidth => "ERR need numeric width",
            RequestError::NotHeight => "ERR need numeric height",
            RequestError::NegativeRadius => "ERR radius cannot be negative",
            RequestError::NegativeBox => "ERR height or width cannot be negative",
            RequestError::UnknownUnit => "ERR unsupported unit provided. please use M, KM, FT, MI",
            RequestError::NoSuchMember => "ERR could not decode requested zset member",
            RequestError::CountTooSmall => "ERR COUNT must be > 0",
            RequestError::GeoRadiusStoreWith => {
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            }
            RequestError::GeoSearchStoreWith => {
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            }
            RequestError::NotWeights => "ERR One or more scores can't be converted into double",
            RequestError::NotHll => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            RequestError::CorruptedHll => "INVALIDOBJ Corrupted HLL object detected",
            RequestError::HllNotSparse => "ERR HLL encoding is not sparse",
            RequestError::NoSpecifiedKey => "ERR The specified key does not exist",
            RequestError::AnyWithoutCount => "ERR the ANY argument requires COUNT argument",
            RequestError::BadOnce => "ERR narf.once is malformed; are all nodes of one version?",
            RequestError::BadRecord => "ERR record of narf.put is damaged; the key is as it was",
        };
        fixed.as_bytes().into()
    }
}

/// What Redis prints of client's bytes in an error: a C string, without line ends behind it.
fn c_string(bytes: &[u8]) -> &[u8] {
    let shown = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let end = shown.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &shown[..end]
}
