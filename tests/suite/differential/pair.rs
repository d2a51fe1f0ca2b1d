//! Two servers driven in lock step.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use narf_tests::{Client, DEADLINE, Server, Value, eventually};

use super::Step;
use super::compare::{self, Class};
use super::listener::Listeners;

/// How long a reply may take. Less than [`DEADLINE`], as a lost reply is found again and again while it is shrunk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to each server.
pub(crate) const CONNECTIONS: usize = 3;

/// What is known of a connection's state from the reference's replies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadow {
    /// Between `MULTI` and `EXEC`: how the replies of the queued commands will be compared.
    pub(crate) queued: Option<Vec<Class>>,
    pub(crate) resp3: bool,
    /// Subscriptions of all kinds, as `CLIENT LIST` would count them: plain and patterns, then sharded.
    pub(crate) subscribed: [i64; 2],
}

impl Shadow {
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed != [0, 0]
    }

    /// Only a few commands are allowed.
    pub(crate) fn is_restricted(&self) -> bool {
        !self.resp3 && self.is_subscribed()
    }
}

/// Where the servers differed.
#[derive(Clone, Debug)]
pub(crate) struct Mismatch {
    pub(crate) step: Step,
    pub(crate) reference: String,
    pub(crate) subject: String,
}

impl Mismatch {
    /// What differences of the same cause mostly share: the command and the beginnings of both replies.
    pub(crate) fn kind(&self) -> String {
        let start = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).take(16).collect::<String>();
        let both = format!("{} {}", start(&self.reference), start(&self.subject));
        // Two different refusals are of one kind whatever the command was.
        let refused = |text: &str| text.starts_with('-') || text.starts_with("[-");
        if refused(&self.reference) && refused(&self.subject) {
            return both;
        }
        format!("{} {both}", String::from_utf8_lossy(&self.step.args[0]).to_ascii_uppercase())
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Mismatch { step, reference, subject } = self;
        write!(f, "{}\n  redis: {reference}\n  narf:  {subject}", step.text())
    }
}

/// Connections to both servers and what is known of them.
pub(crate) struct Pair {
    reference: Vec<Client>,
    subject: Vec<Client>,
    shadows: Vec<Shadow>,
    /// Something was published since the subscribers were last looked at.
    published: bool,
    patience: Duration,
    /// New connections for those who listen to events, until they are needed, and then these.
    spare: Option<(Client, Client)>,
    listeners: Option<Listeners>,
}

type Outcome = Result<(), Mismatch>;

