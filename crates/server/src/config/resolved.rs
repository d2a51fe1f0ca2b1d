//! The merge, and the checks that need more than one setting.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use node::acl;
use node::settings::{self, LogLevel, SETTINGS, Setting, Settings};

use crate::client_tls::ClientTls;
use crate::enter::Join;

use super::file::{self, File};
use super::origin::{Origin, Origins};
use super::problem::{ConfigError, Place, Problem};
use super::raw::{Environment, FlagValue, Flags};

/// The log of a daemon, in its data folder.
pub(crate) const LOG_FILE: &str = "narf.log";

/// Longest path of a unix socket, its closing zero left out.
const SOCKET_PATH_MAX: usize = 107;

/// Variables of ours that are not settings and look a little like one.
const OTHER_VARS: &[&str] = &["NARF_CONFIG", "NARF_PASSWORD", "NARF_PASSWORD_FILE", "NARF_RUNTIME_DIR"];

/// A configuration to run by.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Every value, within its bounds.
    pub settings: Settings,
    /// Where each came from.
    pub origins: Origins,
    /// The file that was read; `CONFIG REWRITE` writes to it.
    pub file: Option<PathBuf>,
    /// What should be logged once logging is up.
    pub warnings: Vec<String>,
    /// Users of the file, name and rules.
    pub users: Vec<String>,
    /// Whether everybody can come in as the `default` that they name, if they do.
    pub default_is_open: Option<bool>,
}

impl Resolved {
    /// Whether a port was asked for. If not, a port that is taken is no error.
    pub fn port_is_explicit(&self) -> bool {
        *self.origins.of_name("port") != Origin::Default
    }

    /// Whether a data folder was asked for. If not, one that another process has is no error.
    pub fn folder_is_explicit(&self) -> bool {
        *self.origins.of_name("dir") != Origin::Default
    }

    /// How many partitions were asked for, if anybody has said.
    pub fn partitions_asked(&self) -> Option<u16> {
        match self.origins.of_name("partitions") {
            Origin::Default | Origin::Derived(_) => None,
            Origin::File { .. } | Origin::Env(_) | Origin::Flag(_) => Some(self.settings.partitions),
        }
    }

    /// Whether there is to be plain TCP: `port 0` beside `tls-port` or a unix socket says no. Port 0 alone takes any free
    /// port.
    pub fn wants_tcp(&self) -> bool {
        let settings = &self.settings;
        settings.port != 0 || (settings.unixsocket.is_none() && settings.tls.port == 0)
    }

    /// Whether the log has a file that nobody named.
    pub(crate) fn logfile_is_derived(&self) -> bool {
        matches!(self.origins.of_name("logfile"), Origin::Derived(_))
    }

    /// Where the process id is kept: where it was asked for, else in the data folder.
    pub fn pidfile(&self) -> Option<PathBuf> {
        match &self.settings.pidfile {
            Some(path) => Some(path.clone()),
            None if self.settings.no_data => None,
            None => Some(self.settings.dir.join("narf.pid")),
        }
    }

    /// Whether who comes has to say who he is.
    pub fn needs_password(&self) -> bool {
        needs_password(&self.settings, self.default_is_open)
    }

    /// Whether only this machine can connect.
    pub fn is_local_only(&self) -> bool {
        !(self.wants_tcp() || self.settings.tls.port != 0)
            || self.settings.bind.iter().all(|word| is_loopback(word))
    }
}

/// Resolves the configuration of this process.
pub fn resolve(flags: &Flags) -> Result<Resolved, ConfigError> {
    resolve_in(flags, &Environment::of_process())
}

/// [`resolve`] with the environment as an argument.
pub fn resolve_in(flags: &Flags, env: &Environment) -> Result<Resolved, ConfigError> {
    let mut merge = Merge::new();
    let file = file::read(flags.config.as_deref(), env)?;
    if let Some(file) = &file {
        merge.file(file);
    }
    merge.env(env);
    merge.password_file(flags, env);
    for flag in &flags.values {
        merge.flag(flag);
    }
    merge.derive(flags);
    if let Some(file) = &file {
        merge.users(file);
    }
    merge.check_addresses();
    merge.check_http();
    merge.check_tls();
    merge.check_rest();
    if !merge.problems.is_empty() {
        return Err(ConfigError { problems: merge.problems });
    }
    let Merge { settings, origins, warnings, users, default_is_open, .. } = merge;
    Ok(Resolved { settings, origins, file: file.map(|file| file.path), warnings, users, default_is_open })
}

