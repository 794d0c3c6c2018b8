//! The row that says whose store it is, and how far it is.

use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Timestamp;

use super::super::fault::Fault;
use super::super::rows::ReadRow;
use super::super::{Identity, StoreId};
use super::literal;

/// Reads it. Behind it may stand `FOR UPDATE`.
pub(super) const SELECT: &str = "SELECT store_id,group_id,applied_index,decided_at_micros,performed_index,\
     beats,holder_token,holder_node,holder_server,holder_connection FROM store_meta WHERE anchor=1";

/// The row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub identity: Identity,
    pub applied_index: u64,
    pub decided_at: Timestamp,
    pub performed_index: u64,
    pub beats: u64,
    /// Who has the database; nobody when its process ended in order.
    pub holder: Option<Holder>,
}

/// Who has the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Drawn by each process that takes it.
    pub token: [u8; 16],
    /// What the node is called.
    pub node: String,
    /// The server on which it took it.
    pub server: String,
    /// The number of its connection there.
    pub connection: u64,
}

impl Meta {
    /// From a row of [`SELECT`].
    pub fn read(row: &dyn ReadRow) -> Result<Self, Fault> {
        let holder = match row.is_null(6)? {
            true => None,
            false => Some(Holder {
                token: sixteen(row, 6)?,
                node: row.text(7)?,
                server: row.text(8)?,
                connection: row.unsigned(9)?,
            }),
        };
        Ok(Self {
            identity: Identity {
                store: StoreId::from_bytes(sixteen(row, 0)?),
                group: GroupId::from_bytes(sixteen(row, 1)?),
            },
            applied_index: row.unsigned(2)?,
            decided_at: Timestamp::from_micros(row.integer(3)?),
            performed_index: row.unsigned(4)?,
            beats: row.unsigned(5)?,
            holder,
        })
    }
}

fn sixteen(row: &dyn ReadRow, column: usize) -> Result<[u8; 16], Fault> {
    let bytes = row.bytes(column)?;
    bytes
        .try_into()
        .map_err(|_| Fault::Damaged("an id in store_meta has not 16 bytes".to_owned()))
}

/// Writes the row of a new store.
pub(super) fn create(identity: Identity) -> String {
    format!(
        "INSERT INTO store_meta (anchor,store_id,group_id,applied_index,decided_at_micros,performed_index,beats,beat_at_micros) \
         VALUES (1,{},{},0,0,0,0,0)",
        literal::bytes(identity.store.as_bytes()),
        literal::bytes(identity.group.as_bytes())
    )
}

/// The store is at `applied`.
pub(super) fn advance(applied: u64, at: Timestamp) -> String {
    format!(
        "UPDATE store_meta SET applied_index={applied},decided_at_micros=GREATEST(decided_at_micros,{}) WHERE anchor=1",
        at.as_micros()
    )
}

/// Takes the place of a snapshot. What its entries owed is the business of the node that wrote it.
pub(super) fn replace(group: GroupId, applied: u64, at: Timestamp) -> String {
    format!(
        "UPDATE store_meta SET group_id={},applied_index={applied},decided_at_micros={},performed_index={applied} WHERE anchor=1",
        literal::bytes(group.as_bytes()),
        at.as_micros()
    )
}

/// Effects up to `index` were performed.
pub(super) fn performed(index: u64) -> String {
    format!(
        "UPDATE store_meta SET performed_index=GREATEST(performed_index,{index}) WHERE anchor=1"
    )
}

/// A sign of life.
pub(super) fn beat(at: Timestamp) -> String {
    format!(
        "UPDATE store_meta SET beats=beats+1,beat_at_micros={} WHERE anchor=1",
        at.as_micros()
    )
}
