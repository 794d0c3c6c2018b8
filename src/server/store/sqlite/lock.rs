use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::Error;
use super::place::with_suffix;

/// Keeps other processes out of a store: an exclusive lock on `<store>.lock`, which the system takes back when the
/// process ends, however it ends.
///
/// It is a file of its own because closing any handle of the database file would drop SQLite's own locks on it. The file
/// stays when the lock is given back: removing it would let two processes lock two files of the same name.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `path`, or says who has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let store = || path.display().to_string();
        let unusable = |error: std::io::Error| Error::Directory {
            store: store(),
            detail: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(with_suffix(path, ".lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    store: store(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // For the sentence of whoever comes second. A disk too full for a number is noticed where it matters.
        if let Err(error) = note_holder(&mut file) {
            tracing::debug!(%error, "the lock file does not name its holder");
        }
        Ok(Self { _file: file })
    }
}

fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // More than a process number is not ours.
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if text.parse::<u32>().is_ok() => format!("process {text}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_is_there_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let first = Lock::take(&path).unwrap();
        assert_eq!(
            Lock::take(&path).err(),
            Some(Error::InUse {
                store: path.display().to_string(),
                holder: format!("process {}", std::process::id()),
            })
        );
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }
}