struct Merge {
    settings: Settings,
    origins: Origins,
    /// Where each setting was last written, for problems found afterwards.
    places: Vec<(&'static str, Place)>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    users: Vec<String>,
    /// As [`Resolved`] has it.
    default_is_open: Option<bool>,
}

impl Merge {
    fn new() -> Merge {
        Merge {
            settings: Settings::new(),
            origins: Origins::all_default(),
            places: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            users: Vec::new(),
            default_is_open: None,
        }
    }

    fn put(&mut self, row: &'static Setting, value: &str, origin: Origin, place: Place) {
        match self.settings.set_at_start(row, value) {
            Ok(()) => {
                self.origins.put(row, origin);
                self.places.retain(|(name, _)| *name != row.name);
                self.places.push((row.name, place));
            }
            Err(reason) => {
                let shown = if row.is_secret() { "(hidden)".to_owned() } else { format!("\"{value}\"") };
                let fact = format!("`{}` {}, not {shown}", row.key, reason.for_person());
                self.problems.push(Problem::new(fact).at(place));
            }
        }
    }

    fn file(&mut self, file: &File) {
        let (entries, problems) = file::entries(file);
        self.problems.extend(problems);
        for entry in entries {
            let line = file.line(entry.span.start);
            if entry.row.is_secret() {
                self.warn_if_readable(&file.path);
            }
            let origin = Origin::File { path: file.path.clone(), line };
            self.put(entry.row, &entry.text, origin, file.place(entry.span));
        }
    }

    /// After the settings, as what a new user may listen to is one.
    fn users(&mut self, file: &File) {
        let (lines, problems) = file::users(file);
        self.problems.extend(problems);
        let mut names: Vec<Vec<u8>> = Vec::new();
        for line in lines {
            let place = file.place(line.span);
            let glance = acl::file::glance(&line.text, self.settings.acl_pubsub_default.is_all());
            let glance = glance.and_then(|glance| match names.contains(&glance.name) {
                true => Err(format!("the user {} is there twice", String::from_utf8_lossy(&glance.name))),
                false => Ok(glance),
            });
            match glance {
                Ok(glance) => {
                    if glance.has_plain_password {
                        self.warn_if_readable(&file.path);
                    }
                    if glance.name == b"default" {
                        self.default_is_open = Some(glance.is_open);
                    }
                    names.push(glance.name);
                    self.users.push(line.text);
                }
                Err(reason) => {
                    self.problems.push(Problem::new(format!("a user of `users`: {reason}")).at(place))
                }
            }
        }
        if !self.users.is_empty() && self.settings.aclfile.is_some() {
            let problem = Problem::new("users are in `users` and in `aclfile`")
                .way_out("put all of them in one of the two");
            self.problem_at("aclfile", problem);
        }
    }

    fn env(&mut self, env: &Environment) {
        // Facts too: whoever asks for a memory limit must hear that there is none.
        for row in SETTINGS {
            let by_name = format!("NARF_{}", row.name.replace('-', "_").to_ascii_uppercase());
            let by_name = (by_name != row.env()).then_some(by_name);
            let password = (row.name == "requirepass").then(|| "NARF_PASSWORD".to_owned());
            for name in [password, by_name, Some(row.env())].into_iter().flatten() {
                if let Some(value) = env.var(&name) {
                    let shown = if row.is_secret() { "********" } else { value };
                    self.put(row, value, Origin::Env(name.clone()), Place::in_env(&name, shown));
                }
            }
        }
        // Other programs of ours have variables too, so only a slip of the pen is worth a word.
        for (name, _) in env.vars.iter().filter(|(name, _)| !OTHER_VARS.contains(&name.as_str())) {
            let Some(key) = name.strip_prefix("NARF_").map(|key| key.replace('_', "-")) else { continue };
            if settings::find(&key).is_none()
                && let Some(near) = settings::nearest_key(&key)
            {
                let near = near.replace('-', "_").to_ascii_uppercase();
                self.warnings.push(format!(
                    "environment variable {name} names no setting and is ignored; did you mean NARF_{near}?"
                ));
            }
        }
    }

