//! Child processes: run them, watch them, find them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A command that starts at the root of the repository, with cargo's own for cargo.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(if program == "cargo" { cargo.as_str() } else { program });
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Runs it with this terminal, fails if it does.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    run_command(&mut command(program, arguments))
}

/// Runs it with this terminal, fails if it does.
pub(crate) fn run_command(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Whether it runs and is content. Shows nothing.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = command(program, arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What it writes to its output.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = command(program, arguments);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("run `{program}`"))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(&command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs it and shows what it writes to both outputs, line by line, and also returns that. The flag tells whether
/// it was content.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, String)> {
    let shown = shown(command);
    println!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run `{shown}`"))?;
    let errors = child.stderr.take().context("a piped output is there")?;
    let reader = std::thread::spawn(move || echo(errors, &mut std::io::stderr()));
    let mut text = echo(child.stdout.take().context("a piped output is there")?, &mut std::io::stdout())?;
    let errors = reader.join().map_err(|_| anyhow::anyhow!("reading the output of `{shown}` failed"))??;
    text.push_str(&errors);
    Ok((child.wait()?.success(), text))
}

fn echo(from: impl std::io::Read, to: &mut impl Write) -> Result<String> {
    let mut text = String::new();
    for line in BufReader::new(from).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(to, "{line}")?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// Whether a program of this name is on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
