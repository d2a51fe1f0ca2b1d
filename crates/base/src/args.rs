//! Arguments of a request as ranges over the bytes they arrived in.
//!
//! Invariant: every span lies within its buffer; [`Args::new`] and [`Request`] check or construct it so, and
//! nothing inside has to check again. Does not know what the arguments mean.

/// A run of bytes within a buffer. 32 bits suffice: a request is at most 512 MiB and its framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

/// The arguments of one request, command name first, borrowed from the buffer they were decoded from.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Views `spans` over `bytes`. A span that reaches past the end reads as empty.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { bytes, spans }
    }

    /// Number of arguments, the command name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`, or `None` past the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        let start = span.start as usize;
        self.bytes.get(start..start + span.len as usize)
    }

    /// Argument `index`, empty past the end. For places where the arity was checked.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.get(index).unwrap_or_default()
    }

    /// The arguments from `from` on.
    pub fn tail(&self, from: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(from..).unwrap_or_default() }
    }

    /// The first `len` arguments.
    pub fn head(&self, len: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(..len).unwrap_or(self.spans) }
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + '_ {
        (0..self.spans.len()).map(|index| self.at(index))
    }

    /// The arguments as slices.
    pub fn to_vec(&self) -> Vec<&'a [u8]> {
        (0..self.spans.len()).map(|index| self.at(index)).collect()
    }

    /// Where the arguments lie in the buffer they are viewed over.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// Sum of the lengths of all arguments.
    pub fn bytes_len(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

/// A request that owns its bytes: what is queued, sent to another worker, or built by the node itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Request {
    /// An empty request; push the command name first.
    pub fn new() -> Request {
        Request::default()
    }

    /// A copy of `args`, as one block.
    pub fn copy_of(args: Args<'_>) -> Request {
        let mut request =
            Request { bytes: Vec::with_capacity(args.bytes_len()), spans: Vec::with_capacity(args.len()) };
        args.iter().for_each(|arg| request.push(arg));
        request
    }

    /// Collects arguments given as byte strings.
    pub fn from_parts<I, T>(parts: I) -> Request
    where
        I: IntoIterator<Item = T>,
        T: AsRef<[u8]>,
    {
        let mut request = Request::new();
        parts.into_iter().for_each(|part| request.push(part.as_ref()));
        request
    }

    /// Appends one argument. Past 4 GiB in all the argument is dropped, which no decoder lets happen.
    pub fn push(&mut self, arg: &[u8]) {
        let (Ok(start), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(arg.len())) else {
            return;
        };
        self.bytes.extend_from_slice(arg);
        self.spans.push(Span { start, len });
    }

    /// The arguments, borrowed.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Forgets the arguments and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_request_reads_back_what_was_pushed() {
        let request = Request::from_parts(["SET", "k", ""]);
        let args = request.args();
        assert_eq!(args.iter().collect::<Vec<_>>(), [b"SET".as_slice(), b"k", b""]);
        assert_eq!(args.tail(1).at(0), b"k");
        assert_eq!(args.get(3), None);
        assert_eq!(Request::copy_of(args), request);
    }

    #[test]
    fn a_span_past_the_end_reads_as_empty() {
        let spans = [Span { start: 1, len: 9 }];
        assert_eq!(Args::new(b"abc", &spans).at(0), b"");
    }
}
