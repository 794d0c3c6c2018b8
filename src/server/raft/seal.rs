//! A seal behind what a node keeps on disk, by which damage is told from what was written: SQLite finds pages that are no pages, and
//! not bytes inside of one that have become others. A vote or an entry that reads as another one is worse than one that is missing.
//!
//! The seal is a field of the message (15, bytes) that no message has otherwise. So earlier releases, which know no seal, read what this
//! one wrote, and what they wrote is read here: it has none, and is believed.

use sha2::{Digest as _, Sha256};

/// Tag of field 15 as bytes, their number, and four bytes that make it unlikely that another message ends so.
const HEAD: [u8; 6] = [0x7a, 0x0c, b'O', b'R', b'S', b'1'];

/// Bytes of the digest: damage is no attacker.
const DIGEST: usize = 8;

/// What was read is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its bytes are not those that were written")]
pub(super) struct Broken;

/// The message with its seal.
pub(super) fn seal(mut message: Vec<u8>) -> Vec<u8> {
    let digest = digest(&message);
    message.extend(HEAD);
    message.extend(digest);
    message
}

/// Whether a message is as it was sealed, or has no seal.
///
/// # Errors
/// [`Broken`].
pub(super) fn check(sealed: &[u8]) -> Result<(), Broken> {
    let Some((rest, found)) = sealed.split_last_chunk::<DIGEST>() else {
        return Ok(());
    };
    match rest.strip_suffix(&HEAD) {
        Some(message) if digest(message) != *found => Err(Broken),
        Some(_) | None => Ok(()),
    }
}

fn digest(message: &[u8]) -> [u8; DIGEST] {
    let whole: [u8; 32] = Sha256::digest(message).into();
    *whole
        .first_chunk()
        .expect("a digest has more than eight bytes")
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::v1;
    use super::*;

    fn vote() -> v1::Vote {
        v1::Vote {
            term: 7,
            node: 1 << 40,
            is_committed: true,
        }
    }

    #[test]
    fn a_sealed_message_reads_as_before_and_every_changed_byte_of_it_is_found() {
        let sealed = seal(vote().encode_to_vec());
        assert_eq!(v1::Vote::decode(sealed.as_slice()).unwrap(), vote());
        assert_eq!(check(&sealed), Ok(()));
        let message = sealed.len() - HEAD.len() - DIGEST;
        for position in (0..message).chain(message + HEAD.len()..sealed.len()) {
            let mut damaged = sealed.clone();
            damaged[position] ^= 0x40;
            assert_eq!(check(&damaged), Err(Broken), "{position}");
        }
    }

    #[test]
    fn what_an_earlier_release_wrote_is_believed() {
        assert_eq!(check(&vote().encode_to_vec()), Ok(()));
        assert_eq!(check(&[]), Ok(()));
    }
}
