//! The certificate that clients are shown over TLS, and what is asked of theirs: out of the files that the settings name,
//! and again when these change.
//!
//! Files are looked at once a second, and read when they have stayed the same for that long: certificate and key are two
//! files, and nobody replaces both at once. What cannot be used is said, and what was in use stays. Connections that are
//! open go on with what they began with.
//!
//! Does not know: sockets (`handshakes` has them), certificates of nodes (`trust`).

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use node::TlsFigures;
use node::settings::{TlsAuthClients, TlsSettings};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tls::FileError;

use crate::failures::Known;
use crate::shared::lock;

/// See the module.
pub(crate) struct ClientTls {
    state: Mutex<State>,
    figures: [AtomicU64; 3],
    /// Who was refused.
    pub(crate) refused: Known,
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The client is a worker's now.
    Done,
    /// One end did not like what the other showed.
    Refused,
    /// The client left, or took too long.
    GivenUp,
}

struct State {
    current: Loaded,
    /// For settings that come into force soon.
    prepared: Option<Loaded>,
    /// How the files were a moment ago, if they have changed.
    unsettled: Option<Stamps>,
    /// How they were when they could not be used.
    useless: Option<Stamps>,
}

struct Loaded {
    of: TlsSettings,
    stamps: Stamps,
    config: Arc<ServerConfig>,
}

/// By what changes of the files are seen: each one's number, size and time of change.
type Stamps = [Option<(u64, u64, i64, i64)>; 3];

/// Why the settings for TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// One is missing.
    #[error("`{setting}` is not set: {why}")]
    Missing { setting: &'static str, why: &'static str },
    /// A file is of no use.
    #[error("`{setting}`: {source}")]
    File { setting: &'static str, source: FileError },
    /// No such version of TLS.
    #[error("`tls-protocols` knows TLSv1.2 and TLSv1.3, not \"{0}\"")]
    Protocol(String),
    /// What rustls makes of them.
    #[error("`{setting}`: {reason}")]
    Unusable { setting: &'static str, reason: String },
}

impl TlsError {
    /// The setting that is to be corrected.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            TlsError::Missing { setting, .. }
            | TlsError::File { setting, .. }
            | TlsError::Unusable { setting, .. } => setting,
            TlsError::Protocol(_) => "tls-protocols",
        }
    }
}

impl ClientTls {
    /// Reads the files; none if there is no port for TLS.
    pub(crate) fn begin(settings: &TlsSettings) -> Result<Option<ClientTls>, TlsError> {
        if settings.port == 0 {
            return Ok(None);
        }
        let current = Loaded::new(settings)?;
        let state = Mutex::new(State { current, prepared: None, unsettled: None, useless: None });
        Ok(Some(ClientTls { state, figures: Default::default(), refused: Known::default() }))
    }

    /// Whether a node could begin with these settings.
    pub(crate) fn check(settings: &TlsSettings) -> Result<(), TlsError> {
        if settings.port == 0 { Ok(()) } else { configuration(settings).map(drop) }
    }

