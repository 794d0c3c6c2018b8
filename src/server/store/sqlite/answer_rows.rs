//! Rows of answers to requests.

use orchestrator_core::decided::{Answer, RowChange, codec};
use orchestrator_core::domain::Timestamp;
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::meta;

const PUT: &str = "INSERT OR REPLACE INTO decided_answer \
     (request, entry_index, reply, decided_at_micros) VALUES (?1, ?2, ?3, ?4)";
const DELETE: &str = "DELETE FROM decided_answer WHERE request = ?1";
const ALL: &str =
    "SELECT request, entry_index, reply, decided_at_micros FROM decided_answer ORDER BY request";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PUT, DELETE];

pub(super) fn put(connection: &Connection, request: u128, answer: &Answer) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(PUT)?.execute(params![
        request.to_be_bytes(),
        meta::index(answer.index)?,
        codec::encode(&answer.reply)?,
        answer.at.as_micros()
    ])?)
}

pub(super) fn delete(connection: &Connection, request: u128) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE)?
        .execute(params![request.to_be_bytes()])
}

/// Every answer, as the change that writes it.
pub(super) fn load(connection: &Connection, into: &mut Vec<RowChange>) -> Result<(), Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let reply: Vec<u8> = row.get(2)?;
        let answer = Answer {
            index: meta::unsigned(row, 1)?,
            reply: codec::decode(&reply)
                .map_err(|error| Fault::undecodable("decided_answer", &error))?,
            at: row.get(3).map(Timestamp::from_micros)?,
        };
        into.push(RowChange::PutAnswer(
            u128::from_be_bytes(row.get(0)?),
            answer,
        ));
    }
    Ok(())
}
