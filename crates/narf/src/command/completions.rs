//! `narf completions`: makes a shell complete command lines of narf.
//!
//! What it prints is a few lines that ask the binary at each TAB, by an environment variable, what may stand there.
//! So that names which only a server knows are offered, and an old script knows the flags of a new binary.
//! Does not know the names: `clap` knows flags and subcommands, `cli` the words of commands.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use clap_complete::engine::{self, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::{complain, exit, print};

/// Names the shell that asks.
pub(super) const VARIABLE: &str = "NARF_COMPLETE";

/// Where shells put the index of the word under the cursor that do not end the line there.
const INDEX_VARIABLE: &str = "_CLAP_COMPLETE_INDEX";

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

const EXAMPLES: &str = "\
Put this where your shell starts:
  bash        source <(narf completions bash)         in ~/.bashrc
  zsh         source <(narf completions zsh)          in ~/.zshrc, behind compinit
  fish        narf completions fish | source          in ~/.config/fish/config.fish
  elvish      eval (narf completions elvish | slurp)  in ~/.config/elvish/rc.elv
  powershell  narf completions powershell | Out-String | Invoke-Expression    in $PROFILE
Packages put the output where the shell looks, such as /usr/share/bash-completion/completions/narf.";

/// `clap_complete` has lines for bash, too, but they lose what stands before a colon, of which keys are full.
const BASH: &str = r#"_narf_complete() {
    local IFS=$'\n'
    COMPREPLY=($(NARF_COMPLETE=bash narf -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -F _narf_complete narf
"#;

/// Its place in the tree.
pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Print what makes a shell complete narf's command lines")
        .after_help(EXAMPLES)
        .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(SHELLS).help("Which shell"))
}

/// Prints the lines for a shell.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let shell = matches.get_one::<String>("shell").map_or("", String::as_str);
    if shell == "bash" {
        return print(BASH);
    }
    let mut script = Vec::new();
    let written = Shells::builtins()
        .completer(shell)
        .map(|completer| completer.write_registration(VARIABLE, "narf", "narf", "narf", &mut script));
    match written {
        Some(Ok(())) => print(&String::from_utf8_lossy(&script)),
        Some(Err(_)) | None => ExitCode::from(exit::FAILED),
    }
}

/// Answers a shell: `args` are ours up to `--`, behind it the words of its line.
pub(super) fn answer(shell: &str, args: Vec<OsString>) -> ExitCode {
    let words: Vec<OsString> = args.into_iter().skip_while(|word| word != "--").skip(1).collect();
    let mut out = Vec::new();
    let done = match (shell, words.split_last()) {
        (_, None) => Err(format!("{VARIABLE} is for shells; unset it")),
        ("bash", Some((current, before))) => answer_bash(before, current, &mut out),
        (shell, Some(_)) => answer_other(shell, words, &mut out),
    };
    match done.and_then(|()| std::io::stdout().write_all(&out).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            complain(&format!("error: {text}\n"));
            ExitCode::from(exit::USAGE)
        }
    }
}

fn answer_bash(before: &[OsString], current: &OsStr, out: &mut Vec<u8>) -> Result<(), String> {
    let Line { words, shown_from } = Line::of_bash(before, current);
    let index = words.len() - 1;
    let mut tree = with_names_of_servers(super::tree(), &words[..index]);
    let candidates = engine::complete(&mut tree, words, index, None).map_err(|error| error.to_string())?;
    for candidate in candidates {
        let text = candidate.get_value().as_bytes();
        out.extend_from_slice(text.get(shown_from..).unwrap_or_default());
        out.push(b'\n');
    }
    Ok(())
}

fn answer_other(shell: &str, words: Vec<OsString>, out: &mut Vec<u8>) -> Result<(), String> {
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| format!("{VARIABLE} is \"{shell}\"; shells are {}", SHELLS.join(", ")))?;
    // Read at once, as the variable that says which shell asks: neither is a setting.
    let index = std::env::var_os(INDEX_VARIABLE).and_then(|index| index.to_str()?.parse().ok());
    let index = index.unwrap_or(usize::MAX).min(words.len() - 1);
    let mut tree = with_names_of_servers(super::tree(), &words[..index]);
    completer.write_complete(&mut tree, words, None, out).map_err(|error| error.to_string())
}

/// A command line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    words: Vec<OsString>,
    /// The shell keeps so many bytes of the last word and wants the rest.
    shown_from: usize,
}

