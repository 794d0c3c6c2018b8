//! What stands in the rows of each table, whatever database has them: which columns, and how a row change becomes cells and
//! cells a row change again. How cells get into a database is the business of `sqlite` and `mysql`.

mod aliases;
mod answers;
mod cell;
mod import;
mod instances;
mod log;
mod nodes;
mod observed;
mod recoveries;
mod tokens;

use orchestrator_core::decided::RowChange;

pub(super) use cell::{Cell, ReadRow};
pub(super) use instances::key_cells;
pub(super) use log::{LOG, log_cells, read_entry};
pub(super) use observed::{OBSERVED, observed_cells, read_record};

use super::fault::Fault;

/// A table: what its columns are called. In a row its key comes first, then the values, then what is for people.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns of the primary key.
    pub key: &'static [&'static str],
    /// Columns that are read back.
    pub values: &'static [&'static str],
    /// Columns for people who look into the database, never read back.
    pub for_people: &'static [&'static str],
    /// Whether the key is one text of any length, which not every database can index.
    pub has_long_key: bool,
}

impl Table {
    const fn new(
        name: &'static str,
        key: &'static [&'static str],
        values: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            key,
            values,
            for_people: &[],
            has_long_key: false,
        }
    }

    /// All columns, in the order of a row's cells.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        let key = self.key.iter().chain(self.values);
        key.chain(self.for_people).copied()
    }

    /// The columns that are read, in the order in which [`ReadRow`] has them.
    pub fn read_columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.key.iter().chain(self.values).copied()
    }
}

/// A table of decided state.
pub(super) struct DecidedTable {
    /// Its columns.
    pub table: Table,
    /// The change that writes a row.
    pub read: fn(&dyn ReadRow) -> Result<RowChange, Fault>,
}

/// Every table of decided state, in the order of `Decided::rows`.
pub(super) static DECIDED: [DecidedTable; 14] = [
    instances::DOWNTIME,
    instances::CANDIDATE,
    instances::FORGOTTEN,
    tokens::ACCESS_TOKEN,
    recoveries::DETECTION,
    recoveries::RECOVERY,
    recoveries::STEP,
    recoveries::NOTE,
    recoveries::DISABLED,
    recoveries::LEFT_STOPPED,
    nodes::GROUP_NODE,
    answers::ANSWER,
    aliases::CLUSTER_ALIAS,
    import::IMPORT,
];

/// What a row change comes to in a database.
#[derive(Debug)]
pub(super) enum RowWrite<'a> {
    /// Write this row over the one with its key, if there is one.
    Put(&'static Table, Vec<Cell<'a>>),
    /// Remove the row with this key, if there is one.
    Delete(&'static Table, Vec<Cell<'a>>),
}

