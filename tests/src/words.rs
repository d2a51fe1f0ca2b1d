//! A command as a person types it, cut into arguments.

/// Cuts at blanks; `"..."` may hold blanks and the escapes `\r \n \t \" \\ \xHH`, `'...'` is taken as it stands.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut bytes = line.bytes().peekable();
    let mut all = Vec::new();
    loop {
        while bytes.next_if(|byte| byte.is_ascii_whitespace()).is_some() {}
        match bytes.peek() {
            None => return all,
            Some(b'"') => {
                bytes.next();
                all.push(quoted(&mut bytes));
            }
            Some(b'\'') => {
                bytes.next();
                all.push(bytes.by_ref().take_while(|&byte| byte != b'\'').collect());
            }
            Some(_) => {
                let mut word = Vec::new();
                while let Some(byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
                    word.push(byte);
                }
                all.push(word);
            }
        }
    }
}

fn quoted(bytes: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let mut word = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(b'r') => word.push(b'\r'),
                Some(b'n') => word.push(b'\n'),
                Some(b't') => word.push(b'\t'),
                Some(b'x') => {
                    let digits = [bytes.next().unwrap_or(b'?'), bytes.next().unwrap_or(b'?')];
                    let text = std::str::from_utf8(&digits).unwrap();
                    word.push(u8::from_str_radix(text, 16).expect("two hexadecimal digits after \\x"));
                }
                Some(other) => word.push(other),
                None => break,
            },
            other => word.push(other),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_cut_at_blanks_and_quotes_keep_them() {
        let expect: &[&[u8]] = &[b"SET", b"a b", b"", b"\x00\xff\r\n", b"it's \"x\""];
        assert_eq!(words(r#"SET "a b" '' "\x00\xff\r\n" "it's \"x\"" "#), expect);
    }
}
