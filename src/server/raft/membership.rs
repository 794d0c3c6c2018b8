//! Members as the log keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use orchestrator_core::decided::codec::{self, Stored};
use serde::{Deserialize, Serialize};

use super::types::{Member, Membership, NodeId, newer_release};

/// The payload of a membership entry. Its bytes are in logs: see the rules of [`codec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// Sets of voters: one, or two while one takes the place of the other.
    voters: Vec<Vec<NodeId>>,
    /// All members, those without a vote included, by id.
    members: Vec<(NodeId, MemberRecord)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MemberRecord {
    name: String,
    address: String,
    /// Says nothing; earlier builds wrote here whether the member was ever heard.
    reserved: bool,
}

impl Stored for MembershipRecord {
    const NAME: &'static str = "list of members";
    const FORMAT: u8 = 1;
}

impl MembershipRecord {
    /// These members.
    pub fn of(members: &Membership) -> Self {
        let record = |(id, member): (&NodeId, &Member)| {
            let Member { name, address } = member.clone();
            let reserved = true;
            (
                *id,
                MemberRecord {
                    name,
                    address,
                    reserved,
                },
            )
        };
        Self {
            voters: members
                .get_joint_config()
                .iter()
                .map(|set| set.iter().copied().collect())
                .collect(),
            members: members.nodes().map(record).collect(),
        }
    }

    /// Format and bytes.
    ///
    /// # Errors
    /// When it is too large.
    pub fn to_bytes(&self) -> io::Result<(u32, Vec<u8>)> {
        let bytes = codec::encode(self).map_err(io::Error::other)?;
        Ok((u32::from(Self::FORMAT), bytes))
    }

    /// Reads bytes of [`MembershipRecord::to_bytes`].
    ///
    /// # Errors
    /// When they are damaged or in a later format.
    pub fn from_bytes(format: u32, bytes: &[u8]) -> io::Result<Self> {
        if format != u32::from(Self::FORMAT) {
            return Err(newer_release(format!(
                "a list of members is in format {format}, and this release reads format {} only; \
                 use the release of orchestrator that wrote it, or a newer one",
                Self::FORMAT
            )));
        }
        codec::decode(bytes).map_err(io::Error::other)
    }

    /// The members.
    ///
    /// # Errors
    /// When a voter is none of them.
    pub fn to_membership(&self) -> io::Result<Membership> {
        let voters: Vec<BTreeSet<NodeId>> = self
            .voters
            .iter()
            .map(|set| set.iter().copied().collect())
            .collect();
        let members: BTreeMap<NodeId, Member> = self
            .members
            .iter()
            .map(|(id, record)| {
                let MemberRecord { name, address, .. } = record.clone();
                (*id, Member { name, address })
            })
            .collect();
        Membership::new(voters, members).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Membership {
        let member = |name: &str| Member {
            name: name.to_owned(),
            address: format!("{name}:1"),
        };
        Membership::new(
            vec![[1, 2].into(), [2, 3].into()],
            BTreeMap::from([
                (1, member("a")),
                (2, member("b")),
                (3, member("c")),
                (300, member("d")),
            ]),
        )
        .unwrap()
    }

    #[test]
    fn members_keep_their_bytes_and_come_back() {
        let record = MembershipRecord::of(&members());
        let (format, bytes) = record.to_bytes().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "0102020102020203040101610361\
             3a3101020162036 23a310103016303633a3101fb2c01016403643a3101"
                .replace(' ', "")
        );
        let back = MembershipRecord::from_bytes(format, &bytes).unwrap();
        assert_eq!(back.to_membership().unwrap(), members());
    }

    #[test]
    fn a_later_format_is_refused() {
        let error = MembershipRecord::from_bytes(2, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("format 2"), "{error}");
    }
}
