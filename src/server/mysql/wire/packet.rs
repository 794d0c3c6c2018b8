use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{TlsTarget, WireError};

/// How much is asked of the socket at once. A whole probe of an ordinary replica brings about 6 KiB.
const READ_CHUNK: usize = 8 * 1024;

/// Longest payload that fits one frame of the protocol; a longer one would continue in the next frame. Ours are never
/// that long, and what is read is bounded below it.
const FRAME_LIMIT: usize = 0xff_ffff;

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Closed,
}

/// Packets over one socket, each checked against the bound of its reader before it is collected.
pub(super) struct PacketStream {
    transport: Transport,
    buffer: BytesMut,
    sequence: u8,
}

impl PacketStream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            transport: Transport::Plain(socket),
            buffer: BytesMut::new(),
            sequence: 0,
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// The next packet is the first one of a command.
    pub(super) fn begin_command(&mut self) {
        self.sequence = 0;
    }

    /// Gives the buffer back. With ten thousand kept connections, idle buffers would be most of the memory.
    pub(super) fn end_command(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether the server has sent something that nobody asked for.
    pub(super) fn has_unread(&self) -> bool {
        !self.buffer.is_empty()
    }

    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), WireError> {
        if payload.len() >= FRAME_LIMIT {
            return Err(WireError::TooLarge {
                what: "(or rather: was to be sent) a statement",
                limit: FRAME_LIMIT,
            });
        }
        let length = u32::try_from(payload.len()).expect("it was compared with the limit above");
        let mut frame = Vec::with_capacity(payload.len() + 4);
        frame.extend_from_slice(&length.to_le_bytes()[..3]);
        frame.push(self.sequence);
        frame.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        match &mut self.transport {
            Transport::Plain(socket) => socket.write_all(&frame).await?,
            Transport::Tls(stream) => {
                stream.write_all(&frame).await.map_err(tls_error)?;
                stream.flush().await.map_err(tls_error)?;
            }
            Transport::Closed => return Err(closed()),
        }
        Ok(())
    }

    /// The next packet, of at most `limit` bytes.
    pub(super) async fn read(&mut self, limit: usize) -> Result<Bytes, WireError> {
        loop {
            if let Some(header) = self.buffer.first_chunk::<4>() {
                let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
                if length > limit.min(FRAME_LIMIT - 1) {
                    return Err(WireError::TooLarge {
                        what: "a packet",
                        limit,
                    });
                }
                if header[3] != self.sequence {
                    return Err(WireError::Protocol("packets that do not follow each other"));
                }
                if self.buffer.len() >= length + 4 {
                    self.sequence = self.sequence.wrapping_add(1);
                    return Ok(self.buffer.split_to(length + 4).freeze().slice(4..));
                }
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), WireError> {
        self.buffer.reserve(READ_CHUNK);
        let count = match &mut self.transport {
            Transport::Plain(socket) => socket.read_buf(&mut self.buffer).await?,
            Transport::Tls(stream) => stream.read_buf(&mut self.buffer).await.map_err(tls_error)?,
            Transport::Closed => return Err(closed()),
        };
        if count == 0 {
            return Err(closed());
        }
        Ok(())
    }

    /// Goes on encrypted. Bytes that arrived before are refused: they were not protected, and a client that keeps them
    /// takes them for protected ones.
    pub(super) async fn encrypt(&mut self, target: &TlsTarget) -> Result<(), WireError> {
        if self.has_unread() {
            return Err(WireError::Protocol("data ahead of the TLS handshake"));
        }
        let Transport::Plain(socket) = std::mem::replace(&mut self.transport, Transport::Closed)
        else {
            return Err(WireError::Protocol("a second request for TLS"));
        };
        let stream = TlsConnector::from(target.config.clone())
            .connect(target.name.clone(), socket)
            .await
            .map_err(tls_error)?;
        self.transport = Transport::Tls(Box::new(stream));
        Ok(())
    }

    /// Says goodbye without waiting, so that the server does not count an aborted client.
    pub(super) fn say_goodbye(&mut self) {
        if let Transport::Plain(socket) = &self.transport {
            // Only a courtesy: a server that is gone, or does not read, is not waited for.
            let _ = socket.try_write(&[1, 0, 0, 0, 1]);
        }
    }
}

fn closed() -> WireError {
    WireError::Io(io::ErrorKind::UnexpectedEof.into())
}

/// Refused certificates and alerts are about TLS, a lost socket is about the socket. With TLS 1.3 a server's alert about
/// our certificate comes after the handshake, when its first packet is read.
fn tls_error(error: io::Error) -> WireError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(inner) => WireError::Tls(format!("TLS was not agreed: {inner}")),
        None => WireError::Io(error),
    }
}
