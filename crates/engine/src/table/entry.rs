//! One key with its value, deadline and access clock, behind one pointer and in one allocation.
//!
//! ```text
//! pointer   16 bits of the key's hash | 48 bits of address
//! block     header 8 | deadline 8, if any | payload 8, if any | key length 8, if long | key | inline value | to 8
//! header    form 1 | access clock 3 | key length 2 | inline length 2
//! ```
//!
//! A string up to [`INLINE_MAX`] and a small collection lie inline; an integer is the payload; a longer string and a
//! big collection are boxed behind the payload. So 16 bytes of key, 64 of value and a deadline take 96.
//!
//! Invariants: the header tells the block's size at all times ([`Shape::size`]), so no capacity is kept; the form
//! tells what the payload is; every byte up to the end of the inline value is initialised. This is the only file of
//! the crate with `unsafe`: the block cannot be said in safe Rust, and two boxes a key would cost 40 bytes each.
//!
//! Blocks ask for alignment 1 and words are read unaligned, which costs nothing. With alignment 8, mimalloc 3 takes
//! 7 bytes more to align within, which puts blocks of just a size class (our 96) into the next (112).

#![expect(unsafe_code, reason = "a block whose parts depend on its header; see the invariants above")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::{self, NonNull};

use base::{Millis, round_up};

use crate::value::{Hash, List, Set, ZSet};

/// Longest string that lies in the entry's own block.
pub(crate) const INLINE_MAX: usize = 4096;

/// Longest inline value of any form: what two bytes can count, less some room.
pub(crate) const INLINE_LIMIT: usize = 60_000;

const FORM: u8 = 0x0F;
const LONG_KEY: u8 = 0x10;
const HAS_DEADLINE: u8 = 0x20;
const RAW: u8 = 0x40;
const VISITED: u8 = 0x80;

/// The bits of the form byte that say where the key starts.
const KEY_BITS: u8 = FORM | LONG_KEY | HAS_DEADLINE;

/// Bits of the pointer that are an address; the rest hold the fingerprint.
const ADDRESS: usize = (1 << 48) - 1;
const WORD: usize = 8;

/// What the value is and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// Inline bytes.
    Text = 0,
    /// The payload is an `i64`.
    Int = 1,
    /// The payload is the pointer of a `Box<Vec<u8>>`.
    BigText = 2,
    /// Inline, as `value::small_hash` lays it out.
    SmallHash = 3,
    /// The payload is the pointer of a `Box<Hash>`.
    Hash = 4,
    /// Inline, as `value::int_set` lays it out.
    IntSet = 5,
    /// Inline, as `value::small_set` lays it out.
    SmallSet = 6,
    /// The payload is the pointer of a `Box<Set>`.
    Set = 7,
    /// Inline, as `value::list` lays it out.
    SmallList = 8,
    /// The payload is the pointer of a `Box<List>`.
    List = 9,
    /// Inline, as `value::zset::small` lays it out.
    SmallZSet = 10,
    /// The payload is the pointer of a `Box<ZSet>`.
    ZSet = 11,
}

impl Form {
    const ALL: [Form; 12] = [
        Form::Text,
        Form::Int,
        Form::BigText,
        Form::SmallHash,
        Form::Hash,
        Form::IntSet,
        Form::SmallSet,
        Form::Set,
        Form::SmallList,
        Form::List,
        Form::SmallZSet,
        Form::ZSet,
    ];

    const fn has_payload(self) -> bool {
        match self {
            Form::Text
            | Form::SmallHash
            | Form::IntSet
            | Form::SmallSet
            | Form::SmallList
            | Form::SmallZSet => false,
            Form::Int | Form::BigText | Form::Hash | Form::Set | Form::List | Form::ZSet => true,
        }
    }
}

/// What the payload of a form is the pointer of, in a box.
pub(crate) trait Boxed {
    /// The form. No two types have the same.
    const FORM: Form;
}

