use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use openraft::SnapshotMeta;
use orchestrator_core::decided::Snapshot;
use prost::Message as _;
use prost::bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::super::convert;
use super::super::membership::MembershipRecord;
use super::super::seal::{self, seal};
use super::super::types::{StoredMembership, TypeConfig};
use super::super::v1;

/// Where a snapshot ends and who the members were then.
pub(in super::super) type Meta = openraft::alias::SnapshotMetaOf<TypeConfig>;

const PREFIX: &str = "raft-snapshot-";
const UNFINISHED: &str = ".unfinished";

/// A snapshot with which a group is to begin, and which counts for nothing before the log says so.
const ASIDE: &str = "raft-beginning-";

/// Snapshots as files in the directory of a node's own data: only the latest is kept. A file is complete and on disk
/// before it has its name.
pub(in super::super) struct SnapshotFiles {
    directory: PathBuf,
}

impl SnapshotFiles {
    /// In this directory, which exists.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a snapshot, durable when it returns, and removes older ones. Blocks.
    pub fn write(&self, meta: &Meta, bytes: &[u8]) -> io::Result<()> {
        let path = self.path_of(meta);
        self.put(&path, meta, bytes)?;
        self.remove_but(&path)
    }

    /// Writes a snapshot under a name that is returned, and under which it counts for nothing yet. Durable when it returns. Blocks.
    pub fn set_aside(&self, meta: &Meta, bytes: &[u8]) -> io::Result<String> {
        let index = meta.last_log_id.map_or(0, |last| last.index + 1);
        let name = format!("{ASIDE}{index:020}");
        self.put(&self.directory.join(&name), meta, bytes)?;
        Ok(name)
    }

    /// Makes a snapshot that was set aside the only one, if that was not done before. Blocks.
    pub fn take_back(&self, name: &str) -> io::Result<()> {
        let aside = self.directory.join(name);
        if !aside.try_exists()? {
            return Ok(());
        }
        let (meta, _) = parse(Bytes::from(fs::read(&aside)?))?;
        let path = self.path_of(&meta);
        fs::rename(&aside, &path)?;
        File::open(&self.directory)?.sync_all()?;
        self.remove_but(&path)
    }

