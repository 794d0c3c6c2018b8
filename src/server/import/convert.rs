//! From the predecessor's rows to rows of decided state. Pure. A row that makes no sense is left out whole, and named.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use orchestrator_core::decided::{IMPORTED_AT_ONCE_MAX, ImportPortion, ImportedRow};
use orchestrator_core::domain::{
    Acknowledgement, Candidate, DataLoss, Detection, Downtime, Fence, FindingCode, InstanceKey,
    Phase, PromotionRule, RecoveriesDisabled, Recovery, RecoveryEnd, RecoveryId, RecoveryKind,
    RecoveryOutcome, TimeSplit, Timestamp, TouchedServer,
};
use orchestrator_core::legacy::codes::parse_finding_code;
use orchestrator_core::legacy::tables::{
    ALIASES, CANDIDATES, DETECTIONS, DISABLED, DOWNTIMES, INSTANCES, LEFT_BEHIND, OldTable,
    RECOVERIES, STEPS,
};
use orchestrator_core::ports::{LeftRow, OldState};
use sha2::{Digest as _, Sha256};

/// Longest text of a row that counts: the predecessor's own columns hold less.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longest line of a record that is kept whole, in characters, as in the predecessor's table.
const LINE_CHARS_MAX: usize = 4_096;

/// Most lines of one record, one less than a command may have: the last says that there are more.
const LINES_MAX: usize = 999;

/// Longest record, in bytes of its lines: an entry of a group's log is sent to each member whole.
const RECORD_BYTES_MAX: usize = 512 * 1024;

/// A portion is closed when its texts are longer than this, for the same reason.
const PORTION_BYTES_MAX: usize = 256 * 1024;

/// Who has switched recoveries off: the predecessor does not say.
const DISABLED_BY: &str = "somebody, at the predecessor";

/// What configuration says about rows.
#[derive(Clone, Debug)]
pub struct Config {
    /// `CandidateInstanceExpireMinutes`: for so long a promotion rule counts.
    pub candidate_lifetime: Duration,
    /// `FailureDetectionPeriodBlockMinutes`: for so long the same is not written down again.
    pub detection_block_period: Duration,
    /// `AuditPurgeDays`: for how long ended recoveries and detections are kept.
    pub kept_for: Duration,
    /// `UnseenInstanceForgetHours`: an instance that was not seen for so long is not known any more.
    pub instances_kept_for: Duration,
    /// `-noop`: nothing is imported without being asked for.
    pub changes_nothing: bool,
}

/// What the predecessor's rows come to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Converted {
    /// Rows to take, in their order.
    pub rows: Vec<ImportedRow>,
    /// Rows that make no sense.
    pub refused: Vec<LeftRow>,
    /// Rows that have no place here or are over, by table and reason.
    pub left: Vec<LeftRow>,
}

impl Converted {
    /// How many rows there are, by what they are.
    pub fn offered(&self) -> Vec<(&'static str, usize)> {
        let names = [
            "global switch",
            "cluster aliases",
            "downtimes",
            "candidates",
            "detections",
            "recoveries",
            "instances",
        ];
        let of_kind = |kind: usize| {
            let rows = self.rows.iter();
            rows.filter(|row| usize::from(row.position().kind) == kind + 1)
                .count()
        };
        let counted = names.into_iter().enumerate();
        counted.map(|(kind, name)| (name, of_kind(kind))).collect()
    }

