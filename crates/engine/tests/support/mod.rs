//! Random requests for every data command: right ones, slightly wrong ones, and noise.
//!
//! Few keys and few fields, so that requests meet; numbers at the edges of their ranges, so that checks are hit.

mod recent;

use base::{Random, Request};
use command::DataCommand;

/// Values in Redis's form, of every type, some of them damaged.
pub(crate) const PAYLOADS: &[&[u8]] = &[
    b"\x00\x05hello",
    b"\x00\xc190",
    b"\x00\xc3\x09@d\x01aa\xe0W\x00\x01aa",
    b"\x12\x01\x02\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\xf1x\xec\x03\x82bb\x03\xff",
    b"\x0b\x14\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\xe0\x93\x04\x00",
    b"\x02\x02\x01b\x01a",
    b"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\x07\x01\xff",
    b"\x11\x1d\x1d\x00\x00\x00\x06\x00\x81c\x02\x84-inf\x05\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff",
    b"\x02\x02\x01a\x01a",
    b"\x04\x01\x01f",
    b"\x2a\x01f",
    b"\x18\x00\x00\x00\x00\x00\x20\x00\x00\x02\x01\x01f\x01v\x00\x01g\xc0\x07",
    b"\x19\x00\x00\x00\x00\x00\x20\x00\x00\x1e\x1e\x00\x00\x00\x06\x00\x81f\x02\x81v\x02\xf4\x00\x00\x00\x00\x00\x20\x00\x00\x09\x81g\x02\x07\x01\x00\x01\xff",
];

/// How right the requests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Mostly right, sometimes with a wrong word or number.
    Plausible,
    /// Any bytes, any number of arguments.
    Noise,
}

/// What may be asked of the members in an area.
const AREA_OPTIONS: &[&str] =
    &["WITHCOORD", "WITHDIST", "WITHHASH", "ASC", "DESC", "COUNT integer", "COUNT 3 ANY", "ANY"];

/// Draws requests from a seed.
pub(crate) struct Requests {
    pub(crate) random: Random,
    pub(crate) shape: Shape,
    /// The clock's reading, for options that name a moment.
    pub(crate) now: u64,
}

impl Requests {
    pub(crate) fn new(seed: u64, shape: Shape) -> Requests {
        Requests { random: Random::new(seed), shape, now: 1_700_000_000_000 }
    }

    /// A request of any command but the internal ones.
    pub(crate) fn draw(&mut self) -> (DataCommand, Request) {
        loop {
            let command = self.pick(DataCommand::ALL);
            if !command.spec().is_internal() {
                return (command, self.draw_for(command));
            }
        }
    }

    /// A request of this command.
    pub(crate) fn draw_for(&mut self, command: DataCommand) -> Request {
        let mut request = Request::new();
        command.spec().name.split('|').for_each(|name| request.push(name.as_bytes()));
        match self.shape {
            Shape::Plausible => self.plausible(command, &mut request),
            Shape::Noise => {
                for _ in 0..self.random.below(9) {
                    let argument = self.noise();
                    request.push(&argument);
                }
            }
        }
        request
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }

    pub(crate) fn key(&mut self) -> Vec<u8> {
        format!("{{k}}{}", self.random.below(10)).into_bytes()
    }

    fn field(&mut self) -> Vec<u8> {
        // Mostly few, sometimes enough of them that a hash outgrows its small form.
        let count = self.pick(&[5, 5, 5, 300]);
        format!("f{}", self.random.below(count)).into_bytes()
    }

