//! Fetches by name what a task needs and the machine lacks. Each fetch is announced before it starts.
//!
//! From the distribution what is a program of its own (redis, a C++ compiler); from crates.io, PyPI and npm what
//! belongs to those; all but the first under `target/`, which `cargo clean` takes away again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{shell, workspace};

/// Where the clients live that the suite drives.
pub(crate) struct Clients {
    /// A Python with `redis`, the reference client.
    pub(crate) python: PathBuf,
    /// A folder of node modules with `ioredis` and `redis`.
    pub(crate) node_modules: PathBuf,
}

impl Clients {
    /// How the suite is told.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("NARF_TEST_PYTHON", &self.python),
            ("NARF_TEST_NODE_MODULES", &self.node_modules),
            // What `require` looks at; `import` does not, and needs the path above.
            ("NODE_PATH", &self.node_modules),
        ]
    }
}

/// All that `cargo xtask test` would fetch.
pub(crate) fn everything() -> Result<()> {
    redis()?;
    clients()?;
    nextest()?;
    fuzzing()
}

/// The server to compare with and its tools.
pub(crate) fn redis() -> Result<()> {
    let missing: Vec<&str> = [("redis-server", "redis-server"), ("redis-cli", "redis-tools")]
        .into_iter()
        .filter(|(program, _)| !shell::is_installed(program))
        .map(|(_, package)| package)
        .collect();
    apt_install(&missing, "the suite compares with the real server and drives the real tools")
}

/// The servers that only a benchmark compares with.
pub(crate) fn peers() -> Result<()> {
    let missing: Vec<&str> = [("etcd", "etcd-server"), ("nats-server", "nats-server")]
        .into_iter()
        .filter(|(program, _)| !shell::is_installed(program))
        .map(|(_, package)| package)
        .collect();
    apt_install(&missing, "the benchmark compares with them")
}

/// Python's and Node's Redis clients.
pub(crate) fn clients() -> Result<Clients> {
    let target = workspace::target();
    let (venv, node) = (target.join("python"), target.join("node"));
    let python = venv.join("bin/python");
    let has_redis = "import redis, sys; sys.exit(int(redis.__version__.split('.')[0]) < 8)";
    if !shell::succeeds(&python.to_string_lossy(), &["-c", has_redis]) {
        announce("redis from PyPI into target/python", "the suite drives redis-py as a user would");
        if shell::run("python3", &["-m", "venv", &venv.to_string_lossy()]).is_err() {
            apt_install(&["python3-venv"], "Python came without its venv module")?;
            shell::run("python3", &["-m", "venv", "--clear", &venv.to_string_lossy()])?;
        }
        shell::run(&python.to_string_lossy(), &["-m", "pip", "install", "--quiet", "redis>=8,<9"])?;
    }
    let node_modules = node.join("node_modules");
    if !node_modules.join("ioredis").is_dir() || !node_modules.join("redis").is_dir() {
        announce("ioredis and redis from npm into target/node", "the suite drives them as a user would");
        let prefix = node.to_string_lossy();
        let quiet = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
        let mut command = shell::command("npm", &quiet);
        shell::run_command(command.args([&*prefix, "ioredis@6", "redis@6"]))?;
    }
    Ok(Clients { python, node_modules })
}

/// The test runner. Without it `cargo test` would do, with one failure hiding the next program's tests.
pub(crate) fn nextest() -> Result<()> {
    cargo_tool("cargo-nextest", "nextest", "each test gets a process and a deadline of its own")
}

/// `cargo deny`, if it is here: building it takes longer than all tests, and its part that can be done without is
/// `cargo xtask licences`.
pub(crate) fn has_deny() -> bool {
    shell::succeeds("cargo", &["deny", "--version"])
}

/// A C++ compiler for libFuzzer.
pub(crate) fn fuzzing() -> Result<()> {
    if shell::is_installed("c++") {
        return Ok(());
    }
    apt_install(&["g++"], "libFuzzer is C++")
}

/// `cargo llvm-cov` and the compiler's tools for it.
pub(crate) fn coverage() -> Result<()> {
    nextest()?;
    cargo_tool("cargo-llvm-cov", "llvm-cov", "coverage is measured with it")?;
    let component = ["component", "add", "llvm-tools"];
    shell::run("rustup", &component).context("llvm-tools come with rustup; without it install them by hand")
}

fn cargo_tool(package: &str, subcommand: &str, reason: &str) -> Result<()> {
    if shell::succeeds("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    announce(&format!("{package} from crates.io (some minutes)"), reason);
    shell::run("cargo", &["install", "--quiet", "--locked", package])
}

/// The packages are installed without starting a service: the suite starts its own servers on its own ports.
fn apt_install(packages: &[&str], reason: &str) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    announce(&format!("{} from the distribution (apt-get)", packages.join(" ")), reason);
    if !shell::is_installed("apt-get") {
        bail!("no apt-get here; install {} by hand", packages.join(" "));
    }
    let needs_sudo = shell::output("id", &["-u"])?.trim() != "0";
    let apt = |arguments: &[&str]| {
        let settings = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
        let prefix = if needs_sudo { &["sudo", "env"][..] } else { &["env"] };
        let mut command = shell::command(prefix[0], &prefix[1..]);
        shell::run_command(command.args(settings).arg("apt-get").args(arguments))
    };
    let install = [&["install", "--yes", "--no-install-recommends", "-qq"], packages].concat();
    if apt(&install).is_ok() {
        return Ok(());
    }
    // The list of packages is old or was never fetched.
    apt(&["update", "-qq"])?;
    apt(&install)
}

fn announce(what: &str, reason: &str) {
    println!("fetching {what}: {reason}");
}
