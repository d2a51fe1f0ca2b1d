//! The blobs in which Redis keeps small collections: listpacks, their predecessors ziplists, and rows of integers.
//!
//! Each is visited from front to back; all that its bytes say of themselves must agree.

use super::BadValue;

/// An element of a blob.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element<'a> {
    Bytes(&'a [u8]),
    Number(i64),
}

/// What is done with each element.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Element<'_>) -> Result<(), BadValue>;

/// The number of elements where two bytes do not suffice to say it.
const UNCOUNTED: u16 = u16::MAX;

/// Bytes that are being read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadValue> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadValue)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadValue> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadValue)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, BadValue> {
        self.array().map(|[byte]| byte)
    }

    /// A signed number of `N` bytes, low first.
    fn number<const N: usize>(&mut self) -> Result<i64, BadValue> {
        let bytes: [u8; N] = self.array()?;
        let mut wide = [if bytes[N - 1] & 0x80 == 0 { 0 } else { 0xFF }; 8];
        wide[..N].copy_from_slice(&bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn bytes(&mut self, len: usize) -> Result<Element<'a>, BadValue> {
        self.take(len).map(Element::Bytes)
    }

    /// Ends the elements of a blob: nothing may follow, and there must be as many as it said.
    fn end(&self, said: u16, found: usize) -> Result<(), BadValue> {
        let agrees = said == UNCOUNTED || usize::from(said) == found;
        if self.0.is_empty() && agrees { Ok(()) } else { Err(BadValue) }
    }
}

/// Visits the elements of a listpack.
///
/// ```text
/// bytes u32 | elements u16 | (element | length of the element, backwards)* | FF
/// ```
pub(super) fn each_of_listpack(blob: &[u8], visit: Visit<'_>) -> Result<(), BadValue> {
    let mut reader = Reader(blob);
    let (size, said) = (u32::from_le_bytes(reader.array()?), u16::from_le_bytes(reader.array()?));
    if usize::try_from(size) != Ok(blob.len()) {
        return Err(BadValue);
    }
    let mut found = 0;
    loop {
        let before = reader.0.len();
        let head = reader.byte()?;
        if head == 0xFF {
            return reader.end(said, found);
        }
        let element = listpack_element(head, &mut reader)?;
        let back = Backwards::of(before - reader.0.len());
        if reader.take(back.bytes().len())? != back.bytes() {
            return Err(BadValue);
        }
        visit(element)?;
        found += 1;
    }
}

fn listpack_element<'a>(head: u8, reader: &mut Reader<'a>) -> Result<Element<'a>, BadValue> {
    Ok(match head {
        0x00..=0x7F => Element::Number(head.into()),
        0x80..=0xBF => reader.bytes(usize::from(head & 0x3F))?,
        0xC0..=0xDF => {
            let raw = i64::from(head & 0x1F) << 8 | i64::from(reader.byte()?);
            Element::Number(if raw >= 1 << 12 { raw - (1 << 13) } else { raw })
        }
        0xE0..=0xEF => {
            let len = usize::from(head & 0x0F) << 8 | usize::from(reader.byte()?);
            reader.bytes(len)?
        }
        0xF0 => {
            let len = u32::from_le_bytes(reader.array()?);
            reader.bytes(usize::try_from(len).map_err(|_| BadValue)?)?
        }
        0xF1 => Element::Number(reader.number::<2>()?),
        0xF2 => Element::Number(reader.number::<3>()?),
        0xF3 => Element::Number(reader.number::<4>()?),
        0xF4 => Element::Number(reader.number::<8>()?),
        _ => return Err(BadValue),
    })
}

/// The length behind an element of a listpack, to be read backwards: seven bits a byte, high first, the top bit set on
/// all but the first.
struct Backwards {
    bytes: [u8; 5],
    len: usize,
}