    /// The rows in portions, each as much as one entry takes. The last says so; there is always one.
    pub fn portions(&self, source: &str, node: &str) -> Vec<ImportPortion> {
        let mut portions: Vec<Vec<ImportedRow>> = vec![vec![]];
        let mut bytes = 0;
        for row in &self.rows {
            let size = size_of(row);
            let open = portions.last().map_or(0, Vec::len);
            let is_alone = |row: &ImportedRow| row.is_numbered();
            let follows_one = portions
                .last()
                .and_then(|open| open.last())
                .is_some_and(is_alone);
            let is_full = open == IMPORTED_AT_ONCE_MAX || bytes + size > PORTION_BYTES_MAX;
            if open > 0 && (is_full || follows_one || row.is_numbered()) {
                portions.push(vec![]);
                bytes = 0;
            }
            bytes += size;
            if let Some(open) = portions.last_mut() {
                open.push(row.clone());
            }
        }
        let last = portions.len() - 1;
        let numbered = portions.into_iter().enumerate();
        numbered
            .map(|(number, rows)| ImportPortion {
                source: source.to_owned(),
                node: node.to_owned(),
                rows,
                is_last: number == last,
            })
            .collect()
    }
}

/// Bytes of its longest texts.
fn size_of(row: &ImportedRow) -> usize {
    match row {
        ImportedRow::Downtime(_, row) => row.owner.len() + row.reason.len(),
        ImportedRow::ClusterAlias { cluster, alias } => cluster.len() + alias.len(),
        ImportedRow::Recovery { notes, .. } => notes.iter().map(|(_, text)| text.len()).sum(),
        ImportedRow::RecoveriesDisabled(_)
        | ImportedRow::Candidate(..)
        | ImportedRow::Detection { .. }
        | ImportedRow::Instance(_) => 0,
    }
}

