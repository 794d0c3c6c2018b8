use std::borrow::Cow;

use orchestrator_core::domain::{HostName, InstanceKey, Timestamp};

use super::super::fault::Fault;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number that may be negative: times are.
    Integer(i64),
    /// A number that is none. A database without such numbers keeps its bits.
    Unsigned(u64),
    /// Text, compared byte by byte.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Cell<'a> {
    /// A borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A text of its own.
    pub fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// Borrowed bytes.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }

    /// Bytes of its own.
    pub fn blob(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }

    /// A moment.
    pub fn time(at: Timestamp) -> Self {
        Self::Integer(at.as_micros())
    }

    /// What there may be.
    pub fn maybe(cell: Option<Self>) -> Self {
        cell.unwrap_or(Self::Null)
    }
}

/// A row as a database gives it back. Columns are counted from 0, in the order of [`super::Table::read_columns`].
pub(in crate::store) trait ReadRow {
    /// Whether there is nothing in it.
    fn is_null(&self, column: usize) -> Result<bool, Fault>;
    /// A number that may be negative.
    fn integer(&self, column: usize) -> Result<i64, Fault>;
    /// A number that is not.
    fn unsigned(&self, column: usize) -> Result<u64, Fault>;
    /// A text.
    fn text(&self, column: usize) -> Result<String, Fault>;
    /// Bytes.
    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault>;
}

/// A moment.
pub(super) fn time(row: &dyn ReadRow, column: usize) -> Result<Timestamp, Fault> {
    row.integer(column).map(Timestamp::from_micros)
}

/// What `read` finds, unless there is nothing.
pub(super) fn optional<T>(
    row: &dyn ReadRow,
    column: usize,
    read: impl FnOnce(&dyn ReadRow, usize) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    match row.is_null(column)? {
        true => Ok(None),
        false => read(row, column).map(Some),
    }
}

/// So many bytes.
pub(super) fn array<const N: usize>(
    row: &dyn ReadRow,
    column: usize,
    table: &str,
) -> Result<[u8; N], Fault> {
    let bytes = row.bytes(column)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        Fault::Damaged(format!(
            "a row of {table} has {length} bytes where {N} belong"
        ))
    })
}

/// The key in the first two columns.
pub(super) fn key(row: &dyn ReadRow) -> Result<InstanceKey, Fault> {
    let host = row.text(0)?;
    let port = u16::try_from(row.unsigned(1)?)
        .map_err(|_| Fault::Damaged(format!("a row of {host} has no port")))?;
    HostName::parse(&host)
        .and_then(|host| InstanceKey::new(host, port))
        .map_err(|error| Fault::Damaged(format!("a row has no instance for key: {error}")))
}
