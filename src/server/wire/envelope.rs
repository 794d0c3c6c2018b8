use orchestrator_core::decided::codec::{DecodeError, EncodeError};
use orchestrator_core::decided::{CommandFormats, GroupId, Proposal};
use prost::Message;

use super::log_v1;

/// What an entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: a leader opens its term with it.
    Blank,
    /// A [`Proposal`].
    Command,
    /// A change of the group's members.
    Membership,
    /// The group's id, chosen by its first leader.
    Founding,
}

/// One entry of the decision log, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Whose log it belongs to.
    pub group: GroupId,
    /// Term of the leader that appended it; 0 on a node without a group.
    pub term: u64,
    /// Id of that leader; 0 on a node without a group.
    pub leader: u64,
    /// Position in the log; the first is 1.
    pub index: u64,
    /// What it carries.
    pub kind: Kind,
    /// Encoding of the payload; 0 when there is none.
    pub format: u32,
    /// The payload, as its own codec wrote it.
    pub payload: Vec<u8>,
}

/// Why bytes are not an entry that this release can take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not a message of the protocol.
    #[error("the log entry is damaged: {detail}")]
    Damaged {
        /// What the decoder said.
        detail: String,
    },
    /// The group's id is not 16 bytes.
    #[error("log entry {index} is damaged: its group id has {length} bytes instead of 16")]
    GroupLength {
        /// Where.
        index: u64,
        /// Bytes found.
        length: usize,
    },
    /// Index 0.
    #[error("the log entry is damaged: it has index 0, and the first is 1")]
    ZeroIndex,
    /// A kind that came after this release.
    #[error(
        "log entry {index} is of kind {kind}, and this release knows kinds 1 to 4; \
         use the release of orchestrator that wrote it, or a newer one"
    )]
    UnknownKind {
        /// Where.
        index: u64,
        /// The number found.
        kind: i32,
    },
    /// An entry without payload that has one, or names a format.
    #[error("log entry {index} is damaged: it is blank, and carries a payload")]
    BlankWithPayload {
        /// Where.
        index: u64,
    },
    /// It carries something else than was asked for.
    #[error("log entry {index} carries no command")]
    NotACommand {
        /// Where.
        index: u64,
    },
    /// Its payload cannot be read.
    #[error("log entry {index}: {source}")]
    Payload {
        /// Where.
        index: u64,
        /// Why.
        source: DecodeError,
    },
}

impl Envelope {
    /// The entry of a node without a group that carries `proposal`.
    ///
    /// # Errors
    /// [`EncodeError`] when the proposal is too large.
    pub fn local(group: GroupId, index: u64, proposal: &Proposal) -> Result<Self, EncodeError> {
        let (format, payload) = CommandFormats::of_this_release().encode(proposal)?;
        Ok(Self {
            group,
            term: 0,
            leader: 0,
            index,
            kind: Kind::Command,
            format: u32::from(format),
            payload,
        })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Blank => log_v1::EntryKind::Blank,
            Kind::Command => log_v1::EntryKind::Command,
            Kind::Membership => log_v1::EntryKind::Membership,
            Kind::Founding => log_v1::EntryKind::Founding,
        };
        log_v1::Entry {
            group: self.group.as_bytes().to_vec(),
            term: self.term,
            leader: self.leader,
            index: self.index,
            kind: kind.into(),
            format: self.format,
            payload: self.payload.clone(),
        }
        .encode_to_vec()
    }

    /// Reads and checks bytes; the payload stays as it is, and may be in a format that came after this release: whoever keeps
    /// an entry need not understand it, whoever applies it does.
    ///
    /// # Errors
    /// [`EnvelopeError`] naming what is wrong and, when it is newer than this release, what is needed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let entry = log_v1::Entry::decode(bytes).map_err(|error| EnvelopeError::Damaged {
            detail: error.to_string(),
        })?;
        let index = entry.index;
        if index == 0 {
            return Err(EnvelopeError::ZeroIndex);
        }
        let envelope = Self {
            group: group_of(&entry)?,
            term: entry.term,
            leader: entry.leader,
            index,
            kind: kind_of(&entry)?,
            format: entry.format,
            payload: entry.payload,
        };
        envelope.check_blank()?;
        Ok(envelope)
    }

    /// The command in it.
    ///
    /// # Errors
    /// [`EnvelopeError::NotACommand`], or [`EnvelopeError::Payload`] when it cannot be read.
    pub fn proposal(&self) -> Result<Proposal, EnvelopeError> {
        match self.kind {
            Kind::Command => CommandFormats::of_this_release()
                .decode(self.format, &self.payload)
                .map_err(|source| EnvelopeError::Payload {
                    index: self.index,
                    source,
                }),
            Kind::Blank | Kind::Membership | Kind::Founding => {
                Err(EnvelopeError::NotACommand { index: self.index })
            }
        }
    }

    fn check_blank(&self) -> Result<(), EnvelopeError> {
        let is_blank = self.kind == Kind::Blank;
        match is_blank && (self.format != 0 || !self.payload.is_empty()) {
            true => Err(EnvelopeError::BlankWithPayload { index: self.index }),
            false => Ok(()),
        }
    }
}

