//! HyperLogLogs: strings from which can be told how many different elements were added, give or take one percent.
//!
//! The bytes are Redis's own, so that values can go to and fro: `HYLL`, a byte for the form, three of nothing, the last
//! count as 64 bits with the lowest byte first, whose top bit says that it is out of date; then 2^14 registers. An
//! element's hash chooses a register and tells how many zeros follow; the register keeps the most that it has seen.
//!
//! | form | registers are |
//! |---|---|
//! | dense (0) | 6 bits each, lowest first: 12288 bytes |
//! | sparse (1) | runs: `00llllll` up to 64 zeros, `01llllll llllllll` up to 2^14 zeros, `1vvvvvll` up to 4 times 1 to 32 |
//!
//! A run's length and value are one more than what is written. Runs are split and joined exactly as Redis does it, so that
//! the same elements in the same order give the same bytes. Sparse registers come from clients too: they are checked as a
//! whole before anything is done with them, each run against the registers that are left, so that no sum of lengths leaves
//! its bounds (the mistake of CVE-2025-32023).
//!
//! Knows no key and no reply.

const MAGIC: &[u8; 4] = b"HYLL";
/// Bytes before the registers.
const HEADER_LEN: usize = 16;
/// Where the count stands.
pub(crate) const COUNT_AT: usize = 8;
/// Of the last byte of the count: it is out of date.
const OUT_OF_DATE: u8 = 0x80;
const INDEX_BITS: u32 = 14;
/// How many there are.
pub(crate) const REGISTERS: usize = 1 << INDEX_BITS;
const DENSE_LEN: usize = HEADER_LEN + REGISTERS * 6 / 8;
/// Most zeros that a hash can show, and the one behind them.
const ZEROS_MAX: usize = 64 - INDEX_BITS as usize + 1;

/// Longest run of one byte of zeros.
const ZERO_RUN_MAX: usize = 64;
/// Longest run of a value.
const VALUE_RUN_MAX: usize = 4;
/// Largest value in a run.
const VALUE_MAX: u8 = 32;

/// How the registers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Dense,
    Sparse,
}

/// Sparse registers that are not as many as there must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupted;

/// A HyperLogLog, borrowed. Invariant: the header is one, and dense registers have their length. Sparse ones may be
/// anything.
#[derive(Clone, Copy)]
pub(crate) struct HllRef<'a> {
    form: Form,
    bytes: &'a [u8],
}

impl<'a> HllRef<'a> {
    /// `None` if the string is no HyperLogLog.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<HllRef<'a>> {
        if bytes.len() < HEADER_LEN || !bytes.starts_with(MAGIC) {
            return None;
        }
        let form = match bytes[4] {
            0 if bytes.len() == DENSE_LEN => Form::Dense,
            1 => Form::Sparse,
            _ => return None,
        };
        Some(HllRef { form, bytes })
    }

    pub(crate) fn form(self) -> Form {
        self.form
    }

    /// The last count, unless something was added since.
    pub(crate) fn cached(self) -> Option<u64> {
        let count = self.bytes.get(COUNT_AT..HEADER_LEN)?.try_into().ok().map(u64::from_le_bytes)?;
        (count >> 63 == 0).then_some(count)
    }

    fn body(self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..]
    }

    /// The runs of sparse registers, whether or not they add up.
    pub(crate) fn runs(self) -> Runs<'a> {
        Runs { bytes: if self.form == Form::Sparse { self.body() } else { &[] } }
    }

    /// Visits values and how many registers in a row have them, from the first register to the last.
    fn visit(self, mut visit: impl FnMut(u8, usize)) -> Result<(), Corrupted> {
        if self.form == Form::Dense {
            (0..REGISTERS).for_each(|index| visit(dense_register(self.body(), index), 1));
            return Ok(());
        }
        let mut left = REGISTERS;
        for run in self.runs() {
            let Run { value, len, .. } = run.ok_or(Corrupted)?;
            left = left.checked_sub(len).ok_or(Corrupted)?;
            visit(value, len);
        }
        if left == 0 { Ok(()) } else { Err(Corrupted) }
    }

    /// Whether an element changes nothing, as far as that can be told at once: of sparse registers it cannot.
    pub(crate) fn has_surely_seen(self, element: &[u8]) -> bool {
        let (index, zeros) = register_of(element);
        self.form == Form::Dense && dense_register(self.body(), index) >= zeros
    }

    /// Whether the registers are whole.
    pub(crate) fn check(self) -> Result<(), Corrupted> {
        if self.form == Form::Dense { Ok(()) } else { self.visit(|_, _| {}) }
    }

    /// How many elements there were, counted anew.
    pub(crate) fn count(self) -> Result<u64, Corrupted> {
        let mut histogram = Histogram::default();
        self.visit(|value, len| histogram.add(value, len))?;
        Ok(histogram.estimate())
    }
}

