//! Golden texts of what an operator sees, and the order of precedence.

use std::path::Path;

use node::settings::{SETTINGS, Settings, find};

use super::*;

fn env(vars: &[(&str, &str)], folder: &Path) -> Environment {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment { vars: vars.collect(), folder: folder.to_owned() }
}

fn flag(key: &str, value: &str) -> FlagValue {
    FlagValue { flag: format!("--{key}"), key: key.to_owned(), value: value.to_owned() }
}

fn flags(values: &[(&str, &str)]) -> Flags {
    Flags { values: values.iter().map(|(key, value)| flag(key, value)).collect(), ..Flags::default() }
}

/// Resolves with `narf.toml` holding `text`; an error shows the path as `narf.toml`.
fn with_file(text: &str, flags: &Flags, vars: &[(&str, &str)]) -> Result<Resolved, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("narf.toml"), text).unwrap();
    let shown = format!("{}/", folder.path().display());
    resolve_in(flags, &env(vars, folder.path())).map_err(|error| error.to_string().replace(&shown, ""))
}

#[track_caller]
fn check_error(text: &str, expect: &str) {
    assert_eq!(with_file(text, &Flags::default(), &[]).unwrap_err(), expect);
}

#[test]
fn an_unknown_key_is_shown_with_a_caret_and_a_suggestion() {
    check_error(
        "# mine\nprot = 7000\n",
        "\
error: unknown setting `prot`
 --> narf.toml:2:1
  |
2 | prot = 7000
  | ^^^^ did you mean `port`?
",
    );
}

