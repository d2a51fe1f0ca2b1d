//! Which server to talk to, and as whom: flags over environment over default.
//!
//! A password never comes from the command line, where every process of the machine can read it.

use std::path::PathBuf;
use std::time::Duration;

use client::{Connection, Endpoint, Options, Target, Tls, Version};

use crate::{Failure, askpass};

/// Longest wait for a connection where nobody set an end; the system gives up before.
const CONNECT_MAX: Duration = Duration::from_secs(3600);

/// Flags of every verb that connects.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ConnectArgs {
    /// Which server; a password never stands here.
    #[arg(
        help = "Server: redis://[user@]host[:port][/db], rediss:// for TLS, unix:///path, or host:port [env: NARF_URL] [default: redis://127.0.0.1:6379]",
        short,
        long,
        value_name = "URL"
    )]
    pub url: Option<String>,

    /// Short for -u 127.0.0.1:PORT
    #[arg(short, long, value_name = "PORT", conflicts_with = "url")]
    pub port: Option<u16>,

    /// Database to select. A flag of the verbs that have one, since they do not agree on its letter.
    #[arg(skip)]
    pub db: Option<u16>,

    /// User to authenticate as
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// File whose first line is the password [env: NARF_PASSWORD holds the password itself]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Ask for the password at the terminal
    #[arg(long, conflicts_with = "password_file")]
    pub askpass: bool,

    /// Speak TLS, as rediss:// says too
    #[arg(long)]
    pub tls: bool,

    /// File of the authorities that the server's certificate may be from [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Certificate to show the server
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Trust whoever answers over TLS
    #[arg(long, conflicts_with = "cacert")]
    pub insecure: bool,

    /// Name that the server's certificate must be for [default: its host]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,

    /// Longest wait for the server, 0 for no end; commands that wait (BLPOP, WAIT) are given what they say beside it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_patience)]
    pub timeout: Duration,

    /// Speak RESP2 instead of RESP3
    #[arg(long)]
    pub resp2: bool,
}

impl ConnectArgs {
    /// Where to connect, put together from flags and environment.
    pub fn target(&self) -> Result<Target, Failure> {
        let mut target = self.target_with(&|name| std::env::var(name).ok())?;
        if self.askpass {
            let user = target.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
            target.password = Some(askpass::ask(&format!("Password{user} at {}: ", target.endpoint))?);
        }
        if let (Some(user), None) = (&target.user, &target.password) {
            return Err(Failure::Usage(format!(
                "nobody becomes the user {user} without a password: --askpass asks for it, NARF_PASSWORD or \
                 --password-file hold it"
            )));
        }
        Ok(target)
    }

