//! Where the nodes of one user on one machine find each other: a folder that only this user can enter, with a socket
//! of each node in it, by cluster.
//!
//! ```text
//! $NARF_RUNTIME_DIR, else $XDG_RUNTIME_DIR/narf, else /tmp/narf-<uid>
//!   <cluster>/lock             held while a node looks for a cluster or founds one
//!   <cluster>/<node id>.sock   where a newcomer is let in
//!   <cluster>/<node id>.addr   where other nodes reach it, as text
//!   <cluster>/<node id>.client where clients reach it
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base::NodeId;
use rustix::fs::FlockOperation;

/// Longest path of a socket, its closing zero left out.
const SOCKET_PATH_MAX: usize = 107;

/// The folder of one cluster.
pub(crate) struct RuntimeFolder {
    path: PathBuf,
}

impl RuntimeFolder {
    /// The folder of this cluster's nodes, made if it is not there.
    pub(crate) fn open(cluster: &str) -> anyhow::Result<RuntimeFolder> {
        RuntimeFolder::open_in(&root(), cluster)
    }

    /// Those of all clusters.
    pub(crate) fn all() -> anyhow::Result<Vec<RuntimeFolder>> {
        let root = root();
        let entries = match fs::read_dir(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("read {}", root.display()))?,
        };
        let names = entries.flatten().filter(|entry| entry.path().is_dir());
        names.map(|entry| RuntimeFolder::open_in(&root, &entry.file_name().to_string_lossy())).collect()
    }

    fn open_in(root: &Path, cluster: &str) -> anyhow::Result<RuntimeFolder> {
        let path = root.join(cluster);
        for folder in [root, &path] {
            make_private(folder)
                .with_context(|| format!("cannot use {}, where nodes find each other", folder.display()))?;
        }
        Ok(RuntimeFolder { path })
    }

    /// Waits for the lock of the folder; held until the file is dropped.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let path = self.path.join("lock");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("lock {}", path.display()))?;
        Ok(file)
    }

    /// The sockets of nodes that run. Those of nodes that were killed are removed.
    pub(crate) fn sockets(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).with_context(|| format!("read {}", self.path.display()))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "sock") {
                continue;
            }
            match UnixStream::connect(&path) {
                Ok(_) => found.push(path),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    // Whoever comes first removes it.
                    remove(&path);
                }
                Err(_) => {}
            }
        }
        found.sort();
        Ok(found)
    }

    /// Says where a node is, for nodes and for clients, for those who knew it elsewhere.
    pub(crate) fn publish(&self, node: NodeId, [peer, client]: [&str; 2]) -> anyhow::Result<()> {
        for (extension, address) in [("client", client), ("addr", peer)] {
            let path = self.of(node, extension);
            // In one step: it may be read at any moment.
            let fresh = path.with_extension(format!("{extension}.new"));
            fs::write(&fresh, address)
                .and_then(|()| fs::rename(&fresh, &path))
                .with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Where the node with this socket says that nodes and clients reach it; empty if it does not say.
    pub(crate) fn addresses_at(socket: &Path) -> [String; 2] {
        ["addr", "client"]
            .map(|extension| fs::read_to_string(socket.with_extension(extension)).unwrap_or_default())
    }

    /// Where a node says that it is; it may have been killed since.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<String> {
        fs::read_to_string(self.of(node, "addr")).ok().filter(|address| !address.is_empty())
    }

    fn of(&self, node: NodeId, extension: &str) -> PathBuf {
        self.path.join(format!("{:032x}.{extension}", node.0))
    }

    /// Listens for newcomers as this node.
    pub(crate) fn listen(&self, node: NodeId) -> anyhow::Result<(UnixListener, PathBuf)> {
        let path = self.of(node, "sock");
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            bail!(
                "the socket {} has a path of {length} bytes, the system takes {SOCKET_PATH_MAX}; set NARF_RUNTIME_DIR \
                 to a shorter one, or give the cluster a shorter name",
                path.display()
            );
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", path.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(|| format!("listen on {}", path.display()))?;
        Ok((listener, path))
    }
}

/// Removes the socket of a node that is gone, and what is beside it.
pub(crate) fn remove(socket: &Path) {
    // Found dead by the next node that looks, if it stays.
    let _ = fs::remove_file(socket);
    for extension in ["addr", "client"] {
        let _ = fs::remove_file(socket.with_extension(extension));
    }
}

fn root() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("NARF_RUNTIME_DIR")
        .or_else(|| var("XDG_RUNTIME_DIR").map(|folder| folder.join("narf")))
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/narf-{}", rustix::process::getuid().as_raw())))
}

/// Makes the folder for its owner only, or makes sure that it is so.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    // Not followed: a link in /tmp may be another's.
    let metadata = fs::symlink_metadata(folder)?;
    let me = rustix::process::getuid().as_raw();
    if !metadata.is_dir() {
        bail!("it is not a folder; remove it, or set NARF_RUNTIME_DIR");
    }
    if metadata.uid() != me {
        bail!(
            "it belongs to user {}, not to {me}; set NARF_RUNTIME_DIR to a folder of yours",
            metadata.uid()
        );
    }
    if metadata.mode() & 0o077 != 0 {
        bail!("other users can enter it; run `chmod 700 {}`", folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_node_is_found_while_it_runs_and_its_socket_goes_when_it_was_killed() {
        let root = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder::open_in(&root.path().join("narf"), "default").unwrap();
        assert!(folder.sockets().unwrap().is_empty());
        let (listener, path) = folder.listen(NodeId(7)).unwrap();
        folder.publish(NodeId(7), ["127.0.0.1:16379", "127.0.0.1:6379"]).unwrap();
        assert_eq!(RuntimeFolder::addresses_at(&path), ["127.0.0.1:16379", "127.0.0.1:6379"]);
        assert_eq!(folder.sockets().unwrap(), std::slice::from_ref(&path));
        assert_eq!(folder.address_of(NodeId(7)).as_deref(), Some("127.0.0.1:16379"));
        assert_eq!(folder.address_of(NodeId(8)), None);
        drop(listener);
        assert!(path.exists());
        assert!(folder.sockets().unwrap().is_empty());
        assert!(!path.exists());
        assert_eq!(folder.address_of(NodeId(7)), None);
        assert_eq!(RuntimeFolder::addresses_at(&path), [String::new(), String::new()]);
    }

    #[test]
    fn a_folder_that_others_can_enter_or_replace_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let error = RuntimeFolder::open_in(&open, "default").err().unwrap();
        assert!(format!("{error:#}").contains("chmod 700"), "{error:#}");
        let link = root.path().join("link");
        symlink(root.path(), &link).unwrap();
        let error = RuntimeFolder::open_in(&link, "default").err().unwrap();
        assert!(format!("{error:#}").contains("not a folder"), "{error:#}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder::open_in(&root.path().join("run"), &"x".repeat(64)).unwrap();
        match folder.listen(NodeId(1)) {
            Ok(_) => assert!(root.path().as_os_str().len() < 4, "{:?}", root.path()),
            Err(error) => assert!(format!("{error:#}").contains("NARF_RUNTIME_DIR"), "{error:#}"),
        }
    }
}
