use orchestrator_core::domain::gtid::{MariadbPosition, OracleGtidSet};
use orchestrator_core::domain::{LogCoordinates, ReplicationLink, SourceAddress, ThreadState};
use orchestrator_core::ports::ChangeError;

use super::literal::quoted;
use super::profile::Profile;
use super::statements::Statements;
use crate::mysql::dialect::Dialect;
use crate::mysql::probe::{MAX_CHANNELS, link_rows, read_link};
use crate::mysql::{Answer, DriverError, Row};

/// A replica's link to its source, read by one statement.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) seen: ReplicationLink,
    /// How it connects.
    pub(super) profile: Profile,
    /// What was received and is not applied, for an operator; `None` when there is nothing.
    pub(super) unapplied: Option<String>,
    /// What a statement about it ends in, where it has a channel with a name.
    pub(super) for_channel: String,
    /// Whether the server throws received transactions away when its threads start after both were stopped.
    pub(super) drops_relay_log: bool,
}

impl Link {
    pub(super) fn receiver_is_stopped(&self) -> bool {
        self.seen.receiver == ThreadState::Stopped
    }

    pub(super) fn applier_is_stopped(&self) -> bool {
        self.seen.applier == ThreadState::Stopped
    }

    pub(super) fn uses_gtid(&self) -> bool {
        self.seen.uses_oracle_gtid || self.seen.uses_mariadb_gtid
    }

    /// The error that stopped a thread, as an ending of a sentence.
    pub(super) fn errors(&self) -> String {
        let link = &self.seen;
        let of = |thread: &str, errno: u32, error: &str| match errno {
            0 => String::new(),
            errno => format!("; the {thread} has error {errno}: {error}"),
        };
        of("receiver", link.receiver_errno, &link.receiver_error)
            + &of("applier", link.applier_errno, &link.applier_error)
    }
}

/// Reads the link, unless it was read a moment ago. `None` on a server that replicates from nobody.
///
/// # Errors
/// [`ChangeError::Unsupported`] for a server with several sources: none of them is *the* source.
pub(super) async fn read(on: &mut Statements<'_>) -> Result<Option<Link>, ChangeError> {
    let answer = match on.known_status() {
        Some(answer) => answer,
        None => {
            let question = on.dialect.show_replica_status();
            on.read(question, MAX_CHANNELS).await?
        }
    };
    understood(on, &answer).await
}

/// Changes something, and reads the link as it is then.
///
/// # Errors
/// As [`read`], and what the change comes to.
pub(super) async fn after(
    on: &mut Statements<'_>,
    change: &str,
) -> Result<Option<Link>, ChangeError> {
    let question = on.dialect.show_replica_status();
    let answer = on.change_and_read(change, question, MAX_CHANNELS).await?;
    understood(on, &answer).await
}

async fn understood(on: &mut Statements<'_>, answer: &Answer) -> Result<Option<Link>, ChangeError> {
    let link = of_answer(answer, on.dialect).map_err(|error| on.unreadable(&error))?;
    let link = match link {
        Found::None => return Ok(None),
        Found::Several(count) => {
            return Err(on.unsupported(format!("it replicates from {count} sources")));
        }
        Found::One(link) => link,
    };
    if on.dialect.is_mariadb() && !link.seen.channel.is_empty() {
        // MariaDB's statements are about the connection that this names.
        let name = quoted(&link.seen.channel).map_err(|error| on.unreadable(&error))?;
        on.read(
            &format!("SET SESSION default_master_connection = {name}"),
            1,
        )
        .await?;
    }
    Ok(Some(*link))
}

/// The same, of a server that has to have a source.
pub(super) async fn must(on: &mut Statements<'_>) -> Result<Link, ChangeError> {
    let link = read(on).await?;
    required(on, link)
}

/// The link of a server that has to have one.
pub(super) fn required(on: &Statements<'_>, link: Option<Link>) -> Result<Link, ChangeError> {
    link.ok_or_else(|| on.unsupported("it replicates from nobody"))
}

pub(super) enum Found {
    None,
    One(Box<Link>),
    Several(usize),
}

/// What a status answer says.
pub(super) fn of_answer(answer: &Answer, dialect: &Dialect) -> Result<Found, DriverError> {
    let rows = link_rows(answer);
    let row = match rows.as_slice() {
        [] => return Ok(Found::None),
        [row] => row,
        rows => return Ok(Found::Several(rows.len())),
    };
    let seen = read_link(row)?;
    let for_channel = match seen.channel.as_str() {
        "" => String::new(),
        _ if !dialect.has_channels() => String::new(),
        channel => format!(" FOR CHANNEL {}", quoted(channel)?),
    };
    Ok(Found::One(Box::new(Link {
        profile: Profile::of_status(row),
        unapplied: unapplied(row, &seen),
        drops_relay_log: dialect.is_mariadb() && seen.uses_mariadb_gtid,
        for_channel,
        seen,
    })))
}

