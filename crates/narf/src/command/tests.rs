//! The command line as typed.

use super::*;

fn short_help(words: &[&str]) -> String {
    let mut command = tree();
    command.build();
    let mut found = &mut command;
    for word in words {
        found = found.find_subcommand_mut(word).unwrap();
    }
    found.render_help().to_string()
}

#[test]
fn the_tree_is_consistent() {
    tree().debug_assert();
}

#[test]
fn short_help_of_everything_fits_on_a_screen() {
    for words in [
        &[][..],
        &["serve"],
        &["stop"],
        &["get"],
        &["set"],
        &["del"],
        &["cli"],
        &["bench"],
        &["top"],
        &["rescue"],
        &["config"],
        &["config", "show"],
    ] {
        let help = short_help(words);
        assert!(help.lines().count() <= 40, "{words:?} has {} lines\n{help}", help.lines().count());
    }
}

#[test]
fn help_shows_examples() {
    for words in [&[][..], &["serve"], &["stop"], &["rescue"]] {
        assert!(short_help(words).contains("Examples:"), "{words:?}");
    }
}

#[test]
fn every_setting_that_may_be_on_a_command_line_has_a_flag_and_no_other_has() {
    let serve = serve::command();
    for row in server::config::settings::SETTINGS {
        let flag = serve.get_arguments().find(|arg| arg.get_long() == Some(row.key));
        let secret = row.is_secret();
        let expect = !row.is_fact() && !row.hidden;
        assert_eq!(flag.is_some(), expect, "--{}", row.key);
        // The flag of a secret is known so that it can be refused.
        assert_eq!(flag.is_some_and(clap::Arg::is_hide_set), secret, "--{}", row.key);
    }
}

fn flags_of(line: &str) -> Result<server::config::Flags, String> {
    let matches =
        serve::command().try_get_matches_from(line.split(' ')).map_err(|error| error.to_string())?;
    flags::read(&matches)
}

#[test]
fn flags_arrive_as_they_were_written() {
    let flags = flags_of(
        "serve -p 7000 --daemon --no-data=no --mdns no --slowlog-log-slower-than -1 --loglevel debug -vv",
    )
    .unwrap();
    let said: Vec<_> = flags.values.iter().map(|flag| (flag.key.as_str(), flag.value.as_str())).collect();
    let expect = [
        ("port", "7000"),
        ("daemon", "yes"),
        ("no-data", "no"),
        ("mdns", "no"),
        ("log-level", "debug"),
        ("slowlog-log-slower-than", "-1"),
    ];
    assert_eq!(said.len(), expect.len());
    assert!(expect.iter().all(|pair| said.contains(pair)), "{said:?}");
    assert_eq!(flags.verbose, 2);
}

#[test]
fn a_password_on_the_command_line_is_refused_with_the_reason_and_not_repeated() {
    for line in ["serve --requirepass hunter2", "serve --requirepass=hunter2", "serve --password hunter2"] {
        let error = flags_of(line).unwrap_err();
        assert!(error.contains("every user of this machine can read it"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_misspelled_flag_gets_a_suggestion() {
    let error = flags_of("serve --prot 7000").unwrap_err();
    assert!(error.contains("'--port'"), "{error}");
}