impl Boxed for Vec<u8> {
    const FORM: Form = Form::BigText;
}

impl Boxed for Hash {
    const FORM: Form = Form::Hash;
}

impl Boxed for Set {
    const FORM: Form = Form::Set;
}

impl Boxed for List {
    const FORM: Form = Form::List;
}

impl Boxed for ZSet {
    const FORM: Form = Form::ZSet;
}

/// A value on its way into an entry.
pub(crate) enum Body<'a> {
    /// At most [`INLINE_MAX`] bytes.
    Text(&'a [u8]),
    Int(i64),
    BigText(Vec<u8>),
    /// At most [`INLINE_LIMIT`] bytes.
    SmallHash(&'a [u8]),
    Hash(Box<Hash>),
    /// At most [`INLINE_LIMIT`] bytes.
    IntSet(&'a [u8]),
    /// At most [`INLINE_LIMIT`] bytes.
    SmallSet(&'a [u8]),
    Set(Box<Set>),
    /// At most [`INLINE_LIMIT`] bytes.
    SmallList(&'a [u8]),
    List(Box<List>),
    /// At most [`INLINE_LIMIT`] bytes.
    SmallZSet(&'a [u8]),
    ZSet(Box<ZSet>),
}

impl Body<'_> {
    fn form(&self) -> Form {
        match self {
            Body::Text(_) => Form::Text,
            Body::Int(_) => Form::Int,
            Body::BigText(_) => Form::BigText,
            Body::SmallHash(_) => Form::SmallHash,
            Body::Hash(_) => Form::Hash,
            Body::IntSet(_) => Form::IntSet,
            Body::SmallSet(_) => Form::SmallSet,
            Body::Set(_) => Form::Set,
            Body::SmallList(_) => Form::SmallList,
            Body::List(_) => Form::List,
            Body::SmallZSet(_) => Form::SmallZSet,
            Body::ZSet(_) => Form::ZSet,
        }
    }

    fn inline(&self) -> &[u8] {
        match self {
            Body::Text(bytes)
            | Body::SmallHash(bytes)
            | Body::IntSet(bytes)
            | Body::SmallSet(bytes)
            | Body::SmallList(bytes)
            | Body::SmallZSet(bytes) => bytes,
            Body::Int(_)
            | Body::BigText(_)
            | Body::Hash(_)
            | Body::Set(_)
            | Body::List(_)
            | Body::ZSet(_) => &[],
        }
    }
}

/// Where the key starts, by the [`KEY_BITS`] of the form byte: a lookup is cheaper than adding up.
static KEY_AT: [u8; KEY_BITS as usize + 1] = key_places();

const fn key_places() -> [u8; KEY_BITS as usize + 1] {
    let mut places = [0; KEY_BITS as usize + 1];
    let mut bits = 0;
    while bits < places.len() {
        let form = bits & FORM as usize;
        let payload = form < Form::ALL.len() && Form::ALL[form].has_payload();
        let deadline = bits as u8 & HAS_DEADLINE != 0;
        let long_key = bits as u8 & LONG_KEY != 0;
        places[bits] = (1 + payload as u8 + deadline as u8 + long_key as u8) * WORD as u8;
        bits += 1;
    }
    places
}

/// The header, by value.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    form: u8,
    clock: [u8; 3],
    key_len: u16,
    value_len: u16,
}

/// Where the parts of a block lie.
#[derive(Clone, Copy)]
struct Shape {
    deadline: bool,
    payload: bool,
    long_key: bool,
    key_len: usize,
    value_len: usize,
}

impl Shape {
    fn payload_at(self) -> usize {
        WORD + WORD * usize::from(self.deadline)
    }

    fn long_key_at(self) -> usize {
        self.payload_at() + WORD * usize::from(self.payload)
    }

    fn key_at(self) -> usize {
        self.long_key_at() + WORD * usize::from(self.long_key)
    }

    fn value_at(self) -> usize {
        self.key_at() + self.key_len
    }

    fn size(self) -> usize {
        round_up(self.value_at() + self.value_len, WORD)
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.size(), 1).expect("a key and its inline value fit in memory")
    }
}

/// One key with its value, deadline and access clock.
#[repr(transparent)]
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns its block and what the payload points to (what is [`Boxed`]), all of it `Send` and
// `Sync`; no method changes anything through `&self`.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    // -- making and unmaking --------------------------------------------------------------------------------------

    /// A new entry without fingerprint, its clock at zero.
    pub(crate) fn build(key: &[u8], deadline: Option<Millis>, body: Body<'_>) -> Entry {
        let form = body.form();
        let inline = body.inline();
        assert!(inline.len() <= INLINE_LIMIT, "long values are boxed");
        let long_key = key.len() > usize::from(u16::MAX);
        let shape = Shape {
            deadline: deadline.is_some(),
            payload: form.has_payload(),
            long_key,
            key_len: key.len(),
            value_len: inline.len(),
        };
        let flags = if long_key { LONG_KEY } else { 0 } | if shape.deadline { HAS_DEADLINE } else { 0 };
        let header = Header {
            form: form as u8 | flags,
            clock: [0; 3],
            key_len: if long_key { 0 } else { key.len() as u16 },
            value_len: inline.len() as u16,
        };
        let layout = shape.layout();
        // SAFETY: the layout is never empty, it holds at least the header.
        let block = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(block) else { handle_alloc_error(layout) };
        assert!(start.as_ptr().addr() & !ADDRESS == 0, "user space addresses have 48 bits");
        // SAFETY: the block was made of this shape's size and is ours alone, so each part lies within
        // it; `key` and `inline` are other memory.
        unsafe {
            let block = start.as_ptr();
            block.cast::<Header>().write_unaligned(header);
            if let Some(deadline) = deadline {
                block.add(WORD).cast::<u64>().write_unaligned(deadline.0);
            }
            if long_key {
                block.add(shape.long_key_at()).cast::<u64>().write_unaligned(key.len() as u64);
            }
            ptr::copy_nonoverlapping(key.as_ptr(), block.add(shape.key_at()), key.len());
            ptr::copy_nonoverlapping(inline.as_ptr(), block.add(shape.value_at()), inline.len());
            let payload = block.add(shape.payload_at());
            match body {
                Body::Text(_)
                | Body::SmallHash(_)
                | Body::IntSet(_)
                | Body::SmallSet(_)
                | Body::SmallList(_)
                | Body::SmallZSet(_) => {}
                Body::Int(number) => payload.cast::<i64>().write_unaligned(number),
                Body::BigText(text) => {
                    payload.cast::<*mut Vec<u8>>().write_unaligned(Box::into_raw(Box::new(text)))
                }
                Body::Hash(hash) => payload.cast::<*mut Hash>().write_unaligned(Box::into_raw(hash)),
                Body::Set(set) => payload.cast::<*mut Set>().write_unaligned(Box::into_raw(set)),
                Body::List(list) => payload.cast::<*mut List>().write_unaligned(Box::into_raw(list)),
                Body::ZSet(zset) => payload.cast::<*mut ZSet>().write_unaligned(Box::into_raw(zset)),
            }
        }
        Entry(start)
    }

    /// Takes this entry's place, but for the fingerprint, which belongs to the place.
    pub(crate) fn replace(&mut self, mut other: Entry) {
        other.set_fingerprint(self.fingerprint());
        *self = other;
    }

    /// Splits what is boxed off its entry, so that a caller can free it bit by bit.
    pub(crate) fn into_boxed<T: Boxed>(mut self) -> Option<Box<T>> {
        let payload = self.payload(T::FORM)?;
        // SAFETY: `payload` checked the form, which says that this is the pointer of a `Box<T>`. The box is made of it
        // once: the form is changed to one without a boxed payload, of the same size, before the entry is dropped.
        let boxed = unsafe { Box::from_raw(payload.cast::<*mut T>().read_unaligned()) };
        let mut header = self.header();
        header.form = (header.form & !FORM) | Form::Int as u8;
        self.set_header(header);
        Some(boxed)
    }

    // -- the pointer ----------------------------------------------------------------------------------------------

    /// Sixteen bits of the key's hash, kept in the pointer.
    #[inline]
    pub(crate) fn fingerprint(&self) -> u16 {
        (self.0.as_ptr().addr() >> 48) as u16
    }

    #[inline]
    pub(crate) fn set_fingerprint(&mut self, fingerprint: u16) {
        let tag = usize::from(fingerprint) << 48;
        let tagged = self.0.as_ptr().map_addr(|address| (address & ADDRESS) | tag);
        self.0 = NonNull::new(tagged).expect("the address below the tag is not null");
    }

    #[inline]
    fn block(&self) -> *mut u8 {
        self.0.as_ptr().map_addr(|address| address & ADDRESS)
    }

    fn set_block(&mut self, block: *mut u8) {
        assert!(block.addr() & !ADDRESS == 0, "user space addresses have 48 bits");
        let tag = self.0.as_ptr().addr() & !ADDRESS;
        let tagged = block.map_addr(|address| address | tag);
        self.0 = NonNull::new(tagged).expect("a block is never at null");
    }

    /// Asks the processor to fetch the front of the block: two lines, since header, key and a value of usual size
    /// rarely fit one.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.block());
        prefetch(self.block().wrapping_byte_add(64));
    }

    // -- the header -----------------------------------------------------------------------------------------------

    #[inline]
    fn header(&self) -> Header {
        // SAFETY: every block starts with an initialised header.
        unsafe { self.block().cast::<Header>().read_unaligned() }
    }

    #[inline]
    fn set_header(&mut self, header: Header) {
        // SAFETY: as in `header`, and `&mut self` makes the block ours.
        unsafe { self.block().cast::<Header>().write_unaligned(header) }
    }

    #[inline]
    fn shape(&self) -> Shape {
        let header = self.header();
        let mut shape = Shape {
            deadline: header.form & HAS_DEADLINE != 0,
            payload: Form::ALL[usize::from(header.form & FORM)].has_payload(),
            long_key: header.form & LONG_KEY != 0,
            key_len: usize::from(header.key_len),
            value_len: usize::from(header.value_len),
        };
        if shape.long_key {
            shape.key_len = self.long_key_len(shape.key_at());
        }
        shape
    }

    /// What the value is and where it lies.
    #[inline]
    pub(crate) fn form(&self) -> Form {
        Form::ALL[usize::from(self.header().form & FORM)]
    }

    /// The raw access clock: 24 bits that the keyspace gives meaning to.
    #[inline]
    pub(crate) fn clock(&self) -> u32 {
        let [low, middle, high] = self.header().clock;
        u32::from_le_bytes([low, middle, high, 0])
    }

    #[inline]
    pub(crate) fn set_clock(&mut self, clock: u32) {
        let [low, middle, high, _] = clock.to_le_bytes();
        let mut header = self.header();
        header.clock = [low, middle, high];
        self.set_header(header);
    }

    fn flag(&self, flag: u8) -> bool {
        self.header().form & flag != 0
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        let mut header = self.header();
        header.form = if on { header.form | flag } else { header.form & !flag };
        self.set_header(header);
    }

    /// Whether it has a deadline or fields that have: others are not asked.
    #[inline]
    pub(crate) fn may_lapse(&self) -> bool {
        self.flag(HAS_DEADLINE | RAW)
    }

    /// Of a string, whether its encoding is `raw` at any length; of a hash, whether fields have deadlines.
    #[inline]
    pub(crate) fn is_raw(&self) -> bool {
        self.flag(RAW)
    }

    pub(crate) fn set_raw(&mut self, raw: bool) {
        self.set_flag(RAW, raw);
    }

    /// The bit by which a walk tells entries it has seen; see `walk`.
    #[inline]
    pub(crate) fn walk_bit(&self) -> bool {
        self.flag(VISITED)
    }

    #[inline]
    pub(crate) fn set_walk_bit(&mut self, on: bool) {
        self.set_flag(VISITED, on);
    }

    // -- key and deadline -------------------------------------------------------------------------------------------

    /// Its key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let header = self.header();
        let start = usize::from(KEY_AT[usize::from(header.form & KEY_BITS)]);
        let len =
            if header.form & LONG_KEY == 0 { usize::from(header.key_len) } else { self.long_key_len(start) };
        // SAFETY: these are the place and length of the block's key, which is initialised, and lives while the entry
        // is borrowed.
        unsafe { std::slice::from_raw_parts(self.block().add(start), len) }
    }

    #[cold]
    fn long_key_len(&self, key_at: usize) -> usize {
        // SAFETY: only called for a long key, whose length is in the word before it.
        unsafe { self.block().add(key_at - WORD).cast::<u64>().read_unaligned() as usize }
    }

    /// When it lapses, if ever.
    #[inline]
    pub fn deadline(&self) -> Option<Millis> {
        if !self.flag(HAS_DEADLINE) {
            return None;
        }
        // SAFETY: the flag says that the word after the header is the deadline.
        let deadline = Millis(unsafe { self.block().add(WORD).cast::<u64>().read_unaligned() });
        (deadline != Millis::NEVER).then_some(deadline)
    }

    /// A deadline once given keeps its place in the block; without one it reads as never.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Millis>) {
        if !self.flag(HAS_DEADLINE) {
            if deadline.is_none() {
                return;
            }
            self.insert_deadline_word();
        }
        let word = deadline.unwrap_or(Millis::NEVER).0;
        // SAFETY: the flag is set, so the word after the header is the deadline's.
        unsafe { self.block().add(WORD).cast::<u64>().write_unaligned(word) }
    }

    /// Makes room for a deadline behind the header. The word's content is what stood there before.
    fn insert_deadline_word(&mut self) {
        let old = self.shape();
        let new = Shape { deadline: true, ..old };
        self.resize(old, new);
        // SAFETY: the block now has `new`'s size, a word more than the used part had, which moves up by that word. The
        // word that it leaves is written at once, so all stays initialised.
        unsafe {
            let block = self.block();
            let used = old.value_at() + old.value_len - WORD;
            ptr::copy(block.add(WORD), block.add(2 * WORD), used);
            block.add(WORD).cast::<u64>().write_unaligned(Millis::NEVER.0);
        }
        self.set_flag(HAS_DEADLINE, true);
    }

    /// Gives the block the size of another shape. The caller moves the parts and mends the header.
    fn resize(&mut self, old: Shape, new: Shape) {
        if old.size() == new.size() {
            return;
        }
        // SAFETY: the block was made with `old`'s layout; the new size is not zero and within `isize`, as
        // `new.layout()` checks.
        let block = unsafe { realloc(self.block(), old.layout(), new.layout().size()) };
        if block.is_null() {
            handle_alloc_error(new.layout());
        }
        self.set_block(block);
    }

    // -- value ----------------------------------------------------------------------------------------------------

    /// The inline value: a short string's bytes or a small collection; empty for other forms.
    #[inline]
    pub(crate) fn inline(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the inline value of the block's shape is initialised and lives while the entry is borrowed.
        unsafe { std::slice::from_raw_parts(self.block().add(shape.value_at()), shape.value_len) }
    }

    #[inline]
    pub(crate) fn inline_mut(&mut self) -> &mut [u8] {
        let shape = self.shape();
        // SAFETY: as in `inline`, and `&mut self` makes it ours.
        unsafe { std::slice::from_raw_parts_mut(self.block().add(shape.value_at()), shape.value_len) }
    }

    /// Overwrites an inline string by one of the same length: the common case of `SET`. Whether it was one.
    #[inline]
    pub(crate) fn overwrite_text(&mut self, text: &[u8]) -> bool {
        let header = self.header();
        if header.form & (FORM | RAW | LONG_KEY) != Form::Text as u8
            || usize::from(header.value_len) != text.len()
        {
            return false;
        }
        let start = usize::from(KEY_AT[usize::from(header.form & KEY_BITS)]) + usize::from(header.key_len);
        // SAFETY: the form is an inline string of this length, which starts behind the key; `text` is other memory.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), self.block().add(start), text.len()) }
        true
    }

    /// Replaces `removed` bytes of the inline value from `at` on by `parts`. The result is at most [`INLINE_LIMIT`].
    pub(crate) fn splice(&mut self, at: usize, removed: usize, parts: &[&[u8]]) {
        let old = self.shape();
        let inserted: usize = parts.iter().map(|part| part.len()).sum();
        let tail = old.value_len.checked_sub(at + removed).expect("a splice lies within the value");
        let new = Shape { value_len: at + inserted + tail, ..old };
        assert!(new.value_len <= INLINE_LIMIT && !old.payload, "only inline values are spliced");
        let (from, to) = (old.value_at() + at + removed, old.value_at() + at + inserted);
        if inserted > removed {
            self.resize(old, new);
        }
        // SAFETY: `from + tail` is the end of the old value and `to + tail` that of the new; the block now has room
        // for the longer of the two. The parts are other memory, since the entry is borrowed mutably, and fill
        // exactly the gap before `to`.
        unsafe {
            let block = self.block();
            ptr::copy(block.add(from), block.add(to), tail);
            let mut gap = old.value_at() + at;
            for part in parts {
                ptr::copy_nonoverlapping(part.as_ptr(), block.add(gap), part.len());
                gap += part.len();
            }
        }
        if inserted < removed {
            self.resize(old, new);
        }
        let mut header = self.header();
        header.value_len = new.value_len as u16;
        self.set_header(header);
    }

    /// The number of an [`Form::Int`].
    #[inline]
    pub(crate) fn int(&self) -> Option<i64> {
        let payload = self.payload(Form::Int)?.cast::<i64>();
        // SAFETY: `payload` checked the form.
        Some(unsafe { payload.read_unaligned() })
    }

    /// Sets the number of an [`Form::Int`]; whether it is one.
    #[inline]
    pub(crate) fn set_int(&mut self, number: i64) -> bool {
        let Some(payload) = self.payload(Form::Int) else { return false };
        // SAFETY: `payload` checked the form, and the block is ours.
        unsafe { payload.cast::<i64>().write_unaligned(number) };
        true
    }

    /// What is boxed, if the value has its form.
    #[inline]
    pub(crate) fn boxed<T: Boxed>(&self) -> Option<&T> {
        let payload = self.payload(T::FORM)?.cast::<*mut T>();
        // SAFETY: `payload` checked the form; the box lives while the entry is borrowed.
        Some(unsafe { &*payload.read_unaligned() })
    }

    #[inline]
    pub(crate) fn boxed_mut<T: Boxed>(&mut self) -> Option<&mut T> {
        let payload = self.payload(T::FORM)?.cast::<*mut T>();
        // SAFETY: as in `boxed`, and the block is ours.
        Some(unsafe { &mut *payload.read_unaligned() })
    }

    /// The bytes of a [`Form::BigText`].
    pub(crate) fn big_text(&self) -> Option<&Vec<u8>> {
        self.boxed()
    }

    pub(crate) fn big_text_mut(&mut self) -> Option<&mut Vec<u8>> {
        self.boxed_mut()
    }

    /// The table of a [`Form::Hash`].
    #[inline]
    pub(crate) fn big_hash(&self) -> Option<&Hash> {
        self.boxed()
    }

    #[inline]
    pub(crate) fn big_hash_mut(&mut self) -> Option<&mut Hash> {
        self.boxed_mut()
    }

    /// Where the payload is, if the value has this form.
    #[inline]
    fn payload(&self, form: Form) -> Option<*mut u8> {
        (self.form() == form).then(|| {
            let at = WORD + if self.flag(HAS_DEADLINE) { WORD } else { 0 };
            // SAFETY: a form with a payload has its word here, within the block.
            unsafe { self.block().add(at) }
        })
    }

    /// Bytes asked of the allocator for the block itself.
    #[inline]
    pub(crate) fn block_size(&self) -> usize {
        self.shape().size()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let shape = self.shape();
        // SAFETY: the form says what the payload is; it is dropped once, here. The block was made with the layout of
        // its shape, which every change of shape keeps true.
        unsafe {
            let payload = self.block().add(shape.payload_at());
            match self.form() {
                Form::Text
                | Form::Int
                | Form::SmallHash
                | Form::IntSet
                | Form::SmallSet
                | Form::SmallList
                | Form::SmallZSet => {}
                Form::BigText => drop(Box::from_raw(payload.cast::<*mut Vec<u8>>().read_unaligned())),
                Form::Hash => drop(Box::from_raw(payload.cast::<*mut Hash>().read_unaligned())),
                Form::Set => drop(Box::from_raw(payload.cast::<*mut Set>().read_unaligned())),
                Form::List => drop(Box::from_raw(payload.cast::<*mut List>().read_unaligned())),
                Form::ZSet => drop(Box::from_raw(payload.cast::<*mut ZSet>().read_unaligned())),
            }
            dealloc(self.block(), shape.layout());
        }
    }
}

