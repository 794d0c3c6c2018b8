use std::collections::BTreeMap;

use orchestrator_core::ports::{ImportReport, LeftRow};
use serde::Serialize;

/// Most rows that are named one by one; what there are more of is counted.
const NAMED_MAX: usize = 1_000;

/// What an import did, or would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportDto<'a> {
    /// `imported`, `would-import` or `already-imported`.
    outcome: &'static str,
    source: &'a str,
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    rows: BTreeMap<&'static str, usize>,
    taken: u32,
    kept: u32,
    refused: Vec<LeftRowDto<'a>>,
    /// Rows that make no sense and are not named.
    refused_more: usize,
    left_behind: Vec<LeftRowDto<'a>>,
}

#[derive(Debug, Serialize)]
struct LeftRowDto<'a> {
    table: &'a str,
    row: &'a str,
    why: &'a str,
}

impl<'a> LeftRowDto<'a> {
    fn new(row: &'a LeftRow) -> Self {
        Self {
            table: row.table,
            row: &row.row,
            why: &row.why,
        }
    }
}

impl<'a> ImportDto<'a> {
    /// Of a report.
    pub fn new(report: &'a ImportReport, is_dry_run: bool) -> Self {
        let refused = report.refused.iter().take(NAMED_MAX);
        Self {
            outcome: match (report.was_done, is_dry_run) {
                (true, _) => "already-imported",
                (false, true) => "would-import",
                (false, false) => "imported",
            },
            source: &report.source,
            node: &report.node,
            completed_at: report.completed_at.map(|at| at.to_string()),
            rows: report.offered.iter().copied().collect(),
            taken: report.taken,
            kept: report.kept,
            refused: refused.map(LeftRowDto::new).collect(),
            refused_more: report.refused.len().saturating_sub(NAMED_MAX),
            left_behind: report.left.iter().map(LeftRowDto::new).collect(),
        }
    }
}