/// What becomes of a row.
enum Fate {
    /// It is taken.
    Taken(ImportedRow),
    /// It is over, or says nothing: nobody misses it.
    Left(&'static str),
}

use Fate::{Left, Taken};

/// Why a row makes no sense.
type Nonsense = String;

/// Rows of decided state of what was read, as of `now`.
pub(super) fn convert(old: &OldState, config: &Config, now: Timestamp) -> Converted {
    let mut all = Conversion {
        old,
        converted: Converted::default(),
        left: BTreeMap::new(),
        seen: BTreeSet::new(),
    };
    all.each(&DISABLED, |row| disabled(row, now));
    all.each(&ALIASES, alias);
    all.each(&DOWNTIMES, |row| downtime(row, now));
    all.each(&CANDIDATES, |row| candidate(row, config, now));
    let names = recoveries_of_detections(old);
    all.each(&DETECTIONS, |row| detection(row, &names, config, now));
    let mut records = records(old);
    all.each(&RECOVERIES, |row| recovery(row, &mut records, config, now));
    all.each(&INSTANCES, |row| instance(row, config, now));
    all.ended()
}

struct Conversion<'a> {
    old: &'a OldState,
    converted: Converted,
    left: BTreeMap<(&'static str, String), u64>,
    seen: BTreeSet<(u8, String)>,
}

impl Conversion<'_> {
    fn each(
        &mut self,
        table: &'static OldTable,
        mut convert: impl FnMut(&Row<'_>) -> Result<Fate, Nonsense>,
    ) {
        let Some(found) = self.old.tables.get(table.name) else {
            return;
        };
        for cells in &found.rows {
            let row = Row { table, cells };
            let fate = convert(&row);
            let refuse = |why: String| LeftRow {
                table: table.name,
                row: row.name(),
                why,
            };
            match fate {
                Ok(Taken(taken)) => {
                    let position = taken.position();
                    // Two rows of one server, as of two spellings of its name.
                    match self.seen.insert((position.kind, position.key)) {
                        true => self.converted.rows.push(taken),
                        false => self.converted.refused.push(refuse(
                            "another row is about the same, and is taken".to_owned(),
                        )),
                    }
                }
                Ok(Left(why)) => {
                    *self.left.entry((table.name, why.to_owned())).or_default() += 1;
                }
                Err(why) => self.converted.refused.push(refuse(why)),
            }
        }
        if found.has_more {
            let why = format!("only the newest {} are taken", table.rows_max);
            let left = LeftRow {
                table: table.name,
                row: "older rows".to_owned(),
                why,
            };
            self.converted.left.push(left);
        }
    }

    fn ended(mut self) -> Converted {
        let left = self.left.into_iter();
        let counted = left.map(|((table, why), count)| counted(table, count, why));
        self.converted.left.extend(counted);
        for (table, why) in LEFT_BEHIND {
            if let Some(count) = self.old.counts.get(table).filter(|count| **count > 0) {
                self.converted.left.push(counted_as(table, *count, why));
            }
        }
        self.converted
            .rows
            .sort_by_cached_key(ImportedRow::position);
        self.converted
    }
}

fn counted(table: &'static str, count: u64, why: String) -> LeftRow {
    let row = match count {
        1 => "1 row".to_owned(),
        more => format!("{more} rows"),
    };
    LeftRow { table, row, why }
}

fn counted_as(table: &'static str, count: u64, why: &str) -> LeftRow {
    counted(table, count, why.to_owned())
}

/// One row, by the names of its columns.
struct Row<'a> {
    table: &'static OldTable,
    cells: &'a [Option<String>],
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        let place = self.table.place(column)?;
        self.cells.get(place)?.as_deref()
    }

    /// Its text; empty for NULL.
    fn text(&self, column: &str) -> Result<String, Nonsense> {
        let text = self.cell(column).unwrap_or_default();
        match text.len() <= TEXT_BYTES_MAX {
            true => Ok(text.to_owned()),
            false => Err(format!("{column} is longer than {TEXT_BYTES_MAX} bytes")),
        }
    }

    fn number(&self, column: &str) -> Result<u64, Nonsense> {
        let text = self.cell(column).unwrap_or("0");
        let number = text.trim().parse();
        number.map_err(|_| format!("{column} is {}, which is no number", shown(text)))
    }

    fn is_set(&self, column: &str) -> Result<bool, Nonsense> {
        Ok(self.number(column)? != 0)
    }

    /// A moment that may not be set.
    fn moment(&self, column: &str) -> Result<Option<Timestamp>, Nonsense> {
        /// 1971-01-01, the predecessor's word for "never", and 2200-01-01.
        const SENSIBLE: std::ops::Range<i64> = 31_536_001..7_258_118_400;
        let Some(text) = self.cell(column) else {
            return Ok(None);
        };
        // MySQL adds fractions where the column has them.
        let seconds = text.split('.').next().unwrap_or_default().parse::<i64>();
        match seconds {
            Ok(seconds) if SENSIBLE.contains(&seconds) => {
                Ok(Some(Timestamp::from_seconds(seconds)))
            }
            Ok(seconds) if (0..SENSIBLE.start).contains(&seconds) => Ok(None),
            _ => Err(format!("{column} is {}, which is no time", shown(text))),
        }
    }

    fn moment_set(&self, column: &str) -> Result<Timestamp, Nonsense> {
        let moment = self.moment(column)?;
        moment.ok_or_else(|| format!("{column} is not set"))
    }

    fn key(&self) -> Result<InstanceKey, Nonsense> {
        self.instance("hostname", "port")?
            .ok_or_else(|| "hostname is empty".to_owned())
    }

    /// An instance that may not be set.
    fn instance(&self, host: &str, port: &str) -> Result<Option<InstanceKey>, Nonsense> {
        let (host, port) = (self.cell(host).unwrap_or_default(), self.cell(port));
        if host.trim().is_empty() {
            return Ok(None);
        }
        let key = InstanceKey::from_parts(host, port.unwrap_or_default());
        key.map(Some).map_err(|error| error.to_string())
    }

    /// A list of `host:port`, separated by commas.
    fn instances(&self, column: &str) -> Result<Vec<InstanceKey>, Nonsense> {
        let text = self.text(column)?;
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names
            .map(|name| {
                let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
                InstanceKey::from_parts(host, port).map_err(|error| format!("{column}: {error}"))
            })
            .collect()
    }

    fn code(&self) -> Result<FindingCode, Nonsense> {
        let text = self.text("analysis")?;
        let code = parse_finding_code(&text);
        code.ok_or_else(|| format!("this release has no finding {}", shown(&text)))
    }

    /// What it is called in a report.
    fn name(&self) -> String {
        let cells = self.table.columns.iter().zip(self.cells).take(4);
        let cells = cells.map(|(column, cell)| match cell {
            Some(cell) => format!("{}={}", column.name(), shown(cell)),
            None => format!("{}=NULL", column.name()),
        });
        cells.collect::<Vec<_>>().join(", ")
    }
}

