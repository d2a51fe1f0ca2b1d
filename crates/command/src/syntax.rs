//! Reads the argument syntax of a row into a tree, so that hints, `COMMAND DOCS` and guides come from one text.
//!
//! The notation: `WORD` is typed as it stands, `word` stands for a value, `[..]` may be left out, `a | b` is one of
//! several, `<..>` groups alternatives that may not be left out, and `[x y ...]` after `x y` says that these repeat, as
//! does `[...]` after one part.
//! Invariant: every row parses; a test goes over them. Does not know requests: nothing here checks one.

use std::iter::Peekable;

use crate::{FindKeys, Group, Spec};

/// One argument, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Lower case, unique among its neighbours.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// The word before it, if any; of a [`Kind::PureToken`] the word itself.
    pub token: Option<String>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether its word is repeated with it.
    pub multiple_token: bool,
    /// For a key, which of [`Spec::key_specs`] it belongs to.
    pub key_spec: Option<usize>,
    /// The parts of a [`Kind::OneOf`] or [`Kind::Block`].
    pub args: Vec<Arg>,
}

/// What an argument stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A decimal fraction.
    Double,
    /// The name of a key.
    Key,
    /// A pattern in the manner of shells.
    Pattern,
    /// Seconds or milliseconds since 1970.
    UnixTime,
    /// A fixed word.
    PureToken,
    /// One of its parts.
    OneOf,
    /// All of its parts.
    Block,
}

impl Kind {
    /// The word of `COMMAND DOCS`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    fn of_value(name: &str) -> Kind {
        match name {
            "destkey" | "key" | "key1" | "key2" | "newkey" | "source" | "sourcekey" | "destination"
            | "src" | "dst" => Kind::Key,
            "pattern" => Kind::Pattern,
            "float" | "score" | "longitude" | "latitude" | "radius" | "width" | "height" => Kind::Double,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            "bit" | "client-id" | "count" | "cursor" | "limit" | "numkeys" | "db" | "deadline-ms"
            | "decrement" | "destination-db" | "end" | "increment" | "index" | "index1" | "index2"
            | "milliseconds" | "len" | "min-match-len" | "num-matches" | "numlocal" | "numreplicas"
            | "offset" | "protover" | "rank" | "seconds" | "slot" | "start" | "stop" | "timeout"
            | "version" | "weight" | "exactly" | "integer" => Kind::Integer,
            _ => Kind::String,
        }
    }
}

/// The arguments of a command, in order.
pub fn arguments(spec: &Spec) -> Vec<Arg> {
    let mut words = Words { rest: spec.syntax }.peekable();
    let mut args: Vec<Arg> = sequence(&mut words).into_iter().map(Part::into_arg).collect();
    debug_assert!(words.next().is_none(), "a bracket too many in the syntax of {}", spec.name);
    let mut keys = 0;
    args.iter_mut().for_each(|arg| settle(arg, spec, &mut keys));
    args
}

/// Decides what the name of a value alone cannot say.
fn settle(arg: &mut Arg, spec: &Spec, keys: &mut usize) {
    match arg.kind {
        // `CLUSTER KEYSLOT key`: it has the form of a key and is none.
        Kind::Key if spec.key_specs.is_empty() => arg.kind = Kind::String,
        Kind::Key => {
            let is_content =
                |at: usize| spec.key_specs.get(at).is_some_and(|key| key.find == FindKeys::Content);
            *keys += usize::from(is_content(*keys));
            arg.key_spec = Some((*keys).min(spec.key_specs.len() - 1));
            *keys += 1;
        }
        Kind::Pattern => arg.key_spec = spec.key_specs.iter().position(|key| key.find == FindKeys::Content),
        Kind::Integer if arg.name == "increment" && spec.name.ends_with("float") => arg.kind = Kind::Double,
        Kind::Integer if spec.name == "debug|sleep" => arg.kind = Kind::Double,
        // Places, scores or names.
        Kind::Integer if spec.name == "zrange" && matches!(&*arg.name, "start" | "stop") => {
            arg.kind = Kind::String;
        }
        Kind::String if arg.name == "value" && spec.group == Group::Bitmap => arg.kind = Kind::Integer,
        Kind::String
            if matches!(&*arg.name, "min" | "max")
                && (spec.name == "zcount" || spec.name.ends_with("byscore")) =>
        {
            arg.kind = Kind::Double;
        }
        _ => {}
    }
    arg.args.iter_mut().for_each(|part| settle(part, spec, keys));
}