    /// Of a set: of few numbers, many numbers, or anything.
    fn member(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0..=5 => self.random.below(12).to_string().into_bytes(),
            6 | 7 => (self.random.below(100_000) as i64 - 50_000).to_string().into_bytes(),
            8 => self.field(),
            _ => self.value(),
        }
    }

    /// A number, mostly right, and keys.
    fn counted_keys(&mut self, request: &mut Request) {
        let count = 1 + self.random.below(4);
        let said = if self.random.chance(1, 12) { self.integer() } else { count.to_string().into_bytes() };
        request.push(&said);
        (0..count).for_each(|_| self.push_each(request, "key"));
    }

    fn timeout(&mut self, request: &mut Request) {
        let timeout = self.pick(&["0", "0", "1", "0.001", "1e300", "inf", "-1", "-0.1", "0x1p-3", "x", ""]);
        request.push(timeout.as_bytes());
    }

    fn integer(&mut self) -> Vec<u8> {
        let edges: &[i64] =
            &[0, 1, -1, 2, 3, 10, 100, -5, 9999, 10000, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 31, 1 << 53];
        match self.random.below(20) {
            0 => self.pick(&["", "abc", "1.5", " 1", "01", "-0", "+1", "9223372036854775808"]).into(),
            1..=3 => self.pick(edges).to_string().into_bytes(),
            _ => (self.random.below(40) as i64 - 10).to_string().into_bytes(),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        let odd: &[&str] = &[
            "",
            "abc",
            "inf",
            "-inf",
            "nan",
            " 1",
            "1e",
            "1e400",
            "1e4932",
            "-1e4932",
            "1e-4950",
            "1e5000",
            "0x1p3",
            "0x.8",
            "+1.5",
            ".5",
            "5.",
            "1e-17",
            "5e-18",
            "-0.0",
            "3.0e3",
            "18446744073709551615",
            "1e30",
            "infinity",
        ];
        match self.random.below(8) {
            0 => self.pick(odd).into(),
            1 => format!("{}e{}", self.random.next_u64() as i64, self.random.below(60) as i64 - 40)
                .into_bytes(),
            2 => format!("{}.{}", self.random.below(1000), self.random.next_u64()).into_bytes(),
            3 => self.integer(),
            _ => {
                let number = self.random.below(20_000) as i64 - 10_000;
                let scale = self.pick(&[1.0, 10.0, 100.0, 1000.0, 1e6]);
                format!("{}", number as f64 / scale).into_bytes()
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0..=3 => self.integer(),
            4 | 5 => self.float(),
            6 => Vec::new(),
            7 => b"x".repeat(self.random.below(200) as usize),
            // Or a HyperLogLog, mostly none that is whole.
            8 => match self.random.below(3) {
                0 => b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff".to_vec(),
                1 => {
                    let runs: Vec<u8> =
                        (0..self.random.below(9)).map(|_| self.random.next_u64() as u8).collect();
                    [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", runs.as_slice()].concat()
                }
                _ => b"a\r\nb\0c\xff".to_vec(),
            },
            _ => {
                let len = self.random.below(12);
                (0..len).map(|_| self.pick(b"abc")).collect()
            }
        }
    }

    /// An amount that a life time or a moment is made of.
    fn amount(&mut self, seconds: bool, moment: bool) -> Vec<u8> {
        if self.random.chance(1, 6) {
            return self.integer();
        }
        // Far enough from now that a slow test run does not see them come.
        let from_now = self.pick(&[-100_000i64, -1, 100, 1000, 5000, 100_000]);
        let amount = if moment { (self.now / 1000) as i64 + from_now } else { from_now };
        let amount = if seconds { amount } else { amount * 1000 + 7 };
        amount.to_string().into_bytes()
    }

    /// The word itself, in some case, or rarely another.
    fn word(&mut self, word: &str) -> Vec<u8> {
        match self.random.below(12) {
            0 => self.pick(&["FOO", "", "EX", "NX", "GET", "COUNT", "XX", "KEEPTTL"]).into(),
            1..=6 => word.to_ascii_lowercase().into_bytes(),
            _ => word.into(),
        }
    }

    fn lifetime(&mut self, request: &mut Request) {
        let word = self.pick(&["EX", "PX", "EXAT", "PXAT"]);
        let amount = self.amount(word.starts_with('E'), word.ends_with("AT"));
        let word = self.word(word);
        request.push(&word);
        if !self.random.chance(1, 30) {
            request.push(&amount);
        }
    }

    fn push_each(&mut self, request: &mut Request, parts: &str) {
        for part in parts.split(' ') {
            let argument = match part {
                "key" => self.key(),
                "field" => self.field(),
                "value" => self.value(),
                "digest" => self.pick(&["9555e8555c62dcfd", "2D06800538D394C2", "0123", ""]).into(),
                "integer" => self.integer(),
                "float" => self.float(),
                "member" => self.member(),
                // Mostly within the grid, at times at its very ends.
                "degrees" => match self.random.below(20) {
                    0 => self.float(),
                    1 => self.pick(&["180", "-180", "85.05112878", "-85.05112878", "0", "-0.0"]).into(),
                    _ => {
                        let part = self.random.next_u64() as f64 / u64::MAX as f64 - 0.5;
                        format!("{}", part * 170.0).into_bytes()
                    }
                },
                "bound" => {
                    let start = self.pick(&["", "("]);
                    [start.as_bytes(), &self.float()].concat()
                }
                "name" => match self.random.below(6) {
                    0 => self.pick(&["-", "+", "", "a", "-x"]).into(),
                    _ => {
                        let start = self.pick(&["[", "("]);
                        [start.as_bytes(), &self.member()].concat()
                    }
                },
                // Seldom so far that a string has to be long.
                "bit" => match self.random.below(30) {
                    0 => self
                        .pick(&["", "x", "-1", "4294967296", "4294967295x", "#9223372036854775807"])
                        .into(),
                    1 => self.random.below(1 << 20).to_string().into_bytes(),
                    2..=6 => format!("#{}", self.random.below(20)).into_bytes(),
                    _ => self.random.below(600).to_string().into_bytes(),
                },
                "width" => match self.random.below(30) {
                    0 => self.pick(&["", "i", "u64", "i65", "i0", "8", "I8"]).into(),
                    _ => {
                        let sign = self.pick(&["i", "u"]);
                        format!("{sign}{}", 1 + self.random.below(63)).into_bytes()
                    }
                },
                word => self.word(word),
            };
            request.push(&argument);
        }
    }

    /// `FIELDS`, mostly the right number, and fields, with values or without.
    fn fields(&mut self, request: &mut Request, with_values: bool) {
        let count = 1 + self.random.below(3);
        request.push(self.pick(&["FIELDS", "FIELDS", "fields", "FIELDS", "FIELD"]).as_bytes());
        let said = if self.random.chance(1, 8) { self.integer() } else { count.to_string().into_bytes() };
        request.push(&said);
        (0..count).for_each(|_| self.push_each(request, if with_values { "field value" } else { "field" }));
    }

    fn some(&mut self, request: &mut Request, parts: &str) {
        for _ in 0..=self.random.below(4) {
            self.push_each(request, parts);
        }
        // Sometimes one too many, so that pairs do not pair up.
        if self.random.chance(1, 30) {
            self.push_each(request, "key");
        }
    }

    fn options(&mut self, request: &mut Request, words: &[&str]) {
        while self.random.chance(1, 3) {
            let parts = self.pick(words);
            self.push_each(request, parts);
        }
    }

    fn plausible(&mut self, command: DataCommand, request: &mut Request) {
        use DataCommand::*;
        match command {
            Get | GetDel | StrLen | Incr | Decr | HGetAll | HKeys | HVals | HLen | ExpireTime
            | PExpireTime | Persist | Ttl | PTtl | Type | ObjectEncoding | ObjectFreq | ObjectIdleTime
            | ObjectRefCount | DebugObject => {
                self.push_each(request, "key");
            }
            Append | SetNx | GetSet => self.push_each(request, "key value"),
            IncrBy | DecrBy => self.push_each(request, "key integer"),
            IncrByFloat => self.push_each(request, "key float"),
            GetRange | Substr => self.push_each(request, "key integer integer"),
            SetRange => {
                self.push_each(request, "key");
                let offset = self.pick(&["0", "1", "5", "20", "-1", "536870912", "9223372036854775807", "x"]);
                request.push(offset.as_bytes());
                self.push_each(request, "value");
            }
            Set => {
                self.push_each(request, "key value");
                self.options(
                    request,
                    &["NX", "XX", "GET", "KEEPTTL", "IFEQ value", "IFNE value", "IFDEQ digest"],
                );
                if self.random.chance(1, 3) {
                    self.lifetime(request);
                }
                self.options(request, &["GET", "KEEPTTL"]);
            }
            GetEx => {
                self.push_each(request, "key");
                if self.random.chance(1, 2) {
                    self.lifetime(request);
                }
                self.options(request, &["PERSIST"]);
            }
            SetEx | PSetEx => {
                self.push_each(request, "key");
                let amount = self.amount(command == SetEx, false);
                request.push(&amount);
                self.push_each(request, "value");
            }
            MGet | Del | Unlink | Exists | Touch | DebugDigestValue => self.some(request, "key"),
            MSet | MSetNx => self.some(request, "key value"),
            Lcs => {
                self.push_each(request, "key key");
                self.options(
                    request,
                    &["LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN integer", "IDX WITHMATCHLEN"],
                );
            }
            HDel | HMGet => {
                self.push_each(request, "key");
                self.some(request, "field");
            }
            HSet | HMSet => {
                self.push_each(request, "key");
                self.some(request, "field value");
            }
            HGet | HExists | HStrLen => self.push_each(request, "key field"),
            HSetNx => self.push_each(request, "key field value"),
            HIncrBy => self.push_each(request, "key field integer"),
            HIncrByFloat => self.push_each(request, "key field float"),
            HRandField => {
                self.push_each(request, "key");
                self.options(request, &["integer", "integer WITHVALUES"]);
            }
            HScan => {
                self.push_each(request, "key");
                let cursor = self.pick(&["0", "0", "0", "x", "", "-1", "99999999999999999999"]);
                request.push(cursor.as_bytes());
                self.options(
                    request,
                    &["MATCH f*", "MATCH f[1-3]", "COUNT integer", "COUNT 1000", "NOVALUES"],
                );
            }
            SCard | SMembers => self.push_each(request, "key"),
            SAdd | SRem | SMIsMember => {
                self.push_each(request, "key");
                // Seldom so many that small forms give way.
                let many = if self.random.chance(1, 40) { 200 } else { 1 };
                (0..many).for_each(|_| self.some(request, "member"));
            }
            SIsMember => self.push_each(request, "key member"),
            SMove => self.push_each(request, "key key member"),
            SPop | SRandMember => {
                self.push_each(request, "key");
                self.options(request, &["integer"]);
            }
            SScan => {
                self.push_each(request, "key");
                let cursor = self.pick(&["0", "0", "0", "x", "", "-1", "5000000"]);
                request.push(cursor.as_bytes());
                self.options(request, &["MATCH 1*", "COUNT integer", "COUNT 1000"]);
            }
            SInter | SUnion | SDiff => self.some(request, "key"),
            SInterStore | SUnionStore | SDiffStore => {
                self.push_each(request, "key");
                self.some(request, "key");
            }
            SDiffCard | SInterCard | SUnionCard => {
                self.counted_keys(request);
                self.options(request, &["LIMIT integer", "LIMIT 1", "APPROX"]);
            }
            LLen => self.push_each(request, "key"),
            LPush | RPush | LPushX | RPushX => {
                self.push_each(request, "key");
                // Seldom so many that the small form gives way.
                let many = if self.random.chance(1, 40) { 200 } else { 1 };
                (0..many).for_each(|_| self.some(request, "value"));
            }
            LPop | RPop => {
                self.push_each(request, "key");
                self.options(request, &["integer"]);
            }
            LIndex => self.push_each(request, "key integer"),
            LRange | LTrim => self.push_each(request, "key integer integer"),
            LSet | LRem => self.push_each(request, "key integer value"),
            LInsert => {
                self.push_each(request, "key");
                let side = self.pick(&["BEFORE", "after", "beside"]);
                request.push(side.as_bytes());
                self.push_each(request, "value value");
            }
            LPos => {
                self.push_each(request, "key value");
                self.options(
                    request,
                    &["RANK integer", "RANK -1", "COUNT integer", "MAXLEN integer", "MAXLEN 5"],
                );
            }
            LMove => {
                self.push_each(request, "key key");
                let ends = self.pick(&["LEFT LEFT", "left RIGHT", "RIGHT LEFT", "RIGHT RIGHT", "LEFT TOP"]);
                ends.split(' ').for_each(|end| request.push(end.as_bytes()));
            }
            BLMoveM | IncrEx | LMoveM => self.recent(command, request),
            RPopLPush => self.push_each(request, "key key"),
            LMPop => {
                self.counted_keys(request);
                let end = self.pick(&["LEFT", "RIGHT", "top"]);
                request.push(end.as_bytes());
                self.options(request, &["COUNT integer", "COUNT 2"]);
            }
            BLPop | BRPop | BZPopMin | BZPopMax => {
                self.some(request, "key");
                self.timeout(request);
            }
            BLMove => {
                self.push_each(request, "key key");
                let ends = self.pick(&["LEFT LEFT", "left RIGHT", "RIGHT LEFT", "RIGHT RIGHT", "LEFT TOP"]);
                ends.split(' ').for_each(|end| request.push(end.as_bytes()));
                self.timeout(request);
            }
            BRPopLPush => {
                self.push_each(request, "key key");
                self.timeout(request);
            }
            BLMPop | BZMPop => {
                self.timeout(request);
                self.counted_keys(request);
                let end = self.pick(&["LEFT", "RIGHT", "MIN", "max", "top"]);
                request.push(end.as_bytes());
                self.options(request, &["COUNT integer", "COUNT 2"]);
            }
            ZAdd => {
                self.push_each(request, "key");
                self.options(request, &["NX", "XX", "GT", "LT", "CH", "INCR"]);
                // Seldom so many that the small form gives way.
                let many = if self.random.chance(1, 40) { 200 } else { 1 };
                (0..many).for_each(|_| self.some(request, "float member"));
            }
            ZCard => self.push_each(request, "key"),
            ZIncrBy => self.push_each(request, "key float member"),
            ZScore => self.push_each(request, "key member"),
            ZRem | ZMScore => {
                self.push_each(request, "key");
                self.some(request, "member");
            }
            ZRank | ZRevRank => {
                self.push_each(request, "key member");
                self.options(request, &["WITHSCORE"]);
            }
            ZCount | ZRemRangeByScore => self.push_each(request, "key bound bound"),
            ZLexCount | ZRemRangeByLex => self.push_each(request, "key name name"),
            ZRemRangeByRank => self.push_each(request, "key integer integer"),
            ZRange | ZRangeStore => {
                self.push_each(request, if command == ZRange { "key" } else { "key key" });
                let by = self.pick(&["integer integer", "bound bound BYSCORE", "name name BYLEX"]);
                self.push_each(request, by);
                self.options(request, &["REV", "LIMIT integer integer", "WITHSCORES", "LIMIT 1"]);
            }
            ZRevRange => {
                self.push_each(request, "key integer integer");
                self.options(request, &["WITHSCORES"]);
            }
            ZRangeByScore | ZRevRangeByScore => {
                self.push_each(request, "key bound bound");
                self.options(request, &["WITHSCORES", "LIMIT integer integer"]);
            }
            ZRangeByLex | ZRevRangeByLex => {
                self.push_each(request, "key name name");
                self.options(request, &["LIMIT integer integer"]);
            }
            ZPopMin | ZPopMax => {
                self.push_each(request, "key");
                self.options(request, &["integer"]);
            }
            ZMPop => {
                self.counted_keys(request);
                let end = self.pick(&["MIN", "max", "top"]);
                request.push(end.as_bytes());
                self.options(request, &["COUNT integer", "COUNT 2"]);
            }
            ZRandMember => {
                self.push_each(request, "key");
                self.options(request, &["integer", "integer WITHSCORES"]);
            }
            ZScan => {
                self.push_each(request, "key");
                let cursor = self.pick(&["0", "0", "0", "x", "", "-1", "5000000"]);
                request.push(cursor.as_bytes());
                self.options(request, &["MATCH 1*", "COUNT integer", "COUNT 1000"]);
            }
            ZInter | ZUnion | ZDiff | ZInterStore | ZUnionStore | ZDiffStore => {
                if matches!(command, ZInterStore | ZUnionStore | ZDiffStore) {
                    self.push_each(request, "key");
                }
                self.counted_keys(request);
                self.options(
                    request,
                    &["WEIGHTS float", "WEIGHTS float float", "AGGREGATE MIN", "AGGREGATE max", "WITHSCORES"],
                );
            }
            ZInterCard => {
                self.counted_keys(request);
                self.options(request, &["LIMIT integer", "LIMIT 1"]);
            }
            GetBit => self.push_each(request, "key bit"),
            SetBit => {
                self.push_each(request, "key bit");
                let value = self.pick(&["0", "1", "1", "2", "x"]);
                request.push(value.as_bytes());
            }
            BitCount | BitPos => {
                self.push_each(request, "key");
                if command == BitPos {
                    let wanted = self.pick(&["0", "1", "2", "x"]);
                    request.push(wanted.as_bytes());
                }
                let range = ["integer", "integer integer", "integer integer BYTE", "integer integer BIT"];
                self.options(request, &range);
            }
            BitOp => {
                let way = self.pick(&["AND", "or", "XOR", "NOT", "NAND"]);
                request.push(way.as_bytes());
                self.push_each(request, "key");
                self.some(request, "key");
            }
            BitField | BitFieldRo => {
                self.push_each(request, "key");
                self.options(
                    request,
                    &[
                        "GET width bit",
                        "SET width bit integer",
                        "INCRBY width bit integer",
                        "OVERFLOW SAT INCRBY width bit integer",
                        "OVERFLOW FAIL SET width bit integer",
                        "OVERFLOW WRAP",
                        "OVERFLOW",
                    ],
                );
            }
            GeoAdd => {
                self.push_each(request, "key");
                self.options(request, &["NX", "XX", "CH"]);
                let many = if self.random.chance(1, 40) { 100 } else { 1 };
                (0..many).for_each(|_| self.some(request, "degrees degrees member"));
            }
            GeoDist => {
                self.push_each(request, "key member member");
                self.options(request, &["m", "KM", "ft", "mi"]);
            }
            GeoHash | GeoPos => {
                self.push_each(request, "key");
                self.some(request, "member");
            }
            GeoRadius | GeoRadiusRo | GeoRadiusByMember | GeoRadiusByMemberRo => {
                let by_member = matches!(command, GeoRadiusByMember | GeoRadiusByMemberRo);
                self.push_each(request, if by_member { "key member" } else { "key degrees degrees" });
                self.push_each(request, "float km");
                self.options(request, AREA_OPTIONS);
                self.options(request, &["STORE key", "STOREDIST key"]);
            }
            GeoSearch | GeoSearchStore => {
                self.push_each(request, if command == GeoSearch { "key" } else { "key key" });
                let centre = self.pick(&["FROMMEMBER member", "FROMLONLAT degrees degrees"]);
                self.push_each(request, centre);
                let shape = self.pick(&["BYRADIUS float km", "BYBOX float float mi", "BYRADIUS integer M"]);
                self.push_each(request, shape);
                self.options(request, AREA_OPTIONS);
                self.options(request, &["STOREDIST"]);
            }
            PfAdd => {
                self.push_each(request, "key");
                let many = if self.random.chance(1, 40) { 300 } else { 1 };
                (0..many).for_each(|_| self.some(request, "member"));
            }
            PfCount | PfMerge => self.some(request, "key"),
            PfDebug => {
                let asked = self.pick(&["DECODE", "encoding", "GETREG", "TODENSE", "x"]);
                request.push(asked.as_bytes());
                self.push_each(request, "key");
            }
            NarfPfAdd => {
                self.push_each(request, "integer key");
                self.some(request, "member");
            }
            NarfPfMerge => {
                self.push_each(request, "integer");
                self.some(request, "key");
            }
            Sort | SortRo => {
                self.push_each(request, "key");
                let by = ["BY {k}*", "BY nosort", "BY {k}*->field", "BY *", "ALPHA BY {k}*"];
                self.options(request, &by);
                self.options(request, &["GET #", "GET {k}*", "GET {k}*->f1", "GET x"]);
                self.options(request, &["ALPHA", "DESC", "ASC", "LIMIT integer integer", "LIMIT 1 3"]);
                self.options(request, &["STORE key"]);
            }
            Copy => {
                self.push_each(request, "key key");
                self.options(request, &["REPLACE", "DB 0", "DB integer", "DB 99"]);
            }
            Move => self.push_each(request, "key integer"),
            Rename | RenameNx => self.push_each(request, "key key"),
            Expire | PExpire | ExpireAt | PExpireAt => {
                self.push_each(request, "key");
                let amount = self
                    .amount(matches!(command, Expire | ExpireAt), matches!(command, ExpireAt | PExpireAt));
                request.push(&amount);
                self.options(request, &["NX", "XX", "GT", "LT"]);
            }
            MemoryUsage => {
                self.push_each(request, "key");
                self.options(request, &["SAMPLES integer", "SAMPLES"]);
            }
            HExpire | HExpireAt | HPExpire | HPExpireAt => {
                self.push_each(request, "key");
                let amount = self.amount(
                    matches!(command, HExpire | HExpireAt),
                    matches!(command, HExpireAt | HPExpireAt),
                );
                request.push(&amount);
                self.options(request, &["NX", "XX", "GT", "LT"]);
                self.fields(request, false);
            }
            HTtl | HPTtl | HExpireTime | HPExpireTime | HPersist | HGetDel => {
                self.push_each(request, "key");
                self.fields(request, false);
            }
            HGetEx => {
                self.push_each(request, "key");
                match self.random.below(3) {
                    0 => self.lifetime(request),
                    _ => self.options(request, &["PERSIST"]),
                }
                self.fields(request, false);
            }
            HSetEx => {
                self.push_each(request, "key");
                self.options(request, &["FNX", "FXX", "KEEPTTL"]);
                if self.random.chance(1, 2) {
                    self.lifetime(request);
                }
                self.fields(request, true);
            }
            DelEx => {
                self.push_each(request, "key");
                self.options(request, &["IFEQ value", "IFNE value", "IFDEQ digest", "IFDNE digest", "IFEQ"]);
            }
            DelIfEq => self.push_each(request, "key value"),
            Digest => self.push_each(request, "key"),
            MSetEx => {
                let count = 1 + self.random.below(3);
                let said = if self.random.chance(1, 8) { self.integer() } else { count.to_string().into() };
                request.push(&said);
                (0..count).for_each(|_| self.push_each(request, "key value"));
                self.options(request, &["NX", "XX", "KEEPTTL", "GET"]);
                if self.random.chance(1, 2) {
                    self.lifetime(request);
                }
            }
            Dump => self.push_each(request, "key"),
            Restore => {
                self.push_each(request, "key");
                let ttl = self.pick(&["0", "0", "1000", "-1", "x", "9223372036854775807"]);
                request.push(ttl.as_bytes());
                let mut payload = self.pick(PAYLOADS).to_vec();
                engine::rdb::seal(&mut payload);
                if self.random.chance(1, 5) {
                    let at = self.random.below(payload.len() as u64) as usize;
                    payload[at] ^= 1;
                }
                request.push(&payload);
                self.options(request, &["REPLACE", "ABSTTL", "IDLETIME integer", "FREQ integer", "FREQ"]);
            }
            NarfEvict | NarfExpire => self.some(request, "key"),
            NarfPut => self.push_each(request, "key integer value"),
            NarfOnce => {
                let session = self.pick(&[
                    "018bcfe5-687b-7fff-8fff-fffffffffff1",
                    "018bcfe5-687b-7fff-8fff-fffffffffff2",
                    "x",
                ]);
                request.push(session.as_bytes());
                for bound in [40, 4, 3] {
                    let number = self.random.below(bound).to_string();
                    request.push(number.as_bytes());
                }
                let (_, inner) = self.draw();
                inner.args().iter().for_each(|word| request.push(word));
            }
            NarfFlush => {}
        }
    }

    fn noise(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => self.key(),
            1 => self.integer(),
            2 => self.float(),
            3 => {
                let words = [
                    "EX",
                    "PX",
                    "EXAT",
                    "PXAT",
                    "NX",
                    "XX",
                    "GT",
                    "LT",
                    "GET",
                    "KEEPTTL",
                    "PERSIST",
                    "MATCH",
                    "COUNT",
                    "DB",
                    "REPLACE",
                    "IDX",
                    "LEN",
                    "MINMATCHLEN",
                    "WITHMATCHLEN",
                    "WITHVALUES",
                    "WITHSCORES",
                    "BYSCORE",
                    "BYLEX",
                    "REV",
                    "LIMIT",
                    "WEIGHTS",
                    "AGGREGATE",
                    "INCR",
                    "SAMPLES",
                    "STORE",
                    "STOREDIST",
                    "ALPHA",
                    "BY",
                    "BYBOX",
                    "FROMLONLAT",
                    "m",
                    "FIELDS",
                    "FNX",
                    "FXX",
                    "*",
                ];
                self.pick(&words).into()
            }
            4 => self.value(),
            _ => {
                let len = self.random.below(24);
                (0..len).map(|_| self.random.next_u64() as u8).collect()
            }
        }
    }
}
