use std::io;

/// Longest text of a server that goes into one of our sentences. MySQL's own messages have at most 512 bytes.
const MAX_MESSAGE: usize = 512;

/// Why a connection or a statement failed. No variant ever holds a credential of ours.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
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

impl WireError {
    /// An error packet's content, made safe to show.
    pub(super) fn server(code: u16, text: &[u8]) -> Self {
        Self::Server {
            code,
            message: printable(text, MAX_MESSAGE),
        }
    }

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