/// A text of somebody else, in a sentence.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    format!("'{}'", shown.escape_debug())
}

fn disabled(row: &Row<'_>, now: Timestamp) -> Result<Fate, Nonsense> {
    Ok(match row.is_set("disable_recovery")? {
        true => Taken(ImportedRow::RecoveriesDisabled(RecoveriesDisabled {
            by: DISABLED_BY.to_owned(),
            at: now,
        })),
        false => Left("recoveries are enabled"),
    })
}

fn alias(row: &Row<'_>) -> Result<Fate, Nonsense> {
    let (cluster, alias) = (row.text("cluster_name")?, row.text("alias")?);
    if cluster.is_empty() {
        return Err("cluster_name is empty".to_owned());
    }
    if alias.is_empty() {
        return Ok(Left("the alias is empty"));
    }
    Ok(Taken(ImportedRow::ClusterAlias { cluster, alias }))
}

fn downtime(row: &Row<'_>, now: Timestamp) -> Result<Fate, Nonsense> {
    let key = row.key()?;
    if !row.is_set("downtime_active")? {
        return Ok(Left("the downtime was ended"));
    }
    let ends_at = row.moment_set("end_timestamp")?;
    if ends_at <= now {
        return Ok(Left("the downtime is over"));
    }
    let downtime = Downtime {
        owner: row.text("owner")?,
        reason: row.text("reason")?,
        begins_at: row.moment_set("begin_timestamp")?,
        ends_at,
    };
    Ok(Taken(ImportedRow::Downtime(key, downtime)))
}

fn candidate(row: &Row<'_>, config: &Config, now: Timestamp) -> Result<Fate, Nonsense> {
    let key = row.key()?;
    let text = row.text("promotion_rule")?;
    let rule: PromotionRule = text
        .parse()
        .map_err(|_| format!("promotion_rule is {}, which is none", shown(&text)))?;
    let registered_at = row.moment_set("last_suggested")?;
    let expires_at = registered_at.plus(config.candidate_lifetime);
    if expires_at <= now {
        return Ok(Left("the promotion rule has expired"));
    }
    if rule == PromotionRule::Must {
        return Err("the promotion rule 'must' cannot be registered".to_owned());
    }
    let candidate = Candidate {
        rule,
        registered_at,
        expires_at,
    };
    Ok(Taken(ImportedRow::Candidate(key, candidate)))
}

fn instance(row: &Row<'_>, config: &Config, now: Timestamp) -> Result<Fate, Nonsense> {
    let key = row.key()?;
    let seen_at = row.moment("last_seen")?;
    let is_known = seen_at.is_some_and(|at| now.since(at) < config.instances_kept_for);
    Ok(match is_known {
        true => Taken(ImportedRow::Instance(key)),
        false => Left("not seen for longer than UnseenInstanceForgetHours"),
    })
}

/// The id here of what has this name there: the same on every node, and at every try.
fn id_of(name: &str) -> RecoveryId {
    let hash = Sha256::digest(name.as_bytes());
    let number = hash.iter().take(16);
    RecoveryId::from_number(number.fold(0, |number, byte| (number << 8) | u128::from(*byte)))
}