impl Backwards {
    fn of(length: usize) -> Backwards {
        let mut bytes = [0; 5];
        let mut rest = length;
        for (place, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = (rest & 0x7F) as u8;
            rest >>= 7;
            if rest == 0 {
                let len = place + 1;
                bytes[5 - len + 1..].iter_mut().for_each(|byte| *byte |= 0x80);
                bytes.rotate_left(5 - len);
                return Backwards { bytes, len };
            }
        }
        Backwards { bytes, len: 5 }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A listpack in the making.
pub(super) struct Listpack {
    bytes: Vec<u8>,
    len: usize,
}

impl Listpack {
    pub(super) fn new() -> Listpack {
        Listpack { bytes: vec![0; 6], len: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes it has so far.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends an element: as a number if its text is that of one.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let start = self.bytes.len();
        match base::parse_i64(piece) {
            Some(number) => self.push_number(number),
            None => self.push_bytes(piece),
        }
        let back = Backwards::of(self.bytes.len() - start);
        self.bytes.extend_from_slice(back.bytes());
        self.len += 1;
    }

    fn push_number(&mut self, number: i64) {
        let wide = number.to_le_bytes();
        match number {
            0..=0x7F => self.bytes.push(wide[0]),
            -0x1000..=0xFFF => self.bytes.extend_from_slice(&[0xC0 | wide[1] & 0x1F, wide[0]]),
            -0x8000..=0x7FFF => self.push_wide(0xF1, &wide[..2]),
            -0x80_0000..=0x7F_FFFF => self.push_wide(0xF2, &wide[..3]),
            -0x8000_0000..=0x7FFF_FFFF => self.push_wide(0xF3, &wide[..4]),
            _ => self.push_wide(0xF4, &wide),
        }
    }

    fn push_wide(&mut self, head: u8, bytes: &[u8]) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(bytes);
    }

    fn push_bytes(&mut self, piece: &[u8]) {
        match piece.len() {
            len @ 0..=0x3F => self.bytes.push(0x80 | len as u8),
            len @ 0x40..=0xFFF => self.bytes.extend_from_slice(&[0xE0 | (len >> 8) as u8, len as u8]),
            len => self.push_wide(0xF0, &(len as u32).to_le_bytes()),
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Its bytes, whole.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0xFF);
        let size = self.bytes.len() as u32;
        let count = u16::try_from(self.len).unwrap_or(UNCOUNTED);
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// Visits the elements of a ziplist.
///
/// ```text
/// bytes u32 | place of the last element u32 | elements u16 | (length of the element before | element)* | FF
/// ```
pub(super) fn each_of_ziplist(blob: &[u8], visit: Visit<'_>) -> Result<(), BadValue> {
    let mut reader = Reader(blob);
    let size = u32::from_le_bytes(reader.array()?);
    let last = u32::from_le_bytes(reader.array()?);
    let said = u16::from_le_bytes(reader.array()?);
    if usize::try_from(size) != Ok(blob.len()) {
        return Err(BadValue);
    }
    let (mut found, mut before, mut start) = (0, 0, 10);
    loop {
        let here = blob.len() - reader.0.len();
        let mut head = reader.byte()?;
        if head == 0xFF {
            return if usize::try_from(last) == Ok(start) { reader.end(said, found) } else { Err(BadValue) };
        }
        let said_before = match head {
            0xFE => usize::try_from(u32::from_le_bytes(reader.array()?)).map_err(|_| BadValue)?,
            short => usize::from(short),
        };
        if said_before != before {
            return Err(BadValue);
        }
        head = reader.byte()?;
        visit(ziplist_element(head, &mut reader)?)?;
        (start, before) = (here, blob.len() - reader.0.len() - here);
        found += 1;
    }
}

fn ziplist_element<'a>(head: u8, reader: &mut Reader<'a>) -> Result<Element<'a>, BadValue> {
    Ok(match head {
        0x00..=0x3F => reader.bytes(head.into())?,
        0x40..=0x7F => {
            let len = usize::from(head & 0x3F) << 8 | usize::from(reader.byte()?);
            reader.bytes(len)?
        }
        0x80 => {
            let len = u32::from_be_bytes(reader.array()?);
            reader.bytes(usize::try_from(len).map_err(|_| BadValue)?)?
        }
        0xC0 => Element::Number(reader.number::<2>()?),
        0xD0 => Element::Number(reader.number::<4>()?),
        0xE0 => Element::Number(reader.number::<8>()?),
        0xF0 => Element::Number(reader.number::<3>()?),
        0xFE => Element::Number(reader.number::<1>()?),
        0xF1..=0xFD => Element::Number(i64::from(head & 0x0F) - 1),
        _ => return Err(BadValue),
    })
}

/// Visits the members of a row of integers, which ascend.
///
/// ```text
/// width u32: 2, 4 or 8 | members u32 | member, of that width *
/// ```
pub(super) fn each_of_intset(blob: &[u8], visit: Visit<'_>) -> Result<(), BadValue> {
    let mut reader = Reader(blob);
    let (width, said) = (u32::from_le_bytes(reader.array()?), u32::from_le_bytes(reader.array()?));
    let mut last = None;
    let mut found = 0u64;
    while !reader.0.is_empty() {
        let number = match width {
            2 => reader.number::<2>()?,
            4 => reader.number::<4>()?,
            8 => reader.number::<8>()?,
            _ => return Err(BadValue),
        };
        if last.is_some_and(|last| last >= number) {
            return Err(BadValue);
        }
        last = Some(number);
        visit(Element::Number(number))?;
        found += 1;
    }
    if found == u64::from(said) { Ok(()) } else { Err(BadValue) }
}

/// A row of ascending integers as a blob.
pub(super) fn intset(numbers: impl Iterator<Item = i64> + Clone) -> Vec<u8> {
    let fits = |low: i64, high: i64| numbers.clone().all(|number| (low..=high).contains(&number));
    let width = if fits(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    };
    let mut blob = (width as u32).to_le_bytes().to_vec();
    blob.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    for number in numbers {
        blob.extend_from_slice(&number.to_le_bytes()[..width]);
        count += 1;
    }
    blob[4..8].copy_from_slice(&count.to_le_bytes());
    blob
}
