//! Counts replies without building them: the load generator must cost less than the server.
//!
//! Does not check what it does not need; a server under measurement is trusted to speak the protocol.

/// The reply at the start of `bytes`: how long it is and whether it is an error; `None` if it is not whole. Small
/// replies are looked at anew when more has arrived, which is cheaper than to remember.
pub(super) fn next_reply(bytes: &[u8]) -> Option<Reply> {
    let mut at = 0;
    let mut missing = 1usize;
    while missing > 0 {
        let marker = *bytes.get(at)?;
        let end = at + line_end(&bytes[at..])?;
        let number = || length(&bytes[at + 1..end]);
        missing -= 1;
        let next = end + 2;
        at = match marker {
            b'$' | b'=' | b'!' => match number() {
                Some(len) => next + len + 2,
                None => next,
            },
            b'*' | b'~' | b'>' => {
                missing += number().unwrap_or(0);
                next
            }
            b'%' => {
                missing += number().unwrap_or(0) * 2;
                next
            }
            b'|' => {
                missing += number().unwrap_or(0) * 2 + 1;
                next
            }
            _ => next,
        };
    }
    (at <= bytes.len()).then_some(Reply { len: at, is_error: matches!(bytes[0], b'-' | b'!') })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) len: usize,
    pub(super) is_error: bool,
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    bytes.get(end + 1).map(|_| end)
}

/// `None` for the `-1` of a null.
fn length(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0usize, |sum, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(usize::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_measured_whole_or_not_at_all() {
        let replies = [
            "+OK\r\n",
            ":12\r\n",
            "$3\r\nabc\r\n",
            "$-1\r\n",
            "_\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:5\r\n",
            "*0\r\n",
            "%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n",
            "|1\r\n+a\r\n+b\r\n:1\r\n",
        ];
        for reply in replies {
            let followed = format!("{reply}+next\r\n");
            assert_eq!(
                next_reply(followed.as_bytes()),
                Some(Reply { len: reply.len(), is_error: false }),
                "{reply}"
            );
            for cut in 0..reply.len() {
                assert_eq!(next_reply(&reply.as_bytes()[..cut]), None, "{reply} at {cut}");
            }
        }
        assert_eq!(next_reply(b"-ERR no\r\n"), Some(Reply { len: 9, is_error: true }));
    }
}