    fn password_file(&mut self, flags: &Flags, env: &Environment) {
        let (path, source) = match (&flags.password_file, env.var("NARF_PASSWORD_FILE")) {
            (Some(path), _) => (path.clone(), "--password-file"),
            (None, Some(path)) => (PathBuf::from(path), "NARF_PASSWORD_FILE"),
            (None, None) => return,
        };
        let shown = path.display().to_string();
        let place = if source.starts_with("--") {
            Place::in_flag(source, &shown)
        } else {
            Place::in_env(source, &shown)
        };
        match std::fs::read_to_string(&path) {
            Err(error) => {
                let fact = format!("cannot read the password file {shown}: {error}");
                self.problems.push(Problem::new(fact).at(place));
            }
            Ok(text) => match text.lines().next().unwrap_or_default() {
                "" => {
                    let fact = format!("the first line of the password file {shown} is empty");
                    self.problems.push(Problem::new(fact).at(place));
                }
                password => {
                    self.warn_if_readable(&path);
                    let row = settings::find("requirepass").expect("requirepass is in the table");
                    self.put(row, password, Origin::Flag(format!("{source} {shown}")), place);
                }
            },
        }
    }

    fn flag(&mut self, flag: &FlagValue) {
        let place = Place::in_flag(&flag.flag, &flag.value);
        if flag.key == "listen" {
            return self.listen(flag, place);
        }
        match settings::find(&flag.key) {
            Some(row) => self.put(row, &flag.value, Origin::Flag(flag.flag.clone()), place),
            None => self.problems.push(Problem::new(format!("unknown setting `{}`", flag.key)).at(place)),
        }
    }

    /// `--listen HOST:PORT`, either half of which may be left out.
    fn listen(&mut self, flag: &FlagValue, place: Place) {
        let Some((host, port)) = split_listen(&flag.value) else {
            let fact = format!("`--listen` takes HOST:PORT, :PORT or HOST, not \"{}\"", flag.value);
            return self
                .problems
                .push(Problem::new(fact).at(place).note("an IPv6 host stands in [brackets]"));
        };
        for (name, value) in [("bind", host), ("port", port)] {
            if let Some(value) = value {
                let row = settings::find(name).expect("bind and port are in the table");
                self.put(row, value, Origin::Flag(flag.flag.clone()), place.clone());
            }
        }
    }

    /// Defaults that depend on the machine or on other settings.
    fn derive(&mut self, flags: &Flags) {
        if self.settings.workers == 0 {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            self.settings.workers = u16::try_from(cores).unwrap_or(u16::MAX).min(1024);
            self.derived("workers", "one a core");
        }
        if self.settings.partitions == 0 {
            self.settings.partitions = settings::partitions_for(self.settings.workers);
            self.derived("partitions", "eight a worker, 16 to 256");
        }
        if *self.origins.of_name("loglevel") == Origin::Default {
            let shares_screen =
                flags.on_terminal && self.settings.logfile.is_none() && !self.settings.daemonize;
            match flags.verbose {
                0 if shares_screen => {
                    self.settings.loglevel = LogLevel::Warn;
                    self.derived("loglevel", "as logs go to a terminal; -v shows more");
                }
                0 => {}
                1 => self.put_verbose(LogLevel::Info, "-v"),
                2 => self.put_verbose(LogLevel::Debug, "-vv"),
                _ => self.put_verbose(LogLevel::Trace, "-vvv"),
            }
        }
        // A daemon has no standard error; its log must go somewhere or a failure later is silent.
        if self.settings.daemonize && self.settings.logfile.is_none() {
            // The folder may turn out to be another, and so may the file beside other daemons' (`serve` sees to it).
            let folder = if self.settings.no_data { Path::new("") } else { &self.settings.dir };
            self.settings.logfile = Some(folder.join(LOG_FILE));
            self.derived("logfile", "as a daemon has no standard error");
        }
    }

