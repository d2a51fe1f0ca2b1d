//! Certificates and private keys out of files in PEM form, and why they cannot be used.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

/// Largest file that is read: that of a system's authorities has some two hundred kilobytes.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Why a file is of no use. Says which and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not ours to read.
    #[error("cannot read {}: {source}; correct the path, or the rights of the file", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing of the kind is in it.
    #[error(
        "there is no {what} in {}; it must be in PEM form, with a line `-----BEGIN {label}-----`; `openssl {tool} \
         -inform DER` makes that of a binary one",
        .path.display()
    )]
    Nothing {
        /// What should be there.
        what: &'static str,
        /// What its first line says.
        label: &'static str,
        /// What shows it.
        tool: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Its PEM is broken.
    #[error("{} is damaged: {reason}; copy it again from where it was made", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key is locked.
    #[error(
        "the key in {0} is locked with a passphrase, for which nobody can be asked; unlock a copy that only this user can \
         read: openssl pkey -in {0} -out KEY",
        .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The key is of another certificate.
    #[error(
        "the key in {} is not that of the first certificate in {}; name two files that were made together",
        .key.display(), .certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// What is in it cannot be used.
    #[error(
        "what is in {} cannot be used: {reason}; keys of RSA (from 2048 bits), ECDSA (P-256, P-384) and Ed25519 can be",
        .path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// All certificates in a file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found =
        found.map_err(|error| FileError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    let unusable =
        |error: rustls::Error| FileError::Unusable { path: path.to_owned(), reason: error.to_string() };
    let Some(first) = found.first() else {
        let (what, label, tool) = ("certificate", "CERTIFICATE", "x509");
        return Err(FileError::Nothing { what, label, tool, path: path.to_owned() });
    };
    ParsedCertificate::try_from(first).map_err(unusable)?;
    Ok(found)
}

/// The first private key in a file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let text = read(path)?;
    let is_locked = [b"BEGIN ENCRYPTED PRIVATE KEY".as_slice(), b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|part| part == *mark));
    if is_locked {
        return Err(FileError::Locked { path: path.to_owned() });
    }
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        Error::NoItemsFound => FileError::Nothing {
            what: "private key",
            label: "PRIVATE KEY",
            tool: "pkey",
            path: path.to_owned(),
        },
        // The text of an error may quote a line of the file.
        Error::MissingSectionEnd { .. } => {
            FileError::Damaged { path: path.to_owned(), reason: "a key in it has no end".to_owned() }
        }
        _ => FileError::Damaged { path: path.to_owned(), reason: "it is no valid PEM".to_owned() },
    })
}

/// A chain of certificates and the key of the first of them.
pub fn pair(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), FileError> {
    let chain = certificates(certificate)?;
    let secret = key_of(&chain, certificate, key)?;
    Ok((chain, secret))
}

/// The key of the first certificate of `chain`, which was read from a file. All errors are the key's.
pub fn key_of(
    chain: &[CertificateDer<'static>],
    certificate: &Path,
    key: &Path,
) -> Result<PrivateKeyDer<'static>, FileError> {
    let secret = private_key(key)?;
    let unusable =
        |error: rustls::Error| FileError::Unusable { path: key.to_owned(), reason: error.to_string() };
    let signer = crate::provider().key_provider.load_private_key(secret.clone_key()).map_err(unusable)?;
    match CertifiedKey::new(chain.to_vec(), signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(secret),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(FileError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(unusable(error)),
    }
}

/// The authorities in a file. All must be usable: one that is left out without a word is looked for long.
pub fn roots(path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| FileError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(FileError::Damaged { path: path.to_owned(), reason });
    }
    Ok(text)
}