impl Line {
    /// Bash makes words of their own of colons and equals signs, unless they are in quotes.
    fn of_bash(before: &[OsString], current: &OsStr) -> Line {
        let is_mark =
            |word: &OsStr| !word.is_empty() && word.as_bytes().iter().all(|byte| matches!(byte, b':' | b'='));
        let mut words: Vec<Vec<u8>> = Vec::new();
        let (mut is_joined, mut shown_from) = (false, 0);
        for word in before.iter().map(OsString::as_os_str).chain([current]) {
            let is_mark = is_mark(word);
            match words.last_mut().filter(|_| is_mark || is_joined) {
                Some(last) => {
                    // Of a mark, nothing is asked for; of what follows it, only that.
                    shown_from = last.len() + if is_mark { word.len() } else { 0 };
                    last.extend_from_slice(word.as_bytes());
                }
                None => {
                    shown_from = 0;
                    words.push(word.as_bytes().to_vec());
                }
            }
            is_joined = is_mark;
        }
        for word in &mut words {
            // An open quote is the shell's, which also takes the word within it whole.
            if word.first().is_some_and(|byte| matches!(byte, b'"' | b'\'')) {
                word.remove(0);
            }
        }
        Line { words: words.into_iter().map(OsString::from_vec).collect(), shown_from }
    }
}

/// The tree, with the words of commands and names of keys where they are to stand.
fn with_names_of_servers(tree: Command, before: &[OsString]) -> Command {
    // Behind `narf`.
    let Some((verb, typed)) = before.get(1..).and_then(<[OsString]>::split_first) else { return tree };
    let (argument, named) = match verb.to_str() {
        Some("cli") => ("command", Vec::new()),
        Some(verb @ ("get" | "set" | "del")) => ("name", vec![verb.as_bytes().to_vec()]),
        _ => return tree,
    };
    let typed = typed.to_vec();
    let complete = move |current: &OsStr| candidates(&named, &typed, current);
    let offer = |arg: Arg| arg.add(ArgValueCompleter::new(complete));
    tree.mut_subcommand(&*verb.to_string_lossy(), |verb| verb.mut_arg(argument, offer))
}

fn candidates(named: &[Vec<u8>], typed: &[OsString], current: &OsStr) -> Vec<CompletionCandidate> {
    // The line is not whole yet: what it lacks is no error here.
    let parser =
        cli::CliArgs::augment_args(Command::new("narf cli").no_binary_name(true)).ignore_errors(true);
    let parsed = parser.try_get_matches_from(typed);
    let Some(args) = parsed.ok().and_then(|matches| cli::CliArgs::from_arg_matches(&matches).ok()) else {
        return Vec::new();
    };
    let words = args.command.iter().map(|word| word.as_bytes().to_vec());
    let words: Vec<Vec<u8>> = named.iter().cloned().chain(words).collect();
    let found = args.candidates(&words, &current.to_string_lossy());
    let shown = |found: cli::Candidate| CompletionCandidate::new(found.text).help(found.help.map(Into::into));
    found.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as bash takes it apart, and what it is.
    #[track_caller]
    fn check(parts: &[&str], expect: &[&str], shown_from: usize) {
        let parts: Vec<OsString> = parts.iter().map(OsString::from).collect();
        let (current, before) = parts.split_last().unwrap();
        let line = Line { words: expect.iter().map(OsString::from).collect(), shown_from };
        assert_eq!(Line::of_bash(before, current), line, "{parts:?}");
    }

    #[test]
    fn words_that_bash_took_apart_are_whole_again() {
        check(&["narf", "get", "u"], &["narf", "get", "u"], 0);
        check(&["narf", "get", ""], &["narf", "get", ""], 0);
        check(&["narf", "get", "user", ":", "a"], &["narf", "get", "user:a"], 5);
        check(&["narf", "get", "user", ":"], &["narf", "get", "user:"], 5);
        check(&["narf", "get", "a", "::", "b", ":", "c"], &["narf", "get", "a::b:c"], 5);
        check(&["narf", "del", "a", ":", "b", "c"], &["narf", "del", "a:b", "c"], 0);
        check(&["narf", "serve", "--data", "=", "/x"], &["narf", "serve", "--data=/x"], 7);
        check(&["narf", "get", "\"user:a"], &["narf", "get", "user:a"], 0);
    }

    #[track_caller]
    fn offered(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (current, before) = words.split_last().unwrap();
        let mut out = Vec::new();
        answer_bash(before, current, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn commands_flags_and_words_of_redis_are_offered() {
        assert_eq!(offered("narf ser"), ["serve"]);
        assert_eq!(offered("narf cluster inv"), ["invite"]);
        assert_eq!(offered("narf serve --log-l"), ["--log-level"]);
        assert_eq!(offered("narf cli hgeta"), ["hgetall"]);
        assert_eq!(offered("narf cli -n 3 config rese"), ["resetstat"]);
        assert_eq!(offered("narf completions b"), ["bash"]);
        assert!(offered("narf ").contains(&"bench".to_owned()));
    }

    #[test]
    fn every_shell_has_its_lines() {
        for shell in SHELLS {
            assert!(shell == "bash" || Shells::builtins().completer(shell).is_some(), "{shell}");
        }
    }
}
