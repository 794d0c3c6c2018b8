use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::message::Reason;

/// Why links cannot be had as configured; a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no address.
    #[error("{key} '{text}' is not host:port")]
    BadAddress {
        /// Configuration key.
        key: &'static str,
        /// The text.
        text: String,
    },
    /// Somebody listens there already.
    #[error("RaftBind {address} is taken by another process; stop it, or choose another port")]
    Taken {
        /// The address.
        address: SocketAddr,
    },
    /// The address belongs to another machine.
    #[error(
        "RaftBind {address} is not an address of this machine; use one that is, or 0.0.0.0 for all"
    )]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// The name of `RaftBind` has no address.
    #[error("RaftBind {bind} cannot be resolved")]
    Unresolved {
        /// As written.
        bind: String,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// The system refuses to listen.
    #[error("cannot listen on RaftBind {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// Some of the three files are named and some are not.
    #[error(
        "{missing} is not set; RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile are set together or not at all"
    )]
    HalfConfigured {
        /// The first key that is missing.
        missing: &'static str,
    },
    /// A file cannot be used.
    #[error("{key} {}: {reason}", path.display())]
    File {
        /// Configuration key.
        key: &'static str,
        /// File.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Everybody may read the private key.
    #[error(
        "RaftSSLPrivateKeyFile {} can be read by every user of this machine; take the right away with: chmod o-r {}", path.display(), path.display()
    )]
    ReadableKey {
        /// File.
        path: PathBuf,
    },
    /// Certificate and key are of different pairs.
    #[error(
        "RaftSSLCertFile {} and RaftSSLPrivateKeyFile {} do not belong together: {reason}", certificate.display(), private_key.display()
    )]
    Pair {
        /// Certificate file.
        certificate: PathBuf,
        /// Key file.
        private_key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Authentication is compulsory and not configured.
    #[error(
        "RaftRequireAuthentication is true, but neither RaftSharedSecret nor RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile are set"
    )]
    NoAuthentication,
    /// A reload would leave the peer port open to whoever has an address.
    #[error(
        "neither RaftSharedSecret nor RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile are set any more; a running node does not give up its authentication: set one of them, or restart it"
    )]
    GivesUpAuthentication,
}

/// Why a member was not reached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error("the name of {address} cannot be resolved: {reason}")]
    UnknownName {
        /// As asked for.
        address: String,
        /// What the name service said.
        reason: String,
    },
    /// The name service did not answer in time, and no address is known from before.
    #[error("the name service did not answer for {address}")]
    NoNameService {
        /// As asked for.
        address: String,
    },
    /// Not `host:port`.
    #[error("'{address}' is not host:port")]
    BadAddress {
        /// As asked for.
        address: String,
    },
    /// It is not in `RaftNodes` and no member by the log.
    #[error("{name} is not a member: it is neither in RaftNodes nor was it added to the group")]
    NotMember {
        /// As asked for.
        name: String,
    },
    /// Nobody listens there.
    #[error("{address} refuses connections: nothing listens there")]
    Refused {
        /// The address.
        address: SocketAddr,
    },
    /// No answer, or not in time.
    #[error("{address} does not answer: {reason}")]
    Silent {
        /// The address.
        address: SocketAddr,
        /// What is known.
        reason: String,
    },
    /// `RaftBind` does not reach it.
    #[error(
        "{address} cannot be reached from the address of RaftBind, {source_address}: set RaftBind to an address that the other members can reach"
    )]
    WrongSource {
        /// The address.
        address: String,
        /// Where the dial would have left from.
        source_address: std::net::IpAddr,
    },
    /// This node is going down.
    #[error("this node is stopping")]
    Stopping,
    /// It was reached, and one of the two sides did not take the other for a member.
    #[error("{address}: {reason}")]
    NotTrusted {
        /// The address.
        address: SocketAddr,
        /// Which check failed.
        reason: Distrust,
    },
}

impl DialError {
    /// Whether it is certain that no node runs there now: it refused the connection, or its name does not exist. Silence is
    /// no such certainty.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::UnknownName { .. })
    }

    /// A short word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::UnknownName { .. } => "unknown_name",
            Self::NoNameService { .. } => "no_name_service",
            Self::BadAddress { .. } => "bad_address",
            Self::NotMember { .. } => "not_member",
            Self::Refused { .. } => "refused",
            Self::Silent { .. } => "silent",
            Self::WrongSource { .. } => "wrong_source",
            Self::NotTrusted { .. } => "not_trusted",
            Self::Stopping => "stopping",
        }
    }
}

/// Which check of a handshake failed; a sentence about the other side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It refused us.
    #[error("it refused this node: {0}")]
    RefusedUs(Reason),
    /// We refuse it.
    #[error("{0}")]
    WeRefuse(Reason),
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// Bytes that are no handshake.
    #[error("what it sent is no handshake of a member: {0}")]
    Malformed(&'static str),
    /// More bytes than a handshake may have.
    #[error("it sent more than {bytes} bytes before its identity was known")]
    TooMuch {
        /// The bound.
        bytes: usize,
    },
    /// Nothing within the time.
    #[error("its identity was not known within {seconds} s")]
    Late {
        /// The bound.
        seconds: u64,
    },
    /// It made room for a newer connection.
    #[error("too many connections were waiting to be identified")]
    Crowded,
    /// It closed the connection.
    #[error("it closed the connection during the handshake: {0}")]
    Closed(String),
}

impl Distrust {
    /// A short word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::RefusedUs(_) => "refused_us",
            Self::WeRefuse(reason) => reason.word(),
            Self::Tls(_) => "tls",
            Self::Malformed(_) => "malformed",
            Self::TooMuch { .. } => "too_much",
            Self::Late { .. } => "late",
            Self::Crowded => "crowded",
            Self::Closed(_) => "closed",
        }
    }
}