    fn put_verbose(&mut self, level: LogLevel, flag: &str) {
        self.settings.loglevel = level;
        let row = settings::find("loglevel").expect("loglevel is in the table");
        self.origins.put(row, Origin::Flag(flag.to_owned()));
    }

    fn derived(&mut self, name: &str, why: &'static str) {
        let row = settings::find(name).expect("callers name rows of the table");
        self.origins.put(row, Origin::Derived(why));
    }

    fn check_addresses(&mut self) {
        if self.settings.bind.is_empty() {
            let problem =
                Problem::new("`bind` is empty: there is nothing to listen on").way_out("use 127.0.0.1");
            self.problem_at("bind", problem);
        }
        let words = self.settings.bind.clone();
        for word in words.iter().filter(|word| !is_address(word)) {
            let problem = Problem::new(format!("`bind` takes addresses without a port, not \"{word}\""))
                .way_out("such as 127.0.0.1, ::1, 0.0.0.0 or a host name; the port is `port`");
            self.problem_at("bind", problem);
        }
        let open = words.iter().find(|word| is_address(word) && !is_loopback(word));
        let has_socket_only =
            self.settings.port == 0 && self.settings.tls.port == 0 && self.settings.unixsocket.is_some();
        if let Some(address) = open
            && !has_socket_only
            && !needs_password(&self.settings, self.default_is_open)
            && !self.settings.insecure
        {
            let problem = Problem::new(format!(
                "refusing to listen on {address} without a password: whoever reaches this machine could read and \
                 erase everything"
            ))
            .way_out("set a password:  narf serve --password-file FILE   or   NARF_REQUIREPASS=... narf serve")
            .way_out("or serve this machine only:  leave `bind` at 127.0.0.1")
            .way_out("or, where nobody else can reach it:  --insecure");
            self.problem_at("bind", problem);
        }
    }

    /// The port for HTTP knows no users, so other machines need the token.
    fn check_http(&mut self) {
        if self.settings.http_port == 0 {
            return;
        }
        let words = self.settings.http_bind.clone();
        if words.is_empty() {
            let problem = Problem::new("`http-bind` is empty: there is nothing to listen on")
                .way_out("use 127.0.0.1, or `http-port` 0 for no HTTP");
            self.problem_at("http-bind", problem);
        }
        for word in words.iter().filter(|word| !is_address(word)) {
            let problem = Problem::new(format!("`http-bind` takes addresses without a port, not \"{word}\""))
                .way_out("such as 127.0.0.1, ::1 or 0.0.0.0; the port is `http-port`");
            self.problem_at("http-bind", problem);
        }
        let is_closed = !self.settings.http_token.is_empty() || self.settings.insecure;
        if let Some(address) = words.iter().find(|word| is_address(word) && !is_loopback(word))
            && !is_closed
        {
            let problem = Problem::new(format!(
                "refusing to tell metrics on {address} without a token: whoever reaches this machine could read \
                 what it does"
            ))
            .way_out("set a token:  http-token = \"...\" in narf.toml   or   NARF_HTTP_TOKEN=... narf serve")
            .way_out("or tell this machine only:  leave `http-bind` at 127.0.0.1")
            .way_out("or, where nobody else can reach it:  --insecure");
            self.problem_at("http-bind", problem);
        }
    }

    fn check_tls(&mut self) {
        let settings = &self.settings;
        if settings.tls.port != 0 && settings.tls.port == settings.port {
            let problem = Problem::new("`tls-port` is the same as `port`: one port speaks one of them")
                .way_out("set `port` to 0 for TLS only, or choose another number");
            return self.problem_at("tls-port", problem);
        }
        if let Err(error) = ClientTls::check(&settings.tls) {
            self.problem_at(error.setting(), Problem::new(error.to_string()));
        }
    }

