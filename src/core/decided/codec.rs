//! How stored and sent values become bytes: one format byte, then the value in bincode's standard configuration.
//!
//! This module is the only one that knows bincode. Rules for every type that goes through it:
//!
//! * its bytes are written down literally in a test (`golden.rs`), so that a change of the encoding is seen;
//! * enum variants are appended, never reordered; fields never change. A change of either takes a new
//!   [`Stored::FORMAT`], with code that still reads the old one (of proposals: [`CommandFormats`](super::CommandFormats));
//! * no serde attribute that makes the shape depend on the value (`flatten`, `untagged`, `skip_…`, `default`).

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::DecodeError as BincodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Command, Effect, Proposal, Reply, RowChange, Snapshot};
use crate::domain::{Detection, InstanceRecord, Recovery};

/// Largest encoded value, in bytes. A command comes from a request of at most 64 KiB; an observation holds GTID sets and
/// a list of replicas; a snapshot is the largest: 64 MiB are about half a million decided rows. A length in damaged
/// bytes cannot make us reserve more than this.
pub const ENCODED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Room for most values.
const USUAL_BYTES: usize = 128;

const CONFIG: Configuration<LittleEndian, Varint, Limit<ENCODED_BYTES_MAX>> =
    bincode::config::standard().with_limit::<ENCODED_BYTES_MAX>();

/// A type whose encoding is kept: on disk, in the log or between nodes.
pub trait Stored: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const NAME: &'static str;
    /// The format that is written, and the only one that is read so far.
    const FORMAT: u8;
}

macro_rules! stored {
    ($($type:ty = $name:literal, format $format:literal;)*) => {
        $(impl Stored for $type {
            const NAME: &'static str = $name;
            const FORMAT: u8 = $format;
        })*
    };
}

stored! {
    Command = "command", format 1;
    Proposal = "proposal", format 1;
    Reply = "reply", format 1;
    RowChange = "row change", format 1;
    Effect = "effect", format 1;
    Vec<Effect> = "list of effects", format 1;
    Snapshot = "snapshot", format 1;
    InstanceRecord = "instance record", format 2;
    Recovery = "recovery", format 1;
    Detection = "detection", format 1;
}

/// Why a value has no encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Larger than [`ENCODED_BYTES_MAX`].
    #[error("the {what} takes {length} bytes; at most {ENCODED_BYTES_MAX} can be stored")]
    TooLarge {
        /// Name of the type.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// The value itself cannot be written.
    #[error("the {what} cannot be encoded: {detail}")]
    Unencodable {
        /// Name of the type.
        what: &'static str,
        /// What the encoder said.
        detail: String,
    },
}

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the {what} is empty")]
    Empty {
        /// Name of the type.
        what: &'static str,
    },
    /// Written by a release that knows another format.
    #[error(
        "the {what} is in format {found}, and this release reads format {known} only; \
         use the release of orchestrator that wrote it, or a newer one"
    )]
    UnknownFormat {
        /// Name of the type.
        what: &'static str,
        /// The format byte.
        found: u8,
        /// The format that is read.
        known: u8,
    },
    /// Written by a release that came after this one.
    #[error(
        "the {what} is in format {found}, and this release reads formats up to {newest} only; \
         use the release of orchestrator that wrote it, or a newer one"
    )]
    NewerFormat {
        /// Name of the type.
        what: &'static str,
        /// The format that was announced with it.
        found: u32,
        /// The newest that is read.
        newest: u8,
    },
    /// Bytes are left after the value.
    #[error("{extra} bytes follow the {what}; it is damaged")]
    TrailingBytes {
        /// Name of the type.
        what: &'static str,
        /// How many.
        extra: usize,
    },
    /// Longer than [`ENCODED_BYTES_MAX`].
    #[error("the {what} claims more than {ENCODED_BYTES_MAX} bytes; it is damaged")]
    TooLarge {
        /// Name of the type.
        what: &'static str,
    },
    /// The bytes are none of this type.
    #[error("the {what} is damaged: {detail}")]
    Damaged {
        /// Name of the type.
        what: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

/// The bytes of a value: its format byte and its encoding.
///
/// # Errors
/// [`EncodeError`] when it is too large.
pub fn encode<T: Stored>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// The same in a format of which the value has the same encoding.
pub(super) fn encode_in<T: Stored>(format: u8, value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = encode(value)?;
    if let Some(first) = bytes.first_mut() {
        *first = format;
    }
    Ok(bytes)
}

/// The same, added to other bytes.
///
/// # Errors
/// [`EncodeError`] when it is too large; what was added then is no value.
pub fn encode_into<T: Stored>(value: &T, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = bytes.len();
    bytes.push(T::FORMAT);
    bincode::serde::encode_into_std_write(value, bytes, CONFIG).map_err(|error| {
        EncodeError::Unencodable {
            what: T::NAME,
            detail: error.to_string(),
        }
    })?;
    // The limit of the configuration counts when decoding only.
    let length = bytes.len() - before;
    if length > ENCODED_BYTES_MAX {
        return Err(EncodeError::TooLarge {
            what: T::NAME,
            length,
        });
    }
    Ok(())
}

/// Adds a part of a value, as it stands within the encoding of the whole.
///
/// # Errors
/// [`EncodeError`], of `T`.
pub(super) fn encode_part<T: Stored>(
    part: &impl Serialize,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let encoded = bincode::serde::encode_into_std_write(part, bytes, CONFIG);
    encoded
        .map(drop)
        .map_err(|error| EncodeError::Unencodable {
            what: T::NAME,
            detail: error.to_string(),
        })?;
    match bytes.len() {
        length if length > ENCODED_BYTES_MAX => Err(EncodeError::TooLarge {
            what: T::NAME,
            length,
        }),
        _ => Ok(()),
    }
}

/// The value of bytes that [`encode`] wrote.
///
/// # Errors
/// [`DecodeError`]: unknown format, damaged, or longer than the value.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_in(T::FORMAT, bytes)
}