impl Pair {
    /// New connections to emptied servers; the middle one speaks RESP3.
    pub(crate) fn new(reference: &Server, subject: &Server) -> Pair {
        let open = |server: &Server| {
            // A batch of the run before may still be under way; it must not write into the emptied server.
            let mut control = server.client();
            eventually("the connections of the run before are gone", || {
                (control.run("CLIENT LIST").text().lines().count() == 1).then_some(())
            });
            drop(control);
            let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.client()).collect();
            clients[0].check("CONFIG SET notify-keyspace-events ''", "+OK");
            clients[0].check("FLUSHALL", "+OK");
            clients[1].hello3();
            clients
        };
        let mut shadows = vec![Shadow::default(); CONNECTIONS];
        shadows[1].resp3 = true;
        Pair {
            reference: open(reference),
            subject: open(subject),
            shadows,
            published: false,
            patience: PATIENCE,
            spare: Some((reference.client(), subject.client())),
            listeners: None,
        }
    }

    /// Over connections to servers that hold the same; the middle one speaks RESP3.
    pub(crate) fn of(reference: Vec<Client>, subject: Vec<Client>) -> Pair {
        let mut shadows = vec![Shadow::default(); CONNECTIONS];
        shadows[1].resp3 = true;
        Pair {
            reference,
            subject,
            shadows,
            published: false,
            patience: DEADLINE,
            spare: None,
            listeners: None,
        }
    }

    /// A connection to the reference, and the same to the subject.
    pub(crate) fn both(&mut self, connection: usize) -> (&mut Client, &mut Client) {
        (&mut self.reference[connection], &mut self.subject[connection])
    }

    /// Gives up sooner on replies that may never come, as when commands were taken out of a sequence.
    pub(crate) fn impatient(mut self) -> Pair {
        self.patience = Duration::from_millis(500);
        self
    }

    pub(crate) fn shadows(&self) -> &[Shadow] {
        &self.shadows
    }

    /// Runs a batch, all of one connection, on both servers and compares all replies and messages.
    pub(crate) fn run(&mut self, batch: &[Step]) -> Outcome {
        if batch.iter().any(|step| step.args.get(2).is_some_and(|arg| arg == b"notify-keyspace-events"))
            && let Some((reference, subject)) = self.spare.take()
        {
            self.listeners = Some(Listeners::new(reference, subject));
        }
        let mut rest = batch;
        while let Some(first) = rest.first() {
            // A subscription's replies are as many as its channels, and on a restricted connection replies and
            // messages look alike: these go alone, with a mark behind them.
            let alone = is_subscription(first) || self.shadows[first.connection].is_restricted();
            let len = if alone { 1 } else { plain_len(rest) };
            let (now, later) = rest.split_at(len);
            if alone && self.shadows[first.connection].queued.is_none() {
                self.run_marked(first)?;
            } else {
                self.run_plain(now)?;
            }
            rest = later;
        }
        if let Some(listeners) = &mut self.listeners
            && let Err((expected, told)) = listeners.compare(self.patience)
        {
            let last = batch.last().expect("a batch is not empty");
            let args = vec![b"(events after)".to_vec(), last.text().into_bytes()];
            let step = Step { connection: last.connection, args };
            return Err(Mismatch { step, reference: expected, subject: told });
        }
        if std::mem::take(&mut self.published) {
            let last = batch.last().expect("a batch is not empty");
            for connection in 0..CONNECTIONS {
                let shadow = &self.shadows[connection];
                if shadow.is_subscribed() && shadow.queued.is_none() {
                    self.compare_messages(connection, last)?;
                }
            }
        }
        Ok(())
    }

    fn run_plain(&mut self, steps: &[Step]) -> Outcome {
        for clients in [&mut self.reference, &mut self.subject] {
            let mut bytes = Vec::new();
            for step in steps {
                write(&mut bytes, &step.args);
            }
            clients[steps[0].connection].send_raw(bytes);
        }
        for step in steps {
            let (reference, subject) = self.replies(step.connection);
            self.compare(step, &reference, &subject)?;
        }
        steps.last().map_or(Ok(()), |last| self.run_rest_of_scan(last))
    }

    /// Sends a step, which is no subscription, to both; their replies.
    pub(crate) fn exchange(&mut self, step: &Step) -> (Value, Value) {
        let mut bytes = Vec::new();
        write(&mut bytes, &step.args);
        self.reference[step.connection].send_raw(&bytes);
        self.subject[step.connection].send_raw(&bytes);
        self.replies(step.connection)
    }

    fn replies(&mut self, connection: usize) -> (Value, Value) {
        let reference = reply(&mut self.reference[connection], self.patience);
        (reference, reply(&mut self.subject[connection], self.patience))
    }

    /// Compares the replies to a step that was exchanged.
    pub(crate) fn compare_exchanged(&mut self, step: &Step, reference: &Value, subject: &Value) -> Outcome {
        self.compare(step, reference, subject)?;
        self.run_rest_of_scan(step)
    }

    fn run_rest_of_scan(&mut self, step: &Step) -> Outcome {
        match compare::class(&step.args) {
            Class::Scan { cursor, pairs } => self.run_scan(step, cursor, pairs),
            _ => Ok(()),
        }
    }

    fn compare(&mut self, step: &Step, reference: &Value, subject: &Value) -> Outcome {
        if *reference == silence() {
            return Err(mismatch(step, reference, subject));
        }
        let shadow = &mut self.shadows[step.connection];
        let name = String::from_utf8_lossy(&step.args[0]).to_ascii_uppercase();
        self.published |= matches!(name.as_str(), "PUBLISH" | "SPUBLISH" | "EXEC");
        let wrong_arity = reference.to_string().starts_with("-ERR wrong number of arguments");
        let same = match (&mut shadow.queued, name.as_str()) {
            (Some(_), "RESET") if !wrong_arity => {
                *shadow = Shadow::default();
                reference == subject
            }
            (queued @ Some(_), "EXEC" | "DISCARD") if !wrong_arity => {
                let classes = queued.take().expect("just seen");
                match (reference, subject) {
                    (Value::Array(a), Value::Array(b))
                        if name == "EXEC" && a.len() == b.len() && a.len() == classes.len() =>
                    {
                        classes
                            .iter()
                            .zip(a.iter().zip(b))
                            .all(|(class, (a, b))| compare::equal(*class, a, b))
                    }
                    _ => reference == subject,
                }
            }
            (Some(classes), _) => {
                if reference.to_string() == "+QUEUED" {
                    classes.push(compare::class(&step.args));
                }
                reference == subject
            }
            (None, _) => {
                let ok = !reference.is_error();
                match name.as_str() {
                    "MULTI" if ok => shadow.queued = Some(Vec::new()),
                    "RESET" if ok => *shadow = Shadow::default(),
                    "HELLO" if ok && step.args.len() > 1 => shadow.resp3 = step.args[1] == b"3",
                    _ => {}
                }
                compare::equal(compare::class(&step.args), reference, subject)
            }
        };
        if same { Ok(()) } else { Err(mismatch(step, reference, subject)) }
    }

    /// A command and a mark after it: everything up to the mark is its answer.
    fn run_marked(&mut self, step: &Step) -> Outcome {
        let reference = self.marked(true, step);
        let subject = self.marked(false, step);
        if reference.last() == Some(&silence()) {
            // That both say nothing is no agreement.
            return Err(mismatch(step, &Value::Array(reference), &Value::Array(subject)));
        }
        let shadow = &mut self.shadows[step.connection];
        for reply in &reference {
            note_subscriptions(shadow, reply);
        }
        if reference.first().is_some_and(|reply| reply.to_string() == "+RESET") {
            *shadow = Shadow::default();
        }
        // Which channel is left first when all are left means nothing.
        let told = |reply: &Value| matches!(reply, Value::Array(items) | Value::Push(items) if matches!(items.as_slice(), [_, _, Value::Int(_)]));
        let canonical = |replies: Vec<Value>| {
            if step.args.len() > 1 || !is_subscription(step) || !replies.iter().all(told) {
                return Value::Array(replies);
            }
            let left = replies.iter().map(|reply| reply.items()[2].int()).max();
            let mut channels: Vec<_> =
                replies.iter().map(|reply| Value::Array(reply.items()[..2].to_vec())).collect();
            channels.sort();
            channels.extend(left.map(Value::Int));
            Value::Array(channels)
        };
        if let ([a], [b]) = (reference.as_slice(), subject.as_slice())
            && compare::equal(compare::class(&step.args), a, b)
        {
            return Ok(());
        }
        let (reference, subject) = (canonical(reference), canonical(subject));
        if reference == subject { Ok(()) } else { Err(mismatch(step, &reference, &subject)) }
    }

    fn marked(&mut self, of_reference: bool, step: &Step) -> Vec<Value> {
        let client = if of_reference {
            &mut self.reference[step.connection]
        } else {
            &mut self.subject[step.connection]
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &step.args);
        write(&mut bytes, &[b"PING".to_vec(), MARK.to_vec()]);
        client.send_raw(bytes);
        let mut replies = Vec::new();
        loop {
            match client.next(self.patience) {
                Ok(Some(value)) if is_mark(&value) => return replies,
                // One's own messages may come before or after the reply to publishing them; they are compared later.
                Ok(Some(value)) if is_pushed_message(&value) => client.put_aside(value),
                Ok(Some(value)) => replies.push(value),
                Ok(None) | Err(_) => {
                    replies.push(silence());
                    return replies;
                }
            }
        }
    }

    /// What was published must have reached both subscribers alike, in the same order.
    fn compare_messages(&mut self, connection: usize, after: &Step) -> Outcome {
        let ping = [b"PING".to_vec(), MARK.to_vec()];
        let mut expected = self.reference[connection].take_pushes();
        let mut bytes = Vec::new();
        write(&mut bytes, &ping);
        self.reference[connection].send_raw(&bytes);
        let wait = |client: &mut Client, messages: &mut Vec<Value>, at_least: usize| {
            let mut marked = false;
            while !marked || messages.len() < at_least {
                match client.next(self.patience) {
                    Ok(Some(value)) if is_mark(&value) => marked = true,
                    Ok(Some(value)) => messages.push(value),
                    Ok(None) | Err(_) => {
                        messages.push(silence());
                        return;
                    }
                }
            }
        };
        wait(&mut self.reference[connection], &mut expected, 0);
        let mut got = self.subject[connection].take_pushes();
        self.subject[connection].send_raw(&bytes);
        // A message to another worker may come behind the mark, but it must come.
        wait(&mut self.subject[connection], &mut got, expected.len());
        in_any_order_of_patterns(&mut expected);
        in_any_order_of_patterns(&mut got);
        if expected == got {
            return Ok(());
        }
        let step = Step { connection, args: vec![b"(messages after)".to_vec(), after.text().into_bytes()] };
        Err(mismatch(&step, &Value::Array(expected), &Value::Array(got)))
    }

    /// The first step of an iteration was compared by type; now to its end on both sides.
    fn run_scan(&mut self, step: &Step, cursor: usize, pairs: bool) -> Outcome {
        if self.shadows[step.connection].queued.is_some()
            || step.args.get(cursor).is_none_or(|arg| arg != b"0")
        {
            return Ok(());
        }
        let whole = |client: &mut Client| {
            let mut args = step.args.clone();
            let mut seen = Vec::new();
            loop {
                client.send_args(&args);
                let reply = reply(client, DEADLINE);
                let Value::Array(parts) = &reply else { return reply };
                let items = parts[1].items();
                seen.extend(
                    items.chunks(if pairs { 2 } else { 1 }).map(|chunk| Value::Array(chunk.to_vec())),
                );
                args[cursor] = parts[0].bytes().to_vec();
                if args[cursor] == b"0" {
                    seen.sort();
                    seen.dedup();
                    return Value::Array(seen);
                }
            }
        };
        let reference = whole(&mut self.reference[step.connection]);
        let subject = whole(&mut self.subject[step.connection]);
        let same = if step.args[0].eq_ignore_ascii_case(b"ZSCAN") {
            compare::same_scores(&reference, &subject)
        } else {
            reference == subject
        };
        if same { Ok(()) } else { Err(mismatch(step, &reference, &subject)) }
    }
}