    /// What the next handshake is made with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.state).current.config)
    }

    /// Reads what these settings name, for when they come into force.
    pub(crate) fn prepare(&self, settings: &TlsSettings) -> Result<(), TlsError> {
        let loaded = Loaded::new(settings)?;
        lock(&self.state).prepared = Some(loaded);
        Ok(())
    }

    /// These settings are in force.
    pub(crate) fn adopt(&self, settings: &TlsSettings) {
        let mut state = lock(&self.state);
        let prepared = state.prepared.take().filter(|prepared| prepared.of == *settings);
        let loaded = match prepared {
            Some(prepared) => Ok(prepared),
            None if state.current.of == *settings => return,
            // Two clients changed settings at once: what the one had read is not what both want.
            None => Loaded::new(settings),
        };
        state.take(loaded);
    }

    /// Whether the files have changed; reads them if so. To be asked once a second.
    pub(crate) fn look(&self) {
        let mut state = lock(&self.state);
        let now = stamps(&state.current.of);
        if now == state.current.stamps || state.useless == Some(now) {
            state.unsettled = None;
        } else if state.unsettled != Some(now) {
            state.unsettled = Some(now);
        } else {
            let loaded = Loaded::new(&state.current.of);
            state.take(loaded);
        }
    }

    pub(crate) fn note(&self, end: End) {
        self.figures[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> TlsFigures {
        let [handshakes, refused, given_up] =
            [0, 1, 2].map(|index: usize| self.figures[index].load(Ordering::Relaxed));
        TlsFigures { handshakes, refused, given_up }
    }
}

impl State {
    fn take(&mut self, loaded: Result<Loaded, TlsError>) {
        self.unsettled = None;
        match loaded {
            Ok(loaded) => {
                tracing::info!("the files for TLS were read, new clients are served by them");
                self.useless = None;
                self.current = loaded;
            }
            Err(error) => {
                tracing::warn!(%error, "the files for TLS have changed and cannot be used, those in use stay");
                self.useless = Some(stamps(&self.current.of));
            }
        }
    }
}

impl Loaded {
    fn new(settings: &TlsSettings) -> Result<Loaded, TlsError> {
        // First how they look, then what is in them: a change in between is seen as one.
        let stamps = stamps(settings);
        let config = configuration(settings)?;
        if let Some(key) = settings.key_file.as_deref().filter(|key| is_open(key)) {
            let key = key.display();
            tracing::warn!("{key} holds the key for TLS and all users can read it; run: chmod o= {key}");
        }
        Ok(Loaded { of: settings.clone(), stamps, config: Arc::new(config) })
    }
}

fn stamps(settings: &TlsSettings) -> Stamps {
    [&settings.cert_file, &settings.key_file, &settings.ca_cert_file].map(|file| {
        let of = std::fs::metadata(file.as_deref()?).ok()?;
        Some((of.ino(), of.size(), of.mtime(), of.mtime_nsec()))
    })
}

fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|of| of.mode() & 0o007 != 0)
}