    /// Removes what was set aside and is not to be taken back. Blocks.
    pub fn forget_aside(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| name.starts_with(ASIDE)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn path_of(&self, meta: &Meta) -> PathBuf {
        let index = meta.last_log_id.map_or(0, |last| last.index + 1);
        self.directory.join(format!("{PREFIX}{index:020}"))
    }

    fn put(&self, path: &Path, meta: &Meta, bytes: &[u8]) -> io::Result<()> {
        let head = v1::SnapshotHead {
            digest: digest(bytes),
            ..head_of(meta, bytes.len())?
        };
        let head = seal(head.encode_to_vec());
        let mut length = Vec::new();
        prost::encode_length_delimiter(head.len(), &mut length).map_err(io::Error::other)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        // Where the superuser writes it, the service has to be able to read it.
        let (ours, wanted) = (file.metadata()?, fs::metadata(&self.directory)?);
        if ours.uid() != wanted.uid() {
            fchown(&file, Some(wanted.uid()), Some(wanted.gid()))?;
        }
        file.write_all(&length)?;
        file.write_all(&head)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn remove_but(&self, path: &Path) -> io::Result<()> {
        for other in self.files()? {
            if other != path {
                fs::remove_file(other)?;
            }
        }
        Ok(())
    }

    /// The latest snapshot. Blocks.
    pub fn read(&self) -> io::Result<Option<(Meta, Bytes)>> {
        let Some(path) = self.files()?.pop() else {
            return Ok(None);
        };
        let bytes = Bytes::from(fs::read(&path)?);
        parse(bytes).map(Some).map_err(|error| {
            io::Error::other(format!(
                "the snapshot {} is damaged: {error}; keep a copy, empty the directory (RaftDataDir), and start this node again, which \
                 joins the group anew from the other nodes",
                path.display()
            ))
        })
    }

    /// Complete snapshots, by index.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| name.starts_with(PREFIX) && !name.ends_with(UNFINISHED)) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The head of a snapshot, as files and messages have it.
pub(in super::super) fn head_of(meta: &Meta, length: usize) -> io::Result<v1::SnapshotHead> {
    let (_, membership) = MembershipRecord::of(meta.last_membership.membership()).to_bytes()?;
    Ok(v1::SnapshotHead {
        destination: None,
        vote: None,
        last: meta.last_log_id.map(convert::position),
        membership_at: meta.last_membership.log_id().map(convert::position),
        membership: membership.into(),
        length: length as u64,
        digest: Bytes::new(),
    })
}

fn digest(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(bytes))
}

/// What a head says.
pub(in super::super) fn meta_from(head: &v1::SnapshotHead) -> io::Result<Meta> {
    let format = head.membership.first().copied().map_or(0, u32::from);
    let record = MembershipRecord::from_bytes(format, &head.membership)?;
    Ok(SnapshotMeta {
        last_log_id: convert::position_from_option(head.last)?,
        last_membership: StoredMembership::new(
            convert::position_from_option(head.membership_at)?,
            record.to_membership()?,
        ),
    })
}

fn parse(mut bytes: Bytes) -> io::Result<(Meta, Bytes)> {
    let length = prost::decode_length_delimiter(&mut bytes).map_err(io::Error::other)?;
    if length > bytes.len() {
        return Err(io::Error::other("its head is longer than the file"));
    }
    let head = bytes.split_to(length);
    seal::check(&head).map_err(io::Error::other)?;
    let head = v1::SnapshotHead::decode(head).map_err(io::Error::other)?;
    if bytes.len() as u64 != head.length {
        return Err(io::Error::other(format!(
            "{} bytes instead of {}",
            bytes.len(),
            head.length
        )));
    }
    // Its own digest is of decided state, and not of the group and of the known instances.
    if !head.digest.is_empty() && head.digest != digest(&bytes) {
        return Err(io::Error::other(seal::Broken));
    }
    // That one is checked as well before anything relies on it.
    Snapshot::from_bytes(&bytes).map_err(io::Error::other)?;
    Ok((meta_from(&head)?, bytes))
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::{Decided, GroupId};

    use super::super::super::types::log_id;
    use super::*;

    fn snapshot(index: u64) -> (Meta, Vec<u8>) {
        let state = Decided {
            applied_index: index,
            ..Decided::default()
        };
        let bytes = Snapshot::of(GroupId::from_number(1), &state, vec![])
            .to_bytes()
            .unwrap();
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(1, 2, index)),
            last_membership: StoredMembership::default(),
        };
        (meta, bytes)
    }

    #[test]
    fn the_latest_snapshot_is_kept_and_an_unfinished_one_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::in_directory(dir.path());
        assert!(files.read().unwrap().is_none());
        for index in [9, 10] {
            let (meta, bytes) = snapshot(index);
            files.write(&meta, &bytes).unwrap();
        }
        fs::write(dir.path().join("raft-snapshot-99.unfinished"), "half").unwrap();
        let (meta, bytes) = files.read().unwrap().unwrap();
        assert_eq!((meta, bytes.to_vec()), snapshot(10));
        assert_eq!(files.files().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_snapshot_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::in_directory(dir.path());
        let (meta, bytes) = snapshot(9);
        files.write(&meta, &bytes).unwrap();
        let path = files.files().unwrap().remove(0);
        let good = fs::read(&path).unwrap();
        let mut found = 0;
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x40;
            fs::write(&path, bytes).unwrap();
            match files.read() {
                // A seal that is no seal any more says nothing of the rest, which is whole.
                Ok(read) => assert_eq!(read.unwrap().1.to_vec(), snapshot(9).1, "{position}"),
                Err(error) => {
                    found += 1;
                    assert!(error.to_string().contains("raft-snapshot-"), "{error}");
                }
            }
        }
        assert!(found >= good.len() - 6, "{found} of {}", good.len());
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        let error = files.read().unwrap_err().to_string();
        assert!(
            error.contains("raft-snapshot-") && error.contains("empty the directory"),
            "{error}"
        );
    }

    #[test]
    fn a_snapshot_of_an_earlier_release_has_no_seal_and_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::in_directory(dir.path());
        let (meta, bytes) = snapshot(9);
        let mut old = head_of(&meta, bytes.len())
            .unwrap()
            .encode_length_delimited_to_vec();
        old.extend(&bytes);
        fs::write(files.path_of(&meta), old).unwrap();
        let (_, read) = files.read().unwrap().unwrap();
        assert_eq!(read.to_vec(), bytes);
    }
}
