//! Commands that are not answered like others: the one that makes a server silent, and the one that ends it.

use client::{ClientError, Connection, Value};

use crate::Failure;

/// Sends a command and waits for its reply; none if the server has stopped, as it was told to.
pub(crate) fn call(connection: &mut Connection, words: &[Vec<u8>]) -> Result<Option<Value>, Failure> {
    check(words)?;
    match connection.call(words) {
        Ok(reply) => Ok(Some(reply)),
        Err(ClientError::Closed { .. } | ClientError::Lost { .. }) if is_shutdown(words) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a command after which whoever waits for answers waits in vain.
pub(crate) fn check(words: &[Vec<u8>]) -> Result<(), Failure> {
    let is =
        |index: usize, word: &str| words.get(index).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    let is_silencing = is(0, "client") && is(1, "reply") && (is(2, "off") || is(2, "skip"));
    match is_silencing && words.len() == 3 {
        true => Err(Failure::Usage(
            "CLIENT REPLY OFF and SKIP leave nothing to show, and an answer would be waited for in vain; leave it out"
                .into(),
        )),
        false => Ok(()),
    }
}

/// Whether the end of the connection is its answer.
pub(crate) fn is_shutdown(words: &[Vec<u8>]) -> bool {
    words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"shutdown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_silences_the_server_is_refused() {
        let is_refused = |line: &str| check(&resp::split_line(line.as_bytes()).unwrap()).is_err();
        assert!(is_refused("client reply off") && is_refused("CLIENT REPLY Skip"));
        assert!(
            !is_refused("client reply on")
                && !is_refused("client reply")
                && !is_refused("client reply off x")
        );
    }
}
