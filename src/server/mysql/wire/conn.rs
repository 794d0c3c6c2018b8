use bytes::Bytes;

use super::answer::{Answer, column_name};
use super::packet::PacketStream;
use super::reader::Reader;
use super::{Row, WireError};

/// Longest packet of an answer: a row of several texts.
const PACKET_LIMIT: usize = 4 * 1024 * 1024;
/// All bytes of one answer together: a process list of 10,000 rows has about 2 MiB.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// Columns of one answer: the status of a replica has about 60.
const COLUMN_LIMIT: u64 = 512;
/// Result sets of one statement: a procedure may bring some; only the first is kept.
const RESULT_SET_LIMIT: usize = 16;

/// `COM_QUERY`.
const QUERY: u8 = 0x03;
/// `SERVER_MORE_RESULTS_EXISTS`.
const MORE_RESULTS: u16 = 0x0008;

const OK: u8 = 0x00;
const LOCAL_FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

/// One connection to a server, logged in. Dropping it closes it.
pub struct Conn {
    pub(super) stream: PacketStream,
    pub(super) has_short_end: bool,
    pub(super) server_version: String,
    pub(super) id: u32,
    pub(super) is_idle: bool,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id)
            .field("server_version", &self.server_version)
            .finish_non_exhaustive()
    }
}

impl Conn {
    /// The server's number for this connection, as `KILL` takes it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The version that the server announced before the login; a proxy may announce another one than its servers have.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// Whether another statement can be sent: the last answer was read to its end.
    pub fn is_usable(&self) -> bool {
        self.is_idle
    }

    /// Sends one statement and reads its first result set, of at most `max_rows` rows. Has no deadline of its own: the
    /// caller bounds it. Dropping the future leaves the connection unusable, whatever the server does with the statement.
    ///
    /// # Errors
    /// [`WireError::Server`] leaves the connection usable; after every other error it is not.
    pub async fn query(&mut self, statement: &str, max_rows: usize) -> Result<Answer, WireError> {
        if !self.is_idle || self.stream.has_unread() {
            self.is_idle = false;
            return Err(WireError::Protocol("an answer to something not asked"));
        }
        self.is_idle = false;
        let result = self.ask(statement, max_rows).await;
        self.stream.end_command();
        self.is_idle = match &result {
            Ok(_) => true,
            Err(error) => error.leaves_connection_usable(),
        };
        result
    }

    /// The first row of the answer, if any; see [`Conn::query`].
    ///
    /// # Errors
    /// As [`Conn::query`].
    pub async fn query_text(&mut self, statement: &str) -> Result<Option<String>, WireError> {
        let answer = self.query(statement, 1000).await?;
        Ok(answer.first().and_then(|row: Row<'_>| row.at(0)))
    }

    async fn ask(&mut self, statement: &str, max_rows: usize) -> Result<Answer, WireError> {
        self.stream.begin_command();
        let mut command = Vec::with_capacity(statement.len() + 1);
        command.push(QUERY);
        command.extend_from_slice(statement.as_bytes());
        self.stream.write(&command).await?;
        let mut budget = ANSWER_LIMIT;
        let mut first = None;
        for _ in 0..RESULT_SET_LIMIT {
            let (answer, is_last) = self.result_set(max_rows, &mut budget).await?;
            first.get_or_insert(answer);
            if is_last {
                return Ok(first.unwrap_or_default());
            }
        }
        Err(WireError::TooLarge {
            what: "result sets",
            limit: RESULT_SET_LIMIT,
        })
    }

    async fn result_set(
        &mut self,
        max_rows: usize,
        budget: &mut usize,
    ) -> Result<(Answer, bool), WireError> {
        let head = self.next(budget).await?;
        let count = match head.first() {
            Some(&OK) => return Ok((Answer::default(), is_last(&head, true)?)),
            Some(&LOCAL_FILE) => {
                return Err(WireError::Protocol(
                    "a request for a local file, which it is not given",
                ));
            }
            _ => Reader::new(&head).length()?.unwrap_or(0),
        };
        if count == 0 || count > COLUMN_LIMIT {
            return Err(WireError::Protocol("an impossible number of columns"));
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(column_name(&self.next(budget).await?)?);
        }
        if !self.has_short_end && self.next(budget).await?.first() != Some(&END) {
            return Err(WireError::Protocol("columns without an end"));
        }
        self.rows(Answer::with_columns(columns), max_rows, budget)
            .await
    }

    async fn rows(
        &mut self,
        mut answer: Answer,
        max_rows: usize,
        budget: &mut usize,
    ) -> Result<(Answer, bool), WireError> {
        loop {
            let packet = self.next(budget).await?;
            // A row may begin with the same byte only when its first text has 16 MiB, which no packet here has.
            if packet.first() == Some(&END) {
                return Ok((answer, is_last(&packet, self.has_short_end)?));
            }
            if answer.len() == max_rows {
                return Err(WireError::TooLarge {
                    what: "rows",
                    limit: max_rows,
                });
            }
            answer.push_packet(&packet)?;
        }
    }

    /// The next packet within the budget of the whole answer; an error packet comes as an error.
    async fn next(&mut self, budget: &mut usize) -> Result<Bytes, WireError> {
        let packet = self.stream.read(PACKET_LIMIT).await?;
        // An empty packet counts too, or a server could send them for ever.
        *budget = budget
            .checked_sub(packet.len() + 4)
            .ok_or(WireError::TooLarge {
                what: "an answer",
                limit: ANSWER_LIMIT,
            })?;
        if packet.first() == Some(&ERROR) {
            return Err(error_packet(&packet, true));
        }
        if packet.is_empty() {
            return Err(WireError::Protocol("an empty packet"));
        }
        Ok(packet)
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.is_idle {
            self.stream.say_goodbye();
        }
    }
}

/// Whether no result set follows, from the packet that ends one.
fn is_last(packet: &[u8], is_ok_form: bool) -> Result<bool, WireError> {
    let mut reader = Reader::new(packet);
    reader.u8()?;
    if is_ok_form {
        reader.length()?;
        reader.length()?;
    } else {
        reader.u16()?;
    }
    Ok(reader.u16()? & MORE_RESULTS == 0)
}

/// The content of an error packet. Before the login it has no state (`#HY000`).
pub(super) fn error_packet(packet: &[u8], has_state: bool) -> WireError {
    let mut reader = Reader::new(packet);
    let (Ok(_), Ok(code)) = (reader.u8(), reader.u16()) else {
        return WireError::Protocol("a broken error packet");
    };
    let text = reader.rest();
    let text = match text.strip_prefix(b"#") {
        Some(rest) if has_state => rest.get(5..).unwrap_or_default(),
        _ => text,
    };
    WireError::server(code, text)
}