fn name_of_recovery(row: &Row<'_>) -> Result<String, Nonsense> {
    let uid = row.text("uid")?;
    Ok(match uid.trim() {
        "" => format!("recovery {}", row.number("recovery_id")?),
        uid => uid.to_owned(),
    })
}

/// Ids of recoveries, by the number of the detection before them.
fn recoveries_of_detections(old: &OldState) -> HashMap<u64, RecoveryId> {
    let found = old.tables.get(RECOVERIES.name);
    let rows = found.into_iter().flat_map(|found| &found.rows);
    let named = rows.filter_map(|cells| {
        let row = Row {
            table: &RECOVERIES,
            cells,
        };
        let detection = row.number("last_detection_id").ok()?;
        Some((detection, id_of(&name_of_recovery(&row).ok()?)))
    });
    // Of several the first, which is the last in a list of the newest.
    named.collect()
}

fn detection(
    row: &Row<'_>,
    recoveries: &HashMap<u64, RecoveryId>,
    config: &Config,
    now: Timestamp,
) -> Result<Fate, Nonsense> {
    let (old, subject) = (row.number("detection_id")?, row.key()?);
    let detected_at = row.moment_set("start_active_period")?;
    let kept_until = detected_at.plus(config.kept_for);
    if kept_until <= now {
        return Ok(Left("older than AuditPurgeDays"));
    }
    let active_until = match row.is_set("in_active_period")? {
        true => detected_at.plus(config.detection_block_period),
        false => detected_at,
    };
    let recovery = recoveries.get(&old).copied();
    let detection = Detection {
        recovery: recovery.unwrap_or_else(|| id_of(&format!("detection {old} {detected_at}"))),
        code: row.code()?,
        subject,
        cluster: row.text("cluster_name")?,
        cluster_alias: row.text("cluster_alias")?,
        replicas: row.instances("slave_hosts")?,
        is_actionable: row.is_set("is_actionable")?,
        description: "imported from the predecessor".to_owned(),
        detected_at,
        node: row.text("processing_node_hostname")?,
        active_until,
        kept_until,
    };
    Ok(Taken(ImportedRow::Detection {
        old,
        row: Box::new(detection),
    }))
}

/// Lines of records by the UID of their recovery, oldest first. Lines that make no sense are for nobody.
fn records(old: &OldState) -> HashMap<String, Vec<(Timestamp, String)>> {
    let mut records: HashMap<String, Vec<(u64, Timestamp, String)>> = HashMap::new();
    let found = old.tables.get(STEPS.name);
    for cells in found.into_iter().flat_map(|found| &found.rows) {
        let row = Row {
            table: &STEPS,
            cells,
        };
        let (Ok(number), Ok(Some(at)), Some(uid)) = (
            row.number("recovery_step_id"),
            row.moment("audit_at"),
            row.cell("recovery_uid"),
        ) else {
            continue;
        };
        let text = row.cell("message").unwrap_or_default();
        let text = text.chars().take(LINE_CHARS_MAX).collect();
        records
            .entry(uid.to_owned())
            .or_default()
            .push((number, at, text));
    }
    let sorted = records.into_iter().map(|(uid, mut lines)| {
        lines.sort_by_key(|(number, ..)| *number);
        (uid, bounded(lines))
    });
    sorted.collect()
}

/// As many of the lines as one command takes.
fn bounded(lines: Vec<(u64, Timestamp, String)>) -> Vec<(Timestamp, String)> {
    let total = lines.len();
    let mut bytes = 0;
    let mut kept: Vec<(Timestamp, String)> = lines
        .into_iter()
        .take(LINES_MAX)
        .map_while(|(_, at, text)| {
            bytes += text.len();
            (bytes <= RECORD_BYTES_MAX).then_some((at, text))
        })
        .collect();
    if kept.len() < total {
        let more = format!("{} further lines are in the old tables", total - kept.len());
        let at = kept.last().map_or(Timestamp::default(), |(at, _)| *at);
        kept.push((at, more));
    }
    kept
}

