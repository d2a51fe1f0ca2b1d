//! What rules mean, what is refused, and that what is written back reads back.

use base::Request;
use command::Lookup;

use super::password::{Job, Password, Verified, digest};
use super::rules::{RuleError, Strictness, merge_selectors};
use super::selector::Denied;
use super::user::{RuleContext, User};

const CONTEXT: RuleContext<'static> =
    RuleContext { all_channels: false, strictness: Strictness::Written, known: &[] };

fn made_of(rules: &str) -> Result<User, RuleError> {
    let mut user = User::new(b"ada", false);
    let rules = merge_selectors(rules.split(' ').map(str::as_bytes)).unwrap();
    rules.iter().try_for_each(|rule| user.set(rule, CONTEXT))?;
    Ok(user)
}

/// The rules that are kept of rules, without the flags that all have; and they make the same user again.
#[track_caller]
fn check(rules: &str, expect: &str) {
    let user = made_of(rules).unwrap();
    let text = String::from_utf8(user.describe()).unwrap();
    assert_eq!(text, expect, "{rules}");
    assert_eq!(User::stored(b"ada", text.as_bytes()), Ok(user), "{text}");
}

#[track_caller]
fn refused(rules: &str, expect: RuleError) {
    assert_eq!(made_of(rules).map(drop), Err(expect), "{rules}");
}

/// What becomes of a request under rules.
#[track_caller]
fn asks(rules: &str, request: &str) -> Result<(), Denied> {
    let request = Request::from_parts(request.split(' '));
    let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("{request:?} is no command") };
    made_of(rules).unwrap().check(spec, request.args())
}

#[test]
fn rules_are_written_back_in_the_order_that_matters() {
    check("", "off sanitize-payload resetchannels -@all");
    check("on nopass ~* &* +@all", "on nopass sanitize-payload ~* &* +@all");
    check("+get -get +GET", "off sanitize-payload resetchannels -@all +get");
    check(
        "+@all -@dangerous +config|get",
        "off sanitize-payload resetchannels +@all -@dangerous +config|get",
    );
    check("+config|get +config|set -config", "off sanitize-payload resetchannels -@all -config");
    check("+config|get +config", "off sanitize-payload resetchannels -@all +config");
    check(
        "+select|0 +SELECT|1 +geto +get".replace("+geto ", "").as_str(),
        "off sanitize-payload resetchannels -@all +select|0 +select|1 +get",
    );
    check("+@string -set -@string", "off sanitize-payload resetchannels -@all -set -@string");
    check("%R~a %W~a %wr~b ~c %W~d", "off sanitize-payload ~a ~b ~c %W~d resetchannels -@all");
    check("%RW~* ~a", "off sanitize-payload %RW~* ~a resetchannels -@all");
    check("~a ~b resetkeys ~ &", "off sanitize-payload ~ resetchannels & -@all");
    check("&a &b &a", "off sanitize-payload resetchannels &a &b -@all");
    check(
        "(+@read ~x &*) (+set %W~y)",
        "off sanitize-payload resetchannels -@all (~x &* -@all +@read) (%W~y resetchannels -@all +set)",
    );
    check("(+get ~x) clearselectors", "off sanitize-payload resetchannels -@all");
    check(
        "on nopass ~* &* +@all skip-sanitize-payload (+get) reset",
        "off sanitize-payload resetchannels -@all",
    );
    let hash = "a".repeat(64);
    check(&format!("#{hash} #{hash} on"), &format!("on sanitize-payload #{hash} resetchannels -@all"));
    check(&format!("nopass #{hash} !{hash}"), "off sanitize-payload resetchannels -@all");
}

