//! `narf cli`: one command, commands from standard input, or a prompt.

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::{Connection, Value};

use crate::advice::Advice;
use crate::connect::parse_duration;
use crate::exit::{finish, say, say_of_server};
use crate::render::Renderer;
use crate::stream::{self, Interrupt};
use crate::unanswered::Answer;
use crate::{Colour, ConnectArgs, Exit, Failure, Format, danger, help, pipe, prompt, secret, unanswered};

/// Run one command, commands from a pipe, or a prompt
///
/// Exit codes: 0 done, 1 the server answered with an error, 2 wrong usage, 3 cannot reach it or timed out,
/// 4 not authenticated or not allowed, 5 nothing there (`get` of a missing key), 130 interrupted.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  narf cli                              a prompt\n  narf cli set hello world\n  \
    narf cli -o json hgetall user:1\n  narf cli --every 1s dbsize            until Ctrl-C\n  \
    narf cli -x set page < page.html\n  narf cli < commands.txt"
)]
pub struct CliArgs {
    /// Where to connect, and as whom.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Database to select
    #[arg(short = 'n', long, value_name = "N")]
    pub db: Option<u16>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,

    /// Run the command this often
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: Option<u64>,

    /// Wait between repetitions; without --repeat until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub every: Option<Duration>,

    /// Take the last argument from standard input
    #[arg(short = 'x', long)]
    pub stdin_last: bool,

    /// Ask nothing before commands that delete much
    #[arg(short, long)]
    pub yes: bool,

    /// Never ask: what would be asked about is refused, unless --yes says yes
    #[arg(long)]
    pub no_input: bool,

    /// Colours; `always` also in a pipe, where text is then as on a terminal
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Colour,

    /// Never show a long answer page by page
    #[arg(long)]
    pub no_pager: bool,

    /// Command and its arguments; without one, commands come from standard input
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

impl CliArgs {
    /// Does it. What fails is said on standard error.
    pub fn run(mut self) -> ExitCode {
        self.connect.db = self.db;
        finish(self.try_run())
    }

    fn try_run(self) -> Result<Exit, Failure> {
        if !self.command.is_empty() {
            return self.run_command();
        }
        if self.stdin_last || self.repeat.is_some() || self.every.is_some() {
            return Err(Failure::Usage("--repeat, --every and -x need a command".into()));
        }
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return prompt::run(&self);
        }
        let mut connection = self.connect.open()?;
        pipe::run(
            &mut connection,
            stdin.lock(),
            std::io::stdout().lock(),
            Renderer::for_stdout(self.output, self.color),
        )
    }

    fn run_command(self) -> Result<Exit, Failure> {
        let mut parts: Vec<Vec<u8>> = self.command.iter().cloned().map(OsString::into_vec).collect();
        // What comes from standard input is nobody else's to see.
        if let Some(warning) = secret::check_command_line(&parts)? {
            say(warning);
        }
        if let Some(topic) = help::topic_of(&parts)
            && !self.stdin_last
        {
            std::io::stdout().write_all(help::answer(&topic).as_bytes())?;
            return Ok(Exit::Done);
        }
        if self.stdin_last {
            let mut last = Vec::new();
            std::io::stdin().lock().read_to_end(&mut last)?;
            // A file with a password ends its line, which is not of the password.
            if secret::is_in(&parts) {
                last.truncate(last.trim_ascii_end().len());
            }
            parts.push(last);
        }
        let renderer = Renderer::for_stdout(self.output, self.color);
        let mut connection = self.connect.open()?;
        if !danger::allows(&self, &parts, &mut connection)? {
            return Ok(Exit::Interrupted);
        }
        if stream::is_streaming(&parts) {
            let interrupt = Interrupt::new()?;
            let mut out = std::io::stdout().lock();
            return interrupt.during(|| stream::run(&mut connection, &parts, renderer, &mut out, &interrupt));
        }
        let rounds = self.repeat.unwrap_or(if self.every.is_some() { u64::MAX } else { 1 });
        let mut exit = Exit::Done;
        for round in 0..rounds {
            if round > 0
                && let Some(every) = self.every
            {
                std::thread::sleep(every);
            }
            exit = run_once(&mut connection, &parts, renderer)?;
        }
        Ok(exit)
    }
}

/// Sends one command, shows its reply, and tells what the reply means.
fn run_once(connection: &mut Connection, parts: &[Vec<u8>], renderer: Renderer) -> Result<Exit, Failure> {
    // Ctrl-C ends the process.
    let reply = match unanswered::call(connection, parts, None)? {
        Answer::Reply(reply) => reply,
        Answer::Stopped => return Ok(Exit::Done),
        Answer::Interrupted => return Ok(Exit::Interrupted),
    };
    tell(parts, &reply, renderer)
}

/// Shows a reply, with advice if it is an error, and tells what it means.
pub(crate) fn tell(parts: &[Vec<u8>], reply: &Value, renderer: Renderer) -> Result<Exit, Failure> {
    show(&mut std::io::stdout().lock(), reply, renderer)?;
    if let Value::Error(text) = reply
        && let Some(advice) = Advice::CommandLine.on(parts, text)
    {
        say(&format!("narf: {advice}"));
    }
    let looks_for_faults =
        parts.iter().map(|word| word.to_ascii_lowercase()).eq([b"fabric".as_slice(), b"check"]);
    match reply {
        Value::Array(found) if looks_for_faults && !found.is_empty() => Ok(Exit::Degraded),
        reply => Ok(exit_of(reply)),
    }
}

/// Writes what another verb has to show as a reply would be; for those that found it without a server.
pub fn print_value(value: &Value, output: Format, color: Colour) -> Exit {
    match show(&mut std::io::stdout().lock(), value, Renderer::for_stdout(output, color)) {
        Ok(()) => Exit::Done,
        Err(failure) => failure.exit(),
    }
}

/// Writes a reply where it belongs: data to `out`, in text an error to standard error.
pub(crate) fn show(out: &mut dyn Write, reply: &Value, renderer: Renderer) -> Result<(), Failure> {
    match reply {
        Value::Error(text) if !renderer.shows_errors() => say_of_server(text),
        reply => {
            out.write_all(&renderer.render(reply))?;
            out.flush()?;
        }
    }
    Ok(())
}

pub(crate) fn exit_of(reply: &Value) -> Exit {
    match reply {
        Value::Error(text) => Exit::of_error_reply(text),
        Value::Null => Exit::Nothing,
        _ => Exit::Done,
    }
}

/// Time since `start` as people read it.
pub(crate) fn elapsed_text(start: Instant) -> String {
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}
