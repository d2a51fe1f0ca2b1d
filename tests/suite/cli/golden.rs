//! What commands put out, in each form, whole: a list of command lines and the file that they make.
//!
//! `NARF_GOLDEN=1` writes the file anew; it is committed only when its difference is understood.

use std::process::Output;

use narf_tests::{skip_unless_narf, words};

use super::{Desk, text};

/// Runs the lines, each as `narf cli LINE`, and compares with the golden file.
#[track_caller]
fn check(name: &str, lines: &str) {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let mut story = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
        let output = desk.run(&words, &[], "");
        story.push_str(&format!("$ narf cli {line}\n"));
        story.push_str(&told(&output));
    }
    compare(name, &story);
}

/// What was put out, then what was said beside it, then the exit code unless it is zero.
fn told(output: &Output) -> String {
    let mut story = text(&output.stdout);
    for said in text(&output.stderr).lines() {
        story.push_str(&format!("! {said}\n"));
    }
    match output.status.code() {
        Some(0) => {}
        code => story.push_str(&format!("= exit code {}\n", code.unwrap())),
    }
    story
}

#[track_caller]
fn compare(name: &str, story: &str) {
    let path = format!("{}/suite/cli/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("NARF_GOLDEN").is_some() {
        std::fs::write(&path, story).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(story, expect, "differs from {path}; NARF_GOLDEN=1 rewrites it");
}

#[test]
fn each_kind_of_reply_in_each_form() {
    let fill = r#"
        mset plain "two words" number 42 quoted "say \"hi\", ok" lines "one\ntwo" empty ""
        hset user name ada visits 3
        sadd colours red
    "#;
    let look = [
        "ping",
        "get plain",
        "get lines",
        "get quoted",
        "get empty",
        "get nothing",
        "incr number",
        "incr plain",
        "mget plain nothing number",
        "hgetall user",
        "hgetall nothing",
        "smembers colours",
        "type user",
        "frobnicate",
        "get",
    ];
    let mut lines = fill.to_owned();
    for form in ["text", "json", "jsonl", "csv"] {
        for command in look {
            lines.push_str(&format!("-o {form} {command}\n"));
        }
    }
    check("forms.txt", &lines);
}

/// Lines of a file, with mistakes among them, in each form.
#[test]
fn commands_from_a_pipe() {
    if skip_unless_narf() {
        return;
    }
    let desk = Desk::new();
    let input = "set k v\n\n  get k  \nget nothing\nincr k\nset \"open\nhset h f 1 g 2\nhgetall h\nfrobnicate\n\
                 echo \"two words\"\nquit\nset after quit\n";
    let mut story = format!("{input}\n");
    for form in ["text", "json", "jsonl", "csv"] {
        let output = desk.run(&["-o", form], &[], input);
        story.push_str(&format!("$ narf cli -o {form} < commands\n"));
        story.push_str(&told(&output));
    }
    compare("pipe.txt", &story);
}

#[test]
fn flags_of_one_command() {
    check(
        "flags.txt",
        r"
        --repeat 3 incr n
        -n 3 set k three
        -n 3 get k
        get k
        --resp2 hset h a 1
        --resp2 -o json hgetall h
        -o json hgetall h
        --every 1ms --repeat 2 get n
        --repeat 0 get n
        --repeat 2
        --timeout 0s ping
        -o xml ping
        --outptu json ping
        -u /no/such/socket --tls ping
        -u 127.0.0.1:1 ping
        -u /no/such/socket ping
        ",
    );
}
