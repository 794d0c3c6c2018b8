//! Data directories made once and copied.
//!
//! Initialising a data directory takes a second (MariaDB) to four (MySQL); copying one takes a tenth. A template is made
//! under a lock that other processes wait for, in a folder of another name, and renamed when it is whole, so that a
//! killed run never leaves half a template behind.

use super::place::cache_directory;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The template `name`, made by `make` in the folder it is given when it is not there yet.
///
/// Other processes that want the same template wait for the lock, which the kernel releases with its holder.
///
/// # Errors
/// When the cache cannot be written or `make` fails; the next call tries again from the beginning.
pub(super) async fn cached(
    name: &str,
    make: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    cached_in(&cache_directory()?, name, make).await
}

async fn cached_in(
    cache: &Path,
    name: &str,
    make: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let ready = cache.join(name);
    if ready.is_dir() {
        return Ok(ready);
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = File::create(&lock_path)
        .with_context(|| format!("cannot write {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", lock_path.display()))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let unfinished = cache.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    make(&unfinished).await?;
    fs::rename(&unfinished, &ready)
        .with_context(|| format!("cannot rename to {}", ready.display()))?;
    Ok(ready)
}

/// Copies a folder with everything below it. The destination must not exist yet.
///
/// # Errors
/// When something cannot be read or written.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot copy to {}", target.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_template_is_made_once_also_when_several_want_it_at_the_same_moment() {
        let cache = tempfile::tempdir().unwrap();
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let ready = one_thread(cached_in(cache.path(), "one", async |folder| {
                        made.fetch_add(1, Ordering::SeqCst);
                        fs::create_dir(folder)?;
                        Ok(fs::write(folder.join("file"), "whole")?)
                    }));
                    let text = fs::read_to_string(ready.unwrap().join("file")).unwrap();
                    assert_eq!(text, "whole");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    fn one_thread<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(work)
    }

    #[test]
    fn a_failed_making_is_reported_and_begun_again_from_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let failed = one_thread(cached_in(cache.path(), "one", async |folder| {
            fs::create_dir(folder)?;
            fs::write(folder.join("half"), "")?;
            anyhow::bail!("no space")
        }));
        assert_eq!(failed.unwrap_err().to_string(), "no space");
        let ready = one_thread(cached_in(cache.path(), "one", async |folder| {
            Ok(fs::create_dir(folder)?)
        }))
        .unwrap();
        assert!(!ready.join("half").exists());
    }

    #[test]
    fn a_copied_tree_is_equal_and_its_own() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::write(from.join("deep/er/file"), "x").unwrap();
        let to = place.path().join("to");
        copy_tree(&from, &to).unwrap();
        fs::write(to.join("deep/er/file"), "y").unwrap();
        assert_eq!(fs::read_to_string(from.join("deep/er/file")).unwrap(), "x");
        assert!(
            copy_tree(&from, &to).is_err(),
            "an existing folder is refused"
        );
    }
}
