//! HyperLogLogs against Redis's bytes, against plain registers, and against bytes that are none.

use base::Random;

use super::*;

const SPARSE_MAX: usize = 3000;

fn of(elements: &[&str]) -> Hll {
    let mut hll = Hll::empty(SPARSE_MAX);
    elements.iter().for_each(|element| {
        hll.add(element.as_bytes());
    });
    hll
}

fn view(hll: &Hll) -> HllRef<'_> {
    HllRef::parse(hll.bytes()).expect("one that was made here")
}

fn registers(hll: HllRef<'_>) -> Result<Vec<u8>, Corrupted> {
    let mut union = Union::new();
    union.add(hll).map(|()| union.registers)
}

/// What redis-server 7.0 makes of the same.
#[test]
fn bytes_are_those_of_redis() {
    let body = |hll: &Hll| hll.bytes()[HEADER_LEN..].to_vec();
    assert_eq!(body(&of(&[])), b"\x7f\xff");
    assert_eq!(body(&of(&["a", "b", "c"])), b"`\xf3\x80P\xb1\x84K\xfb\x80BZ");
    assert_eq!(of(&["a"]).bytes()[..HEADER_LEN], *b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0");
    let mut outdated = of(&["a"]);
    outdated.outdate();
    assert_eq!(view(&outdated).cached(), None);
    assert_eq!(view(&of(&[])).cached(), Some(0));
    assert_eq!(view(&of(&["a", "b", "c", "d", "e", "f", "g"])).count(), Ok(7));
}

#[test]
fn both_forms_hold_the_same_registers() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let (mut sparse, mut dense) =
            (Hll::empty(if seed % 4 == 0 { 400 } else { SPARSE_MAX }), Hll::empty(0));
        assert!(dense.make_dense() && !dense.make_dense());
        let mut plain = vec![0; REGISTERS];
        for _ in 0..random.below(4000) {
            let element = random.below(3000).to_le_bytes();
            let (index, zeros) = register_of(&element);
            let is_less = plain[index] < zeros;
            plain[index] = zeros.max(plain[index]);
            assert_eq!((sparse.add(&element), dense.add(&element)), (is_less, is_less));
            assert!(view(&dense).has_surely_seen(&element));
        }
        assert_eq!(registers(view(&sparse)), Ok(plain.clone()));
        assert_eq!(registers(view(&dense)), Ok(plain));
        assert_eq!(view(&sparse).count(), view(&dense).count());
        assert!(sparse.form() == Form::Dense || sparse.bytes().len() <= sparse.sparse_max);
    }
}

/// Any index and any value, so that runs are split at their ends and joined on both sides.
#[test]
fn registers_are_raised_one_by_one() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut hll = Hll::empty(SPARSE_MAX);
        let mut plain = vec![0; REGISTERS];
        for _ in 0..300 {
            let index = match random.below(3) {
                0 => random.below(12) as usize,
                1 => REGISTERS - 1 - random.below(12) as usize,
                _ => 60 + random.below(12) as usize,
            };
            let value = 1 + random.below(if seed % 10 == 0 { 40 } else { 4 }) as u8;
            assert_eq!(hll.raise(index, value), plain[index] < value);
            plain[index] = value.max(plain[index]);
            assert_eq!(registers(view(&hll)), Ok(plain.clone()), "register {index} to {value}");
        }
        let runs: Vec<Run> = view(&hll).runs().flatten().collect();
        let joinable = |pair: &[Run]| {
            pair[0].value > 0 && pair[0].value == pair[1].value && pair[0].len + pair[1].len <= 2
        };
        assert!(!runs.windows(2).any(joinable), "{runs:?}");
    }
}

#[test]
fn counts_are_near_the_truth() {
    let mut hll = Hll::empty(SPARSE_MAX);
    let mut next = 0u64;
    for number in [1, 10, 100, 1000, 10_000, 100_000, 300_000] {
        while next < number {
            next += 1;
            hll.add(&next.to_le_bytes());
        }
        let error = view(&hll).count().unwrap().abs_diff(number);
        assert!(error as f64 <= 0.03 * number as f64, "{number}: {error}");
    }
    assert_eq!(hll.form(), Form::Dense);
}

