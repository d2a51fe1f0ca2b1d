//! A server for tests: a function from requests to replies, without a socket.

use std::io::{self, Read, Write};
use std::time::Duration;

use client::{Connection, Options, Target, Transport, Version};
use resp::{Decoded, Decoder, Limits};

type Answer = Box<dyn FnMut(&[String]) -> String + Send>;

pub(crate) struct Scripted {
    answer: Answer,
    decoder: Decoder,
    received: Vec<u8>,
    to_read: Vec<u8>,
}

/// A RESP2 connection whose every request is answered by `answer`, in wire form. When all is answered, a read
/// times out.
pub(crate) fn connect(answer: impl FnMut(&[String]) -> String + Send + 'static) -> Connection {
    let scripted = Scripted {
        answer: Box::new(answer),
        decoder: Decoder::new(Limits::CLIENT),
        received: Vec::new(),
        to_read: Vec::new(),
    };
    let options = Options { version: Version::Resp2, ..Options::default() };
    Connection::over(Box::new(scripted), &Target::default(), &options).unwrap()
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received.extend_from_slice(bytes);
        while let Decoded::Request { len } = self.decoder.decode(&self.received).unwrap() {
            let args = self.decoder.args(&self.received);
            let words: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
            self.to_read.extend_from_slice((self.answer)(&words).as_bytes());
            self.received.drain(..len);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_read.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = buffer.len().min(self.to_read.len());
        buffer[..count].copy_from_slice(&self.to_read[..count]);
        self.to_read.drain(..count);
        Ok(count)
    }
}

impl Transport for Scripted {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}