#[test]
fn wrong_rules_are_refused() {
    for (rules, expect) in [
        ("+nope", RuleError::Unknown),
        ("+@nope", RuleError::Unknown),
        ("-get|x", RuleError::Unknown),
        ("+config|nope", RuleError::Unknown),
        ("-config|nope", RuleError::Unknown),
        // What nodes say to each other is no command that anyone could be allowed.
        ("+narf.put", RuleError::Unknown),
        ("+narf.exec", RuleError::Unknown),
        ("+config|get|x", RuleError::FirstArgOfSubcommand),
        ("+config|", RuleError::Syntax),
        ("+select|", RuleError::Syntax),
        ("foo", RuleError::Syntax),
        ("(on)", RuleError::Syntax),
        ("(+@nope)", RuleError::Unknown),
        ("~* ~b", RuleError::KeysAreAll),
        ("allkeys %R~b", RuleError::KeysAreAll),
        ("&* &b", RuleError::ChannelsAreAll),
        ("#12", RuleError::BadHash),
        ("!12", RuleError::BadHash),
        ("#$argon2id$v=19$m=19456,t=2,p=1$c2FsdA", RuleError::BadHash),
    ] {
        refused(rules, expect);
    }
    refused(&format!("!{}", "a".repeat(64)), RuleError::NoSuchPassword);
    refused(&format!("#{}", "A".repeat(64)), RuleError::BadHash);
}

/// Malformed selectors that took Redis down, CVE-2024-31227 and CVE-2024-51741, and their like.
#[test]
fn malformed_key_patterns_and_selectors_are_errors() {
    for rules in [
        "%", "%~", "%R", "%RR~x", "%X~x", "%RWR~x", "(%", "(%~)", "(%R)", "(%RR~x)", "(%", "()x)", "(~x))",
        "(~x) &*)",
    ] {
        match merge_selectors([rules.as_bytes()]) {
            Err(0) => {}
            Ok(merged) => {
                let mut user = User::new(b"ada", false);
                let result = merged.iter().try_for_each(|rule| user.set(rule, CONTEXT));
                assert!(result.is_err(), "{rules}: {result:?}");
            }
            other => panic!("{rules}: {other:?}"),
        }
    }
    for rules in ["()", "( )", "(~x", "(", ")"] {
        let merged = merge_selectors([rules.as_bytes()]);
        assert_eq!(merged.is_err(), rules == "(~x" || rules == "(", "{rules}");
    }
}

#[test]
fn a_request_is_allowed_if_one_selector_allows_all_of_it() {
    let rules = "%R~r:* %W~w:* ~b:* +get +set +copy +mget +config|get +select|0 &news:* +publish +subscribe +psubscribe";
    for (request, expect) in [
        ("get r:1", Ok(())),
        ("get b:1", Ok(())),
        ("get w:1", Err(Denied::Key(1))),
        ("set w:1 x", Ok(())),
        ("set w:1 x GET", Err(Denied::Key(1))),
        ("set b:1 x GET", Ok(())),
        ("set r:1 x", Err(Denied::Key(1))),
        ("copy r:1 w:1", Ok(())),
        ("copy w:1 r:1", Err(Denied::Key(1))),
        ("copy r:1 r:2", Err(Denied::Key(2))),
        ("mget r:1 r:2 x b:1", Err(Denied::Key(3))),
        ("del b:1", Err(Denied::Command)),
        ("config get x", Ok(())),
        ("config set x y", Err(Denied::Command)),
        ("select 0", Ok(())),
        ("select 1", Err(Denied::Command)),
        ("publish news:a x", Ok(())),
        ("publish other x", Err(Denied::Channel(1))),
        ("subscribe news:a other", Err(Denied::Channel(2))),
        ("psubscribe news:*", Ok(())),
        // A pattern that is narrower is still another one.
        ("psubscribe news:a*", Err(Denied::Channel(1))),
        // Whoever may do nothing may still prove who he is.
        ("auth x", Ok(())),
        ("hello 3", Ok(())),
        ("ping", Err(Denied::Command)),
    ] {
        assert_eq!(asks(rules, request), expect, "{request}");
    }
    let apart = "(+get ~a) (+set ~b)";
    assert_eq!(asks(apart, "get a"), Ok(()));
    assert_eq!(asks(apart, "set b x"), Ok(()));
    assert_eq!(asks(apart, "set a x"), Err(Denied::Key(1)), "no selector allows both");
    assert_eq!(asks(apart, "del a"), Err(Denied::Command));
    assert_eq!(asks("allcommands allkeys allchannels", "flushall"), Ok(()));
}