    fn target_with(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Target, Failure> {
        let here = self.port.map(|port| format!("127.0.0.1:{port}"));
        let mut target = match (self.url.as_ref().or(here.as_ref()), environment("NARF_URL")) {
            (Some(url), _) => {
                let target: Target = url.parse()?;
                if target.password.is_some() {
                    return Err(Failure::Usage(
                        "a password on the command line is shown to every process of this machine; put it \
                         into NARF_PASSWORD, NARF_URL or --password-file"
                            .into(),
                    ));
                }
                target
            }
            (None, Some(url)) => url.parse()?,
            (None, None) => Target::default(),
        };
        if let Some(user) = &self.user {
            target.user = Some(user.clone());
        }
        if let Some(db) = self.db {
            target.db = db;
        }
        self.seal(&mut target, environment)?;
        if let Some(path) = &self.password_file {
            target.password = Some(read_password(path)?);
        } else if target.password.is_none() {
            target.password = environment("NARF_PASSWORD");
        }
        Ok(target)
    }

    /// What flags, and the variables that other tools know, say about TLS.
    fn seal(&self, target: &mut Target, environment: &dyn Fn(&str) -> Option<String>) -> Result<(), Failure> {
        let wants = self.tls || self.cacert.is_some() || self.cert.is_some() || self.sni.is_some();
        if !(wants || self.insecure || target.tls.is_some()) {
            return Ok(());
        }
        if let Endpoint::Unix(_) = target.endpoint {
            return Err(Failure::Usage("no TLS is spoken over a unix socket".into()));
        }
        target.tls = Some(Tls {
            authorities: self.cacert.clone().or_else(|| environment("SSL_CERT_FILE").map(PathBuf::from)),
            pair: self.cert.clone().zip(self.key.clone()),
            insecure: self.insecure,
            name: self.sni.clone(),
        });
        Ok(())
    }

    /// How to connect.
    pub fn options(&self) -> Options {
        Options {
            connect_timeout: if self.timeout.is_zero() { CONNECT_MAX } else { self.timeout },
            timeout: Some(self.timeout).filter(|timeout| !timeout.is_zero()),
            version: if self.resp2 { Version::Resp2 } else { Version::Resp3 },
            name: None,
        }
    }

    /// Connects.
    pub fn open(&self) -> Result<Connection, Failure> {
        Ok(Connection::open(&self.target()?, &self.options())?)
    }
}

fn read_password(path: &std::path::Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("cannot read the password from {}: {error}", path.display()))
    })?;
    Ok(text.lines().next().unwrap_or_default().to_string())
}

/// As [`parse_duration`], and zero for no end.
fn parse_patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_duration(text) }
}

/// `250ms`, `5s`, `2m`, `1h`, or seconds without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a time as 250ms, 5s, 2m or 1h".into()),
    };
    let number: f64 = number.parse().map_err(|_| "write a time as 250ms, 5s, 2m or 1h")?;
    Duration::try_from_secs_f64(number * factor)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "a time must be above zero and below an age".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(args: ConnectArgs, environment: &[(&str, &str)]) -> Result<Target, Failure> {
        args.target_with(&|name| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_default() {
        let flags = ConnectArgs { url: Some("h:1".into()), db: Some(3), ..ConnectArgs::default() };
        let env = [("NARF_URL", "redis://:pw@e:2/5")];
        assert_eq!(target(flags, &env).unwrap().to_string(), "redis://h:1/3");
        assert_eq!(target(ConnectArgs::default(), &env).unwrap().to_string(), "redis://:***@e:2/5");
        let port = ConnectArgs { port: Some(7000), ..ConnectArgs::default() };
        assert_eq!(target(port, &env).unwrap().to_string(), "redis://127.0.0.1:7000");
        assert_eq!(target(ConnectArgs::default(), &[]).unwrap().to_string(), "redis://127.0.0.1:6379");
    }

    #[test]
    fn a_password_comes_from_the_environment_but_not_from_a_flag() {
        let flags = ConnectArgs { user: Some("ada".into()), ..ConnectArgs::default() };
        let found = target(flags, &[("NARF_PASSWORD", "pw")]).unwrap();
        assert_eq!((found.user.as_deref(), found.password.as_deref()), (Some("ada"), Some("pw")));
        let flags = ConnectArgs { url: Some("redis://:pw@h".into()), ..ConnectArgs::default() };
        let refused = target(flags, &[]).unwrap_err();
        assert!(refused.message().contains("NARF_PASSWORD"));
        assert!(!refused.message().contains("pw@"));
    }

    #[test]
    fn no_end_is_a_time_to_wait() {
        let options =
            |text| ConnectArgs { timeout: parse_patience(text).unwrap(), ..ConnectArgs::default() }.options();
        assert_eq!((options("0").timeout, options("0").connect_timeout), (None, CONNECT_MAX));
        assert_eq!(options("5s").timeout, Some(Duration::from_secs(5)));
        assert!(parse_patience("-1").is_err());
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in
            [("250ms", 250), ("5s", 5000), ("1.5", 1500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5x", "0s", "-1s", "1e99h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