fn group_of(entry: &log_v1::Entry) -> Result<GroupId, EnvelopeError> {
    let bytes: [u8; 16] =
        entry
            .group
            .as_slice()
            .try_into()
            .map_err(|_| EnvelopeError::GroupLength {
                index: entry.index,
                length: entry.group.len(),
            })?;
    Ok(GroupId::from_bytes(bytes))
}

fn kind_of(entry: &log_v1::Entry) -> Result<Kind, EnvelopeError> {
    match log_v1::EntryKind::try_from(entry.kind) {
        Ok(log_v1::EntryKind::Blank) => Ok(Kind::Blank),
        Ok(log_v1::EntryKind::Command) => Ok(Kind::Command),
        Ok(log_v1::EntryKind::Membership) => Ok(Kind::Membership),
        Ok(log_v1::EntryKind::Founding) => Ok(Kind::Founding),
        Ok(log_v1::EntryKind::Unspecified) | Err(_) => Err(EnvelopeError::UnknownKind {
            index: entry.index,
            kind: entry.kind,
        }),
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::{Command, Origin};
    use orchestrator_core::domain::Timestamp;

    use super::*;

    const GROUP: GroupId = GroupId::from_bytes([0xa5; 16]);

    fn proposal() -> Proposal {
        Proposal {
            request: 5,
            proposed_at: Timestamp::from_micros(1),
            origin: Origin::default(),
            command: Command::Expire,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn raw(change: impl FnOnce(&mut log_v1::Entry)) -> Vec<u8> {
        let mut entry = log_v1::Entry {
            group: vec![0xa5; 16],
            term: 0,
            leader: 0,
            index: 7,
            kind: 2,
            format: 1,
            payload: CommandFormats::of_this_release()
                .encode(&proposal())
                .unwrap()
                .1,
        };
        change(&mut entry);
        entry.encode_to_vec()
    }

    fn refusal(bytes: &[u8]) -> String {
        Envelope::from_bytes(bytes).unwrap_err().to_string()
    }

    #[test]
    fn entries_keep_their_bytes() {
        let bare = |kind, format, payload: &[u8]| Envelope {
            group: GROUP,
            term: 3,
            leader: 9,
            index: 300,
            kind,
            format,
            payload: payload.to_vec(),
        };
        let golden = [
            (
                Envelope::local(GROUP, 7, &proposal()).unwrap(),
                "0a10a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a520072802300\
                 13a06010502000005",
            ),
            (
                bare(Kind::Blank, 0, &[]),
                "0a10a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a51003180920ac022801",
            ),
            (
                bare(Kind::Membership, 4, &[0xff]),
                "0a10a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a51003180920ac02280330043a01ff",
            ),
        ];
        for (envelope, expected) in golden {
            let bytes = envelope.to_bytes();
            assert_eq!(hex(&bytes), expected.replace(char::is_whitespace, ""));
            assert_eq!(Envelope::from_bytes(&bytes), Ok(envelope));
        }
    }

    #[test]
    fn a_command_comes_back_out_of_its_entry() {
        let envelope = Envelope::from_bytes(&raw(|_| ())).unwrap();
        assert_eq!(envelope.proposal(), Ok(proposal()));
    }

    #[test]
    fn a_newer_kind_or_format_is_refused_and_says_what_is_needed() {
        assert_eq!(
            refusal(&raw(|entry| entry.kind = 9)),
            "log entry 7 is of kind 9, and this release knows kinds 1 to 4; \
             use the release of orchestrator that wrote it, or a newer one"
        );
        let newer = Envelope::from_bytes(&raw(|entry| entry.format = 2)).unwrap();
        assert_eq!(
            newer.proposal().unwrap_err().to_string(),
            "log entry 7: the proposal is in format 2, and this release reads formats up to 1 only; \
             use the release of orchestrator that wrote it, or a newer one"
        );
        assert!(refusal(&raw(|entry| entry.kind = 0)).contains("kind 0"));
    }

    #[test]
    fn damaged_entries_are_refused_with_their_place() {
        assert_eq!(
            refusal(&raw(|entry| entry.group.truncate(3))),
            "log entry 7 is damaged: its group id has 3 bytes instead of 16"
        );
        assert_eq!(
            refusal(&raw(|entry| entry.index = 0)),
            "the log entry is damaged: it has index 0, and the first is 1"
        );
        assert_eq!(
            refusal(&raw(|entry| entry.kind = 1)),
            "log entry 7 is damaged: it is blank, and carries a payload"
        );
        let whole = raw(|_| ());
        assert!(refusal(&whole[..whole.len() - 1]).starts_with("the log entry is damaged"));
        let broken = Envelope::from_bytes(&raw(|entry| entry.payload = vec![1, 2])).unwrap();
        assert!(matches!(
            broken.proposal(),
            Err(EnvelopeError::Payload { index: 7, .. })
        ));
        let blank = raw(|entry| {
            entry.kind = 1;
            entry.format = 0;
            entry.payload.clear();
        });
        assert_eq!(
            Envelope::from_bytes(&blank).unwrap().proposal(),
            Err(EnvelopeError::NotACommand { index: 7 })
        );
    }
}