/// Received and not applied, both from one row, so that they belong together. By GTIDs where the link has them. What cannot be
/// read counts as something.
fn unapplied(row: &Row<'_>, link: &ReplicationLink) -> Option<String> {
    let text = |column: &str| row.text(column).unwrap_or_default();
    let illegible = || Some("what it has received cannot be read".to_owned());
    if link.uses_mariadb_gtid {
        let received = MariadbPosition::parse(&link.mariadb_received);
        let applied = MariadbPosition::parse(&text("Gtid_Slave_Pos"));
        let (Ok(received), Ok(applied)) = (received, applied) else {
            return illegible();
        };
        let gaps = received.missing_in(&applied);
        let gaps: Vec<String> = gaps.iter().map(ToString::to_string).collect();
        return (!gaps.is_empty()).then(|| gaps.join(", "));
    }
    if link.uses_oracle_gtid || !link.retrieved.is_empty() {
        let received = OracleGtidSet::parse(&link.retrieved);
        let applied = OracleGtidSet::parse(&text("Executed_Gtid_Set"));
        let (Ok(received), Ok(applied)) = (received, applied) else {
            return illegible();
        };
        let missing = received.subtract(&applied);
        return (!missing.is_empty()).then(|| missing.summary().to_string());
    }
    if link.received.file.is_empty() {
        return None;
    }
    let at = |place: &orchestrator_core::domain::BinlogPosition| {
        LogCoordinates::new(&place.file, place.offset).ok()
    };
    match (at(&link.received), at(&link.applied)) {
        (Some(received), Some(applied)) if applied.has_reached(&received) => None,
        (Some(received), Some(applied)) => {
            Some(format!("what lies between {applied} and {received}"))
        }
        _ => illegible(),
    }
}

/// `host:port`, with the mark where it has one; for sentences.
pub(super) fn source_text(source: &SourceAddress) -> String {
    match source {
        SourceAddress::Attached(key) => key.to_string(),
        SourceAddress::Detached(key) => format!("//{key}"),
        SourceAddress::Invalid(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(version: &str, columns: &[&str], row: &[Option<&str>]) -> Link {
        let mut columns = columns.to_vec();
        let mut row = row.to_vec();
        columns.extend(["Master_Host", "Master_Port"]);
        row.extend([Some("a"), Some("3306")]);
        let answer = Answer::table(&columns, &[&row]);
        match of_answer(&answer, &Dialect::detect(version, "")).unwrap() {
            Found::One(link) => *link,
            _ => panic!("one link is there"),
        }
    }

    fn of_mariadb(received: &str, applied: &str) -> Option<String> {
        let columns = ["Using_Gtid", "Gtid_IO_Pos", "Gtid_Slave_Pos"];
        let row = [Some("Slave_Pos"), Some(received), Some(applied)];
        one("10.11.19-MariaDB", &columns, &row).unapplied
    }

    #[test]
    fn mariadb_tells_by_positions_of_gtid() {
        assert_eq!(of_mariadb("", ""), None);
        assert_eq!(of_mariadb("0-1-5", "0-1-5,1-2-3"), None);
        assert_eq!(of_mariadb("0-1-5", "0-1-9"), None);
        let gap = of_mariadb("0-1-7", "0-1-5").unwrap();
        assert!(gap.contains("0-1-7"), "{gap}");
        assert!(of_mariadb("0-1-7", "").is_some());
        assert!(
            of_mariadb("what", "0-1-5").is_some(),
            "illegible is something"
        );
    }

    fn of_mysql(received: &str, applied: &str) -> Option<String> {
        let columns = ["Auto_Position", "Retrieved_Gtid_Set", "Executed_Gtid_Set"];
        let row = [Some("1"), Some(received), Some(applied)];
        one("9.7.4", &columns, &row).unapplied
    }

    #[test]
    fn mysql_tells_by_sets() {
        const A: &str = "8ed31df4-e71d-11f1-917b-02fc00000001";
        assert_eq!(of_mysql("", ""), None);
        assert_eq!(of_mysql("", &format!("{A}:1-9")), None);
        assert_eq!(of_mysql(&format!("{A}:3-9"), &format!("{A}:1-9")), None);
        let missing = of_mysql(&format!("{A}:3-9"), &format!("{A}:1-8")).unwrap();
        assert!(missing.contains(&format!("{A}:9")), "{missing}");
        assert!(of_mysql("what", "").is_some());
    }

    fn by_files(received: (&str, &str), applied: (&str, &str)) -> Option<String> {
        let columns = [
            "Master_Log_File",
            "Read_Master_Log_Pos",
            "Relay_Master_Log_File",
            "Exec_Master_Log_Pos",
        ];
        let row = [received.0, received.1, applied.0, applied.1].map(Some);
        one("5.6.24", &columns, &row).unapplied
    }

    #[test]
    fn without_gtid_places_in_the_sources_log_tell() {
        assert_eq!(by_files(("b.000002", "4"), ("b.000002", "4")), None);
        assert_eq!(by_files(("", "4"), ("", "0")), None, "nothing received yet");
        assert!(by_files(("b.000002", "9"), ("b.000002", "4")).is_some());
        assert!(by_files(("b.000010", "4"), ("b.000009", "999")).is_some());
        assert!(
            by_files(("b.000010", "4"), ("", "0")).is_some(),
            "illegible is something"
        );
    }

    #[test]
    fn several_sources_are_told_apart_from_one() {
        let answer = Answer::table(
            &["Source_Host", "Source_Port", "Channel_Name"],
            &[
                &[Some("a"), Some("3306"), Some("x")],
                &[Some("b"), Some("3306"), Some("y")],
            ],
        );
        let dialect = Dialect::detect("9.7.4", "");
        assert!(matches!(
            of_answer(&answer, &dialect),
            Ok(Found::Several(2))
        ));
        let answer = Answer::table(
            &["Source_Host", "Source_Port", "Channel_Name"],
            &[&[Some("a"), Some("3306"), Some("it's")]],
        );
        let Ok(Found::One(link)) = of_answer(&answer, &dialect) else {
            panic!("one link is there")
        };
        assert_eq!(link.for_channel, r" FOR CHANNEL 'it\'s'");
        let none = Answer::table(&["Source_Host"], &[]);
        assert!(matches!(of_answer(&none, &dialect), Ok(Found::None)));
    }
}