#[test]
fn a_bad_value_is_shown_where_it_stands() {
    check_error(
        "  port = 70000\n",
        "\
error: `port` must be from 0 to 65535, not \"70000\"
 --> narf.toml:1:10
  |
1 |   port = 70000
  |          ^^^^^
",
    );
    check_error(
        "ack = \"Quorom\" # é\n",
        "\
error: `ack` must be one of local, quorum, durable, all, not \"Quorom\"
 --> narf.toml:1:7
  |
1 | ack = \"Quorom\" # é
  |       ^^^^^^^^
",
    );
    check_error(
        "fsync-interval = 1",
        "\
error: `fsync-interval` must be a duration such as 250ms, 1s or 10m, not \"1\"
 --> narf.toml:1:18
  |
1 | fsync-interval = 1
  |                  ^
",
    );
    check_error(
        "[network]\nport = 1\n",
        "\
error: unknown setting `network`
 --> narf.toml:1:2
  |
1 | [network]
  |  ^^^^^^^ there are no sections; write each setting by itself
",
    );
    check_error(
        "port = { a = 1 }\n",
        "\
error: `port` cannot be a table
 --> narf.toml:1:8
  |
1 | port = { a = 1 }
  |        ^^^^^^^^^ takes number from 0 to 65535
",
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    check_error(
        "timeout = \"soon\"\n\n\ndata = \"a\"\ndir = \"b\"\n",
        "\
error: `dir` is set twice
 --> narf.toml:5:1
  |
5 | dir = \"b\"
  | ^^^ first on line 4

error: `timeout` must be a duration such as 250ms, 1s or 10m, not \"soon\"
 --> narf.toml:1:11
  |
1 | timeout = \"soon\"
  |           ^^^^^^
",
    );
}

#[test]
fn broken_toml_is_shown_where_it_breaks_and_never_the_password() {
    let error = with_file("port = \n", &Flags::default(), &[]).unwrap_err();
    assert!(error.contains("narf.toml:1:8"), "{error}");
    let error = with_file("requirepass = hunter2\n", &Flags::default(), &[]).unwrap_err();
    assert!(error.contains("requirepass =********"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let text = "port = 1\ntimeout = 2\nmaxclients = 3\n";
    let vars = [("NARF_TIMEOUT", "20"), ("NARF_MAXCLIENTS", "30")];
    let resolved = with_file(text, &flags(&[("maxclients", "300")]), &vars).unwrap();
    let settings = &resolved.settings;
    assert_eq!((settings.port, settings.timeout.as_secs(), settings.maxclients), (1, 20, 300));
    assert_eq!(settings.tcp_keepalive.as_secs(), 300);
    let origin = |name| resolved.origins.of_name(name).to_string();
    assert!(origin("port").ends_with("narf.toml:1"));
    assert_eq!(origin("timeout"), "environment NARF_TIMEOUT");
    assert_eq!(origin("maxclients"), "flag --maxclients");
    assert_eq!(origin("tcp-keepalive"), "default");
    assert!(resolved.port_is_explicit());
}

#[test]
fn a_bad_flag_and_a_bad_variable_are_shown_too() {
    let error = with_file("", &flags(&[("port", "http")]), &[("NARF_ACK", "maybe")]).unwrap_err();
    assert_eq!(
        error,
        "\
error: `ack` must be one of local, quorum, durable, all, not \"maybe\"
 --> environment
  |
  | NARF_ACK=maybe
  |          ^^^^^

error: `port` must be a whole number, not \"http\"
 --> command line
  |
  | --port http
  |        ^^^^
"
    );
}

#[test]
fn a_variable_for_what_cannot_be_set_is_refused_like_a_line_of_the_file() {
    let error = with_file("", &Flags::default(), &[("NARF_MAXMEMORY_CLIENTS", "1gb")]).unwrap_err();
    assert!(error.contains("clients are bounded one by one"), "{error}");
    assert!(error.contains(" | NARF_MAXMEMORY_CLIENTS=1gb\n"), "{error}");
    assert!(with_file("", &Flags::default(), &[("NARF_MAXMEMORY_CLIENTS", "0")]).is_ok());
}

#[test]
fn a_limit_of_memory_is_said_with_its_unit_everywhere() {
    let from_file =
        with_file("maxmemory = \"100mb\"\nmaxmemory-policy = \"volatile-ttl\"\n", &Flags::default(), &[]);
    assert_eq!(from_file.unwrap().settings.maxmemory, 100 << 20);
    let from_variable = with_file("", &Flags::default(), &[("NARF_MAXMEMORY", "1gb")]);
    assert_eq!(from_variable.unwrap().settings.maxmemory, 1 << 30);
    let from_flag = with_file("", &flags(&[("maxmemory", "64k")]), &[]);
    assert_eq!(from_flag.unwrap().settings.maxmemory, 64_000);
    let error = with_file("", &flags(&[("maxmemory-policy", "lru")]), &[]).unwrap_err();
    assert!(
        error.contains("must be one of volatile-lru, volatile-lfu, volatile-random, volatile-ttl,"),
        "{error}"
    );
}

#[test]
fn a_flag_in_the_file_that_is_two_settings_is_told_apart() {
    let error = with_file("listen = \"127.0.0.1:1\"\n", &Flags::default(), &[]).unwrap_err();
    assert!(error.contains("^^^^^^ write `bind` and `port`"), "{error}");
}

#[test]
fn listen_sets_address_and_port() {
    let resolved = with_file("", &flags(&[("listen", "[::1]:7001")]), &[]).unwrap();
    assert_eq!((resolved.settings.bind, resolved.settings.port), (vec!["::1".to_owned()], 7001));
    assert!(with_file("", &flags(&[("listen", "a:b:c")]), &[]).unwrap_err().contains("HOST:PORT"));
}

#[test]
fn an_open_address_without_a_password_is_refused_with_the_ways_out() {
    let error = with_file("", &flags(&[("bind", "0.0.0.0")]), &[]).unwrap_err();
    assert_eq!(
        error,
        "\
error: refusing to listen on 0.0.0.0 without a password: whoever reaches this machine could read and erase everything
 --> command line
  |
  | --bind 0.0.0.0
  |        ^^^^^^^
  = set a password:  narf serve --password-file FILE   or   NARF_REQUIREPASS=... narf serve
  = or serve this machine only:  leave `bind` at 127.0.0.1
  = or, where nobody else can reach it:  --insecure
"
    );
    let open = flags(&[("bind", "0.0.0.0")]);
    assert!(with_file("", &open, &[("NARF_REQUIREPASS", "x")]).is_ok());
    assert!(with_file("", &open, &[("NARF_PASSWORD", "x")]).is_ok());
    let resolved = with_file("", &flags(&[("bind", "0.0.0.0"), ("insecure", "yes")]), &[]).unwrap();
    assert!(!resolved.is_local_only());
    assert_eq!(resolved.warnings, ["insecure: other machines can connect without a password"]);
    // Nobody listens on TCP at all.
    assert!(with_file("", &flags(&[("bind", "*"), ("port", "0"), ("unix", "/tmp/s")]), &[]).is_ok());
}

#[test]
fn an_empty_variable_is_unset_and_an_unknown_one_is_warned_about() {
    let resolved = with_file(
        "",
        &Flags::default(),
        &[("NARF_PORT", ""), ("NARF_MAXCLIENT", "5"), ("NARF_URL", "redis://h")],
    )
    .unwrap();
    assert!(!resolved.port_is_explicit());
    assert_eq!(
        resolved.warnings,
        [
            "environment variable NARF_MAXCLIENT names no setting and is ignored; did you mean NARF_MAXCLIENTS?"
        ]
    );
}

#[test]
fn metrics_for_other_machines_need_a_token_of_their_own() {
    let open = "http-port = 8379\nhttp-bind = \"0.0.0.0\"\n";
    // The password of clients is none of those who read metrics.
    let error = with_file(open, &Flags::default(), &[("NARF_PASSWORD", "sesame")]).unwrap_err();
    assert!(error.contains("refusing to tell metrics on 0.0.0.0 without a token"), "{error}");
    let resolved = with_file(open, &Flags::default(), &[("NARF_HTTP_TOKEN", "sesame")]).unwrap();
    assert_eq!(resolved.settings.http_token.expose(), "sesame");
    assert!(resolved.settings.requirepass.is_empty());
    assert!(!show(&resolved, true).contains("sesame"));
    for fine in ["http-bind = \"0.0.0.0\"\n", "http-port = 8379\n", &format!("insecure = true\n{open}")] {
        assert!(with_file(fine, &Flags::default(), &[]).is_ok(), "{fine}");
    }
    for wrong in ["\"127.0.0.1:80\"", "[]"] {
        let text = format!("http-port = 8379\nhttp-bind = {wrong}\n");
        assert!(with_file(&text, &Flags::default(), &[]).unwrap_err().contains("`http-bind`"), "{wrong}");
    }
}

#[test]
fn a_password_file_gives_its_first_line_and_is_warned_about_if_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "hunter2\nignored\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let flags = Flags { password_file: Some(path.clone()), ..Flags::default() };
    let resolved = with_file("", &flags, &[]).unwrap();
    assert_eq!(resolved.settings.requirepass.expose(), "hunter2");
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert!(!show(&resolved, true).contains("hunter2"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let resolved = with_file("", &flags, &[]).unwrap();
    assert!(resolved.warnings[0].contains("chmod 600"), "{:?}", resolved.warnings);
    std::fs::write(&path, "").unwrap();
    assert!(with_file("", &flags, &[]).unwrap_err().contains("is empty"));
}

#[test]
fn a_named_file_must_exist_and_the_usual_ones_need_not() {
    let folder = tempfile::tempdir().unwrap();
    let flags = Flags { config: Some("/nonexistent/narf.toml".into()), ..Flags::default() };
    let error = resolve_in(&flags, &env(&[], folder.path())).unwrap_err().to_string();
    assert!(error.starts_with("error: cannot read /nonexistent/narf.toml: No such file"), "{error}");
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join(".config/narf")).unwrap();
    std::fs::write(home.join(".config/narf/config.toml"), "port = 9").unwrap();
    let environment = env(&[("HOME", home.to_str().unwrap())], folder.path());
    assert_eq!(resolve_in(&Flags::default(), &environment).unwrap().settings.port, 9);
}

#[test]
fn a_log_on_a_terminal_is_quiet_unless_asked() {
    use node::settings::LogLevel;
    let level = |flags: &Flags, vars: &[(&str, &str)]| with_file("", flags, vars).unwrap().settings.loglevel;
    let terminal = |verbose| Flags { on_terminal: true, verbose, ..Flags::default() };
    assert_eq!(level(&terminal(0), &[]), LogLevel::Warn);
    assert_eq!(level(&terminal(1), &[]), LogLevel::Info);
    assert_eq!(level(&terminal(2), &[]), LogLevel::Debug);
    assert_eq!(level(&terminal(0), &[("NARF_LOG_LEVEL", "info")]), LogLevel::Info);
    assert_eq!(level(&Flags::default(), &[]), LogLevel::Info);
}

#[test]
fn a_daemon_logs_into_its_data_folder() {
    let resolved = with_file("", &flags(&[("daemon", "yes"), ("data", "/d")]), &[]).unwrap();
    assert_eq!(resolved.settings.logfile.as_deref(), Some(Path::new("/d/narf.log")));
    assert_eq!(resolved.pidfile().as_deref(), Some(Path::new("/d/narf.pid")));
}

#[test]
fn what_is_shown_can_be_read_back() {
    let text = "bind = [\"127.0.0.1\", \"::1\"]\nunix-mode = 0o660\nname = \"a-b\"\ntimeout = \"2m\"\n";
    let resolved = with_file(text, &Flags::default(), &[]).unwrap();
    assert_eq!(resolved.settings.unixsocketperm, 0o660);
    let shown = show(&resolved, true);
    assert!(shown.contains("timeout = \"2m\""), "{shown}");
    assert!(shown.contains("narf.toml:4"), "{shown}");
    let again = with_file(&shown, &Flags::default(), &[]).unwrap();
    assert_eq!(again.settings, resolved.settings);
}

#[test]
fn programs_get_values_and_origins_as_json() {
    let resolved = with_file("", &flags(&[("name", "a-b")]), &[("NARF_PASSWORD", "hunter2")]).unwrap();
    let text = show_json(&resolved);
    assert!(text.contains("\n  \"name\": {\"value\": \"a-b\", \"origin\": \"flag --name\"},\n"), "{text}");
    assert!(text.contains("\"requirepass\": {\"value\": \"(redacted)\""), "{text}");
}

#[test]
fn the_template_is_valid_with_and_without_its_comment_signs() {
    assert_eq!(with_file(&template(), &Flags::default(), &[]).unwrap().settings.port, 6379);
    let bare: String = template()
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with([' ', '#'])))
        .fold(String::new(), |all, line| all + line + "\n");
    let resolved = with_file(&bare, &Flags::default(), &[]).unwrap();
    let mut expect = Settings::new();
    (expect.workers, expect.partitions) = (resolved.settings.workers, resolved.settings.partitions);
    assert_eq!(resolved.settings, expect);
    let settable = SETTINGS.iter().filter(|row| !row.hidden && !row.is_fact()).count();
    assert_eq!(bare.lines().count(), settable);
}

#[test]
fn rewrite_changes_only_what_was_changed() {
    let source = "# mine\ntimeout = 5   # five\nname = \"x\"\n";
    let mut start = Settings::new();
    start.set_at_start(find("timeout").unwrap(), "5").unwrap();
    assert_eq!(rewrite(source, &start, &start).unwrap(), source);
    let mut now = start.clone();
    now.set("timeout", "60").unwrap();
    now.set("maxclients", "77").unwrap();
    now.set("requirepass", "s\"x").unwrap();
    let text = rewrite(source, &start, &now).unwrap();
    assert_eq!(
        text,
        "# mine\ntimeout = \"1m\"   # five\nname = \"x\"\n\n# Added by CONFIG REWRITE.\nmaxclients = 77\n\
         requirepass = \"s\\\"x\"\n"
    );
    // Once more with another value: the lines are found again.
    let mut later = now.clone();
    later.set("maxclients", "78").unwrap();
    assert!(rewrite(&text, &now, &later).unwrap().contains("\nmaxclients = 78\n"));
    assert_eq!(rewrite("", &start, &now).unwrap().lines().count(), 4);
}

#[test]
fn a_rewritten_file_keeps_its_mode_and_stays_whole() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narf.toml");
    std::fs::write(&path, "port = 1\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut now = Settings::new();
    now.set("timeout", "9").unwrap();
    rewrite_file(&path, &Settings::new(), &now).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("timeout = \"9s\"\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn users_are_a_list_of_names_and_rules() {
    let text = "users = [\n  \"default off\",\n  'reader on >sesame ~app:* +@read',\n]\nbind = \"0.0.0.0\"\nport = 7000\n";
    let resolved = with_file(text, &Flags::default(), &[]).unwrap();
    assert_eq!(resolved.users, ["default off", "reader on >sesame ~app:* +@read"]);
    // Nobody comes in without a name, so other machines may try.
    assert!(resolved.default_is_open == Some(false) && resolved.needs_password());
    assert_eq!(resolved.settings.port, 7000);
    let open = with_file("users = ['a on nopass +@all ~*']\n", &Flags::default(), &[]).unwrap();
    assert!(open.default_is_open.is_none() && !open.needs_password());
    let open = text.replace("default off", "default on nopass ~* +@all");
    assert!(with_file(&open, &Flags::default(), &[]).unwrap_err().contains("without a password"));
    // It says nothing then.
    let with_password = format!("{open}requirepass = 'x'\n");
    let error = with_file(&with_password, &Flags::default(), &[]).unwrap_err();
    assert!(error.contains("without a password"), "{error}");
    let closed = text.replace("default off", "default on nopass >word ~* +@all");
    assert!(with_file(&closed, &Flags::default(), &[]).unwrap().needs_password());
    // CONFIG REWRITE leaves them where they are.
    let mut now = resolved.settings.clone();
    now.port = 7001;
    assert_eq!(rewrite(text, &resolved.settings, &now).unwrap(), text.replace("7000", "7001"));
}

#[test]
fn what_is_wrong_with_a_user_is_shown_without_his_password() {
    check_error(
        "users = [\n  \"reader on >sesame +@red\",\n]\n",
        "\
error: a user of `users`: Unknown command or category name in ACL in '+@red'
 --> narf.toml:2:3
  |
2 |   \"reader on >****** +@red\",
  |   ^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
    let check = |text: &str, expect: &str| {
        let error = with_file(text, &Flags::default(), &[]).unwrap_err();
        assert!(error.contains(expect) && !error.contains("sesame"), "{error}");
    };
    check("users = [\"a on >x'sesame +@red\"]\n", "+@red");
    check("users = [\"a on\\t>sesame +@red\"]\n", "+@red");
    check("users = ['a on', 'a off']\n", "the user a is there twice");
    check("users = ['']\n", "it is empty");
    check("users = [\"a on\\nb on\"]\n", "more than one line");
    check("users = ['a (+get']\n", "Unmatched parenthesis");
    check("users = ['a !abc']\n", "password hash");
    check("users = 'a on >sesame'\n", "takes a list of texts");
    check("users = [7]\n", "takes a list of texts");
    check("[users]\na = 'on >sesame'\n", "takes a list of texts");
    check("user = ['a on']\n", "write `users`");
    check("users = ['a on']\naclfile = '/x'\n", "in `users` and in `aclfile`");
    check("users = ['a on >sesame'\nport = 1\n", "error: ");
}
