use std::io;

use mysql_async::{DriverError as Refused, Error, IoError};
use mysql_common::proto::codec::error::PacketCodecError;

/// Longest text of a server that goes into one of our sentences. MySQL's own messages have at most 512 bytes.
const MAX_MESSAGE: usize = 512;

/// Why a connection or a statement failed. No variant ever holds a credential of ours.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The socket failed.
    #[error("{}", io_sentence(.0))]
    Io(#[from] io::Error),
    /// The server sent an error packet.
    #[error("{message} (error {code})")]
    Server {
        /// Error number of the server.
        code: u16,
        /// Its text, escaped and shortened.
        message: String,
    },
    /// The server sent what a MySQL server does not send.
    #[error("the server sent {0}")]
    Protocol(&'static str),
    /// The server sent more than is ever read.
    #[error("the server sent {what} beyond the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// TLS was not agreed, or could not be set up on our side.
    #[error("{0}")]
    Tls(String),
    /// The server wants an authentication that is not offered to it.
    #[error(
        "the server asks for the authentication plugin '{0}', which is not used here; give the account caching_sha2_password or mysql_native_password"
    )]
    UnsupportedAuth(String),
}

impl DriverError {
    /// The server's error number; 0 when it sent none.
    pub fn code(&self) -> u16 {
        match self {
            Self::Server { code, .. } => *code,
            _ => 0,
        }
    }

    /// Whether the connection can be used for another statement: the server answered, with an error packet.
    pub fn leaves_connection_usable(&self) -> bool {
        matches!(self, Self::Server { .. })
    }
}

/// `text` on one line, without control characters, with at most `max` bytes.
pub(in crate::mysql) fn printable(text: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(max)]);
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The operating system's words, for the cases an operator meets; ours for the rest.
fn io_sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by the server".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "the server closed the connection".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What a packet says that ends before what it has to hold. The driver tells it apart from a closed connection by these
/// words alone; a test holds them.
const SHORT_PACKET: &str = "can't parse: buf doesn't have enough data";

impl From<Error> for DriverError {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(error) => Self::Server {
                code: error.code,
                message: printable(error.message.as_bytes(), MAX_MESSAGE),
            },
            Error::Io(IoError::Io(error)) => from_io(error),
            Error::Io(IoError::Tls(error)) => Self::Tls(format!("TLS was not agreed: {error}")),
            Error::Driver(error) => from_refused(error),
            // Neither comes about without a URL and without callbacks; a sentence still has to be found.
            Error::Url(_) | Error::Other(_) => Self::Protocol(UNEXPECTED),
        }
    }
}

const UNEXPECTED: &str = "what a MySQL server does not send here";

/// What the driver itself refused.
fn from_refused(error: Refused) -> DriverError {
    match error {
        Refused::UnknownAuthPlugin { name } => {
            DriverError::UnsupportedAuth(printable(name.as_bytes(), 64))
        }
        Refused::MysqlOldPasswordDisabled => {
            DriverError::UnsupportedAuth("mysql_old_password".to_owned())
        }
        Refused::CleartextPluginDisabled => {
            DriverError::UnsupportedAuth("mysql_clear_password".to_owned())
        }
        Refused::NoClientSslFlagFromServer => {
            DriverError::Tls("the server has no TLS, and it is required here".to_owned())
        }
        Refused::LocalInfile(_) => {
            DriverError::Protocol("a request for a local file, which it is not given")
        }
        Refused::ConnectionClosed => DriverError::Io(io::ErrorKind::NotConnected.into()),
        _ => DriverError::Protocol(UNEXPECTED),
    }
}

/// The driver has one error for what the socket did, for packets that cannot be read, and for TLS: with TLS 1.3 a server's
/// alert about our certificate comes after the handshake, when its first packet is read.
fn from_io(error: io::Error) -> DriverError {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return DriverError::Tls(format!("TLS was not agreed: {error}"));
    }
    match inner.and_then(|inner| inner.downcast_ref::<PacketCodecError>()) {
        Some(PacketCodecError::PacketTooLarge) => {
            return DriverError::TooLarge {
                what: "a packet",
                limit: super::login::PACKET_LIMIT,
            };
        }
        Some(_) => return DriverError::Protocol("packets that do not follow each other"),
        None => {}
    }
    let is_short = inner.is_none_or(|inner| inner.to_string() == SHORT_PACKET);
    match error.kind() {
        // The standard library's own, without words, is of a reader over a packet; a closed socket has words.
        io::ErrorKind::UnexpectedEof if is_short => {
            DriverError::Protocol("a packet that ends too early")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            DriverError::Protocol("what is not the protocol of a MySQL server")
        }
        // Closed in the middle of a packet.
        io::ErrorKind::Other => DriverError::Io(io::ErrorKind::UnexpectedEof.into()),
        _ => DriverError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_common::io::ParseBuf;
    use mysql_common::misc::raw::RawInt;

    fn of_io(error: io::Error) -> DriverError {
        Error::from(error).into()
    }

    #[test]
    fn a_short_packet_is_told_apart_from_a_closed_connection() {
        let short = ParseBuf(&[]).parse::<RawInt<u8>>(()).unwrap_err();
        assert!(matches!(of_io(short), DriverError::Protocol(_)));
        let short = io::Read::read_exact(&mut &[][..], &mut [0]).unwrap_err();
        assert!(matches!(of_io(short), DriverError::Protocol(_)));
        let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed");
        assert_eq!(
            of_io(closed).to_string(),
            "the server closed the connection"
        );
        let reset = io::ErrorKind::ConnectionReset;
        assert!(matches!(of_io(reset.into()), DriverError::Io(e) if e.kind() == reset));
    }

    #[test]
    fn a_packet_beyond_the_limit_is_named_as_such() {
        let error: DriverError = Error::from(PacketCodecError::PacketTooLarge).into();
        assert_eq!(
            error.to_string(),
            "the server sent a packet beyond the limit of 4194304"
        );
        let error: DriverError = Error::from(PacketCodecError::PacketsOutOfSync).into();
        assert!(matches!(error, DriverError::Protocol(_)));
    }

    #[test]
    fn what_a_server_says_is_one_short_line() {
        let error: DriverError = Error::Server(mysql_async::ServerError {
            code: 1045,
            message: format!("\u{1b}[2J\r\n{}", "A".repeat(100_000)),
            state: "28000".into(),
        })
        .into();
        assert_eq!(error.code(), 1045);
        let text = error.to_string();
        assert!(
            text.len() < 600 && !text.contains(char::is_control),
            "{text}"
        );
    }
}