/// What stands in a sequence until it is known what belongs together.
enum Part {
    Token(String),
    Arg(Arg),
}

impl Part {
    fn into_arg(self) -> Arg {
        match self {
            Part::Token(token) => {
                Arg { token: Some(token.clone()), ..Arg::new(token.to_ascii_lowercase(), Kind::PureToken) }
            }
            Part::Arg(arg) => arg,
        }
    }
}

impl Arg {
    fn new(name: String, kind: Kind) -> Arg {
        Arg {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec: None,
            args: Vec::new(),
        }
    }

    fn group(kind: Kind, args: Vec<Arg>) -> Arg {
        let name = group_name(kind, &args);
        Arg { args, ..Arg::new(name, kind) }
    }
}

/// Groups have no name in the text. Well-known ones get that of Redis, by their first part.
fn group_name(kind: Kind, parts: &[Arg]) -> String {
    let first = parts.first().map_or("", |part| part.token.as_deref().unwrap_or(&part.name));
    if kind == Kind::Block {
        return match first {
            "start" => "range".into(),
            "end" => "end-unit-block".into(),
            "selector" => "how-many".into(),
            "OVERFLOW" => "write".into(),
            _ => "data".into(),
        };
    }
    match first {
        "NX" => "condition".into(),
        "BYFLOAT" => "increment".into(),
        "COUNT" => "selector".into(),
        "OBO" => "ordering".into(),
        "EX" => "expiration".into(),
        "ON" => "status".into(),
        "YES" => "mode".into(),
        "ASYNC" => "flush-type".into(),
        "NOSAVE" => "save-selector".into(),
        "LOCAL" => "level".into(),
        "LEFT" | "BEFORE" | "MIN" => "where".into(),
        "GT" => "comparison".into(),
        "SUM" => "aggregate".into(),
        "BYSCORE" => "sortby".into(),
        "BYTE" | "M" => "unit".into(),
        "FROMMEMBER" => "from".into(),
        "BYRADIUS" => "by".into(),
        "ASC" => "order".into(),
        "AND" | "GET" => "operation".into(),
        "SET" => "write-operation".into(),
        "WRAP" => "overflow-block".into(),
        _ => parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("-"),
    }
}

/// Reads up to the end, a `|` or a closing bracket, which is left.
fn sequence(words: &mut Peekable<Words<'_>>) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some(&word) = words.peek() {
        if matches!(word, "|" | "]" | ">") {
            break;
        }
        words.next();
        match word {
            "[" => optional(words, &mut parts),
            "<" => {
                let alternatives = alternatives(words);
                words.next();
                parts.push(Part::Arg(one_of(alternatives)));
            }
            _ if word.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                parts.push(Part::Arg(Arg::new(word.into(), Kind::of_value(word))));
            }
            _ => parts.push(Part::Token(word.into())),
        }
    }
    parts
}

/// Reads what follows a `[`: something that may be left out, or the sign that the last parts repeat.
fn optional(words: &mut Peekable<Words<'_>>, parts: &mut Vec<Part>) {
    let mut alternatives = alternatives(words);
    words.next();
    let repeats = matches!(alternatives.as_slice(), [only] if matches!(only.last(), Some(Part::Token(dots)) if dots == "..."));
    if repeats {
        let count = alternatives.remove(0).len().max(2) - 1;
        let repeated = parts.split_off(parts.len().saturating_sub(count));
        let multiple_token = count > 1 && matches!(repeated.first(), Some(Part::Token(_)));
        parts.push(Part::Arg(Arg { multiple: true, multiple_token, ..joined(repeated) }));
    } else {
        parts.push(Part::Arg(Arg { optional: true, ..one_of(alternatives) }));
    }
}

/// Reads sequences separated by `|` up to a closing bracket, which is left.
fn alternatives(words: &mut Peekable<Words<'_>>) -> Vec<Vec<Part>> {
    let mut alternatives = vec![sequence(words)];
    while words.next_if_eq(&"|").is_some() {
        alternatives.push(sequence(words));
    }
    alternatives
}

fn one_of(alternatives: Vec<Vec<Part>>) -> Arg {
    let mut args: Vec<Arg> = alternatives.into_iter().map(joined).collect();
    if args.len() == 1 { args.remove(0) } else { Arg::group(Kind::OneOf, args) }
}

