use orchestrator_core::domain::ReplicationLink;

use super::ahead::Statement;
use super::ask::Asker;
use super::identity::Profile;
use super::status::{MAX_CHANNELS, heartbeat_period};
use crate::mysql::Answer;
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::StepError;

/// Tables of MySQL from 5.7 on, whose replica status and counters have neither.
const STATEMENT: &str = "SELECT s.CHANNEL_NAME, s.COUNT_RECEIVED_HEARTBEATS, c.HEARTBEAT_INTERVAL \
     FROM performance_schema.replication_connection_status s \
     JOIN performance_schema.replication_connection_configuration c ON c.CHANNEL_NAME = s.CHANNEL_NAME";

const STEP: &str = "reading heartbeats";

/// What [`complete`] may ask.
pub(super) fn statement(dialect: &Dialect) -> Option<Statement> {
    let has_tables = !dialect.is_mariadb() && dialect.has_channels();
    has_tables.then(|| Statement::usual(STEP, STATEMENT))
}

/// Adds the heartbeats of a replica whose status does not show them. A server that refuses is not asked again on this connection.
pub(super) async fn complete(
    asker: &mut Asker<'_>,
    profile: &mut Profile,
    has_performance_schema: bool,
    link: &mut ReplicationLink,
) -> Result<(), StepError> {
    let may_ask = has_performance_schema && profile.may_read_heartbeats;
    if !may_ask || profile.dialect.is_mariadb() || link.heartbeat_period.is_some() {
        return Ok(());
    }
    let answer = asker.may(STEP, STATEMENT, MAX_CHANNELS).await?;
    profile.may_read_heartbeats = answer.is_some();
    if let Some(answer) = answer {
        apply(&answer, link);
    }
    Ok(())
}

fn apply(answer: &Answer, link: &mut ReplicationLink) {
    let is_own = |channel: Option<String>| channel.unwrap_or_default() == link.channel;
    let Some(row) = answer.rows().find(|row| is_own(row.text("CHANNEL_NAME"))) else {
        return;
    };
    let received = row.text("COUNT_RECEIVED_HEARTBEATS");
    link.heartbeats_received = received.and_then(|text| text.parse().ok());
    let period = row.text("HEARTBEAT_INTERVAL");
    link.heartbeat_period = period.and_then(|text| heartbeat_period(&text));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use orchestrator_core::domain::{InstanceKey, SourceAddress};

    #[test]
    fn the_heartbeats_of_its_own_channel_are_taken() {
        let columns = [
            "CHANNEL_NAME",
            "COUNT_RECEIVED_HEARTBEATS",
            "HEARTBEAT_INTERVAL",
        ];
        let rows: [&[Option<&str>]; 2] = [
            &[Some("other"), Some("9"), Some("2.000")],
            &[Some(""), Some("41"), Some("30.500")],
        ];
        let source = InstanceKey::parse("a", 3306).unwrap();
        let mut link = ReplicationLink::running(SourceAddress::Attached(source));
        apply(&Answer::table(&columns, &rows), &mut link);
        assert_eq!(link.heartbeats_received, Some(41));
        assert_eq!(link.heartbeat_period, Some(Duration::from_millis(30_500)));
        let mut none = ReplicationLink::running(link.source.clone());
        apply(&Answer::table(&columns, &rows[..1]), &mut none);
        assert_eq!(none.heartbeat_period, None);
    }
}
