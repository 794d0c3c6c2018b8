//! Who this node is: kept beside its log, because an id belongs to a data directory and its vote.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orchestrator_core::decided::GroupId;

use super::disk::LogDisk;
use super::types::{GroupCell, NodeId};
use crate::store::{Error, Mark, StoreId};

const NODE: &str = "node_id";
const GROUP: &str = "group_id";
const JOINING: &str = "is_joining";
const ELECTION: &str = "election_milliseconds";
const STORE: &str = "store_id";
const AWAITS: &str = "awaits_store_of";

/// The identity of a data directory.
#[derive(Clone)]
pub struct Identity {
    disk: Arc<dyn LogDisk>,
    group: GroupCell,
    is_joining: Arc<AtomicBool>,
}

/// Which group, and since which entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Founded {
    /// Its id.
    pub group: GroupId,
    /// Index of the entry that named it, counted from 1; 0 where it came with a snapshot.
    pub at: u64,
}

impl Founded {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.group.as_bytes().to_vec();
        bytes.extend(self.at.to_be_bytes());
        bytes
    }
}

impl Identity {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read, or makes no sense.
    pub fn open(disk: Arc<dyn LogDisk>) -> Result<Self, Error> {
        let identity = Self {
            disk,
            group: GroupCell::default(),
            is_joining: Arc::default(),
        };
        identity.reload()?;
        Ok(identity)
    }

    /// Reads it again, because the directory is another node's now.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reload(&self) -> Result<(), Error> {
        let is_joining = self.disk.mark(JOINING)?.is_some_and(|value| value == [1]);
        self.is_joining.store(is_joining, Ordering::SeqCst);
        if let Some(founded) = self.founded()? {
            self.group.set(founded.group);
        }
        Ok(())
    }

    /// The group, shared with everything that writes envelopes.
    pub fn group(&self) -> &GroupCell {
        &self.group
    }

    /// The node's id; `None` while the directory is empty.
    ///
    /// # Errors
    /// [`Error`].
    pub fn node(&self) -> Result<Option<NodeId>, Error> {
        self.number(NODE)
    }

    /// Takes an id, durably; `is_joining` when an existing group has to let it in first.
    ///
    /// # Errors
    /// [`Error`].
    pub fn take_id(&self, node: NodeId, is_joining: bool) -> Result<(), Error> {
        self.disk.put(vec![
            (NODE, node.to_be_bytes().to_vec()),
            (JOINING, vec![u8::from(is_joining)]),
        ])?;
        self.is_joining.store(is_joining, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the node's directory is new to a group that has yet to let it in, or that it has yet to catch up with.
    pub fn is_joining(&self) -> bool {
        self.is_joining.load(Ordering::SeqCst)
    }

    /// The group and since when.
    ///
    /// # Errors
    /// [`Error`].
    pub fn founded(&self) -> Result<Option<Founded>, Error> {
        let Some(value) = self.disk.mark(GROUP)? else {
            return Ok(None);
        };
        let parts = value.split_first_chunk::<16>();
        let founded = parts.and_then(|(group, at)| {
            Some(Founded {
                group: GroupId::from_bytes(*group),
                at: u64::from_be_bytes(at.try_into().ok()?),
            })
        });
        founded.map(Some).ok_or_else(|| self.damaged(GROUP))
    }

    /// The marks of a node that is a member of this group.
    pub fn marks_of(node: NodeId, founded: Founded) -> Vec<Mark> {
        vec![
            (NODE, node.to_be_bytes().to_vec()),
            (JOINING, vec![0]),
            (GROUP, founded.to_bytes()),
        ]
    }

    /// Notes the group, durably.
    ///
    /// # Errors
    /// [`Error`].
    pub fn found(&self, founded: Founded) -> Result<(), Error> {
        self.disk.put(vec![(GROUP, founded.to_bytes())])?;
        self.group.set(founded.group);
        Ok(())
    }

    /// The longest silence after which this node may have asked to be elected when it ran last: until so much time has
    /// passed, an old leader may count on its acknowledgement.
    ///
    /// # Errors
    /// [`Error`].
    pub fn election(&self) -> Result<Option<Duration>, Error> {
        Ok(self.number(ELECTION)?.map(Duration::from_millis))
    }

    /// Notes that silence, durably.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_election(&self, silence: Duration) -> Result<(), Error> {
        let millis = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        self.disk
            .put(vec![(ELECTION, millis.to_be_bytes().to_vec())])
    }

    /// The store that goes with this directory, as far as that was noted.
    ///
    /// # Errors
    /// [`Error`].
    pub fn store(&self) -> Result<Option<StoreId>, Error> {
        let Some(value) = self.disk.mark(STORE)? else {
            return Ok(None);
        };
        let bytes: [u8; 16] = value.try_into().map_err(|_| self.damaged(STORE))?;
        Ok(Some(StoreId::from_bytes(bytes)))
    }

    /// Notes that store, durably, if it is another one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_store(&self, store: StoreId) -> Result<(), Error> {
        match self.store()? == Some(store) {
            true => Ok(()),
            false => self.disk.put(vec![(STORE, store.as_bytes().to_vec())]),
        }
    }

    /// The node without whose store this one has promised to begin no group.
    ///
    /// # Errors
    /// [`Error`].
    pub fn awaits(&self) -> Result<Option<String>, Error> {
        let Some(value) = self.disk.mark(AWAITS)? else {
            return Ok(None);
        };
        let name = String::from_utf8(value).map_err(|_| self.damaged(AWAITS))?;
        Ok(Some(name))
    }

    /// Promises that, durably: a restart must not forget it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_awaits(&self, name: &str) -> Result<(), Error> {
        self.disk.put(vec![(AWAITS, name.as_bytes().to_vec())])
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, Error> {
        let Some(value) = self.disk.mark(name)? else {
            return Ok(None);
        };
        let bytes: [u8; 8] = value.try_into().map_err(|_| self.damaged(name))?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    fn damaged(&self, name: &str) -> Error {
        Error::Damaged {
            store: self.disk.place().to_owned(),
            detail: format!("its mark {name} makes no sense"),
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::domain::Timestamp;

    use super::*;
    use crate::store::GroupLog;

    fn open(dir: &std::path::Path) -> Identity {
        let disk = GroupLog::open(dir, Timestamp::from_seconds(1)).unwrap();
        Identity::open(Arc::new(disk)).unwrap()
    }

    #[test]
    fn an_identity_stays_with_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open(dir.path());
        assert_eq!(identity.node().unwrap(), None);
        assert_eq!(identity.founded().unwrap(), None);
        identity.take_id(77, true).unwrap();
        assert!(identity.is_joining());
        identity.take_id(77, false).unwrap();
        let founded = Founded {
            group: GroupId::from_number(5),
            at: 3,
        };
        identity.found(founded).unwrap();
        identity.set_election(Duration::from_millis(300)).unwrap();
        identity.set_store(StoreId::from_number(9)).unwrap();
        identity.set_awaits("b:1").unwrap();
        drop(identity);

        let identity = open(dir.path());
        assert_eq!(identity.node().unwrap(), Some(77));
        assert!(!identity.is_joining());
        assert_eq!(identity.store().unwrap(), Some(StoreId::from_number(9)));
        assert_eq!(identity.awaits().unwrap().as_deref(), Some("b:1"));
        assert_eq!(identity.founded().unwrap(), Some(founded));
        assert_eq!(identity.group().get(), Some(founded.group));
        assert_eq!(
            identity.election().unwrap(),
            Some(Duration::from_millis(300))
        );
    }
}
