//! The outside world as the configuration sees it: files, their modes, and the environment. Everything else in this
//! module is a function of what comes through here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest file taken, in bytes. The longest real configurations have some tens of kilobytes; a limit keeps a wrong
/// path (a device, a dump) from filling the memory.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads what a configuration is made of.
///
/// To be correct, an implementation must answer from the present, keep nothing, and return at most
/// [`FILE_BYTES_MAX`] + 1 bytes of a file, so that a longer one is noticed without being read.
pub trait Source {
    /// The content of a file.
    ///
    /// # Errors
    /// Those of the system; `NotFound` means that there is no such file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The permission bits of a file or directory, symbolic links followed.
    ///
    /// # Errors
    /// Those of the system.
    fn mode(&self, path: &Path) -> io::Result<u32>;

    /// The absolute path without symbolic links.
    ///
    /// # Errors
    /// Those of the system.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// Whether this process can create files in the directory; `false` when it is not there.
    fn can_create_in(&self, directory: &Path) -> bool;

    /// An environment variable. One that is not valid text counts as unset.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The real files and environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSource;

impl Source for SystemSource {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut content)?;
        Ok(content)
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        use std::os::unix::fs::PermissionsExt;
        Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    /// Tries it with an empty file, which is removed at once: permission bits alone do not tell about read-only file
    /// systems, capabilities or access lists.
    fn can_create_in(&self, directory: &Path) -> bool {
        let probe = directory.join(format!(".orchestrator-write-test-{}", std::process::id()));
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&probe)
            .is_ok();
        created && fs::remove_file(&probe).is_ok()
    }

    fn variable(&self, name: &str) -> Option<String> {
        // `var` panics on none of these, but a name with = or NUL can exist nowhere.
        (!name.is_empty() && !name.contains(['=', '\0']))
            .then(|| std::env::var(name).ok())
            .flatten()
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use std::collections::BTreeMap;

    use super::*;

    /// Files, modes, links and variables in memory.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct FakeSource {
        files: BTreeMap<PathBuf, (Vec<u8>, u32)>,
        unreadable: Vec<PathBuf>,
        links: BTreeMap<PathBuf, PathBuf>,
        writable: Vec<PathBuf>,
        variables: BTreeMap<String, String>,
    }

    impl FakeSource {
        pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
            self.file_with_mode(path, 0o640, content)
        }

        pub(crate) fn file_with_mode(
            mut self,
            path: &str,
            mode: u32,
            content: impl AsRef<[u8]>,
        ) -> Self {
            self.files
                .insert(path.into(), (content.as_ref().to_vec(), mode));
            self
        }

        pub(crate) fn without_file(mut self, path: &str) -> Self {
            self.files.remove(Path::new(path));
            self
        }

        pub(crate) fn unreadable(mut self, path: &str) -> Self {
            self.unreadable.push(path.into());
            self
        }

        pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
            self.links.insert(path.into(), target.into());
            self
        }

        pub(crate) fn writable(mut self, directory: &str) -> Self {
            self.writable.push(directory.into());
            self
        }

        pub(crate) fn variable_is(mut self, name: &str, value: &str) -> Self {
            self.variables.insert(name.into(), value.into());
            self
        }

        /// Follows one link and makes the path absolute below `/cwd`.
        fn resolve(&self, path: &Path) -> PathBuf {
            let target = self
                .links
                .get(path)
                .cloned()
                .unwrap_or_else(|| path.to_owned());
            let mut resolved = PathBuf::from("/cwd");
            for part in target.components() {
                match part {
                    std::path::Component::ParentDir => drop(resolved.pop()),
                    std::path::Component::CurDir => {}
                    other => resolved.push(other),
                }
            }
            resolved
        }

        fn find(&self, path: &Path) -> io::Result<&(Vec<u8>, u32)> {
            if self.unreadable.iter().any(|p| p == path) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let resolved = self.resolve(path);
            let found = self
                .files
                .iter()
                .find(|(name, _)| self.resolve(name) == resolved);
            found
                .map(|(_, file)| file)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    impl Source for FakeSource {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            Ok(self.find(path)?.0.clone())
        }

        fn mode(&self, path: &Path) -> io::Result<u32> {
            Ok(self.find(path)?.1)
        }

        fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
            let resolved = self.resolve(path);
            let exists = self
                .files
                .keys()
                .any(|file| self.resolve(file).starts_with(&resolved));
            if exists {
                Ok(resolved)
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }

        fn can_create_in(&self, directory: &Path) -> bool {
            self.writable.iter().any(|d| d == directory)
        }

        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).cloned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_source_reads_modes_links_and_limits() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.json");
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let link = directory.path().join("link");
        symlink(&file, &link).unwrap();
        let source = SystemSource;
        assert_eq!(source.read(&link).unwrap(), b"{}");
        assert_eq!(source.mode(&link).unwrap(), 0o604);
        assert_eq!(
            source.canonical(&link).unwrap(),
            fs::canonicalize(&file).unwrap()
        );
        assert!(source.can_create_in(directory.path()));
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            2,
            "the write test left nothing"
        );
        assert!(!source.can_create_in(&directory.path().join("absent")));
        assert_eq!(
            source.read(Path::new("/dev/zero")).unwrap().len() as u64,
            FILE_BYTES_MAX + 1
        );
        assert!(source.variable("PATH").is_some());
        assert!(source.variable("").is_none() && source.variable("a=b").is_none());
    }
}
