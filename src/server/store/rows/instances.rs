//! Rows about instances.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{Candidate, Downtime, InstanceKey, PromotionRule, Timestamp};

use super::super::fault::Fault;
use super::cell::{Cell, ReadRow, key, time};
use super::{DecidedTable, Table};

pub(super) const KEY: &[&str] = &["host", "port"];

pub(super) const DOWNTIME: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_downtime",
        KEY,
        &["owner", "reason", "begins_at_micros", "ends_at_micros"],
    ),
    read: |row| {
        let downtime = Downtime {
            owner: row.text(2)?,
            reason: row.text(3)?,
            begins_at: time(row, 4)?,
            ends_at: time(row, 5)?,
        };
        Ok(RowChange::PutDowntime(key(row)?, downtime))
    },
};

pub(super) const CANDIDATE: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_candidate",
        KEY,
        &[
            "promotion_rule",
            "registered_at_micros",
            "expires_at_micros",
        ],
    ),
    read: |row| {
        let candidate = Candidate {
            rule: rule(row)?,
            registered_at: time(row, 3)?,
            expires_at: time(row, 4)?,
        };
        Ok(RowChange::PutCandidate(key(row)?, candidate))
    },
};

pub(super) const FORGOTTEN: DecidedTable = DecidedTable {
    table: Table::new("decided_forgotten", KEY, &["forgotten_at_micros"]),
    read: |row| Ok(RowChange::PutForgotten(key(row)?, time(row, 2)?)),
};

pub(in crate::store) fn key_cells(key: &InstanceKey) -> Vec<Cell<'_>> {
    vec![
        Cell::text(key.host().as_str()),
        Cell::Unsigned(u64::from(key.port())),
    ]
}

pub(super) fn downtime<'a>(key: &'a InstanceKey, row: &'a Downtime) -> Vec<Cell<'a>> {
    let mut cells = key_cells(key);
    cells.extend([
        Cell::text(&row.owner),
        Cell::text(&row.reason),
        Cell::time(row.begins_at),
        Cell::time(row.ends_at),
    ]);
    cells
}

pub(super) fn candidate<'a>(key: &'a InstanceKey, row: &Candidate) -> Vec<Cell<'a>> {
    let mut cells = key_cells(key);
    cells.extend([
        Cell::text(row.rule.as_str()),
        Cell::time(row.registered_at),
        Cell::time(row.expires_at),
    ]);
    cells
}

pub(super) fn forgotten(key: &InstanceKey, at: Timestamp) -> Vec<Cell<'_>> {
    let mut cells = key_cells(key);
    cells.push(Cell::time(at));
    cells
}

fn rule(row: &dyn ReadRow) -> Result<PromotionRule, Fault> {
    row.text(2)?
        .parse()
        .map_err(|error| Fault::Damaged(format!("a row of decided_candidate: {error}")))
}