/// How many steps may be sent in one go: up to a subscription, up to and with one after which the connection may be in
/// another state, or whose iteration must run before the next write.
fn plain_len(steps: &[Step]) -> usize {
    let ends = |step: &Step| {
        let name = String::from_utf8_lossy(&step.args[0]).to_ascii_uppercase();
        matches!(name.as_str(), "HELLO" | "RESET" | "SCAN" | "HSCAN" | "SSCAN" | "ZSCAN")
    };
    let before = steps.iter().position(is_subscription).unwrap_or(steps.len());
    let with = steps.iter().position(ends).map_or(steps.len(), |at| at + 1);
    before.min(with)
}

const MARK: &[u8] = b"--mark--";

fn is_pushed_message(value: &Value) -> bool {
    matches!(value, Value::Push(items) if items.first().is_some_and(|kind| kind.bytes().ends_with(b"message")))
}

fn silence() -> Value {
    Value::Error(b"(nothing more came)".to_vec())
}

fn is_mark(value: &Value) -> bool {
    match value {
        Value::Bulk(text) => text == MARK,
        Value::Array(items) => items.len() == 2 && matches!(&items[1], Value::Bulk(text) if text == MARK),
        _ => false,
    }
}

/// One message reaches each matching pattern of a client; which pattern first means nothing.
fn in_any_order_of_patterns(messages: &mut [Value]) {
    let same_message = |a: &Value, b: &Value| match (a, b) {
        (Value::Array(a) | Value::Push(a), Value::Array(b) | Value::Push(b)) => {
            a.len() == 4 && b.len() == 4 && a[0] == b[0] && a[2..] == b[2..]
        }
        _ => false,
    };
    messages.chunk_by_mut(same_message).for_each(<[Value]>::sort);
}

