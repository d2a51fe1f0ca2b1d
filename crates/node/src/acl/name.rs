//! What names and patterns may not hold: they stand between spaces in files and replies.

/// Whether there is a space or a zero byte in it.
pub(crate) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b)
}
