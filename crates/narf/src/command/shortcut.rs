//! `narf get`, `narf set`, `narf del`: the three commands that everyone tries first, as verbs of their own.
//!
//! Each becomes the `narf cli` line that it is short for, so that replies and exit codes are the same.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::{complain, exit};

/// Their places in the tree.
pub(super) fn commands() -> Vec<Command> {
    let key = || Arg::new("name").value_name("KEY").required(true).help("Its name");
    let verb = |name, about| forwarded().into_iter().fold(Command::new(name).about(about), Command::arg);
    let ttl =
        Arg::new("ttl").long("ttl").value_name("TIME").help("Forget it after this time, such as 90s or 10m");
    vec![
        verb("get", "Read a key").arg(key()),
        verb("set", "Write a key")
            .arg(key())
            .arg(
                Arg::new("value")
                    .value_name("VALUE")
                    .required(true)
                    .help("What it holds")
                    .allow_negative_numbers(true),
            )
            .arg(ttl),
        verb("del", "Delete keys").arg(key().num_args(1..)),
    ]
}

/// Runs one of them.
pub(super) fn run(verb: &str, matches: &ArgMatches) -> ExitCode {
    let command = match words(verb, matches) {
        Ok(words) => words,
        Err(text) => {
            complain(&format!("error: {text}\n"));
            return ExitCode::from(exit::USAGE);
        }
    };
    send(command, matches)
}

/// Sends a command as `narf cli` would, with the flags that were given.
pub(super) fn send(command: Vec<String>, matches: &ArgMatches) -> ExitCode {
    match cli_args(command, matches) {
        Ok(args) => args.run(),
        Err(exit) => exit,
    }
}

/// The line of `narf cli` for a command with the flags that were given.
pub(super) fn cli_args(command: Vec<String>, matches: &ArgMatches) -> Result<cli::CliArgs, ExitCode> {
    let mut line = vec![OsString::from("narf cli")];
    line.extend(flags(matches));
    line.push("--".into());
    line.extend(command.into_iter().map(OsString::from));
    let parsed = cli::CliArgs::augment_args(Command::new("narf cli")).try_get_matches_from(line);
    parsed.and_then(|matches| cli::CliArgs::from_arg_matches(&matches)).map_err(|error| {
        let _ = error.print();
        ExitCode::from(exit::USAGE)
    })
}

/// The Redis command.
fn words(verb: &str, matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut words = vec![verb.to_ascii_uppercase()];
    words.extend(matches.get_many::<String>("name").into_iter().flatten().cloned());
    if verb == "set" {
        words.extend(matches.get_one::<String>("value").cloned());
        if let Some(ttl) = matches.get_one::<String>("ttl") {
            words.extend(["PX".to_owned(), millis(ttl)?.to_string()]);
        }
    }
    Ok(words)
}

/// Milliseconds of `250ms`, `90s`, `10m`, `2h`, `1d`, or of bare seconds.
fn millis(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => Some(1),
        "s" | "" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let millis =
        number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let fitting = millis.filter(|&millis| millis > 0 && millis <= i64::MAX.cast_unsigned());
    fitting.ok_or_else(|| format!("--ttl takes a time above zero such as 90s or 10m, not \"{text}\""))
}

/// Flags of `narf cli` that make sense for one plain command.
const FORWARDED: &[&str] = &[
    "url",
    "port",
    "db",
    "user",
    "password_file",
    "askpass",
    "tls",
    "cacert",
    "cert",
    "key",
    "sni",
    "insecure",
    "timeout",
    "resp2",
    "output",
    "color",
    "yes",
    "no_input",
];

pub(super) fn forwarded() -> Vec<Arg> {
    let cli = cli::CliArgs::augment_args(Command::new("cli"));
    cli.get_arguments().filter(|arg| FORWARDED.contains(&arg.get_id().as_str())).cloned().collect()
}

/// Those that were given, to be given on.
fn flags(matches: &ArgMatches) -> Vec<OsString> {
    let mut words = Vec::new();
    for arg in forwarded() {
        let id = arg.get_id().as_str();
        let (Some(long), Some(ValueSource::CommandLine)) = (arg.get_long(), matches.value_source(id)) else {
            continue;
        };
        words.push(OsString::from(format!("--{long}")));
        if arg.get_action().takes_values() {
            words.extend(matches.get_raw(id).into_iter().flatten().map(OsString::from));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_milliseconds() {
        for (text, expect) in
            [("250ms", 250), ("90s", 90_000), ("7", 7000), ("10m", 600_000), ("1d", 86_400_000)]
        {
            assert_eq!(millis(text), Ok(expect), "{text}");
        }
        for text in ["", "s", "0", "-1s", "1.5s", "1w", "99999999999999999999s", "9999999999999999d"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check(line: &str, expect_words: &str, expect_flags: &str) {
        let mut line = line.split(' ');
        let verb = line.next().unwrap();
        let command = commands().into_iter().find(|command| command.get_name() == verb).unwrap();
        let matches = command.try_get_matches_from([verb].into_iter().chain(line)).unwrap();
        assert_eq!(words(verb, &matches).unwrap().join(" "), expect_words);
        let flags: Vec<String> =
            flags(&matches).into_iter().map(|word| word.into_string().unwrap()).collect();
        assert_eq!(flags.join(" "), expect_flags);
    }

    #[test]
    fn a_shortcut_is_the_cli_line_that_it_stands_for() {
        check("get k", "GET k", "");
        check("set -u h:1 -n 3 k v", "SET k v", "--url h:1 --db 3");
        check("get -p 7000 k", "GET k", "--port 7000");
        check("get k -o json", "GET k", "--output json");
        check("set k -5 --ttl 2s", "SET k -5 PX 2000", "");
        check("del a b c", "DEL a b c", "");
    }
}
