use serde::{Deserialize, Serialize};

use super::codec::{self, Stored as _, encode_part};
use super::{Decided, Digest, GroupId, RowChange};
use crate::domain::{InstanceKey, Timestamp};

/// All decided state at one index, and the keys of the instances that the node knew, as it goes to another node or a
/// file. Of instances it holds only the keys: what was observed is each node's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    group: GroupId,
    applied_index: u64,
    decided_at: Timestamp,
    rows: Vec<RowChange>,
    known: Vec<InstanceKey>,
    digest: [u8; 32],
}

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// They cannot be read.
    #[error(transparent)]
    Encoding(#[from] codec::DecodeError),
    /// They were read, and what they hold is not what was written.
    #[error("the snapshot is damaged: its digest is {found}, and it says {written}")]
    Digest {
        /// Digest of the rows found.
        found: String,
        /// Digest that the writer noted.
        written: String,
    },
}

impl Snapshot {
    /// A snapshot of `state`.
    pub fn of(group: GroupId, state: &Decided, known: Vec<InstanceKey>) -> Self {
        Self {
            group,
            applied_index: state.applied_index,
            decided_at: state.decided_at,
            rows: state.rows().collect(),
            known,
            digest: *Digest::of(state).as_bytes(),
        }
    }

    /// What [`Snapshot::to_bytes`] of [`Snapshot::of`] are, with each row walked and encoded once: a busy node writes two snapshots a
    /// second, of a hundred thousand rows.
    ///
    /// # Errors
    /// As [`Snapshot::to_bytes`].
    pub fn bytes_of(
        group: GroupId,
        state: &Decided,
        known: &[InstanceKey],
    ) -> Result<Vec<u8>, codec::EncodeError> {
        let (mut rows, mut count) = (Vec::new(), 0_usize);
        let digest = Digest::of_each(state, |row| {
            count += 1;
            // Within the list a row has no format byte of its own.
            rows.extend_from_slice(&row[1..]);
        });
        let mut bytes = Vec::with_capacity(rows.len() + 32 * known.len() + 128);
        bytes.push(Self::FORMAT);
        // In the order of the fields.
        encode_part::<Self>(&group, &mut bytes)?;
        encode_part::<Self>(&state.applied_index, &mut bytes)?;
        encode_part::<Self>(&state.decided_at, &mut bytes)?;
        encode_part::<Self>(&count, &mut bytes)?;
        bytes.append(&mut rows);
        encode_part::<Self>(&known, &mut bytes)?;
        encode_part::<Self>(digest.as_bytes(), &mut bytes)?;
        Ok(bytes)
    }

    /// Whose state it is.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Instances that the writer knew. Installing a snapshot adds these; it never removes one.
    pub fn known(&self) -> &[InstanceKey] {
        &self.known
    }

    /// The state it holds.
    pub fn decided(&self) -> Decided {
        Decided::from_rows(self.applied_index, self.decided_at, &self.rows)
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`codec::EncodeError`] when it is too large.
    pub fn to_bytes(&self) -> Result<Vec<u8>, codec::EncodeError> {
        codec::encode(self)
    }

    /// Reads bytes of [`Snapshot::to_bytes`] and checks them against their digest.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let snapshot: Self = codec::decode(bytes)?;
        let found = Digest::of(&snapshot.decided());
        if *found.as_bytes() != snapshot.digest {
            let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect();
            return Err(SnapshotError::Digest {
                found: found.to_string(),
                written: hex(snapshot.digest),
            });
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Decided, Snapshot) {
        let key = InstanceKey::parse("db1", 3306).unwrap();
        let rows = [RowChange::PutForgotten(
            key.clone(),
            Timestamp::from_seconds(5),
        )];
        let state = Decided::from_rows(9, Timestamp::from_seconds(7), &rows);
        let snapshot = Snapshot::of(GroupId::from_number(1), &state, vec![key]);
        (state, snapshot)
    }

    #[test]
    fn a_snapshot_brings_back_state_group_and_known_instances() {
        let (state, snapshot) = sample();
        let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
        assert_eq!(back.decided(), state);
        assert_eq!(back.group(), GroupId::from_number(1));
        assert_eq!(back.known(), [InstanceKey::parse("db1", 3306).unwrap()]);
    }

    #[test]
    fn bytes_of_a_state_are_those_of_its_snapshot() {
        let (state, snapshot) = sample();
        let bytes =
            |state: &Decided| Snapshot::bytes_of(GroupId::from_number(1), state, snapshot.known());
        assert_eq!(bytes(&state).unwrap(), snapshot.to_bytes().unwrap());
        let mut many = state.clone();
        for number in 0..300 {
            let key = InstanceKey::parse(&format!("db{number}"), 3306).unwrap();
            many.forgotten.insert(key, Timestamp::from_seconds(number));
        }
        let whole = Snapshot::of(GroupId::from_number(1), &many, snapshot.known().to_vec());
        assert_eq!(bytes(&many).unwrap(), whole.to_bytes().unwrap());
    }

    #[test]
    fn a_flipped_bit_in_a_row_is_noticed() {
        let (_, snapshot) = sample();
        let mut bytes = snapshot.to_bytes().unwrap();
        // Format byte, group, then index 9: the index is the first byte that the digest covers.
        assert_eq!(bytes[17], 9);
        bytes[17] = 8;
        assert!(matches!(
            Snapshot::from_bytes(&bytes),
            Err(SnapshotError::Digest { .. })
        ));
    }
}
