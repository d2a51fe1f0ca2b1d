//! Bytes that claim to be values: refused or taken whole, whatever they are.

mod checks;
#[expect(dead_code, reason = "only the values are used here")]
mod support;

use base::Random;
use checks::{check_bytes, check_value};
use engine::rdb::{self, Value};
use support::PAYLOADS;

#[test]
fn damaged_values_are_refused_or_taken_whole() {
    let mut random = Random::new(7);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let mut value = PAYLOADS[random.below(PAYLOADS.len() as u64) as usize].to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(value.len() as u64) as usize;
            match random.below(4) {
                0 => value[at] = random.next_u64() as u8,
                1 => value[at] ^= 1 << random.below(8),
                2 => drop(value.remove(at)),
                _ => value.insert(at, random.next_u64() as u8),
            }
            if value.is_empty() {
                break;
            }
        }
        if check_value(&value) { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}

#[test]
fn any_bytes_are_answered() {
    let mut random = Random::new(8);
    for _ in 0..10_000 {
        let len = random.below(40);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        if let Some(kind) = bytes.first_mut() {
            *kind %= 26;
        }
        check_bytes(&bytes);
    }
}

/// Type by type, as Redis before 7.0 and after it writes them.
#[test]
fn old_and_new_forms_are_read() {
    let texts =
        |row: &rdb::Row| row.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    let read = |bytes: &[u8]| -> Vec<String> {
        match rdb::decode_value(bytes).unwrap() {
            Value::String(text) => vec![String::from_utf8(text).unwrap()],
            Value::List(row) | Value::Set(row) | Value::Hash(row) => texts(&row),
            Value::VolatileHash(row) => {
                let pieces: Vec<&[u8]> = row.iter().collect();
                let field = |three: &[&[u8]]| {
                    let deadline = u64::from_le_bytes(three[2].try_into().unwrap());
                    let [field, value] = [three[0], three[1]].map(String::from_utf8_lossy);
                    format!("{field}={value} until {}", deadline as i64)
                };
                pieces.chunks(3).map(field).collect()
            }
            Value::ZSet(row) => {
                let score = |score: &[u8]| f64::from_le_bytes(score.try_into().unwrap());
                row.pairs()
                    .map(|(member, number)| format!("{}={}", String::from_utf8_lossy(member), score(number)))
                    .collect()
            }
        }
    };
    // Lengths before, strings of all three lengths, numbers of all widths.
    let long = "x".repeat(300);
    let pieces: Vec<Vec<u8>> = vec![
        b"\x02ab".to_vec(),
        [b"\x41\x2c".as_slice(), long.as_bytes()].concat(),
        b"\x80\x00\x00\x00\x01c".to_vec(),
        b"\xc0\xfe\xff".to_vec(),
        b"\xd0\xff\xff\xff\x7f".to_vec(),
        b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80".to_vec(),
        b"\xf0\x00\x00\x80".to_vec(),
        b"\xfe\x80".to_vec(),
        b"\xf1".to_vec(),
        b"\xfd".to_vec(),
    ];
    let numbers = ["-2", "2147483647", "-9223372036854775808", "-8388608", "-128", "0", "12"];
    let expect: Vec<String> = ["ab", &long, "c"].into_iter().chain(numbers).map(String::from).collect();
    let list = ziplist(&pieces);
    assert_eq!(read(&[b"\x0a".as_slice(), &string(&list)].concat()), expect);
    assert_eq!(read(&[b"\x0e\x01".as_slice(), &string(&list)].concat()), expect);
    assert_eq!(read(&[b"\x0d".as_slice(), &string(&list)].concat()), expect);
    let scored = ziplist(&[b"\x01a".to_vec(), b"\x031.5".to_vec(), b"\x01b".to_vec(), b"\xf8".to_vec()]);
    assert_eq!(read(&[b"\x0c".as_slice(), &string(&scored)].concat()), ["a=1.5", "b=7"]);
    assert_eq!(read(b"\x03\x03\x01a\x03-.5\x01b\xfe\x01c\xff"), ["a=-0.5", "b=inf", "c=-inf"]);
    assert_eq!(read(b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f"), ["a=1.5"]);
    assert_eq!(read(b"\x01\x02\x01a\xc0\x05"), ["a", "5"]);
    assert_eq!(read(b"\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff"), ["a", "5"]);
    assert_eq!(read(b"\x12\x02\x01\x02ab\x02\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff"), ["ab", "a"]);
    // 7.4: the earliest deadline, then deadlines from there on; or a listpack of threes.
    let deadlines = b"\x18\x00\x01\x00\x00\x00\x00\x00\x00\x02\x01\x01f\x01v\x00\x01g\xc0\x07";
    assert_eq!(read(deadlines), ["f=v until 256", "g=7 until -1"]);
    let listpack = b"\x19\x00\x01\x00\x00\x00\x00\x00\x00\x17\x17\x00\x00\x00\x06\x00\x81f\x02\x81v\x02\xc1\x00\x02\x81g\x02\x07\x01\x00\x01\xff";
    assert_eq!(read(listpack), ["f=v until 256", "g=7 until -1"]);
    assert_eq!(read(b"\x00\x81\x00\x00\x00\x00\x00\x00\x00\x01v"), ["v"]);
}

#[test]
fn what_is_no_value_is_refused() {
    let zset = |score: f64| [b"\x05\x01\x01a".as_slice(), &score.to_le_bytes()].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("an unknown type", b"\x2a\x01v".to_vec()),
        ("a stream", b"\x0f\x00".to_vec()),
        ("bytes behind the value", b"\x00\x01vv".to_vec()),
        ("a string cut short", b"\x00\x05v".to_vec()),
        ("a string of 2^63 bytes", b"\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xffv".to_vec()),
        ("2^64-1 elements", b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a".to_vec()),
        ("2^64-1 pairs", b"\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a\x01b".to_vec()),
        ("4 GiB unpacked", b"\x00\xc3\x01\x80\xff\xff\xff\xffa".to_vec()),
        ("a number of elements that is packed", b"\x01\xc0\x01\x01a".to_vec()),
        ("a length with a wrong mark", b"\x00\x82v".to_vec()),
        ("no element", b"\x01\x00".to_vec()),
        ("an empty listpack", b"\x10\x07\x07\x00\x00\x00\x00\x00\xff".to_vec()),
        ("an empty node only", b"\x12\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff".to_vec()),
        ("a field without value", b"\x10\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff".to_vec()),
        ("a listpack of another size", b"\x10\x0c\x0d\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff".to_vec()),
        ("a listpack of another count", b"\x14\x0c\x0c\x00\x00\x00\x03\x00\x81a\x02\x05\x01\xff".to_vec()),
        (
            "a listpack that cannot be read back",
            b"\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x03\x05\x01\xff".to_vec(),
        ),
        ("a listpack without end", b"\x14\x0b\x0b\x00\x00\x00\x02\x00\x81a\x02\x05\x01".to_vec()),
        ("a member twice", b"\x02\x02\x01a\x01a".to_vec()),
        ("a field twice", b"\x04\x02\x01a\x01b\x01a\x01c".to_vec()),
        ("a scored member twice", b"\x03\x02\x01a\x011\x01a\x012".to_vec()),
        ("a member twice in a listpack", b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81a\x02\xff".to_vec()),
        ("a score that is none", zset(f64::NAN)),
        ("a score called none", b"\x03\x01\x01a\xfd".to_vec()),
        ("a score of letters", b"\x03\x01\x01a\x02ab".to_vec()),
        ("integers that do not ascend", b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00".to_vec()),
        ("integers of three bytes", b"\x0b\x0b\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x01".to_vec()),
        ("more integers than there are", b"\x0b\x0a\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00".to_vec()),
        ("a deadline beyond the end", b"\x18\xff\xff\xff\xff\xff\xff\x00\x00\x01\x01\x01f\x01v".to_vec()),
        ("a deadline that wraps", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x01f\x01v".to_vec()),
        ("a field with a deadline twice", b"\x18\x00\x00\x00\x00\x00\x00\xff\x00\x02\x01\x01f\x01v\x01\x01f\x01v".to_vec()),
        ("a deadline of letters", b"\x19\x00\x00\x00\x00\x00\x00\x00\x00\x10\x10\x00\x00\x00\x03\x00\x81f\x02\x81v\x02\x81x\x02\xff".to_vec()),
        ("a node of no kind", b"\x12\x01\x03\x01a".to_vec()),
    ];
    for (what, bytes) in cases {
        assert!(!check_value(&bytes), "{what}");
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&[0x80][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn ziplist(pieces: &[Vec<u8>]) -> Vec<u8> {
    let (mut body, mut before, mut last) = (Vec::new(), 0, 10);
    for piece in pieces {
        last = 10 + body.len();
        match before {
            0..=253 => body.push(before as u8),
            _ => body.extend([&[0xFE][..], &(before as u32).to_le_bytes()].concat()),
        }
        body.extend_from_slice(piece);
        before = 10 + body.len() - last;
    }
    let size = 11 + body.len() as u32;
    let head = [&size.to_le_bytes()[..], &(last as u32).to_le_bytes(), &(pieces.len() as u16).to_le_bytes()];
    [&head.concat()[..], &body, b"\xff"].concat()
}