    fn check_rest(&mut self) {
        if let Some(path) = &self.settings.unixsocket
            && path.as_os_str().len() > SOCKET_PATH_MAX
        {
            let len = path.as_os_str().len();
            let fact =
                format!("the path of the unix socket has {len} bytes, the system takes {SOCKET_PATH_MAX}");
            self.problem_at(
                "unixsocket",
                Problem::new(fact).way_out("use a shorter path, such as one in /run or /tmp"),
            );
        }
        // Shown without its place: a token that was mistyped is still most of a secret.
        if let Err(error) = Join::of(&self.settings) {
            self.problems.push(Problem::new(error.to_string()));
        }
        let name = &self.settings.name;
        let fine = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.len() > 64 || !name.chars().all(fine) {
            let fact = "`name` takes up to 64 letters, digits, dots and dashes".to_owned();
            self.problem_at("name", Problem::new(fact));
        }
        if self.settings.insecure
            && !needs_password(&self.settings, self.default_is_open)
            && !self.settings.bind.iter().all(|word| is_loopback(word))
        {
            self.warnings.push("insecure: other machines can connect without a password".to_owned());
        }
    }

    fn problem_at(&mut self, name: &str, problem: Problem) {
        let place = self.places.iter().find(|(known, _)| *known == name).map(|(_, place)| place.clone());
        self.problems.push(match place {
            Some(place) => problem.at(place),
            None => problem,
        });
    }

    fn warn_if_readable(&mut self, path: &Path) {
        let open = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o044 != 0);
        if open {
            let path = path.display();
            let text = format!("{path} holds a password and other users can read it; run: chmod 600 {path}");
            if !self.warnings.contains(&text) {
                self.warnings.push(text);
            }
        }
    }
}

/// Whether who comes has to say who he is. What `users` says of `default` is instead of `requirepass`.
fn needs_password(settings: &Settings, default_is_open: Option<bool>) -> bool {
    default_is_open.map_or(!settings.requirepass.is_empty(), |is_open| !is_open)
}

/// Host and port of `HOST:PORT`, `[V6]:PORT`, `:PORT`, `HOST`, `V6` or `PORT`.
fn split_listen(value: &str) -> Option<(Option<&str>, Option<&str>)> {
    let given = |text: &'_ str| !text.is_empty();
    if value.parse::<IpAddr>().is_ok() {
        return Some((Some(value), None));
    }
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((None, Some(value)));
    }
    let (host, port) = match value.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { "" } else { port.strip_prefix(':').filter(|port| given(port))? })
        }
        None => match value.split_once(':') {
            Some((host, port)) if given(port) && !port.contains(':') => (host, port),
            Some(_) => return None,
            None => (value, ""),
        },
    };
    let (host, port) = (Some(host).filter(|host| given(host)), Some(port).filter(|port| given(port)));
    (host.is_some() || port.is_some()).then_some((host, port))
}

/// An IP address, `*` for all, or something that can be a host name.
fn is_address(word: &str) -> bool {
    let name = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    // All digits and dots is an address that went wrong, not a name.
    let digits = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    word == "*" || word.parse::<IpAddr>().is_ok() || (name(word) && !digits)
}

/// Whether only this machine can reach the address. A host name other than `localhost` might be anything.
fn is_loopback(word: &str) -> bool {
    word == "localhost" || word.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_host_and_port_in_every_form() {
        for (value, host, port) in [
            ("127.0.0.1:7000", Some("127.0.0.1"), Some("7000")),
            (":7000", None, Some("7000")),
            ("7000", None, Some("7000")),
            ("localhost", Some("localhost"), None),
            ("::1", Some("::1"), None),
            ("[::1]:7000", Some("::1"), Some("7000")),
            ("[::1]", Some("::1"), None),
        ] {
            assert_eq!(split_listen(value), Some((host, port)), "{value}");
        }
        for value in ["", ":", "a:", "a:b:c", "[::1", "[::1]7000", "[::1]:"] {
            assert_eq!(split_listen(value), None, "{value}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for word in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost"] {
            assert!(is_loopback(word), "{word}");
        }
        for word in ["0.0.0.0", "::", "*", "10.0.0.7", "db.example.com", "127.0.0.1.nip.io"] {
            assert!(is_address(word) && !is_loopback(word), "{word}");
        }
        for word in ["127.0.0.1:6379", "256.1.1.1", "1.2", "a b", "-::1/"] {
            assert!(!is_address(word), "{word}");
        }
    }
}