/// The row that `change` writes or removes.
pub(super) fn write(change: &RowChange) -> Result<RowWrite<'_>, Fault> {
    let put = |cells| Ok(RowWrite::Put(table_of(change), cells));
    let delete = |cells| Ok(RowWrite::Delete(table_of(change), cells));
    match change {
        RowChange::PutDowntime(key, row) => put(instances::downtime(key, row)),
        RowChange::PutCandidate(key, row) => put(instances::candidate(key, row)),
        RowChange::PutForgotten(key, at) => put(instances::forgotten(key, *at)),
        RowChange::DeleteDowntime(key)
        | RowChange::DeleteCandidate(key)
        | RowChange::DeleteForgotten(key)
        | RowChange::DeleteLeftStopped(key) => delete(instances::key_cells(key)),
        RowChange::PutAccessToken(public, row) => put(tokens::token(public, row)),
        RowChange::DeleteAccessToken(public) => delete(vec![Cell::owned(public.to_string())]),
        RowChange::PutDetection(number, row) => put(recoveries::detection(*number, row)?),
        RowChange::DeleteDetection(number) => delete(vec![Cell::Unsigned(*number)]),
        RowChange::PutRecovery(id, row) => put(recoveries::recovery(*id, row)?),
        RowChange::DeleteRecovery(id) => delete(vec![Cell::owned(id.to_string())]),
        RowChange::PutRecoveryStep(id, number, row) => put(recoveries::step(*id, *number, row)),
        RowChange::DeleteRecoveryStep(id, number) => delete(vec![
            Cell::owned(id.to_string()),
            Cell::Unsigned(u64::from(*number)),
        ]),
        RowChange::PutRecoveryNote(id, row) => put(recoveries::note(*id, row)),
        RowChange::DeleteRecoveryNote(id, number) => {
            delete(vec![Cell::owned(id.to_string()), Cell::Unsigned(*number)])
        }
        RowChange::PutRecoveriesDisabled(row) => put(recoveries::disabled(row)),
        RowChange::DeleteRecoveriesDisabled => delete(vec![recoveries::ANCHOR]),
        RowChange::PutLeftStopped(key, id) => put(recoveries::left_stopped(key, *id)),
        RowChange::PutGroupNode(name, row) => put(nodes::node(name, row)),
        RowChange::DeleteGroupNode(name) => delete(vec![Cell::text(name)]),
        RowChange::PutAnswer(request, row) => put(answers::answer(*request, row)?),
        RowChange::DeleteAnswer(request) => delete(vec![answers::request_cell(*request)]),
        RowChange::PutClusterAlias(cluster, row) => put(aliases::alias(cluster, row)),
        RowChange::DeleteClusterAlias(cluster) => delete(vec![Cell::text(cluster)]),
        RowChange::PutImport(row) => put(import::import(row)),
    }
}

/// The table of a change; stores put `decided_` before the core's name for it.
fn table_of(change: &RowChange) -> &'static Table {
    let name = change.table();
    let table = DECIDED
        .iter()
        .map(|decided| &decided.table)
        .find(|table| table.name.strip_prefix("decided_") == Some(name));
    table.expect("every table of the core is in the list, which a test walks")
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::{Answer, GroupNode, Reply};
    use orchestrator_core::domain::{ClusterAlias, InstanceKey, RecoveryId, Timestamp};

    use super::*;

    fn key_of(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).unwrap()
    }

    #[test]
    fn a_row_has_a_cell_for_each_column_and_a_removal_one_for_each_of_its_key() {
        let at = Timestamp::from_seconds(1);
        let alias = ClusterAlias {
            alias: "shop".to_owned(),
            set_by: None,
            at,
            moved: None,
        };
        let answer = Answer {
            index: 7,
            reply: Reply::Done,
            at,
        };
        let node = GroupNode { reported: vec![] };
        for (change, table) in [
            (
                RowChange::PutForgotten(key_of("a"), at),
                "decided_forgotten",
            ),
            (RowChange::DeleteForgotten(key_of("a")), "decided_forgotten"),
            (
                RowChange::PutLeftStopped(key_of("a"), RecoveryId::from_number(1)),
                "decided_left_stopped",
            ),
            (
                RowChange::DeleteLeftStopped(key_of("a")),
                "decided_left_stopped",
            ),
            (RowChange::PutAnswer(1, answer), "decided_answer"),
            (RowChange::DeleteAnswer(1), "decided_answer"),
            (
                RowChange::PutGroupNode("n".to_owned(), node),
                "decided_group_node",
            ),
            (
                RowChange::PutClusterAlias("c".to_owned(), alias),
                "decided_cluster_alias",
            ),
            (
                RowChange::DeleteRecoveriesDisabled,
                "decided_recoveries_disabled",
            ),
        ] {
            match write(&change).unwrap() {
                RowWrite::Put(found, cells) => {
                    assert_eq!((found.name, cells.len()), (table, found.columns().count()));
                }
                RowWrite::Delete(found, cells) => {
                    assert_eq!((found.name, cells.len()), (table, found.key.len()));
                }
            }
        }
    }
}