/// CVE-2023-36824 and CVE-2023-41053: the keys of a request that says how many it has.
#[test]
fn what_cannot_be_told_is_denied() {
    let rules = "+@all ~a* &*";
    assert_eq!(asks(rules, "zunion 2 a1 a2"), Ok(()));
    assert_eq!(asks(rules, "zunion 2 a1 b"), Err(Denied::Key(3)));
    assert_eq!(asks(rules, "zunionstore b 1 a1"), Err(Denied::Key(1)));
    for unsure in
        ["zunion 3 a1 b", "zunion x a1 b", "zunion 0 b", "zunion -1 b", "zunion 9223372036854775807 b"]
    {
        assert_eq!(asks(rules, unsure), Err(Denied::Key(1)), "{unsure}");
    }
    assert_eq!(asks(rules, "sort a1 by nosort limit 0 1 store a2"), Ok(()));
    assert_eq!(asks(rules, "sort a1 store b"), Err(Denied::Key(3)));
    // These read keys that only the content of a1 tells.
    for (content, option) in [
        ("sort a1 by w_*", 2),
        ("sort a1 get #", 2),
        ("sort_ro a1 by a* get a*", 2),
        ("sort a1 by nosort get a*", 4),
        ("sort a1 limit 0 1 GET b", 5),
    ] {
        assert_eq!(asks(rules, content), Err(Denied::Content(option)), "{content}");
    }
    assert_eq!(asks(rules, "sort b by w_*"), Err(Denied::Key(1)));
    assert_eq!(asks("+@all %R~* %W~a*", "sort x by w_* get y* store a1"), Ok(()));
    assert_eq!(asks("+@all %R~* %W~a*", "sort x by w_* store b"), Err(Denied::Key(5)));
    assert_eq!(asks(rules, "command getkeys get b"), Ok(()), "it touches no key");
    assert_eq!(asks(rules, "georadius a1 0 0 1 m STORE a2"), Ok(()));
    assert_eq!(
        asks(rules, "georadius a1 0 0 1 m STORE a2 STORE b"),
        Err(Denied::Key(9)),
        "the last one holds"
    );
    assert_eq!(asks(rules, "georadius a1 0 0 1 m STORE a2 storedist b"), Err(Denied::Key(9)));
    assert_eq!(asks("+@all %R~a* &*", "georadius a1 0 0 1 m STORE a2"), Err(Denied::Key(7)), "it is written");
    assert_eq!(asks("+@all ~* &*", "zunion x a1 b"), Ok(()), "who may touch all keys hears of his mistake");
}

#[test]
fn only_who_may_do_all_is_not_asked() {
    assert!(User::unrestricted(b"default").is_unrestricted());
    for rules in ["+@all ~*", "+@all &*", "~* &*", "+@all ~* &* -flushall", "+@all -@all ~* &*"] {
        assert!(!made_of(rules).unwrap().is_unrestricted(), "{rules}");
    }
    assert!(made_of("(+@all ~* &*)").unwrap().is_unrestricted());
    assert!(
        !made_of("-flushall +@all -get +get ~* &*").unwrap().is_unrestricted(),
        "cheap to see, not all there is"
    );
}

/// A node of a later version agreed to it: what is not known here allows nothing, and is not lost.
#[test]
fn rules_of_later_versions_are_kept_and_allow_nothing() {
    let text = "on nopass sanitize-payload ~* &* -@all +@read +frobnicate +@later -frob|x";
    let user = User::stored(b"ada", text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(user.describe()).unwrap(), text);
    let get = Request::from_parts(["get", "k"]);
    let spec = command::lookup_name("get").unwrap();
    assert_eq!(user.check(spec, get.args()), Ok(()));
    let user = User::stored(b"ada", b"on ~* &* +@all -@later").unwrap();
    assert_eq!(user.check(spec, get.args()), Err(Denied::Command), "it may have been one of those");
}

fn solve(words: &[&str], against: &[Password]) -> Vec<super::Known> {
    let job = Job {
        number: 1,
        words: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        against: against.to_vec(),
        salts: words.iter().map(|_| [7; 16]).collect(),
        stops_at_first: false,
    };
    job.solve().known
}