fn configuration(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let file = |setting| move |source| TlsError::File { setting, source };
    let unusable =
        |setting| move |error: rustls::Error| TlsError::Unusable { setting, reason: error.to_string() };
    let given = |path: &'static str, why| TlsError::Missing { setting: path, why };
    let (Some(certificate), Some(key)) = (&settings.cert_file, &settings.key_file) else {
        let why = "`tls-port` needs a certificate and its key; docs/tls.md says how to make them";
        let setting = if settings.cert_file.is_none() { "tls-cert-file" } else { "tls-key-file" };
        return Err(given(setting, why));
    };
    let chain = tls::certificates(certificate).map_err(file("tls-cert-file"))?;
    let secret = tls::key_of(&chain, certificate, key).map_err(file("tls-key-file"))?;
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&versions(&settings.protocols)?)
        .map_err(unusable("tls-protocols"))?;
    let builder = match (settings.auth_clients, &settings.ca_cert_file) {
        (TlsAuthClients::No, _) => builder.with_no_client_auth(),
        (TlsAuthClients::Yes | TlsAuthClients::Optional, None) => {
            return Err(given(
                "tls-ca-cert-file",
                "it says whose certificates clients may show; without, set `tls-auth-clients` to no",
            ));
        }
        (wanted, Some(authorities)) => {
            let roots = tls::roots(authorities).map_err(file("tls-ca-cert-file"))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider());
            let verifier = match wanted {
                TlsAuthClients::Optional => verifier.allow_unauthenticated(),
                TlsAuthClients::Yes | TlsAuthClients::No => verifier,
            };
            let verifier = verifier.build().map_err(|error| TlsError::Unusable {
                setting: "tls-ca-cert-file",
                reason: error.to_string(),
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, secret).map_err(unusable("tls-cert-file"))?;
    if settings.auth_clients != TlsAuthClients::No {
        // A certificate is looked at with each connection, or one that has run out would go on for a day.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn versions(words: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let known = [("tlsv1.3", &rustls::version::TLS13), ("tlsv1.2", &rustls::version::TLS12)];
    let is_known = |word: &&String| known.iter().any(|(name, _)| name.eq_ignore_ascii_case(word));
    if let Some(word) = words.iter().find(|word| !is_known(word)) {
        return Err(TlsError::Protocol(word.clone()));
    }
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case(name));
    Ok(known.into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, version)| version).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

    use super::*;

    fn settings(folder: &Path) -> TlsSettings {
        let mut settings = node::settings::Settings::new().tls;
        settings.port = 6390;
        settings.cert_file = Some(folder.join("crt"));
        settings.key_file = Some(folder.join("key"));
        settings.auth_clients = TlsAuthClients::No;
        settings
    }

    fn made() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    /// Replaces a file, as tools do that renew certificates.
    fn put(folder: &Path, name: &str, label: &str, bytes: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let number = three.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
            let number = number << (8 * (3 - three.len()));
            let digit = |place: usize| char::from(DIGITS[((number >> (18 - 6 * place)) & 63) as usize]);
            text.extend((0..4).map(|place| if place <= three.len() { digit(place) } else { '=' }));
        }
        let text = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }

    fn put_pair(folder: &Path, made: &CertifiedKey<KeyPair>) {
        put(folder, "crt", "CERTIFICATE", made.cert.der());
        put(folder, "key", "PRIVATE KEY", &made.signing_key.serialize_der());
    }

    #[test]
    fn changed_files_are_read_when_they_have_settled_and_fit() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        put_pair(folder, &made());
        let tls = ClientTls::begin(&settings(folder)).unwrap().unwrap();
        let same = |config: &Arc<ServerConfig>| Arc::ptr_eq(config, &tls.current());
        let first = tls.current();
        (0..3).for_each(|_| tls.look());
        assert!(same(&first), "nothing has changed");
        let second = made();
        put(folder, "crt", "CERTIFICATE", second.cert.der());
        tls.look();
        assert!(same(&first), "it may be changing still");
        put(folder, "key", "PRIVATE KEY", &second.signing_key.serialize_der());
        tls.look();
        assert!(same(&first), "and it was");
        tls.look();
        assert!(!same(&first));
        let now = tls.current();
        // Half a pair stays out until the other half is there.
        let third = made();
        put(folder, "crt", "CERTIFICATE", third.cert.der());
        (0..5).for_each(|_| tls.look());
        fs::remove_file(folder.join("key")).unwrap();
        (0..5).for_each(|_| tls.look());
        assert!(same(&now));
        put(folder, "key", "PRIVATE KEY", &third.signing_key.serialize_der());
        (0..2).for_each(|_| tls.look());
        assert!(!same(&now));
    }

    #[test]
    fn what_was_prepared_is_used_once_its_settings_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        put_pair(folder.path(), &made());
        let old = settings(folder.path());
        let tls = ClientTls::begin(&old).unwrap().unwrap();
        let first = tls.current();
        tls.adopt(&old);
        assert!(Arc::ptr_eq(&first, &tls.current()), "another setting was changed");
        tls.prepare(&old).unwrap();
        assert!(Arc::ptr_eq(&first, &tls.current()), "not yet");
        tls.adopt(&old);
        assert!(!Arc::ptr_eq(&first, &tls.current()));
        let mut new = old.clone();
        new.protocols = vec!["tlsv1.3".to_owned()];
        tls.prepare(&old).unwrap();
        let before = tls.current();
        tls.adopt(&new);
        assert!(!Arc::ptr_eq(&before, &tls.current()), "what was prepared is not what is in force");
        new.cert_file = None;
        let before = tls.current();
        assert!(tls.prepare(&new).is_err());
        tls.adopt(&new);
        assert!(Arc::ptr_eq(&before, &tls.current()), "what cannot be used is not");
    }
}
