//! The flags of settings, made from the table, and back into what `server::config` reads.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use server::config::settings::{SETTINGS, Section, Setting};
use server::config::{FlagValue, Flags};

/// Keys that `-h` shows; `--help` shows all.
const COMMON: &[&str] = &[
    "port",
    "bind",
    "unix",
    "insecure",
    "workers",
    "pidfile",
    "daemon",
    "data",
    "no-data",
    "ack",
    "log-level",
    "log-format",
];

/// Adds a flag for every setting that can be given on a command line, and those that stand beside them.
pub(super) fn add(command: Command) -> Command {
    let command = command
        .arg(
            path("config", "FILE")
                .short('c')
                .help("Read this file instead of the usual ones")
                .env("NARF_CONFIG"),
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("HOST:PORT")
                .help("Short for --bind and --port")
                .help_heading(Section::Network.title())
                .hide_short_help(true),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .action(ArgAction::Count)
                .help("Log more: -v info, -vv debug, -vvv trace"),
        );
    let command = SECRET_FLAGS.iter().fold(command, |command, flag| {
        // Known only to be refused with the reason.
        command.arg(Arg::new(*flag).long(*flag).num_args(0..=1).hide(true))
    });
    // Behind the settings, so that the headings come in the table's order.
    let password = path("password-file", "FILE")
        .help("Take the password from the first line of this file")
        .help_heading(Section::Security.title());
    settable().fold(command, |command, row| command.arg(flag(row))).arg(password)
}

/// Flags that would put a password where every user of the machine can read it.
const SECRET_FLAGS: &[&str] = &["requirepass", "password", "http-token"];

/// Why a password on the command line is refused.
const SECRET_REFUSED: &str = "\
error: a password is not taken on the command line, where every user of this machine can read it
  = put it into a file that only you can read:  narf serve --password-file FILE
  = or into the environment:                    NARF_REQUIREPASS=... narf serve
  = or into narf.toml:                          requirepass = \"...\"
";

/// The same of the token for metrics.
const TOKEN_REFUSED: &str = "\
error: a token is not taken on the command line, where every user of this machine can read it
  = put it into the environment:  NARF_HTTP_TOKEN=... narf serve
  = or into narf.toml:            http-token = \"...\"
";

/// What was said, for `server::config::resolve`; or why it is refused.
pub(super) fn read(matches: &ArgMatches) -> Result<Flags, String> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if let Some(flag) = SECRET_FLAGS.iter().find(|flag| given(flag)) {
        return Err(if *flag == "http-token" { TOKEN_REFUSED } else { SECRET_REFUSED }.to_owned());
    }
    let value = |key: &str| matches.get_one::<String>(key).cloned().unwrap_or_default();
    let mut values: Vec<FlagValue> = Vec::new();
    for key in ["listen"].into_iter().chain(settable().map(|row| row.key)).filter(|key| given(key)) {
        values.push(FlagValue { flag: format!("--{key}"), key: key.to_owned(), value: value(key) });
    }
    Ok(Flags {
        config: matches.get_one::<PathBuf>("config").cloned(),
        password_file: matches.get_one("password-file").cloned(),
        verbose: matches.get_count("verbose"),
        on_terminal: std::io::stderr().is_terminal(),
        values,
    })
}

fn settable() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|row| !row.is_fact() && !row.is_secret() && !row.hidden)
}

fn path(id: &'static str, value_name: &'static str) -> Arg {
    Arg::new(id).long(id).value_name(value_name).value_parser(value_parser!(PathBuf)).hide_env(true)
}

/// Values are judged by `server::config`, which shows them in the same way as those of files.
fn flag(row: &'static Setting) -> Arg {
    let names = [row.name].into_iter().chain(row.aliases.iter().copied()).filter(|name| *name != row.key);
    let arg = Arg::new(row.key)
        .long(row.key)
        .aliases(names)
        .value_name(row.value_name())
        .help(short_help(row))
        .help_heading(row.section.title())
        .long_help(long_help(row))
        .hide_short_help(!COMMON.contains(&row.key))
        .allow_hyphen_values(!row.is_bool());
    match row.key {
        "port" => arg.short('p'),
        "log-format" => arg.alias("log"),
        _ if row.is_bool() => arg.num_args(0..=1).default_missing_value("yes"),
        _ => arg,
    }
}

/// The help text up to its first stop, and the words if it takes one of a few.
fn short_help(row: &Setting) -> String {
    let end =
        [". ", "; ", ": "].iter().filter_map(|stop| row.help.find(stop)).min().unwrap_or(row.help.len());
    let text = row.help[..end].trim_end_matches('.').replace('`', "");
    match row.value_name() {
        "WORD" => format!("{text} ({})", row.values()),
        _ => text,
    }
}

fn long_help(row: &Setting) -> String {
    let default = if row.default.is_empty() { "none" } else { row.default };
    format!("{}\n[{}] [default: {default}] [env: {}]", row.help.replace('`', ""), row.values(), row.env())
}
