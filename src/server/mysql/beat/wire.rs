use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest packet that is read: a greeting has about a hundred bytes, an error packet at most six hundred, a public key
/// under a thousand.
const PACKET_LIMIT: usize = 16 * 1024;

/// Bytes before each packet: its length in three, its number in one.
const HEAD: usize = 4;

/// Packets over a stream.
pub(super) struct Wire<S> {
    stream: S,
    unread: Vec<u8>,
    number: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            number: 0,
        }
    }

    /// The stream as something else from here on, as where it goes on encrypted; packets are counted on.
    ///
    /// # Errors
    /// `InvalidData` where the other side has sent more than was asked for, or what `becoming` says.
    pub(super) async fn become_of<T>(
        self,
        becoming: impl AsyncFnOnce(S) -> io::Result<T>,
    ) -> io::Result<Wire<T>> {
        if !self.unread.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Wire {
            stream: becoming(self.stream).await?,
            unread: Vec::new(),
            number: self.number,
        })
    }

    /// The next packet. Cancel-safe: what came of it is kept.
    ///
    /// # Errors
    /// `UnexpectedEof` when the other side closed the connection, `InvalidData` for a packet that is too long.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let &[a, b, c, number, ..] = &self.unread[..] else {
            return Ok(None);
        };
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if length > PACKET_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.unread.len() < HEAD + length {
            return Ok(None);
        }
        let packet = self.unread[HEAD..HEAD + length].to_vec();
        self.unread.drain(..HEAD + length);
        self.number = number.wrapping_add(1);
        Ok(Some(packet))
    }

    /// Sends a packet that answers the last one.
    ///
    /// # Errors
    /// The stream's.
    pub(super) async fn answer(&mut self, payload: &[u8]) -> io::Result<()> {
        let number = self.number;
        self.number = number.wrapping_add(1);
        self.stream.write_all(&packet(number, payload)).await?;
        self.flush().await
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The stream's.
    pub(super) async fn command(&mut self, payload: &[u8]) -> io::Result<()> {
        self.commands(&[payload]).await
    }

    /// Sends commands, one behind the other: each is answered when its turn has come. Over TLS each is a record of its own, so that
    /// a server which reads one leaves the next in its socket.
    ///
    /// # Errors
    /// The stream's.
    pub(super) async fn commands(&mut self, payloads: &[&[u8]]) -> io::Result<()> {
        self.number = 1;
        // In one piece, so that none arrives without the others.
        let all: Vec<Vec<u8>> = payloads.iter().map(|payload| packet(0, payload)).collect();
        self.stream.write_all(&all.concat()).await?;
        self.flush().await
    }

    /// An encrypted stream may hold some of what was written still.
    async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }
}

/// A packet with its head. No payload of ours is near the 16 MiB that a head can tell of.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let [a, b, c, _] = length.to_le_bytes();
    let mut packet = Vec::with_capacity(HEAD + payload.len());
    packet.extend([a, b, c, number]);
    packet.extend(payload);
    packet
}

/// The command that carries out a statement.
pub(super) fn query(statement: &str) -> Vec<u8> {
    const COM_QUERY: u8 = 0x03;
    let mut payload = vec![COM_QUERY];
    payload.extend_from_slice(statement.as_bytes());
    payload
}

/// The number of an error packet; `None` for another packet.
pub(super) fn error_number(packet: &[u8]) -> Option<u16> {
    match packet {
        [0xff, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}
