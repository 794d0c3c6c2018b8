use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_core::Stream;
use mysql_async::prelude::Queryable;
use tokio::runtime::Handle;

use super::answer::CELL_LIMIT;
use super::caught::caught;
use super::{Answer, DriverError};

/// All bytes of one answer together: a process list of 10,000 rows has about 2 MiB.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// Columns of one answer: the status of a replica has about 60.
const COLUMN_LIMIT: usize = 512;
/// Result sets of one statement: a procedure may bring some; only the first is kept.
const RESULT_SET_LIMIT: usize = 16;
/// Rows read for one value.
const VALUE_ROWS: usize = 1000;

/// What a statement may bring at most. The server that is asked is somebody else's, unless it keeps this node's own store.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Rows of one result set.
    pub rows: usize,
    /// Bytes of one cell.
    pub cell_bytes: usize,
    /// Bytes of all result sets together.
    pub answer_bytes: usize,
    /// Result sets; statements that bring none count as one each.
    pub result_sets: usize,
}

impl Bounds {
    /// For servers that are probed or changed.
    const fn of_servers(rows: usize) -> Self {
        Self::of_several(rows, RESULT_SET_LIMIT)
    }

    /// For several statements in one text, to such servers.
    pub const fn of_several(rows: usize, statements: usize) -> Self {
        Self {
            rows,
            cell_bytes: CELL_LIMIT,
            answer_bytes: ANSWER_LIMIT,
            result_sets: statements,
        }
    }
}

/// One connection to a server, logged in. Dropping it closes it.
pub struct Conn {
    /// `None` after the driver panicked.
    inner: Option<mysql_async::Conn>,
    id: u32,
    server_version: (u16, u16, u16),
    is_encrypted: bool,
    is_idle: bool,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the driver's own form, which has the password.
        f.debug_struct("Conn")
            .field("id", &self.id)
            .field("server_version", &self.server_version)
            .finish_non_exhaustive()
    }
}

impl Conn {
    pub(super) fn new(inner: mysql_async::Conn, is_encrypted: bool) -> Self {
        Self {
            id: inner.id(),
            server_version: inner.server_version(),
            inner: Some(inner),
            is_encrypted,
            is_idle: true,
        }
    }