/// Makes one argument of a sequence: `EX seconds` is a value with a word before it.
fn joined(mut parts: Vec<Part>) -> Arg {
    if parts.len() == 1 {
        return parts.remove(0).into_arg();
    }
    let token = match parts.first() {
        Some(Part::Token(token)) => Some(token.clone()),
        _ => None,
    };
    let mut args: Vec<Arg> =
        parts.into_iter().skip(usize::from(token.is_some())).map(Part::into_arg).collect();
    match token {
        Some(token) if args.len() == 1 => Arg { token: Some(token), ..args.remove(0) },
        Some(token) => {
            Arg { args, token: Some(token.clone()), ..Arg::new(token.to_ascii_lowercase(), Kind::Block) }
        }
        None => Arg::group(Kind::Block, args),
    }
}

/// Brackets, bars and what stands between them.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let len = match self.rest.find([' ', '[', ']', '<', '>', '|']) {
            None => self.rest.len(),
            // A sign is a word of its own.
            Some(at) => at.max(1),
        };
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{all, lookup_name};

    /// A tree on one line: `name:kind`, `?` may be left out, `*` repeats, `TOKEN=` before.
    fn text(args: &[Arg]) -> String {
        let one = |arg: &Arg| {
            let token = arg.token.as_ref().map(|token| format!("{token}=")).unwrap_or_default();
            let parts = if arg.args.is_empty() { String::new() } else { format!("({})", text(&arg.args)) };
            let optional = if arg.optional { "?" } else { "" };
            let multiple = if arg.multiple_token {
                "**"
            } else if arg.multiple {
                "*"
            } else {
                ""
            };
            format!("{token}{}:{}{optional}{multiple}{parts}", arg.name, arg.kind.name())
        };
        args.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(name: &str, expect: &str) {
        let spec = lookup_name(name).expect("a command of ours");
        assert_eq!(text(&arguments(spec)), expect);
    }

    #[test]
    fn words_values_groups_and_repeats_are_told_apart() {
        check("get", "key:key");
        check("ping", "message:string?");
        check("mget", "key:key*");
        check("mset", "data:block*(key:key value:string)");
        check("hset", "key:key data:block*(field:string value:string)");
        check("subscribe", "channel:string*");
        check("unsubscribe", "channel:string?*");
        check(
            "expire",
            "key:key seconds:integer condition:oneof?(NX=nx:pure-token XX=xx:pure-token GT=gt:pure-token LT=lt:pure-token)",
        );
        check("scan", "cursor:integer MATCH=pattern:pattern? COUNT=count:integer? TYPE=type:string?");
        check("hrandfield", "key:key data:block?(count:integer WITHVALUES=withvalues:pure-token?)");
        check(
            "getex",
            "key:key expiration:oneof?(EX=seconds:integer PX=milliseconds:integer EXAT=unix-time-seconds:unix-time \
             PXAT=unix-time-milliseconds:unix-time PERSIST=persist:pure-token)",
        );
        check(
            "client tracking",
            "status:oneof(ON=on:pure-token OFF=off:pure-token) REDIRECT=client-id:integer? PREFIX=prefix:string?** \
             BCAST=bcast:pure-token? OPTIN=optin:pure-token? OPTOUT=optout:pure-token? NOLOOP=noloop:pure-token?",
        );
        check(
            "hello",
            "data:block?(protover:integer AUTH=auth:block?(username:string password:string) \
             SETNAME=clientname:string?)",
        );
        check("incrbyfloat", "key:key increment:double");
        check("zcount", "key:key min:double max:double");
        check(
            "zrange",
            "key:key start:string stop:string sortby:oneof?(BYSCORE=byscore:pure-token BYLEX=bylex:pure-token) \
             REV=rev:pure-token? LIMIT=limit:block?(offset:integer count:integer) WITHSCORES=withscores:pure-token?",
        );
        check(
            "zunionstore",
            "destination:key numkeys:integer key:key* WEIGHTS=weight:integer?* \
             AGGREGATE=aggregate:oneof?(SUM=sum:pure-token MIN=min:pure-token MAX=max:pure-token)",
        );
        check(
            "lmovem",
            "source:key destination:key where:oneof(LEFT=left:pure-token RIGHT=right:pure-token) \
             where:oneof(LEFT=left:pure-token RIGHT=right:pure-token) how-many:block?(selector:oneof(COUNT=count:integer \
             EXACTLY=exactly:integer) ordering:oneof(OBO=obo:pure-token BULK=bulk:pure-token))",
        );
        check("cluster keyslot", "key:string");
        check(
            "bitcount",
            "key:key range:block?(start:integer end:integer unit:oneof?(BYTE=byte:pure-token BIT=bit:pure-token))",
        );
        check(
            "bitop",
            "operation:oneof(AND=and:pure-token OR=or:pure-token XOR=xor:pure-token NOT=not:pure-token) \
             destkey:key key:key*",
        );
        check(
            "bitfield",
            "key:key operation:oneof?*(GET=get:block(encoding:string offset:integer) \
             write:block(OVERFLOW=overflow-block:oneof?(WRAP=wrap:pure-token SAT=sat:pure-token \
             FAIL=fail:pure-token) write-operation:oneof(SET=set:block(encoding:string offset:integer \
             value:integer) INCRBY=incrby:block(encoding:string offset:integer increment:integer))))",
        );
        check("bitfield_ro", "key:key GET=get:block?**(encoding:string offset:integer)");
        check("pfmerge", "destkey:key sourcekey:key?*");
        check(
            "sort",
            "key:key BY=pattern:pattern? LIMIT=limit:block?(offset:integer count:integer) GET=pattern:pattern?** \
             order:oneof?(ASC=asc:pure-token DESC=desc:pure-token) ALPHA=alpha:pure-token? STORE=destination:key?",
        );
        check("setbit", "key:key offset:integer value:integer");
        let unit = "unit:oneof(M=m:pure-token KM=km:pure-token FT=ft:pure-token MI=mi:pure-token)";
        check(
            "geosearch",
            &format!(
                "key:key from:oneof(FROMMEMBER=member:string FROMLONLAT=fromlonlat:block(longitude:double \
                 latitude:double)) by:oneof(BYRADIUS=byradius:block(radius:double {unit}) \
                 BYBOX=bybox:block(width:double height:double {unit})) order:oneof?(ASC=asc:pure-token \
                 DESC=desc:pure-token) COUNT=count:block?(count:integer ANY=any:pure-token?) \
                 WITHCOORD=withcoord:pure-token? WITHDIST=withdist:pure-token? WITHHASH=withhash:pure-token?"
            ),
        );
    }

    #[test]
    fn keys_point_to_their_key_specs() {
        let specs =
            |name| arguments(lookup_name(name).unwrap()).iter().map(|arg| arg.key_spec).collect::<Vec<_>>();
        assert_eq!(specs("copy"), [Some(0), Some(1), None, None]);
        assert_eq!(specs("lcs")[..2], [Some(0), Some(0)]);
        assert_eq!(specs("sort"), [Some(0), Some(1), None, Some(1), None, None, Some(2)]);
        let stored = arguments(lookup_name("georadius").unwrap()).pop().unwrap();
        assert_eq!(stored.args.iter().map(|key| key.key_spec).collect::<Vec<_>>(), [Some(1), Some(2)]);
    }

    fn is_open(arg: &Arg) -> bool {
        let mut lengths = arg.args.iter().map(words_at_least);
        let first = lengths.next();
        let is_uneven = arg.kind == Kind::OneOf && lengths.any(|length| Some(length) != first);
        arg.optional || arg.multiple || is_uneven || arg.args.iter().any(is_open)
    }

    fn words_at_least(arg: &Arg) -> usize {
        let parts = arg.args.iter().map(words_at_least);
        let own = match arg.kind {
            Kind::OneOf => parts.min().unwrap_or(0),
            Kind::Block => parts.sum(),
            Kind::PureToken => 0,
            _ => 1,
        };
        if arg.optional { 0 } else { own + usize::from(arg.token.is_some()) }
    }

    #[test]
    fn every_row_parses_and_its_arity_fits_its_syntax() {
        for spec in all().filter(|spec| !spec.has_subcommands()) {
            let args = arguments(spec);
            let parent = usize::from(spec.name.contains('|'));
            let least = 1 + parent + args.iter().map(words_at_least).sum::<usize>();
            // QUIT takes what comes and ignores it.
            let open = args.iter().any(is_open) || spec.name == "quit";
            let arity = usize::from(spec.arity.unsigned_abs());
            assert!(spec.arity_ok(least), "{}: {} does not fit arity {}", spec.name, spec.syntax, spec.arity);
            assert_eq!(
                open,
                spec.arity < 0,
                "{}: {} does not fit arity {}",
                spec.name,
                spec.syntax,
                spec.arity
            );
            assert!(least >= arity, "{}", spec.name);
        }
    }
}