/// The value of bytes in a format of which the value has the same encoding.
pub(super) fn decode_in<T: Stored>(format: u8, bytes: &[u8]) -> Result<T, DecodeError> {
    let what = T::NAME;
    let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty { what })?;
    if found != format {
        return Err(DecodeError::UnknownFormat {
            what,
            found,
            known: format,
        });
    }
    let (value, used) = bincode::serde::decode_from_slice(body, CONFIG).map_err(|e| match e {
        BincodeError::LimitExceeded => DecodeError::TooLarge { what },
        other => DecodeError::Damaged {
            what,
            detail: other.to_string(),
        },
    })?;
    match body.len() - used {
        0 => Ok(value),
        extra => Err(DecodeError::TrailingBytes { what, extra }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InstanceKey;

    fn forget() -> Command {
        Command::Forget {
            key: InstanceKey::parse("db1:3306", 1).unwrap(),
        }
    }

    #[test]
    fn a_value_reads_back() {
        assert_eq!(decode::<Command>(&encode(&forget()).unwrap()), Ok(forget()));
    }

    #[test]
    fn every_shorter_and_every_longer_text_is_refused() {
        let bytes = encode(&forget()).unwrap();
        assert_eq!(
            decode::<Command>(&[]),
            Err(DecodeError::Empty { what: "command" })
        );
        for end in 1..bytes.len() {
            assert!(
                matches!(
                    decode::<Command>(&bytes[..end]),
                    Err(DecodeError::Damaged { .. })
                ),
                "cut to {end} bytes"
            );
        }
        let longer = [bytes.as_slice(), &[0, 0]].concat();
        assert_eq!(
            decode::<Command>(&longer),
            Err(DecodeError::TrailingBytes {
                what: "command",
                extra: 2
            })
        );
    }

    #[test]
    fn another_format_is_refused_and_says_which_release_is_needed() {
        let mut bytes = encode(&forget()).unwrap();
        bytes[0] = 7;
        let error = decode::<Command>(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the command is in format 7, and this release reads format 1 only; \
             use the release of orchestrator that wrote it, or a newer one"
        );
    }

    #[test]
    fn an_unknown_variant_is_refused() {
        assert!(matches!(
            decode::<Command>(&[1, 250]),
            Err(DecodeError::Damaged { .. })
        ));
    }

    #[test]
    fn keys_that_no_parser_lets_in_do_not_come_in_through_bytes() {
        // Forget { host: "db1", port: 0 }, and a host with a quote.
        for bytes in [
            [1, 1, 3, b'd', b'b', b'1', 0],
            [1, 1, 3, b'd', b'\'', b'1', 1],
        ] {
            assert!(
                matches!(decode::<Command>(&bytes), Err(DecodeError::Damaged { .. })),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_claimed_length_beyond_the_limit_is_refused_before_memory_is_reserved() {
        // Forget with a host of 2^40 bytes: 253 announces an eight-byte length.
        let bytes = [1, 1, 253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(
            decode::<Command>(&bytes),
            Err(DecodeError::TooLarge { what: "command" })
        );
    }
}
