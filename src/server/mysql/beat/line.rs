use std::io;

use orchestrator_core::beats::Farewell;
use orchestrator_core::ports::{BeatLine, BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Wire, error_number};

pub(super) const COM_PING: u8 = 0x0e;

/// A connection of our own, logged in, plain or encrypted.
pub(super) struct WireLine<S> {
    wire: Wire<S>,
    /// The last packet was an error: what it said, should it close the connection now.
    last_words: Farewell,
}

impl<S> WireLine<S> {
    pub(super) fn new(wire: Wire<S>) -> Self {
        Self {
            wire,
            last_words: Farewell::None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> WireLine<S> {
    async fn hear(&mut self) -> Result<Option<u16>, Farewell> {
        let packet: io::Result<Vec<u8>> = self.wire.read().await;
        match packet {
            Ok(packet) => {
                let refusal = error_number(&packet);
                self.last_words = refusal.map_or(Farewell::None, Farewell::Error);
                Ok(refusal)
            }
            Err(_) => Err(self.last_words),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> BeatLine for WireLine<S> {
    fn ask(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // A broken connection may hold a last packet still; its end is heard after that.
            self.wire.command(&[COM_PING]).await.ok();
        })
    }

    fn hear(&mut self) -> BoxFuture<'_, Result<Option<u16>, Farewell>> {
        Box::pin(self.hear())
    }
}