#[test]
fn several_are_counted_and_merged_as_one() {
    let (one, other) = (of(&["a", "b", "c"]), of(&["c", "d"]));
    let mut union = Union::new();
    union.add(view(&one)).unwrap();
    union.add(view(&other)).unwrap();
    assert_eq!(union.count(), 4);
    let mut merged = Hll::empty(SPARSE_MAX);
    merged.merge(&union);
    assert_eq!(merged.bytes(), of(&["a", "b", "c", "d"]).bytes());
    let mut dense = of(&["e"]);
    dense.make_dense();
    union.add(view(&dense)).unwrap();
    merged.merge(&union);
    assert_eq!((merged.form(), view(&merged).count()), (Form::Dense, Ok(5)));
}

fn sparse(body: &[u8]) -> Vec<u8> {
    [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", body].concat()
}

#[track_caller]
fn check_corrupted(body: &[u8]) {
    let bytes = sparse(body);
    let hll = HllRef::parse(&bytes).expect("its header is one");
    assert_eq!(hll.count(), Err(Corrupted));
    assert_eq!(registers(hll), Err(Corrupted));
    assert!(Hll::copy_of(hll, SPARSE_MAX).is_err());
}

#[test]
fn runs_that_do_not_add_up_are_refused() {
    check_corrupted(b"");
    check_corrupted(b"\x7f");
    check_corrupted(b"\x7f\xfe");
    check_corrupted(b"\x7f\xff\x00");
    check_corrupted(b"\x7f\xff\x80");
    check_corrupted(b"\x7f\xfe\x81");
    check_corrupted(b"\x7f\xff\x7f\xff");
    check_corrupted(b"\x3f\x7f");
}

/// CVE-2025-32023: so many runs that the sum of their lengths left 32 bits and came out below zero, from where a value
/// was written before the registers.
#[test]
fn cve_2025_32023_no_sum_of_lengths_leaves_its_bounds() {
    let mut body = b"\x7f\xff".repeat((1 << 31) / REGISTERS + 1);
    body.extend(b"\x83\x7f\xff");
    check_corrupted(&body);
    body.truncate((1 << 17) + 1);
    check_corrupted(&body);
}

#[test]
fn any_bytes_are_refused_or_whole() {
    let mut random = Random::new(7);
    let mut whole = 0;
    for _ in 0..20_000 {
        let mut body: Vec<u8> = match random.below(3) {
            0 => (0..random.below(40)).map(|_| random.next_u64() as u8).collect(),
            _ => of(&["a", "b", "c", "d", "e"]).bytes()[HEADER_LEN..].to_vec(),
        };
        for _ in 0..random.below(3) {
            if let Some(byte) = (!body.is_empty()).then(|| random.below(body.len() as u64) as usize) {
                body[byte] ^= 1 << random.below(8);
            }
        }
        let bytes = sparse(&body);
        let hll = HllRef::parse(&bytes).expect("its header is one");
        let Ok(mut copy) = Hll::copy_of(hll, SPARSE_MAX) else { continue };
        whole += 1;
        let mut plain = registers(hll).unwrap();
        for _ in 0..20 {
            let (index, value) = (random.below(REGISTERS as u64) as usize, 1 + random.below(34) as u8);
            copy.raise(index, value);
            plain[index] = value.max(plain[index]);
        }
        assert_eq!(registers(view(&copy)), Ok(plain));
    }
    assert!(whole > 1000, "{whole}");
}

#[test]
fn what_is_no_header_is_no_hyperloglog() {
    let mut dense = of(&["a"]);
    dense.make_dense();
    let dense = dense.bytes();
    assert!(HllRef::parse(dense).is_some());
    for bytes in [b"".as_slice(), b"HYLL", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0", &dense[..DENSE_LEN - 1]] {
        assert!(HllRef::parse(bytes).is_none());
    }
    for (at, byte) in [(0, b'h'), (4, 2), (4, 255)] {
        let mut other = dense.to_vec();
        other[at] = byte;
        assert!(HllRef::parse(&other).is_none());
    }
    assert!(HllRef::parse(&[dense, b"\0"].concat()).is_none());
    // Registers that no hash can fill are counted, to something.
    let full = [&dense[..HEADER_LEN], &[0xFF; DENSE_LEN - HEADER_LEN]].concat();
    assert_eq!(HllRef::parse(&full).unwrap().count(), Ok(1 << 63));
}

#[test]
fn the_test_of_ones_own_passes() {
    (0..3).for_each(|seed| assert_eq!(self_test(seed), Ok(())));
}
