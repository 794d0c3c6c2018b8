use std::fmt;

use orchestrator_core::decided::GroupId;

/// What each message of the handshake begins with.
pub(super) const MAGIC: [u8; 4] = *b"ORCP";
/// Version of the handshake.
pub(super) const VERSION: u8 = 1;
/// Bytes before the body: magic, version, kind, length.
pub(super) const HEADER: usize = 8;
/// Most bytes of a body: a card with the longest name.
pub(super) const BODY_MOST: usize = CARD_FIXED + NAME_MOST;

const CARD_FIXED: usize = 1 + 16 + 16 + 32;
/// Longest name of a node on a card; a host name has at most 253 bytes, a port 6 more.
const NAME_MOST: usize = 300;
const PROOF: usize = 32;

/// How a node decides whom to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Mutual TLS.
    Certificates,
    /// A secret that all members know.
    Secret,
    /// Addresses to which `RaftNodes` resolves.
    Addresses,
}

impl Trust {
    fn code(self) -> u8 {
        match self {
            Self::Addresses => 0,
            Self::Secret => 1,
            Self::Certificates => 2,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        [Self::Addresses, Self::Secret, Self::Certificates]
            .into_iter()
            .find(|trust| trust.code() == code)
    }

    /// A short word for metrics and status.
    pub fn word(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Secret => "secret",
            Self::Addresses => "addresses",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificates => "certificates",
            Self::Secret => "a shared secret",
            Self::Addresses => "addresses only",
        })
    }
}

/// Why one side refuses the other, as told to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It speaks another version of the handshake.
    Version,
    /// One side is configured with another kind of trust; the refusing one has this.
    OtherTrust(Trust),
    /// It is this very process.
    Itself,
    /// Its proof does not fit the secret.
    WrongProof,
    /// It belongs to another group.
    OtherGroup,
    /// Its address is not one of a member.
    Address,
    /// Its certificate names no member.
    Name,
    /// It has too many connections already.
    TooMany,
    /// A reason of a later version.
    Other(u8),
}

impl Reason {
    fn bytes(self) -> [u8; 2] {
        match self {
            Self::Version => [1, 0],
            Self::OtherTrust(trust) => [2, trust.code()],
            Self::Itself => [3, 0],
            Self::WrongProof => [4, 0],
            Self::OtherGroup => [5, 0],
            Self::Address => [6, 0],
            Self::Name => [7, 0],
            Self::TooMany => [8, 0],
            Self::Other(code) => [code, 0],
        }
    }

    fn of_bytes([code, detail]: [u8; 2]) -> Self {
        match (code, Trust::of_code(detail)) {
            (1, _) => Self::Version,
            (2, Some(trust)) => Self::OtherTrust(trust),
            (3, _) => Self::Itself,
            (4, _) => Self::WrongProof,
            (5, _) => Self::OtherGroup,
            (6, _) => Self::Address,
            (7, _) => Self::Name,
            (8, _) => Self::TooMany,
            _ => Self::Other(code),
        }
    }

    /// A short word for metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::OtherTrust(_) => "other_trust",
            Self::Itself => "itself",
            Self::WrongProof => "wrong_secret",
            Self::OtherGroup => "other_group",
            Self::Address => "address",
            Self::Name => "name",
            Self::TooMany => "too_many",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("the two speak different versions of the handshake"),
            Self::OtherTrust(trust) => write!(
                f,
                "the two are configured differently: the one that refuses works with {trust}; set RaftSharedSecret and RaftSSL… alike on all members"
            ),
            Self::Itself => f.write_str("the two are the same process: a name leads back to the node itself"),
            Self::WrongProof => f.write_str("RaftSharedSecret is not the same on both"),
            Self::OtherGroup => f.write_str("the two belong to different groups"),
            Self::Address => f.write_str(
                "the calling address is none that RaftNodes resolves to; behind NAT, RaftSharedSecret or certificates (RaftSSLCertFile, RaftSSLPrivateKeyFile, RaftSSLCAFile) are needed",
            ),
            Self::Name => f.write_str(
                "the certificate shown is not that of the member: a DNS or IP name in it must be exactly the name in RaftNodes",
            ),
            Self::TooMany => f.write_str("too many connections of members are open"),
            Self::Other(code) => write!(f, "reason {code}, which this version does not know"),
        }
    }
}

