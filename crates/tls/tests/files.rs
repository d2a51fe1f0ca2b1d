//! What is in files, and what is said of files that are of no use.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::with_prefix("narf-test-").unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A certificate and its key.
    fn put_pair(&self, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.der(), made.signing_key.serialize_der());
        let certificate = self.put(&format!("{name}.crt"), &pem("CERTIFICATE", certificate));
        (certificate, self.put(&format!("{name}.key"), &pem("PRIVATE KEY", &key)))
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in bytes.chunks(48) {
        for three in line.chunks(3) {
            let number = three.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
            let number = number << (8 * (3 - three.len()));
            for place in 0..4 {
                let letter = char::from(LETTERS[((number >> (18 - 6 * place)) & 63) as usize]);
                text.push(if place <= three.len() { letter } else { '=' });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

#[track_caller]
fn check<T>(result: Result<T, tls::FileError>, parts: &[&str]) {
    let Err(error) = result else { panic!("it was taken") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_pair_and_its_chain_are_read() {
    let folder = Folder::new();
    let ((first, key), (second, _)) = (folder.put_pair("a"), folder.put_pair("b"));
    let chain = fs::read_to_string(&first).unwrap() + "between\n" + &fs::read_to_string(&second).unwrap();
    let chain = folder.put("chain.crt", &chain);
    assert_eq!(tls::pair(&chain, &key).unwrap().0.len(), 2);
    assert_eq!(tls::roots(&chain).unwrap().len(), 2);
    // Both in one file, as some tools have it.
    let both = fs::read_to_string(&key).unwrap() + &fs::read_to_string(&first).unwrap();
    let both = folder.put("both.pem", &both);
    assert_eq!(tls::pair(&both, &both).unwrap().0.len(), 1);
}

#[test]
fn files_of_no_use_are_named_with_a_way_out() {
    let folder = Folder::new();
    let ((certificate, key), (_, other)) = (folder.put_pair("a"), folder.put_pair("b"));
    let nowhere = folder.0.path().join("nowhere");
    check(tls::pair(&nowhere, &key), &["nowhere", "No such file", "correct the path"]);
    check(tls::pair(&certificate, &nowhere), &["nowhere", "No such file"]);
    check(tls::certificates(folder.0.path()), &["cannot read", "directory"]);
    check(tls::pair(&key, &key), &["no certificate in", "a.key", "BEGIN CERTIFICATE"]);
    check(tls::pair(&certificate, &certificate), &["no private key in", "a.crt", "BEGIN PRIVATE KEY"]);
    check(tls::pair(&certificate, &other), &["b.key", "is not that of", "a.crt", "made together"]);
    let cut = fs::read_to_string(&certificate).unwrap();
    let cut = folder.put("cut.crt", &cut[..cut.len() / 2]);
    check(tls::certificates(&cut), &["cut.crt", "is damaged"]);
    let secret = fs::read_to_string(&key).unwrap();
    let cut = folder.put("cut.key", &secret[..secret.len() / 2]);
    check(tls::private_key(&cut), &["cut.key", "is damaged"]);
    let nonsense = folder.put("x.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    check(tls::pair(&nonsense, &key), &["x.crt", "cannot be used"]);
    check(tls::roots(&nonsense), &["x.crt", "cannot be used"]);
    let nonsense = folder.put("x.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    check(tls::pair(&certificate, &nonsense), &["x.key", "cannot be used", "P-256"]);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(tls::private_key(&folder.put("locked.key", locked)), &["locked.key", "passphrase", "openssl pkey"]);
}

#[test]
fn no_error_shows_what_is_in_a_key() {
    let folder = Folder::new();
    let (certificate, _) = folder.put_pair("a");
    for text in [
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0!!\n-----END PRIVATE KEY-----\n",
        "-----BEGIN c2VjcmV0",
    ] {
        let key = folder.put("x.key", text);
        let error = tls::pair(&certificate, &key).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}
