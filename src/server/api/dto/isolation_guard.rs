use orchestrator_core::ports::{GuardReport, GuardedPrimary};
use serde::Serialize;

use super::Fractional;

/// What the guard of a cut-off data centre does, or why nothing.
#[derive(Debug, Serialize)]
pub struct IsolationGuardDto<'a> {
    is_on: bool,
    data_center: &'a str,
    /// `null` while something outside is heard or answers.
    cut_off_since: Option<Fractional>,
    /// `null` where what is outside says nothing against closing.
    why_nothing_is_closed: Option<&'a str>,
    primaries: Vec<One<'a>>,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    server: Server<'a>,
    /// `null` where it was not closed, or that is not known.
    closed_at: Option<Fractional>,
    /// `null` where it was closed.
    why_it_is_not_closed: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Server<'a> {
    hostname: &'a str,
    port: u16,
}

impl<'a> IsolationGuardDto<'a> {
    /// Of a report.
    pub fn new(report: &'a GuardReport) -> Self {
        Self {
            is_on: report.is_on,
            data_center: &report.data_center,
            cut_off_since: report.cut_off_since.map(Fractional),
            why_nothing_is_closed: report.why_not.as_deref(),
            primaries: report.primaries.iter().map(One::new).collect(),
        }
    }
}

impl<'a> One<'a> {
    fn new(primary: &'a GuardedPrimary) -> Self {
        Self {
            server: Server {
                hostname: primary.server.host().as_str(),
                port: primary.server.port(),
            },
            closed_at: primary.closed_at.map(Fractional),
            why_it_is_not_closed: primary.why_not.as_deref(),
        }
    }
}