pub(crate) fn is_subscription(step: &Step) -> bool {
    let name = String::from_utf8_lossy(&step.args[0]).to_ascii_uppercase();
    name.ends_with("SUBSCRIBE")
}

fn note_subscriptions(shadow: &mut Shadow, reply: &Value) {
    if let Value::Array(items) | Value::Push(items) = reply
        && let [Value::Bulk(kind), _, Value::Int(count)] = items.as_slice()
        && kind.ends_with(b"subscribe")
    {
        let sharded = kind == b"ssubscribe" || kind == b"sunsubscribe";
        shadow.subscribed[usize::from(sharded)] = *count;
    }
}

fn mismatch(step: &Step, reference: &Value, subject: &Value) -> Mismatch {
    let short = |value: &Value| {
        let text = value.to_string();
        if text.chars().count() > 600 {
            format!("{}… ({} bytes)", text.chars().take(600).collect::<String>(), text.len())
        } else {
            text
        }
    };
    Mismatch { step: step.clone(), reference: short(reference), subject: short(subject) }
}

fn reply(client: &mut Client, patience: Duration) -> Value {
    match client.next_reply(patience) {
        Ok(Some(value)) => value,
        Ok(None) | Err(_) => silence(),
    }
}

pub(crate) fn write(out: &mut Vec<u8>, args: &[Vec<u8>]) {
    out.extend(format!("*{}\r\n", args.len()).into_bytes());
    for arg in args {
        out.extend(format!("${}\r\n", arg.len()).into_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}
