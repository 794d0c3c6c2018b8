//! Which replicas a server has, by what it says itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use orchestrator_core::domain::{HostFilters, HostName, InstanceKey};

use super::ahead::Statement;
use super::ask::Asker;
use super::identity::Profile;
use crate::mysql::Answer;
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::StepError;

/// Replicas of one server at most; also the rows asked of a process list.
pub(super) const MAX_REPLICAS: usize = 10_000;

/// Threads that send a binary log to a replica.
const DUMP_COMMANDS: &str = "('Binlog Dump', 'Binlog Dump GTID')";

const REGISTERED: &str = "listing registered replicas";
const PROCESS_LIST: &str = "reading the process list";

/// What [`ask`] may ask; the performance schema is likely to be on where there is one.
pub(super) fn statements(dialect: &Dialect, registered: bool) -> Vec<Statement> {
    let registered = registered.then(|| Statement::usual(REGISTERED, dialect.show_replicas()));
    let listed = Statement::usual(PROCESS_LIST, process_list(dialect, true));
    let mut all: Vec<Statement> = registered.into_iter().chain([listed]).collect();
    if dialect.has_light_process_list() {
        all.push(Statement::rare(PROCESS_LIST, process_list(dialect, false)));
    }
    all
}

fn process_list(dialect: &Dialect, has_performance_schema: bool) -> String {
    let schema = match has_performance_schema && dialect.has_light_process_list() {
        true => "performance_schema",
        false => "information_schema",
    };
    // The list has nothing that says "no more": one row above the limit would, and is not worth failing for.
    format!(
        "SELECT HOST AS replica_host FROM {schema}.processlist WHERE COMMAND IN {DUMP_COMMANDS} LIMIT {MAX_REPLICAS}"
    )
}

/// Asks for registered replicas (where configured), else for the connections on which the binary log is sent.
pub(super) async fn ask(
    asker: &mut Asker<'_>,
    profile: &Profile,
    registered: bool,
    key: &InstanceKey,
    has_performance_schema: bool,
) -> Result<Vec<InstanceKey>, StepError> {
    if registered {
        let answer = asker
            .may(REGISTERED, profile.dialect.show_replicas(), MAX_REPLICAS)
            .await?;
        let found = answer.map(|answer| from_registered(&answer));
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            return Ok(found);
        }
    }
    if profile.maxscale.is_some() {
        return Ok(Vec::new());
    }
    let statement = process_list(&profile.dialect, has_performance_schema);
    let answer = asker.may(PROCESS_LIST, &statement, MAX_REPLICAS).await?;
    Ok(answer.map_or_else(Vec::new, |answer| from_process_list(&answer, key.port())))
}

/// Replicas that registered with host and port. One without either cannot be found this way.
fn from_registered(answer: &Answer) -> Vec<InstanceKey> {
    answer
        .rows()
        .filter_map(|row| {
            let host = row.text("Host").unwrap_or_default();
            let port = row.text("Port").unwrap_or_default();
            InstanceKey::from_parts(&host, &port)
                .inspect_err(|reason| tracing::debug!(%reason, "a registered replica is left out"))
                .ok()
        })
        .collect()
}

/// Replicas by the hosts they connect from. On which port they listen is not said: the source's own is assumed.
fn from_process_list(answer: &Answer, port: u16) -> Vec<InstanceKey> {
    answer
        .rows()
        .filter_map(|row| {
            let host = client_host(&row.at(0)?)?;
            InstanceKey::new(host, port).ok()
        })
        .collect()
}

/// The host in the text of a client, which ends in its port: `10.0.0.1:51234`, `::1:51234`, `db2`, `db2:51234`.
fn client_host(text: &str) -> Option<HostName> {
    if let Some((host, port)) = text.rsplit_once(':') {
        let is_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        if is_port && (!host.contains(':') || host.parse::<IpAddr>().is_ok()) {
            return HostName::parse(host).ok();
        }
    }
    HostName::parse(text).ok()
}

/// What is shown: each once, sorted, never the server itself, nobody who is to be ignored.
pub(super) fn settled(
    found: Vec<InstanceKey>,
    own: &InstanceKey,
    ignore: &HostFilters,
) -> Vec<InstanceKey> {
    let kept: BTreeSet<InstanceKey> = found
        .into_iter()
        .filter(|key| key != own && !ignore.matches(key))
        .take(MAX_REPLICAS)
        .collect();
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> Vec<InstanceKey> {
        texts
            .iter()
            .map(|text| InstanceKey::parse(text, 3306).unwrap())
            .collect()
    }

    #[test]
    fn clients_of_every_form_lose_their_port() {
        for (text, host) in [
            ("10.0.0.1:51234", Some("10.0.0.1")),
            ("db2:51234", Some("db2")),
            ("db2", Some("db2")),
            ("2001:db8::7:51234", Some("2001:db8::7")),
            ("localhost", Some("localhost")),
            ("", None),
            ("a b:1", None),
            (":", None),
        ] {
            assert_eq!(
                client_host(text).as_ref().map(HostName::as_str),
                host,
                "{text}"
            );
        }
    }

    #[test]
    fn registered_replicas_without_host_or_port_are_left_out() {
        let answer = Answer::table(
            &["Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"],
            &[
                &[
                    Some("12"),
                    Some("127.41.1.2"),
                    Some("41306"),
                    Some("11"),
                    Some("u"),
                ],
                &[Some("13"), Some(""), Some("41306"), Some("11"), Some("u")],
                &[Some("14"), Some("db4"), Some("0"), Some("11"), Some("u")],
            ],
        );
        assert_eq!(from_registered(&answer), keys(&["127.41.1.2:41306"]));
    }

    #[test]
    fn replicas_are_listed_once_sorted_and_without_the_server_itself() {
        let found = keys(&["c", "a", "b", "a", "own", "backup1"]);
        let ignore = HostFilters::parse(["^backup"]).unwrap();
        let own = &keys(&["own"])[0];
        assert_eq!(settled(found, own, &ignore), keys(&["a", "b", "c"]));
    }

    #[test]
    fn replicas_of_a_process_list_get_the_port_of_their_source() {
        let answer = Answer::table(&["replica_host"], &[&[Some("10.0.0.1:51234")], &[None]]);
        assert_eq!(from_process_list(&answer, 3307), keys(&["10.0.0.1:3307"]));
    }
}