fn recovery(
    row: &Row<'_>,
    records: &mut HashMap<String, Vec<(Timestamp, String)>>,
    config: &Config,
    now: Timestamp,
) -> Result<Fate, Nonsense> {
    let (old, subject) = (row.number("recovery_id")?, row.key()?);
    let registered_at = row.moment_set("start_active_period")?;
    let ended_at = row.moment("end_recovery")?;
    let at = ended_at.unwrap_or(registered_at).max(registered_at);
    if now.since(at) >= config.kept_for {
        return Ok(Left("older than AuditPurgeDays"));
    }
    let code = row.code()?;
    let successor = row.instance("successor_hostname", "successor_port")?;
    let is_good = row.is_set("is_successful")? && successor.is_some();
    let (replicas, lost) = (row.instances("slave_hosts")?, row.instances("lost_slaves")?);
    let participants = row.instances("participating_instances")?;
    let errors = row.text("all_errors")?;
    let mut errors: Vec<String> = errors
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    if ended_at.is_none() {
        errors.push("the predecessor has not written down how it ended".to_owned());
    }
    let acknowledgement = match row.is_set("acknowledged")? {
        true => Some(Acknowledgement {
            at: row.moment("acknowledged_at")?.unwrap_or(at),
            by: row.text("acknowledged_by")?,
            comment: row.text("acknowledge_comment")?,
        }),
        false => None,
    };
    let touched: BTreeSet<&InstanceKey> = std::iter::once(&subject)
        .chain(&successor)
        .chain(&replicas)
        .chain(&lost)
        .chain(&participants)
        .collect();
    let servers = touched.into_iter().map(|key| TouchedServer {
        key: key.clone(),
        uuid: String::new(),
    });
    let servers = servers.collect();
    let end = RecoveryEnd {
        at,
        outcome: match is_good {
            true => RecoveryOutcome::Succeeded,
            false => RecoveryOutcome::Failed,
        },
        successor_alias: row.text("successor_alias")?,
        lost,
        participants,
        errors,
        data_loss: is_good.then(|| DataLoss::Unknown {
            at_most_since: Some(registered_at),
            at_least: vec![],
        }),
        times: TimeSplit::default(),
        successor: is_good.then_some(successor).flatten(),
    };
    let name = name_of_recovery(row)?;
    let recovery = Recovery {
        number: 0,
        kind: kind_of(code),
        code,
        servers,
        subject,
        cluster: row.text("cluster_name")?,
        cluster_alias: row.text("cluster_alias")?,
        replicas,
        requested_by: String::new(),
        detection: 0,
        plan: vec![],
        registered_at,
        node: row.text("processing_node_hostname")?,
        fence: Fence::default(),
        attempt: 1,
        phase: Phase::Ended,
        entered: vec![(Phase::Registered, registered_at), (Phase::Ended, at)],
        sessions: vec![],
        stale_sessions: vec![],
        kept_for: config.kept_for,
        end: Some(end),
        acknowledgement,
    };
    Ok(Taken(ImportedRow::Recovery {
        old,
        id: id_of(&name),
        row: Box::new(recovery),
        notes: records.remove(&name).unwrap_or_default(),
    }))
}

/// What kind a recovery of this finding is, by which others are held back.
fn kind_of(code: FindingCode) -> RecoveryKind {
    match code {
        FindingCode::DeadCoPrimary
        | FindingCode::DeadCoPrimaryAndSomeReplicas
        | FindingCode::UnreachableCoPrimary
        | FindingCode::AllCoPrimaryReplicasNotReplicating => RecoveryKind::DeadCoPrimary,
        FindingCode::LockedSemiSyncPrimary
        | FindingCode::PrimaryWithTooManySemiSyncReplicas
        | FindingCode::ReadOnlyPrimary => RecoveryKind::Settings,
        _ => RecoveryKind::DeadPrimary,
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
pub(super) mod tests;