/// Eight slots: one cache line.
pub(super) type Line = [Option<Entry>; 8];

/// The slots of a line that may hold this fingerprint, one bit each, in an order that [`slot_of_bit`] knows. An empty
/// slot may be among them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn matches(line: &Line, fingerprint: u16) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set1_epi64x, _mm_setzero_si128, _mm_slli_epi64, _mm_srli_epi64, _mm_xor_si128,
    };
    let slots: *const __m128i = line.as_ptr().cast();
    // SAFETY: SSE2 is part of x86_64. A line is 64 bytes, four loads of 16; an `Option<Entry>` has the layout of a
    // pointer, all of whose bytes are initialised.
    unsafe {
        let wanted = _mm_set1_epi64x((u64::from(fingerprint) << 48) as i64);
        // What differs from the fingerprint, as a number in the low half of each 8 bytes: 0 where it is the one.
        let differs = |pair: usize| {
            let tagged = _mm_loadu_si128(slots.add(pair));
            _mm_srli_epi64::<48>(_mm_xor_si128(tagged, wanted))
        };
        // Two pairs of slots interleave in one register; packing saturates, which keeps zero zero and nothing else.
        let front = _mm_or_si128(differs(0), _mm_slli_epi64::<32>(differs(1)));
        let back = _mm_or_si128(differs(2), _mm_slli_epi64::<32>(differs(3)));
        let equal = _mm_cmpeq_epi16(_mm_packs_epi32(front, back), _mm_setzero_si128());
        _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) as u32
    }
}

/// The slot that a bit of [`matches`] stands for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn slot_of_bit(bit: usize) -> usize {
    bit & 4 | (bit & 1) << 1 | (bit & 2) >> 1
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn matches(line: &Line, fingerprint: u16) -> u32 {
    let hit = |slot: &Option<Entry>| slot.as_ref().is_some_and(|entry| entry.fingerprint() == fingerprint);
    line.iter().enumerate().fold(0, |bits, (index, slot)| bits | u32::from(hit(slot)) << index)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn slot_of_bit(bit: usize) -> usize {
    bit
}

/// Asks the processor to fetch the cache line at `address`, which need not be valid.
#[inline]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch reads nothing that a program can see and does not fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