/// How a node introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub trust: Trust,
    /// Drawn when the process starts, so that a node knows itself.
    pub process: [u8; 16],
    /// `None` before it has a group.
    pub group: Option<GroupId>,
    /// Drawn for this connection.
    pub nonce: [u8; 32],
    /// What it calls itself; for people, nothing follows from it.
    pub name: String,
}

/// One message of the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// First of the dialing side.
    Hello(Card),
    /// First of the accepting side.
    Answer(Card),
    /// The dialing side knows the secret.
    DialerProof([u8; PROOF]),
    /// The accepting side knows it too.
    AcceptorProof([u8; PROOF]),
    /// The end.
    Refusal(Reason),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    Tls,
    Magic,
    Version,
    Length,
    Kind,
    Body,
}

impl ParseError {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Tls => "it speaks TLS, and no certificates are configured on this side",
            Self::Magic => "it does not begin as one",
            Self::Version => "it is of another version",
            Self::Length => "it is longer than any",
            Self::Kind => "its kind is not the expected one",
            Self::Body => "its content makes no sense",
        }
    }
}

/// A header whose magic, version and length are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    kind: u8,
    /// Bytes of the body.
    pub length: usize,
}

impl Header {
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Result<Self, ParseError> {
        let [a, b, c, d, version, kind, high, low] = *bytes;
        if [a, b, c, d] != MAGIC {
            // A TLS record: alert (21) or handshake (22), then version 3.x (RFC 8446, section 5.1).
            return Err(if (a == 21 || a == 22) && b == 3 {
                ParseError::Tls
            } else {
                ParseError::Magic
            });
        }
        if version != VERSION {
            return Err(ParseError::Version);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > BODY_MOST {
            return Err(ParseError::Length);
        }
        Ok(Self { kind, length })
    }
}

impl Message {
    pub(super) fn parse(header: Header, body: &[u8]) -> Result<Self, ParseError> {
        match header.kind {
            1 => Card::parse(body).map(Self::Hello),
            2 => Card::parse(body).map(Self::Answer),
            3 => exact(body).map(Self::DialerProof),
            4 => exact(body).map(Self::AcceptorProof),
            5 => exact(body).map(|bytes| Self::Refusal(Reason::of_bytes(bytes))),
            _ => Err(ParseError::Kind),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Hello(card) => (1, card.to_bytes()),
            Self::Answer(card) => (2, card.to_bytes()),
            Self::DialerProof(proof) => (3, proof.to_vec()),
            Self::AcceptorProof(proof) => (4, proof.to_vec()),
            Self::Refusal(reason) => (5, reason.bytes().to_vec()),
        };
        let length =
            u16::try_from(body.len()).expect("no body is longer than a card with the longest name");
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }
}

impl Card {
    fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let (trust, rest) = body.split_first().ok_or(ParseError::Body)?;
        let (process, rest) = rest.split_first_chunk().ok_or(ParseError::Body)?;
        let (group, rest) = rest.split_first_chunk().ok_or(ParseError::Body)?;
        let (nonce, name) = rest.split_first_chunk().ok_or(ParseError::Body)?;
        let name = std::str::from_utf8(name).map_err(|_| ParseError::Body)?;
        // It is written into logs: nothing but what host names and addresses are made of.
        let is_plain = name.chars().all(|c| c.is_ascii_graphic());
        if name.len() > NAME_MOST || !is_plain {
            return Err(ParseError::Body);
        }
        Ok(Self {
            trust: Trust::of_code(*trust).ok_or(ParseError::Body)?,
            process: *process,
            group: (*group != [0; 16]).then(|| GroupId::from_bytes(*group)),
            nonce: *nonce,
            name: name.to_owned(),
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.trust.code()];
        bytes.extend_from_slice(&self.process);
        let group = self.group.map_or([0; 16], |group| *group.as_bytes());
        bytes.extend_from_slice(&group);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }
}

/// A name as it may stand on a card: printable ASCII, cut to the longest.
pub(super) fn card_name(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_graphic)
        .take(NAME_MOST)
        .collect()
}

fn exact<const N: usize>(body: &[u8]) -> Result<[u8; N], ParseError> {
    body.try_into().map_err(|_| ParseError::Body)
}
