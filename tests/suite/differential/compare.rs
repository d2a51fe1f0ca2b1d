//! When two replies count as equal.
//!
//! All bytes must be equal, except:
//! - replies whose order means nothing are sorted (`KEYS`, `HKEYS`, `SMEMBERS`, `HGETALL`, …);
//! - times until or of a deadline that was given relatively may differ by the time between the two servers' clocks;
//! - random picks (`RANDOMKEY`, `HRANDFIELD`, `SRANDMEMBER`, `ZRANDMEMBER`) are equal if as many are picked;
//! - what `DUMP` gives, which may be packed or in another order: suite/dump.rs restores it on the other side;
//! - sizes, ids, times of day, counts of references, idle times (shared by equal numbers in Redis) and descriptions of memory are equal if of the same type;
//! - `DEBUG` has subcommands with rows of their own here and none in Redis, so its refusals read differently;
//! - a list that Redis 7.2 would keep in its small form is a `quicklist` in Redis 7.0;
//! - scores are written with 17 digits by Redis 7.0 and with as few as say the same number by 7.2; a big sorted set of
//!   Redis keeps the sign of a zero;
//! - what `SORT` leaves unsorted, or what weighs the same as text, Redis returns in the order of its tables;
//! - distances are rounded by Redis 7.0 to the nearest of four decimals, by 7.2 after a product that is rounded itself;
//! - Redis 7.2 takes the big form of a sorted set for many members at once before it looks how many of them are the same;
//! - a hash, set or sorted set that `SWAPDB` moved is stored anew, so here it may be small again where Redis keeps its table, and
//!   small sets have a form that Redis 7.0 has not;
//! - a timeout beyond the end of time is negative to Redis 7.0, and out of range to 7.2;
//! - iterations (`SCAN`, `HSCAN`, `SSCAN`, `ZSCAN`) are run to their end and compared as sets.

use narf_tests::Value;

/// How a command's replies are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// To the byte.
    Exact,
    /// An array whose order means nothing.
    Unordered,
    /// A map, or an array of keys and values in turn, whose order means nothing.
    Pairs,
    /// A time; negative numbers mean something else and must be equal.
    Near(i64),
    /// As many elements.
    Count,
    /// To the byte, but for the digits of scores.
    Scores,
    /// As `SORT` was asked: to the byte where that says the order.
    Sorted { is_ordered: bool, is_cut: bool },
    /// To the byte, but for the last decimal of distances.
    Distances,
    /// To the byte, but for small forms.
    Encoding,
    /// The same type.
    Shape,
    /// The same type; of refusals not even the text.
    Debug,
    /// The first step of an iteration that must be run to its end.
    Scan {
        /// Which argument is the cursor.
        cursor: usize,
        /// Whether elements come in pairs.
        pairs: bool,
    },
}

/// Most that two clocks and a busy machine may lie apart.
const SLACK_SECONDS: i64 = 10;

/// How the replies to this command are compared.
pub(crate) fn class(args: &[Vec<u8>]) -> Class {
    let word = |at: usize| args.get(at).map(|arg| String::from_utf8_lossy(arg).to_ascii_uppercase());
    let first = word(0).unwrap_or_default();
    match (first.as_str(), word(1).as_deref()) {
        ("KEYS" | "HKEYS" | "HVALS" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "SPOP", _) => {
            Class::Unordered
        }
        ("PUBSUB", Some("CHANNELS" | "SHARDCHANNELS")) => Class::Unordered,
        ("HGETALL", _) => Class::Pairs,
        ("TTL" | "EXPIRETIME", _) => Class::Near(SLACK_SECONDS),
        ("PTTL" | "PEXPIRETIME", _) => Class::Near(SLACK_SECONDS * 1000),
        ("RANDOMKEY" | "HRANDFIELD" | "SRANDMEMBER" | "ZRANDMEMBER", _) => Class::Count,
        ("ZADD" | "ZINCRBY" | "ZSCORE" | "ZMSCORE", _) => Class::Scores,
        ("ZRANGE" | "ZREVRANGE" | "ZRANGEBYSCORE" | "ZREVRANGEBYSCORE", _) => Class::Scores,
        ("BZPOPMIN" | "BZPOPMAX" | "BZMPOP", _) => Class::Scores,
        ("ZPOPMIN" | "ZPOPMAX" | "ZMPOP" | "ZUNION" | "ZINTER" | "ZDIFF", _) => Class::Scores,
        ("SORT" | "SORT_RO", _) => {
            let has =
                |option: &str| args.iter().skip(2).any(|arg| arg.eq_ignore_ascii_case(option.as_bytes()));
            let by = args.windows(2).skip(2).filter(|pair| pair[0].eq_ignore_ascii_case(b"by"));
            let is_unsorted = by.clone().any(|pair| !pair[1].contains(&b'*'));
            let has_ties = has("ALPHA") && by.count() > 0;
            let is_ordered = has("STORE") || !(is_unsorted || has_ties);
            Class::Sorted { is_ordered, is_cut: has("LIMIT") }
        }
        ("GEODIST" | "GEOSEARCH" | "GEORADIUS" | "GEORADIUS_RO", _) => Class::Distances,
        ("GEORADIUSBYMEMBER" | "GEORADIUSBYMEMBER_RO", _) => Class::Distances,
        ("OBJECT", Some("REFCOUNT" | "IDLETIME")) | ("MEMORY", _) | ("CLIENT", Some("ID")) => Class::Shape,
        ("DUMP", _) => Class::Shape,
        ("OBJECT", Some("ENCODING")) => Class::Encoding,
        ("DEBUG", _) => Class::Debug,
        // Version and id differ; that the protocol is switched shows in the replies that follow.
        ("HELLO" | "TIME" | "LASTSAVE", _) => Class::Shape,
        ("SCAN", _) => Class::Scan { cursor: 1, pairs: false },
        ("SSCAN", _) => Class::Scan { cursor: 2, pairs: false },
        ("HSCAN" | "ZSCAN", _) => Class::Scan { cursor: 2, pairs: true },
        _ => Class::Exact,
    }
}

