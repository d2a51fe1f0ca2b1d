//! The thread that looks at passwords, what start-up knows of users, and the file of users.
//!
//! One thread: a hash takes tens of milliseconds and 19 MiB, and strangers may ask for it. Who waits waits in line.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use base::WorkerId;
use node::StartUsers;
use node::acl::file;
use node::acl::password::{Job, Password};
use node::settings::{Secret, Settings};

use crate::random::random;
use crate::shared::{Item, Shared, lock};

/// Largest file of users.
const FILE_MAX: u64 = 16 << 20;

/// What the threads of a node share about passwords.
pub(crate) struct Passwords {
    queue: Mutex<Queue>,
    has_more: Condvar,
    source: File,
    key: [u8; 32],
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(WorkerId, Job)>,
    is_over: bool,
}

impl Passwords {
    pub(crate) fn new() -> anyhow::Result<Passwords> {
        let source = File::open("/dev/urandom").context("open /dev/urandom")?;
        Ok(Passwords { queue: Mutex::default(), has_more: Condvar::new(), source, key: random()? })
    }

    /// The secret by which this process knows passwords again that were right.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Bytes that nobody can guess.
    pub(crate) fn random(&self, bytes: &mut [u8]) -> anyhow::Result<()> {
        (&self.source).read_exact(bytes).context("read /dev/urandom")
    }

    /// Has the thread do a job; the answer goes to the worker. A worker bounds how many it has under way.
    pub(crate) fn look_at(&self, from: WorkerId, job: Job) {
        lock(&self.queue).jobs.push_back((from, job));
        self.has_more.notify_one();
    }

    pub(crate) fn stop(&self) {
        lock(&self.queue).is_over = true;
        self.has_more.notify_all();
    }

    /// The next job; none when the node stops.
    fn next(&self) -> Option<(WorkerId, Job)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_over {
                return None;
            }
            match queue.jobs.pop_front() {
                Some(job) => return Some(job),
                None => queue = self.has_more.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner()),
            }
        }
    }
}

/// Starts the thread.
pub(crate) fn spawn(shared: &Arc<Shared>) -> anyhow::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let run = move || {
        while let Some((from, job)) = shared.passwords.next() {
            shared.send(from, Item::Passwords(job.solve()));
        }
    };
    std::thread::Builder::new()
        .name("passwords".to_owned())
        .spawn(run)
        .context("start the thread for passwords")
}

/// The password of `default` as a hash: from here on its plain text is nowhere in the process.
pub(crate) fn hashed(secret: &Secret) -> anyhow::Result<Secret> {
    let text = secret.expose().as_bytes();
    if secret.is_empty() || matches!(Password::parse(text), Some(Password::Argon2id(_))) {
        return Ok(secret.clone());
    }
    let hash = Password::argon2id(text, random()?).ok_or_else(|| anyhow!("requirepass cannot be hashed"))?;
    Ok(Secret::new(hash.to_string()))
}

/// What start-up knows of users. `lines` are those of the configuration, name and rules; `own` those that the log of a node
/// on its own has: if it founds a cluster now, they are its first.
pub(crate) fn start_users(
    settings: &Settings,
    lines: &[String],
    own: &cluster::Users,
    is_in_fabric: bool,
) -> anyhow::Result<StartUsers> {
    let own_list = || own.iter().map(|(name, definition)| (name.to_vec(), definition.to_vec()));
    let all_channels = settings.acl_pubsub_default.is_all();
    let salt = || random().unwrap_or_default();
    let has_own = is_in_fabric && own.version() > 0;
    let mut configured = match &settings.aclfile {
        Some(_) if has_own => Vec::new(),
        None => {
            let text: String = lines.iter().map(|line| format!("user {line}\n")).collect();
            file::load("users", text.as_bytes(), all_channels, salt)
                .map_err(|errors| anyhow!("the configuration's {}", errors.trim_end()))?
        }
        Some(path) => {
            let shown = path.display().to_string();
            let text = read_file(path).with_context(|| {
                format!("read the file of users {shown} (`aclfile`); make an empty one to begin with")
            })?;
            file::load(&shown, &text, all_channels, salt)
                .map_err(|errors| anyhow!("{}", errors.trim_end()))?
        }
    };
    if has_own {
        // What the configuration says of `default` counts where the list says nothing: it may be all that keeps others out.
        configured.retain(|(name, _)| name == b"default" && own.get(name).is_none());
        configured.extend(own_list());
    }
    Ok(StartUsers { own: own.clone(), configured })
}

/// Reads the file of users.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut text)?;
    match text.len() as u64 > FILE_MAX {
        true => Err(io::Error::other(format!("larger than {} MiB", FILE_MAX >> 20))),
        false => Ok(text),
    }
}

/// Writes the file of users anew: for its owner only, and whole whenever the machine stops.
pub(crate) fn write_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}
