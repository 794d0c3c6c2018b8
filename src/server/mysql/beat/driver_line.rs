use std::future::pending;

use orchestrator_core::beats::Farewell;
use orchestrator_core::ports::{BeatLine, BoxFuture};

use crate::mysql::{Conn, DriverError};

type Asked = BoxFuture<'static, (Conn, Result<(), DriverError>)>;

/// A connection of the SQL driver, which reads only while something is asked.
pub(super) struct DriverLine {
    idle: Option<Conn>,
    asked: Option<Asked>,
}

impl DriverLine {
    pub(super) fn new(conn: Conn) -> Self {
        Self {
            idle: Some(conn),
            asked: None,
        }
    }

    async fn hear(&mut self) -> Result<Option<u16>, Farewell> {
        let Some(asked) = &mut self.asked else {
            return match self.idle {
                Some(_) => pending().await,
                None => Err(Farewell::None),
            };
        };
        let (conn, answer) = asked.await;
        self.asked = None;
        match answer {
            Ok(()) => {
                self.idle = Some(conn);
                Ok(None)
            }
            Err(DriverError::Server { code, .. }) => {
                self.idle = Some(conn);
                Ok(Some(code))
            }
            Err(_) => Err(Farewell::None),
        }
    }
}

impl BeatLine for DriverLine {
    fn ask(&mut self) -> BoxFuture<'_, ()> {
        if let Some(mut conn) = self.idle.take() {
            self.asked = Some(Box::pin(async move {
                let answer = conn.ping().await;
                (conn, answer)
            }));
        }
        Box::pin(std::future::ready(()))
    }

    fn hear(&mut self) -> BoxFuture<'_, Result<Option<u16>, Farewell>> {
        Box::pin(self.hear())
    }
}
