//! Rows of answers to requests.

use orchestrator_core::decided::{Answer, RowChange, codec};

use super::super::fault::Fault;
use super::cell::{Cell, array, time};
use super::{DecidedTable, Table};

const NAME: &str = "decided_answer";

pub(super) const ANSWER: DecidedTable = DecidedTable {
    table: Table::new(
        NAME,
        &["request"],
        &["entry_index", "reply", "decided_at_micros"],
    ),
    read: |row| {
        let answer = Answer {
            index: row.unsigned(1)?,
            reply: codec::decode(&row.bytes(2)?)
                .map_err(|error| Fault::undecodable(NAME, &error))?,
            at: time(row, 3)?,
        };
        let request = u128::from_be_bytes(array(row, 0, NAME)?);
        Ok(RowChange::PutAnswer(request, answer))
    },
};

pub(super) fn request_cell(request: u128) -> Cell<'static> {
    Cell::blob(request.to_be_bytes().to_vec())
}

pub(super) fn answer(request: u128, row: &Answer) -> Result<Vec<Cell<'static>>, Fault> {
    Ok(vec![
        request_cell(request),
        Cell::Unsigned(row.index),
        Cell::blob(codec::encode(&row.reply)?),
        Cell::time(row.at),
    ])
}