/// One value for registers in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) value: u8,
    pub(crate) len: usize,
    /// Bytes that it takes: two for zeros that may be many, whatever their number is.
    pub(crate) size: usize,
}

impl Run {
    /// The run at the front; `None` if there is no whole one.
    fn read(bytes: &[u8]) -> Option<Run> {
        let first = *bytes.first()?;
        let low = usize::from(first & 0x3F);
        Some(match first >> 6 {
            0 => Run { value: 0, len: low + 1, size: 1 },
            1 => Run { value: 0, len: (low << 8 | usize::from(*bytes.get(1)?)) + 1, size: 2 },
            _ => Run { value: (first >> 2 & 0x1F) + 1, len: usize::from(first & 3) + 1, size: 1 },
        })
    }

    /// Writes a run behind others in the shortest way.
    fn write(value: u8, len: usize, out: &mut RunBytes) {
        debug_assert!(
            value <= VALUE_MAX && (1..=if value == 0 { REGISTERS } else { VALUE_RUN_MAX }).contains(&len)
        );
        let less = len - 1;
        match value {
            0 if len <= ZERO_RUN_MAX => out.push(less as u8),
            0 => {
                out.push(0x40 | (less >> 8) as u8);
                out.push(less as u8);
            }
            _ => out.push(value_run(value, len)),
        }
    }
}

fn value_run(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// The bytes of up to three runs.
#[derive(Default)]
struct RunBytes {
    bytes: [u8; 5],
    len: usize,
}

impl RunBytes {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

/// Iterates over runs; a `None` within is the last, for what is left is none.
pub(crate) struct Runs<'a> {
    bytes: &'a [u8],
}

impl Iterator for Runs<'_> {
    type Item = Option<Run>;

    fn next(&mut self) -> Option<Option<Run>> {
        if self.bytes.is_empty() {
            return None;
        }
        let run = Run::read(self.bytes);
        self.bytes = &self.bytes[run.map_or(self.bytes.len(), |run| run.size)..];
        Some(run)
    }
}

fn dense_register(body: &[u8], index: usize) -> u8 {
    let (at, bit) = (index * 6 / 8, index * 6 % 8);
    let next = body.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([body[at], next]) >> bit & 0x3F) as u8
}

fn set_dense_register(body: &mut [u8], index: usize, value: u8) {
    let (at, bit) = (index * 6 / 8, index * 6 % 8);
    let next = body.get(at + 1).copied().unwrap_or(0);
    let word = u16::from_le_bytes([body[at], next]) & !(0x3F << bit) | u16::from(value) << bit;
    let [low, high] = word.to_le_bytes();
    body[at] = low;
    // The last register ends with its byte.
    if let Some(next) = body.get_mut(at + 1) {
        *next = high;
    }
}

/// The registers of several HyperLogLogs put together: of each the largest value.
pub(crate) struct Union {
    registers: Vec<u8>,
    /// Whether one of them was dense.
    pub(crate) has_dense: bool,
}

impl Union {
    pub(crate) fn new() -> Union {
        Union { registers: vec![0; REGISTERS], has_dense: false }
    }

    pub(crate) fn add(&mut self, hll: HllRef<'_>) -> Result<(), Corrupted> {
        self.has_dense |= hll.form == Form::Dense;
        let mut registers = self.registers.iter_mut();
        hll.visit(|value, len| {
            registers.by_ref().take(len).for_each(|register| *register = value.max(*register));
        })
    }

    pub(crate) fn count(&self) -> u64 {
        let mut histogram = Histogram::default();
        self.registers.iter().for_each(|&value| histogram.add(value, 1));
        histogram.estimate()
    }

    /// Registers that saw something, with their values.
    fn seen(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        self.registers.iter().copied().enumerate().filter(|(_, value)| *value > 0)
    }

    /// The values of all registers.
    pub(crate) fn registers(&self) -> &[u8] {
        &self.registers
    }
}

