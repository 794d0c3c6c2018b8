use std::net::IpAddr;

use orchestrator_core::decided::codec::{self, DecodeError, Stored};
use serde::{Deserialize, Serialize};

/// Longest encoded form that is looked at: names and units of a caller fit into the 16 KiB of its header.
const ENCODED_MAX: usize = 32 * 1024;

/// What a node that passes a request on has found out about its caller. It travels over the peer port, whose ends have
/// shown that they are members, and never in a header: no client can send it. The order of its fields and variants is
/// its encoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// The node that vouches.
    pub node: String,
    /// User name; empty when nobody.
    pub user: String,
    /// How it was proved.
    pub proof: VouchedProof,
    /// Whether the name comes with reading rights only.
    pub reads_only: bool,
    /// Address of the caller; `None` on a unix socket of the node.
    pub address: Option<IpAddr>,
    /// Organisational units of its verified certificate; `None` when it showed none.
    pub units: Option<Vec<String>>,
    /// Whether a proxy stands between the caller and the node.
    pub is_through_proxy: bool,
    /// Whether a proxy's header names a user, believed or not.
    pub names_a_user: bool,
    /// What the node says of the browser.
    pub browser: BrowserWord,
}

/// By what a caller proved its name, where another node found that out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VouchedProof {
    /// By nothing.
    None,
    /// By a password.
    Password,
    /// A trusted proxy named it.
    Proxy,
    /// By an access token.
    Token,
}

/// What a node says of the browser that sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BrowserWord {
    /// It is none.
    NoBrowser,
    /// A page of ours sent it, in a way that may change something.
    OwnPage,
    /// A page from elsewhere sent it, or somebody opened a link: it may read.
    Elsewhere,
}

impl Stored for Vouched {
    const NAME: &'static str = "description of a caller";
    const FORMAT: u8 = 1;
}

/// Why the description of a caller cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VouchError {
    /// Longer than any that this release writes.
    #[error("the description of a caller has {0} bytes; at most {ENCODED_MAX} are read")]
    TooLong(usize),
    /// Damaged, or of another release.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
}

impl Vouched {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self).expect("what comes from a header of 16 KiB is far below the limit")
    }

    /// From the bytes of another node.
    ///
    /// # Errors
    /// [`VouchError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VouchError> {
        match bytes.len() {
            length if length > ENCODED_MAX => Err(VouchError::TooLong(length)),
            _ => Ok(codec::decode(bytes)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Vouched {
        Vouched {
            node: "n2".into(),
            user: "ann".into(),
            proof: VouchedProof::Proxy,
            reads_only: false,
            address: Some([10, 0, 0, 7].into()),
            units: Some(vec!["ops".into()]),
            is_through_proxy: true,
            names_a_user: true,
            browser: BrowserWord::Elsewhere,
        }
    }

    /// These bytes go between nodes of different releases: a change of them takes a new format.
    #[test]
    fn its_bytes_are_these() {
        let expected = [
            &[1][..],
            &[2, b'n', b'2', 3, b'a', b'n', b'n', 2, 0],
            &[1, 0, 10, 0, 0, 7],
            &[1, 1, 3, b'o', b'p', b's', 1, 1, 2],
        ]
        .concat();
        assert_eq!(ann().to_bytes(), expected);
        assert_eq!(Vouched::from_bytes(&expected), Ok(ann()));
    }

    #[test]
    fn damaged_foreign_and_endless_bytes_are_refused() {
        let whole = ann().to_bytes();
        for end in 0..whole.len() {
            assert!(Vouched::from_bytes(&whole[..end]).is_err(), "{end} bytes");
        }
        assert!(Vouched::from_bytes(&[whole.as_slice(), &[0]].concat()).is_err());
        let other_format = [&[2], &whole[1..]].concat();
        assert!(Vouched::from_bytes(&other_format).is_err());
        // A proof that this release does not know is not taken for another one.
        let mut unknown = whole.clone();
        unknown[8] = 9;
        assert!(Vouched::from_bytes(&unknown).is_err());
        // A text that claims to be as long as memory.
        let huge = [1, 253, 255, 255, 255, 255, 255, 255, 255, 127];
        assert!(Vouched::from_bytes(&huge).is_err());
        let long = vec![1; ENCODED_MAX + 1];
        assert_eq!(
            Vouched::from_bytes(&long),
            Err(VouchError::TooLong(ENCODED_MAX + 1))
        );
    }
}