#[test]
fn passwords_in_plain_text_become_hashes_with_a_salt() {
    let known = solve(&["sesame", "hush"], &[]);
    let mut user = User::new(b"ada", false);
    let context = RuleContext { known: &known, ..CONTEXT };
    for rule in ["on", ">sesame", ">hush", ">sesame"] {
        user.set(rule.as_bytes(), context).unwrap();
    }
    let text = String::from_utf8(user.describe()).unwrap();
    assert_eq!(text.matches("#$argon2id$v=19$m=19456,t=2,p=1$").count(), 2, "{text}");
    assert_eq!(User::stored(b"ada", text.as_bytes()).as_ref(), Ok(&user));
    // Later they are found among those the user has.
    let again = solve(&["hush", "other"], user.passwords());
    assert_eq!(again[0].hashes.len(), 2);
    let context = RuleContext { known: &again, ..CONTEXT };
    user.set(b">hush", context).unwrap();
    assert_eq!(user.passwords().len(), 2, "it has that already");
    user.set(b"<hush", context).unwrap();
    assert_eq!(user.passwords().len(), 1);
    assert_eq!(user.set(b"<other", context), Err(RuleError::NoSuchPassword));
    user.set(b"resetpass", context).unwrap();
    assert_eq!(
        user.set(b"<sesame", RuleContext { known: &known, ..CONTEXT }),
        Err(RuleError::NoSuchPassword)
    );
}

#[test]
fn hashes_at_any_cost_are_refused() {
    let Some(Password::Argon2id(text)) = Password::argon2id(b"x", [1; 16]) else { panic!() };
    assert!(Password::parse(text.as_bytes()).is_some());
    for (from, to) in [
        ("m=19456", "m=4194304"),
        ("t=2", "t=1000000"),
        ("p=1", "p=1000"),
        ("argon2id", "argon2i"),
        ("v=19", "v=16"),
        ("m=19456,t=2,p=1", "m=19456,t=2,p=1,data=QUFB"),
    ] {
        let other = text.replacen(from, to, 1);
        assert!(Password::parse(other.as_bytes()).is_none(), "{other}");
    }
    let long = format!("{text}{}", "A".repeat(300));
    assert!(Password::parse(long.as_bytes()).is_none());
}

#[test]
fn a_password_that_was_right_is_known_again() {
    let mut verified = Verified::default();
    let (hash, key) = (Password::sha256(b"of a hash"), [9; 32]);
    verified.insert(hash.clone(), digest(&key, b"sesame"));
    assert!(verified.contains(&hash, &digest(&key, b"sesame")));
    assert!(!verified.contains(&hash, &digest(&key, b"sesam")));
    assert!(!verified.contains(&Password::sha256(b"other"), &digest(&key, b"sesame")));
    verified.retain(|_| false);
    assert!(!verified.contains(&hash, &digest(&key, b"sesame")));
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let lines =
        super::file::parse("users.acl", b"user ada on +get (~x\t+set)\r\n\n# people\nuser bob\n").unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].rules, [b"on".to_vec(), b"+get".to_vec(), b"(~x +set)".to_vec()]);
    assert_eq!((lines[1].number, lines[1].name.as_slice()), (4, b"bob".as_slice()));
    let errors =
        super::file::parse("users.acl", b"ada on\nuser\nuser bob (+get\nuser eve\nuser eve\n").unwrap_err();
    assert_eq!(
        errors,
        "users.acl:1: should start with user keyword followed by the username. \
         users.acl:2: should start with user keyword followed by the username. \
         users.acl:3: Unmatched parenthesis in selector definition. \
         users.acl:5: Duplicate user 'eve' found. "
    );
}

/// What is made of parts that mean something, and of anything between them.
#[test]
fn any_bytes_are_rules_that_read_back_or_none() {
    const PARTS: &[&str] = &[
        "+",
        "-",
        "@",
        "all",
        "read",
        "get",
        "config|get",
        "select|0",
        "~",
        "%R~",
        "%W~",
        "&",
        "*",
        "(",
        ")",
        " ",
        "\n",
        "on",
        "nopass",
        "reset",
        "allkeys",
        "resetkeys",
        "#",
        "|",
        "zunion",
        "2",
        "k",
        "\t",
        "\0",
        "nope",
        "<",
        ">",
        "!",
    ];
    let mut random = base::Random::new(5);
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.below(24) {
            bytes.extend_from_slice(PARTS[random.below(PARTS.len() as u64) as usize].as_bytes());
            if random.chance(1, 3) {
                bytes.push(b'\n');
            }
            if random.chance(1, 40) {
                bytes.push(random.next_u64() as u8);
            }
        }
        super::check_rules(&bytes);
    }
}