/// How many registers have each value.
struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 64])
    }
}

impl Histogram {
    fn add(&mut self, value: u8, registers: usize) {
        self.0[usize::from(value & 0x3F)] += registers as u32;
    }

    /// The estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284,
    /// in the order of Redis's sums.
    fn estimate(&self) -> u64 {
        /// Half of what one is divided by the natural logarithm of two.
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let all = REGISTERS as f64;
        let with = |value: usize| f64::from(self.0[value]);
        let mut sum = all * tau((all - with(ZEROS_MAX)) / all);
        for value in (1..ZEROS_MAX).rev() {
            sum = (sum + with(value)) * 0.5;
        }
        sum += all * sigma(with(0) / all);
        let estimate = (ALPHA * all * all / sum).round();
        // Of registers that no hash can fill: C's word for what is no number.
        if estimate.is_finite() { estimate as i64 as u64 } else { 1 << 63 }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// A HyperLogLog being changed. Invariant: it is whole.
pub(crate) struct Hll {
    bytes: Vec<u8>,
    /// Longest that its sparse form may be, header included: `hll-sparse-max-bytes`.
    sparse_max: usize,
}

impl Hll {
    /// One to which nothing was added.
    pub(crate) fn empty(sparse_max: usize) -> Hll {
        let mut bytes = [MAGIC.as_slice(), &[1], &[0; 11]].concat();
        bytes.extend([0x7F, 0xFF]);
        Hll { bytes, sparse_max }
    }

    /// A copy of one that may be changed.
    pub(crate) fn copy_of(hll: HllRef<'_>, sparse_max: usize) -> Result<Hll, Corrupted> {
        hll.check()?;
        Ok(Hll { bytes: hll.bytes.to_vec(), sparse_max })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn form(&self) -> Form {
        if self.bytes[4] == 0 { Form::Dense } else { Form::Sparse }
    }

    /// Adds an element; whether a register changed.
    pub(crate) fn add(&mut self, element: &[u8]) -> bool {
        let (index, zeros) = register_of(element);
        self.raise(index, zeros)
    }

    /// Puts what several saw into it.
    pub(crate) fn merge(&mut self, union: &Union) {
        if union.has_dense {
            self.make_dense();
        }
        for (index, value) in union.seen() {
            self.raise(index, value);
        }
    }

    /// Notes that something was added since it was counted.
    pub(crate) fn outdate(&mut self) {
        self.bytes[HEADER_LEN - 1] |= OUT_OF_DATE;
    }

    /// Gives the sparse form up; whether it had it.
    pub(crate) fn make_dense(&mut self) -> bool {
        if self.form() == Form::Dense {
            return false;
        }
        let mut dense = vec![0; DENSE_LEN];
        dense[..HEADER_LEN].copy_from_slice(&self.bytes[..HEADER_LEN]);
        dense[4] = 0;
        let mut index = 0;
        for run in (Runs { bytes: &self.bytes[HEADER_LEN..] }).flatten() {
            let end = REGISTERS.min(index + run.len);
            if run.value > 0 {
                (index..end).for_each(|at| set_dense_register(&mut dense[HEADER_LEN..], at, run.value));
            }
            index = end;
        }
        self.bytes = dense;
        true
    }

    /// Lets a register have at least this value; whether it had less.
    fn raise(&mut self, index: usize, value: u8) -> bool {
        if self.form() == Form::Sparse {
            match self.raise_sparse(index, value) {
                Raised::No => return false,
                Raised::Yes => return true,
                Raised::NotAsSparse => self.make_dense(),
            };
        }
        let body = &mut self.bytes[HEADER_LEN..];
        let is_less = dense_register(body, index) < value;
        if is_less {
            set_dense_register(body, index, value);
        }
        is_less
    }

    fn raise_sparse(&mut self, index: usize, value: u8) -> Raised {
        if value > VALUE_MAX {
            return Raised::NotAsSparse;
        }
        // The run of the register, the one before it, and the run's first register.
        let (mut at, mut before, mut first) = (HEADER_LEN, HEADER_LEN, 0);
        let run = loop {
            let Some(run) = Run::read(&self.bytes[at..]) else { return Raised::No };
            if index < first + run.len {
                break run;
            }
            (before, at, first) = (at, at + run.size, first + run.len);
        };
        if run.value >= value {
            return Raised::No;
        }
        let mut new = RunBytes::default();
        if index > first {
            Run::write(run.value, index - first, &mut new);
        }
        Run::write(value, 1, &mut new);
        let behind = first + run.len - 1 - index;
        if behind > 0 {
            Run::write(run.value, behind, &mut new);
        }
        if new.len > run.size && self.bytes.len() + new.len - run.size > self.sparse_max {
            return Raised::NotAsSparse;
        }
        self.bytes.splice(at..at + run.size, new.bytes[..new.len].iter().copied());
        self.join_from(before);
        Raised::Yes
    }

    /// Joins runs of one value that have become neighbours, among the five from `at` on.
    fn join_from(&mut self, mut at: usize) {
        for _ in 0..5 {
            let Some(run) = self.bytes.get(at..).and_then(Run::read) else { return };
            let next = self.bytes.get(at + 1..).and_then(Run::read);
            match next {
                Some(next)
                    if run.value > 0 && next.value == run.value && run.len + next.len <= VALUE_RUN_MAX =>
                {
                    self.bytes[at] = value_run(run.value, run.len + next.len);
                    self.bytes.remove(at + 1);
                }
                _ => at += run.size,
            }
        }
    }
}

/// What became of a register of the sparse form.
enum Raised {
    No,
    Yes,
    /// Its value or the length of the whole does not fit; nothing was changed.
    NotAsSparse,
}

/// The register of an element, and how many zeros its hash shows, the one behind them counted too.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element, 0xADC8_3B19);
    let index = hash & (REGISTERS as u64 - 1);
    // The bit on top ends the zeros where the hash does.
    let zeros = (hash >> INDEX_BITS | 1 << (64 - INDEX_BITS)).trailing_zeros() + 1;
    (index as usize, zeros as u8)
}

/// MurmurHash2 of 64 bits, by Austin Appleby, reading the lowest byte first everywhere.
fn murmur(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0xC6A4_A793_5BD1_E995;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut mixed = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        mixed ^= mixed >> 47;
        hash = (hash ^ mixed.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(FACTOR);
    hash ^ hash >> 47
}

/// `PFSELFTEST`: whether registers keep their values beside each other, and whether counts are near the truth and the
/// same in both forms. Shorter than Redis's, so that no other client waits for long.
pub fn self_test(seed: u64) -> Result<(), String> {
    let mut random = base::Random::new(seed);
    let mut body = vec![0; DENSE_LEN - HEADER_LEN];
    let values: Vec<u8> = (0..REGISTERS).map(|_| random.below(64) as u8).collect();
    for (index, &value) in values.iter().enumerate() {
        set_dense_register(&mut body, index, value);
    }
    for (index, &value) in values.iter().enumerate() {
        let is = dense_register(&body, index);
        if is != value {
            return Err(format!("ERR TESTFAILED Register {index} should be {value} but is {is}"));
        }
    }
    let (mut dense, mut sparse) = (Hll::empty(0), Hll::empty(SELF_TEST_SPARSE_MAX));
    dense.make_dense();
    let (mask, mut checked) = (random.next_u64(), 1u64);
    for number in 1..=SELF_TEST_ELEMENTS {
        let element = (number ^ mask).to_le_bytes();
        dense.add(&element);
        sparse.add(&element);
        if number != checked {
            continue;
        }
        checked *= 10;
        if number < SELF_TEST_SPARSE_MAX as u64 / 2 && sparse.form() != Form::Sparse {
            return Err("ERR TESTFAILED sparse encoding not used".into());
        }
        let counts = [&dense, &sparse].map(|hll| HllRef::parse(&hll.bytes).and_then(|hll| hll.count().ok()));
        let [Some(count), Some(other)] = counts else {
            return Err("ERR TESTFAILED a count is none".into());
        };
        if count != other {
            return Err("ERR TESTFAILED dense/sparse disagree".into());
        }
        // Six times the error that is to be expected; of ten elements two may share a register.
        let allowed = if number == 10 { 1 } else { (number as f64 * 6.0 * 1.04 / 128.0).ceil() as u64 };
        let error = number.abs_diff(count);
        if error > allowed {
            return Err(format!("ERR TESTFAILED Too big error. card:{number} abserr:{error}"));
        }
    }
    Ok(())
}

const SELF_TEST_ELEMENTS: u64 = 100_000;
const SELF_TEST_SPARSE_MAX: usize = 3000;

#[cfg(test)]
mod tests;