/// Whether two replies to a command of this class count as equal.
pub(crate) fn equal(class: Class, reference: &Value, subject: &Value) -> bool {
    if reference.is_error() || subject.is_error() {
        let both = reference.is_error() && subject.is_error();
        let is_overflow = both
            && reference.bytes().ends_with(b"timeout is negative")
            && subject.bytes().ends_with(b"timeout is out of range");
        return reference == subject || is_overflow || (both && class == Class::Debug);
    }
    // QUEUED, or nothing there: every class has these alike.
    let fixed =
        |value: &Value| matches!(value, Value::Simple(_) | Value::NullBulk | Value::Null | Value::NullArray);
    if !matches!(class, Class::Shape | Class::Debug) && (fixed(reference) || fixed(subject)) {
        return reference == subject;
    }
    match class {
        Class::Exact => reference == subject,
        Class::Scores => same_scores(reference, subject),
        Class::Distances => same_distances(reference, subject),
        Class::Sorted { is_ordered, is_cut } => {
            // What differs only behind a zero byte is the same to Redis.
            let has_zero = |value: &Value| match value {
                Value::Array(items) => {
                    items.iter().any(|item| matches!(item, Value::Bulk(b) if b.contains(&0)))
                }
                _ => false,
            };
            let is_ordered = is_ordered && !has_zero(reference) && !has_zero(subject);
            reference == subject
                || !is_ordered && is_cut && size(reference) == size(subject)
                || !is_ordered && reference.clone().sorted() == subject.clone().sorted()
        }
        Class::Encoding => {
            let is =
                |value: &Value, name: &str| matches!(value, Value::Bulk(text) if text == name.as_bytes());
            reference == subject
                || (is(reference, "hashtable") && (is(subject, "listpack") || is(subject, "intset")))
                || (is(reference, "quicklist") && is(subject, "listpack"))
                || (is(reference, "skiplist") && is(subject, "listpack"))
                // Redis 7.2 looks at how many members come before it looks at which.
                || (is(reference, "intset") && is(subject, "hashtable"))
                || (is(reference, "listpack") && is(subject, "skiplist"))
        }
        Class::Unordered => reference.clone().sorted() == subject.clone().sorted(),
        Class::Pairs => paired(reference) == paired(subject),
        Class::Near(slack) => match (reference, subject) {
            (Value::Int(a), Value::Int(b)) if *a >= 0 && *b >= 0 => {
                (i128::from(*a) - i128::from(*b)).abs() <= slack.into()
            }
            _ => reference == subject,
        },
        Class::Count => size(reference) == size(subject) && same_type(reference, subject),
        // Of an iteration inside a transaction only the first step is seen, and that may be of any length.
        Class::Shape | Class::Debug | Class::Scan { .. } => same_type(reference, subject),
    }
}

/// Keys and values with the form they came in, in byte order.
pub(crate) fn paired(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut pairs: Vec<Value> = items.chunks(2).map(|pair| Value::Array(pair.to_vec())).collect();
            pairs.sort();
            Value::Array(pairs)
        }
        other => other.clone().sorted(),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) | Value::Set(items) => items.len(),
        Value::Map(pairs) => pairs.len(),
        _ => 0,
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Whether two replies are alike but for the digits of numbers.
pub(crate) fn same_scores(reference: &Value, subject: &Value) -> bool {
    match (reference, subject) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_scores(a, b))
        }
        (Value::Bulk(a), Value::Bulk(b)) | (Value::Double(a), Value::Double(b)) => {
            let number = std::str::from_utf8(b).ok().and_then(|text| text.parse::<f64>().ok());
            a == b
                || number.is_some_and(|number| *a == with_17_digits(number).as_bytes())
                || (a == b"-0" && b == b"0")
        }
        _ => reference == subject,
    }
}

/// Whether two replies are alike but for the last of the four decimals of distances.
fn same_distances(reference: &Value, subject: &Value) -> bool {
    let distance = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').filter(|(_, fraction)| fraction.len() == 4)?;
        format!("{whole}{fraction}").parse::<i64>().ok()
    };
    match (reference, subject) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_distances(a, b))
        }
        (Value::Bulk(a), Value::Bulk(b)) if a != b => {
            distance(a).zip(distance(b)).is_some_and(|(a, b)| (a - b).abs() <= 1)
        }
        _ => reference == subject,
    }
}

/// What C prints for `%.17g`.
fn with_17_digits(number: f64) -> String {
    let scientific = format!("{number:.16e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..17).contains(&exponent) {
        return trimmed(&format!("{number:.*}", (16 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[test]
fn numbers_are_printed_as_c_prints_them() {
    for (number, expect) in [
        (0.1, "0.10000000000000001"),
        (-2.5e-3, "-0.0025000000000000001"),
        (1e17, "1e+17"),
        (12.0, "12"),
        (1e16, "10000000000000000"),
        (1e-5, "1.0000000000000001e-05"),
        (1e300, "1.0000000000000001e+300"),
        (f64::INFINITY, "inf"),
    ] {
        assert_eq!(with_17_digits(number), expect);
    }
}
