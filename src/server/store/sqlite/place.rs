use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::Error;

const OTHERS_MAY_WRITE: u32 = 0o002;
const OTHERS_MAY_ANYTHING: u32 = 0o077;
const STICKY: u32 = 0o1000;

/// Where a SQLite store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In memory: gone when the process ends. `:memory:` in the configuration.
    Memory,
}

impl Place {
    /// The place that a configuration names.
    pub fn parse(text: &str) -> Self {
        match text {
            ":memory:" => Self::Memory,
            path => Self::File(PathBuf::from(path)),
        }
    }

    /// The file of the observations that belong to this store.
    #[must_use]
    pub fn observations(&self) -> Self {
        match self {
            Self::File(path) => Self::File(with_suffix(path, ".observations")),
            Self::Memory => Self::Memory,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str(":memory:"),
        }
    }
}

/// The path with `suffix` after its last character.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the directory of `path` when it is missing, private to this user, and returns the path without links, so that
/// two names of one file are one store.
pub(super) fn prepare_directory(path: &Path) -> Result<PathBuf, Error> {
    let store = || path.display().to_string();
    let unusable = |error: io::Error| Error::Directory {
        store: store(),
        detail: error.to_string(),
    };
    let name = path.file_name().ok_or_else(|| Error::CannotOpen {
        store: store(),
        detail: "it names no file".to_owned(),
    })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(unusable)?;
    }
    let parent = parent.canonicalize().map_err(unusable)?;
    let found = parent.metadata().map_err(unusable)?;
    if !found.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    // Without the sticky bit whoever may write a directory may put another file in the place of ours.
    let mode = found.permissions().mode();
    if mode & OTHERS_MAY_WRITE != 0 && mode & STICKY == 0 {
        return Err(exposed(&parent, &found));
    }
    let file = parent.join(name);
    Ok(file.canonicalize().unwrap_or(file))
}

/// Creates the file of a store, readable and writable by this user only, or makes an existing one so.
///
/// A file that every user may write is refused: nobody knows who wrote it. One that others may only read, as the
/// predecessor leaves it, is made private.
pub(super) fn prepare_file(path: &Path) -> Result<(), Error> {
    let cannot = |error: io::Error| Error::CannotOpen {
        store: path.display().to_string(),
        detail: error.to_string(),
    };
    let found = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return create(path),
        found => found.map_err(cannot)?,
    };
    if !found.is_file() {
        return Err(cannot(io::Error::other("it is not a regular file")));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS_MAY_WRITE != 0 {
        return Err(exposed(path, &found));
    }
    if mode & OTHERS_MAY_ANYTHING != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS_MAY_ANYTHING))
            .map_err(cannot)?;
        tracing::info!(
            store = %path.display(),
            mode = format!("{mode:04o}"),
            "took the rights of other users on the store away"
        );
    }
    Ok(())
}

fn create(path: &Path) -> Result<(), Error> {
    let created: io::Result<File> = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    created.map(drop).map_err(|error| Error::Directory {
        store: path.display().to_string(),
        detail: error.to_string(),
    })
}

fn exposed(path: &Path, found: &Metadata) -> Error {
    Error::Exposed {
        path: path.display().to_string(),
        mode: found.permissions().mode() & 0o7777,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_store_is_private_in_a_private_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/store.sqlite3");
        let path = prepare_directory(&path).unwrap();
        prepare_file(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&dir.path().join("a/b")), 0o700);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
    }

    #[test]
    fn a_readable_store_is_made_private_and_a_writable_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        prepare_file(&path).unwrap();
        assert_eq!(mode(&path), 0o600);

        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let error = prepare_file(&path).unwrap_err().to_string();
        assert!(error.contains("(mode 0666)"), "{error}");
        assert!(
            error.contains(&format!("chmod o-w '{}'", path.display())),
            "{error}"
        );
        assert_eq!(
            mode(&path),
            0o666,
            "left as it was, for the operator to see"
        );
    }

    #[test]
    fn a_directory_in_which_anybody_may_replace_files_is_refused_unless_sticky() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            prepare_directory(&open.join("store")),
            Err(Error::Exposed { mode: 0o777, .. })
        ));
        std::fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
        assert!(prepare_directory(&open.join("store")).is_ok());
    }

    #[test]
    fn a_path_below_a_file_and_a_path_that_is_a_directory_are_refused_in_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let below = file.join("store");
        let error = prepare_directory(&below).unwrap_err();
        assert!(matches!(error, Error::Directory { .. }), "{error}");
        assert!(error.to_string().contains(&below.display().to_string()));
        let error = prepare_file(dir.path()).unwrap_err().to_string();
        assert!(error.contains("it is not a regular file"), "{error}");
    }

    #[test]
    fn two_names_of_one_file_are_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::write(&real, "").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(
            prepare_directory(&link).unwrap(),
            prepare_directory(&real).unwrap()
        );
    }

    #[test]
    fn memory_is_asked_for_by_its_name() {
        assert_eq!(Place::parse(":memory:"), Place::Memory);
        assert_eq!(
            Place::parse("/var/a").observations(),
            Place::parse("/var/a.observations")
        );
    }
}