    /// The server's number for this connection, as `KILL` takes it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The version that the server announced before the login, zeros when it was none; a proxy may announce another one
    /// than its servers have.
    pub fn server_version(&self) -> (u16, u16, u16) {
        self.server_version
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether another statement can be sent: the last answer was read to its end.
    pub fn is_usable(&self) -> bool {
        self.is_idle
    }

    /// Sends one statement and reads its first result set, of at most `max_rows` rows. Has no deadline of its own: the
    /// caller bounds it. Dropping the future leaves the connection unusable, whatever the server does with the statement.
    ///
    /// # Errors
    /// [`DriverError::Server`] leaves the connection usable; after every other error it is not.
    pub async fn query(&mut self, statement: &str, max_rows: usize) -> Result<Answer, DriverError> {
        let answers = self
            .query_all(statement, &Bounds::of_servers(max_rows))
            .await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// Sends a text of one or more statements and reads all result sets, one for each statement that was carried out; see
    /// [`Conn::query`]. The server stops at the first statement that fails.
    ///
    /// # Errors
    /// As [`Conn::query`].
    pub async fn query_all(
        &mut self,
        statements: &str,
        bounds: &Bounds,
    ) -> Result<Vec<Answer>, DriverError> {
        let mut answers = Vec::new();
        self.query_each(statements, bounds, |answer| answers.push(answer))
            .await?;
        Ok(answers)
    }

    /// As [`Conn::query_all`], and each answer is given away when it has come: those that came before a failure, or before the future is
    /// dropped, are known.
    ///
    /// # Errors
    /// As [`Conn::query`]; of the statement after the last one that was answered.
    pub async fn query_each(
        &mut self,
        statements: &str,
        bounds: &Bounds,
        on_answer: impl FnMut(Answer) + Send,
    ) -> Result<(), DriverError> {
        let was_idle = std::mem::replace(&mut self.is_idle, false);
        let Some(inner) = self.inner.as_mut().filter(|_| was_idle) else {
            return Err(DriverError::Io(std::io::ErrorKind::NotConnected.into()));
        };
        let outcome = match caught(ask(inner, statements, bounds, on_answer)).await {
            Ok(outcome) => outcome,
            Err(panicked) => {
                self.close();
                return Err(panicked);
            }
        };
        self.is_idle = match &outcome {
            Ok(_) => true,
            Err(error) => error.leaves_connection_usable(),
        };
        outcome
    }

    /// Asks for a sign of life, without a statement. Has no deadline of its own, as [`Conn::query`].
    ///
    /// # Errors
    /// As [`Conn::query`].
    pub async fn ping(&mut self) -> Result<(), DriverError> {
        let was_idle = std::mem::replace(&mut self.is_idle, false);
        let Some(inner) = self.inner.as_mut().filter(|_| was_idle) else {
            return Err(DriverError::Io(std::io::ErrorKind::NotConnected.into()));
        };
        let outcome = match caught(inner.ping()).await {
            Ok(outcome) => outcome.map_err(DriverError::from),
            Err(panicked) => {
                self.close();
                return Err(panicked);
            }
        };
        self.is_idle = outcome
            .as_ref()
            .err()
            .is_none_or(DriverError::leaves_connection_usable);
        outcome
    }

    /// The first value of the answer, if any; see [`Conn::query`].
    ///
    /// # Errors
    /// As [`Conn::query`].
    pub async fn query_text(&mut self, statement: &str) -> Result<Option<String>, DriverError> {
        let answer = self.query(statement, VALUE_ROWS).await?;
        Ok(answer.first().and_then(|row| row.at(0)))
    }

    /// Closes without waiting. Dropped as it is, the driver's connection would be given to a task that reads every row still to
    /// come, which may be without end; so its goodbye is begun, which marks it as given up, and is not carried further than
    /// it comes at once. In a task of its own, because a goodbye that finds rows reads those that are there: a task has a
    /// budget for that, and its panic is nobody else's.
    fn close(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        // Without a runtime nobody reads on: the socket is closed by the drop.
        let runtime = Handle::try_current().ok();
        if let Some(runtime) = runtime.filter(|_| !inner.is_disconnected()) {
            runtime.spawn(async move {
                let mut goodbye = pin!(inner.disconnect());
                poll_fn(|cx| Poll::Ready(goodbye.as_mut().poll(cx).is_ready())).await
            });
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.close();
    }
}

async fn ask(
    conn: &mut mysql_async::Conn,
    statements: &str,
    bounds: &Bounds,
    mut on_answer: impl FnMut(Answer) + Send,
) -> Result<(), DriverError> {
    let mut result = conn.query_iter(statements).await?;
    let mut budget = bounds.answer_bytes;
    // Once more than there may be, to see that none follows.
    for _ in 0..=bounds.result_sets {
        let Some(rows) = result.stream::<mysql_async::Row>().await? else {
            return Ok(());
        };
        let columns = rows.columns();
        if columns.len() > COLUMN_LIMIT {
            return Err(DriverError::TooLarge {
                what: "columns",
                limit: COLUMN_LIMIT,
            });
        }
        let empty = Answer::with_columns(columns.iter().map(|column| column.name_str()));
        on_answer(collect(empty, rows, bounds, &mut budget).await?);
    }
    Err(DriverError::TooLarge {
        what: "result sets",
        limit: bounds.result_sets,
    })
}

/// The rows of one result set, within the budget of the whole answer.
async fn collect(
    mut answer: Answer,
    mut rows: impl Stream<Item = mysql_async::Result<mysql_async::Row>> + Unpin,
    bounds: &Bounds,
    budget: &mut usize,
) -> Result<Answer, DriverError> {
    while let Some(row) = poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await {
        if answer.len() == bounds.rows {
            return Err(DriverError::TooLarge {
                what: "rows",
                limit: bounds.rows,
            });
        }
        let size = answer.push(row?, bounds.cell_bytes)?;
        *budget = budget.checked_sub(size).ok_or(DriverError::TooLarge {
            what: "an answer",
            limit: bounds.answer_bytes,
        })?;
    }
    Ok(answer)
}
