//! Commands from a pipe or a file, one a line, in the quoting rules of inline commands.
//!
//! What is there is sent at once, so that a file runs pipelined; a program that writes a line and waits for its
//! reply gets it. Replies stay in the order of lines. Invariant: requests without a reply are no more than the
//! kernel's buffers hold.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::time::Duration;

use client::{Connection, Value};
use resp::split_line;

use crate::advice::Advice;
use crate::cli::{exit_of, show};
use crate::exit::{say, say_of_server};
use crate::render::Renderer;
use crate::stream::{self, Interrupt};
use crate::unanswered::Answer;
use crate::{Exit, Failure, unanswered};

const WINDOW_BYTES: usize = 32 << 10;

/// Runs every line; the exit code is that of the first line that failed.
pub(crate) fn run(
    connection: &mut Connection,
    input: impl Read,
    out: impl Write,
    renderer: Renderer,
) -> Result<Exit, Failure> {
    let mut input = BufReader::with_capacity(64 << 10, input);
    let mut pipe = Pipe {
        connection,
        out: BufWriter::new(out),
        renderer: renderer.lines(),
        lines: VecDeque::new(),
        unanswered: 0,
        exit: Exit::Done,
        advice: None,
    };
    let mut line = Vec::new();
    for number in 1.. {
        if !input.buffer().contains(&b'\n') {
            pipe.settle()?;
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match split_line(&line) {
            Err(_) => {
                pipe.settle()?;
                pipe.fail(
                    number,
                    "a quote is not closed, or something follows it; nothing was sent",
                    Exit::Usage,
                );
            }
            Ok(parts) if parts.is_empty() => {}
            Ok(parts) if is_farewell(&parts) => break,
            Ok(parts) if stream::is_streaming(&parts) => {
                pipe.settle()?;
                let interrupt = Interrupt::new()?;
                return interrupt.during(|| {
                    stream::run(pipe.connection, &parts, pipe.renderer, &mut pipe.out, &interrupt)
                });
            }
            Ok(parts) if unanswered::is_shutdown(&parts) => {
                pipe.settle()?;
                match unanswered::call(pipe.connection, &parts, None)? {
                    Answer::Reply(reply) => pipe.take(number, &reply)?,
                    Answer::Stopped | Answer::Interrupted => break,
                }
            }
            Ok(parts) => match unanswered::check(&parts) {
                Ok(()) => pipe.send(number, &parts, line.len())?,
                Err(failure) => {
                    pipe.settle()?;
                    pipe.fail(number, &failure.message(), Exit::Usage);
                }
            },
        }
    }
    pipe.settle()?;
    if let Some(advice) = pipe.advice {
        say(&format!("narf: {advice}"));
    }
    Ok(pipe.exit)
}

pub(crate) fn is_farewell(parts: &[Vec<u8>]) -> bool {
    parts.len() == 1 && [b"quit".as_slice(), b"exit"].iter().any(|word| parts[0].eq_ignore_ascii_case(word))
}

struct Pipe<'a, W: Write> {
    connection: &'a mut Connection,
    out: BufWriter<W>,
    renderer: Renderer,
    /// Numbers of the lines whose replies are still to come, and how long each is waited for once those before it are here.
    lines: VecDeque<(usize, Option<Duration>)>,
    /// Bytes of those lines.
    unanswered: usize,
    exit: Exit,
    /// What to do about the first failure that something can be done about; said once, at the end.
    advice: Option<String>,
}

impl<W: Write> Pipe<'_, W> {
    fn send(&mut self, number: usize, parts: &[Vec<u8>], len: usize) -> Result<(), Failure> {
        if self.unanswered + len > WINDOW_BYTES {
            self.settle()?;
        }
        self.connection.send(parts);
        self.lines.push_back((number, unanswered::patience(parts, self.connection.timeout())));
        self.unanswered += len;
        Ok(())
    }

    /// Sends what was collected and shows every reply.
    fn settle(&mut self) -> Result<(), Failure> {
        if !self.lines.is_empty() {
            self.connection.flush()?;
        }
        let usual = self.connection.timeout();
        while let Some((number, patience)) = self.lines.pop_front() {
            self.wait_for(patience)?;
            let reply = self.connection.receive()?;
            self.take(number, &reply)?;
        }
        self.wait_for(usual)?;
        self.unanswered = 0;
        while let Some(push) = self.connection.take_push() {
            show(&mut self.out, &push, self.renderer)?;
        }
        self.out.flush()?;
        Ok(())
    }

    fn wait_for(&mut self, patience: Option<Duration>) -> Result<(), Failure> {
        if self.connection.timeout() != patience {
            self.connection.set_timeout(patience)?;
        }
        Ok(())
    }

    /// Shows a reply.
    fn take(&mut self, number: usize, reply: &Value) -> Result<(), Failure> {
        if let Value::Error(text) = reply
            && self.advice.is_none()
        {
            self.advice = Advice::CommandLine.on(&[], text);
        }
        match reply {
            Value::Error(text) if !self.renderer.shows_errors() => {
                self.fail(number, text, Exit::of_error_reply(text));
            }
            // A missing key is an answer like any other here.
            reply => {
                self.out.write_all(&self.renderer.render(reply))?;
                if reply.is_error() && self.exit == Exit::Done {
                    self.exit = exit_of(reply);
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, number: usize, text: &str, exit: Exit) {
        say_of_server(&format!("line {number}: {text}"));
        if self.exit == Exit::Done {
            self.exit = exit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, scripted};

    /// Output and exit code for these lines, against a server that answers with the request's last word.
    fn piped(input: &str, format: Format) -> (String, Exit) {
        let mut connection = scripted::connect(|words| match words[0].as_str() {
            "fail" => "-ERR no\r\n".into(),
            "nil" => "$-1\r\n".into(),
            _ => {
                let last = words.last().cloned().unwrap_or_default();
                format!("${}\r\n{last}\r\n", last.len())
            }
        });
        let mut out = Vec::new();
        let renderer = Renderer::new(format, false);
        let exit = run(&mut connection, input.as_bytes(), &mut out, renderer).unwrap();
        (String::from_utf8(out).unwrap(), exit)
    }

    #[test]
    fn replies_follow_the_order_of_lines() {
        assert_eq!(piped("echo 1\n\necho \"a b\"\necho 3", Format::Text), ("1\na b\n3\n".into(), Exit::Done));
    }

    #[test]
    fn more_than_the_window_runs_to_the_end() {
        let input: String = (0..20_000).map(|n| format!("echo {n}\n")).collect();
        let expect: String = (0..20_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(piped(&input, Format::Text), (expect, Exit::Done));
    }

    #[test]
    fn the_first_failure_gives_the_exit_code_and_the_rest_still_runs() {
        assert_eq!(piped("fail\necho \"x\necho 2\n", Format::Text), ("2\n".into(), Exit::Refused));
        assert_eq!(piped("echo \"x\nfail\necho 2\n", Format::Text), ("2\n".into(), Exit::Usage));
    }

    #[test]
    fn in_json_every_reply_is_a_line_errors_too() {
        let (out, exit) = piped("fail\nnil\necho 2\n", Format::Json);
        assert_eq!((out.as_str(), exit), ("{\"error\":\"ERR no\"}\nnull\n\"2\"\n", Exit::Refused));
    }

    #[test]
    fn quit_ends_the_input() {
        assert_eq!(piped("echo 1\nquit\necho 2\n", Format::Text), ("1\n".into(), Exit::Done));
    }
}
