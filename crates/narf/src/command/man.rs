//! `narf man`: the manual, one page a command, written from the same tree as the help.
//!
//! For packages, and for who installed the binary alone. The same binary writes the same bytes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_mangen::Man;

use super::{complain, exit, print};

const EXAMPLES: &str = "\
Examples:
  narf man ~/.local/share/man/man1     then: man narf, man narf-serve
  narf man | man -l -                  the first page, without a file";

/// Its place in the tree.
pub(super) fn command() -> Command {
    Command::new("man")
        .about("Write the manual pages into a folder, or the first one to standard output")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Where to put narf.1, narf-serve.1 and so on; made if it is not there"),
        )
}

/// Writes them.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let pages = pages(super::tree());
    let Some(folder) = matches.get_one::<PathBuf>("dir") else {
        return pages.last().map_or(ExitCode::from(exit::FAILED), |(_, text)| print(text));
    };
    match write(folder, &pages) {
        Ok(()) => print(&format!("wrote {} pages into {}\n", pages.len(), folder.display())),
        Err(error) => {
            complain(&format!("error: cannot write manual pages into {}: {error}\n", folder.display()));
            ExitCode::from(exit::FAILED)
        }
    }
}

fn write(folder: &Path, pages: &[(String, String)]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

/// File name and text of each page; the page of the whole is the last.
fn pages(tree: Command) -> Vec<(String, String)> {
    // A page about `help` would say nothing about narf.
    let mut tree = tree.disable_help_subcommand(true);
    tree.build();
    let mut pages = Vec::new();
    add(&tree, &mut pages);
    pages
}

fn add(command: &Command, pages: &mut Vec<(String, String)>) {
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| add(sub, pages));
    // A page has room for what one screen of help leaves out.
    let man = Man::new(command.clone().mut_args(|arg| arg.hide_short_help(false)))
        .source(format!("narf {}", env!("CARGO_PKG_VERSION")))
        .manual("Narf manual".to_owned());
    let mut text = Vec::new();
    // Into memory; and what clap renders is text.
    if man.render(&mut text).is_ok() {
        pages.push((man.get_filename(), String::from_utf8_lossy(&text).into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible_commands(command: &Command) -> usize {
        1 + command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(visible_commands).sum::<usize>()
    }

    #[test]
    fn every_command_has_a_page_of_its_own_name() {
        let pages = pages(super::super::tree());
        assert_eq!(pages.len(), visible_commands(&super::super::tree()));
        for name in ["narf-serve.1", "narf-config-show.1", "narf-cluster-invite.1", "narf-man.1"] {
            assert!(pages.iter().any(|(file, _)| file == name), "{name}");
        }
        assert_eq!(pages.last().map(|(file, _)| file.as_str()), Some("narf.1"));
        for (file, text) in &pages {
            let name = file.trim_end_matches(".1");
            assert!(text.contains(&format!(".TH {name} 1")), "{file}: {text}");
            assert!(text.contains(".SH SYNOPSIS") && text.contains(".SH DESCRIPTION"), "{file}: {text}");
        }
    }

    #[test]
    fn a_setting_is_explained_on_the_page_of_serve_and_secrets_have_no_flag_there() {
        let pages = pages(super::super::tree());
        let (_, serve) = pages.iter().find(|(file, _)| file == "narf-serve.1").unwrap();
        assert!(serve.contains("NARF_PORT") && serve.contains("Examples"), "{serve}");
        assert!(!serve.contains(r"\-\-requirepass"), "{serve}");
    }

    #[test]
    fn every_flag_is_explained_on_its_page() {
        for (file, text) in pages(super::super::tree()) {
            // A flag, and below it what it is for.
            let bare = text
                .split(".TP\n")
                .find(|part| part.starts_with(r"\fB") && part.trim_end().lines().count() < 2);
            assert_eq!(bare, None, "{file}");
        }
    }
}
