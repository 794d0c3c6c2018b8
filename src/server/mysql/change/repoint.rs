//! Another source, none, or one that cannot be reached on purpose.

use orchestrator_core::domain::{InstanceKey, SourceAddress};
use orchestrator_core::ports::ChangeError;
use tokio::time::timeout;

use super::link::{self, Link, source_text};
use super::literal::quoted;
use super::profile::{self, Profile};
use super::statements::{Statements, not_connected};
use super::threads::{quiet, resume};
use crate::mysql::Purpose;
use crate::mysql::probe::DETACH_MARK;

/// Replicates from `source` by GTID. Both threads are stopped afterwards, unless it did so already.
pub(super) async fn repoint(
    on: &mut Statements<'_>,
    source: &InstanceKey,
    profile_of: Option<&InstanceKey>,
) -> Result<(), ChangeError> {
    if source == on.key {
        return Err(on.unsupported("a server does not replicate from itself"));
    }
    match link::read(on).await? {
        Some(link) if link.uses_gtid() && is_source(on, &link, source).await => Ok(()),
        Some(link) if !link.profile.user.is_empty() => repoint_replica(on, source, link).await,
        link => repoint_stranger(on, source, profile_of, link).await,
    }
}

/// A replica with a profile, which stays.
async fn repoint_replica(
    on: &mut Statements<'_>,
    source: &InstanceKey,
    mut link: Link,
) -> Result<(), ChangeError> {
    complete(on, &mut link).await?;
    let mut options = address(on, source.host().as_str(), source.port())?;
    options.extend(link.profile.heartbeat_option(on.dialect));
    if !link.uses_gtid() {
        options.push(by_gtid(on));
    }
    let before = link.profile.clone();
    let now = change(on, &link, options).await?;
    if !now.profile.same_as(&before) {
        return Err(on.not_seen("it connects in another way than before"));
    }
    follows(on, &now, source)
}

/// A server without a profile, such as an old primary. Its own transactions become part of what it says it has.
async fn repoint_stranger(
    on: &mut Statements<'_>,
    source: &InstanceKey,
    profile_of: Option<&InstanceKey>,
    link: Option<Link>,
) -> Result<(), ChangeError> {
    let Some(replica) = profile_of else {
        return Err(on.unsupported(
            "it has no connection profile for replicating, and no replica is named to take one from",
        ));
    };
    let profile = profile_from(on, replica).await?;
    let mut options = address(on, source.host().as_str(), source.port())?;
    let more = profile.options(on.dialect);
    options.extend(more.map_err(|error| on.unreadable(&error))?);
    options.push(by_gtid(on));
    if on.dialect.is_mariadb() && link.is_none() {
        on.change("SET GLOBAL gtid_slave_pos = @@global.gtid_current_pos")
            .await?;
    }
    let now = match link {
        Some(link) => change(on, &link, options).await?,
        None => send(on, "", options).await?,
    };
    if now.profile.user != profile.user {
        return Err(on.not_seen("it does not have the account that it was given"));
    }
    follows(on, &now, source)
}

/// Forgets the source, with everything about it.
pub(super) async fn forget_source(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let Some(link) = link::read(on).await? else {
        return Ok(());
    };
    let stopped = quiet(on, &link).await?;
    let replica = on.dialect.replica();
    let reset = format!("RESET {replica} ALL{}", link.for_channel);
    match link::after(on, &reset).await {
        Err(error) => {
            if matches!(error, ChangeError::Refused { .. }) {
                resume(on, &link, stopped).await;
            }
            Err(error)
        }
        Ok(None) => Ok(()),
        Ok(Some(link)) => {
            Err(on.not_seen(format!("it still has {}", source_text(&link.seen.source))))
        }
    }
}

/// Marks the source's host so that it cannot be found. Position and profile stay, so repointing takes it back.
pub(super) async fn detach(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let mut link = link::must(on).await?;
    let source = match &link.seen.source {
        SourceAddress::Detached(_) => return Ok(()),
        SourceAddress::Attached(source) => source.clone(),
        SourceAddress::Invalid(text) => {
            return Err(on.unsupported(format!("its source '{text}' is no host and port")));
        }
    };
    complete(on, &mut link).await?;
    let host = format!("{DETACH_MARK}{}", source.host());
    let mut options = address(on, &host, source.port())?;
    options.extend(link.profile.heartbeat_option(on.dialect));
    if !link.uses_gtid() {
        options.extend(place(on, &link)?);
    }
    let now = change(on, &link, options).await?;
    match now.seen.source.is_detached() {
        true => Ok(()),
        false => Err(on.not_seen(format!("it still has {}", source_text(&now.seen.source)))),
    }
}

/// Stops the threads, with nothing left to apply, and gives the source. Where the server refuses, the threads go on. Returns the link
/// as it is then.
async fn change(
    on: &mut Statements<'_>,
    link: &Link,
    options: Vec<String>,
) -> Result<Link, ChangeError> {
    let stopped = quiet(on, link).await?;
    let sent = send(on, &link.for_channel, options).await;
    if matches!(sent, Err(ChangeError::Refused { .. })) {
        resume(on, link, stopped).await;
    }
    sent
}

async fn send(
    on: &mut Statements<'_>,
    for_channel: &str,
    options: Vec<String>,
) -> Result<Link, ChangeError> {
    let verb = on.dialect.change_source();
    let statement = format!("{verb} {}{for_channel}", options.join(", "));
    let now = link::after(on, &statement).await?;
    link::required(on, now)
}

fn address(on: &Statements<'_>, host: &str, port: u16) -> Result<Vec<String>, ChangeError> {
    let prefix = on.dialect.source();
    let host = quoted(host).map_err(|error| on.unreadable(&error))?;
    Ok(vec![
        format!("{prefix}_HOST = {host}"),
        format!("{prefix}_PORT = {port}"),
    ])
}

fn by_gtid(on: &Statements<'_>) -> String {
    match on.dialect.is_mariadb() {
        true => "MASTER_USE_GTID = slave_pos".to_owned(),
        false => format!("{}_AUTO_POSITION = 1", on.dialect.source()),
    }
}

/// Where a replica without GTID goes on: named anew, because another host resets it to the beginning.
fn place(on: &Statements<'_>, link: &Link) -> Result<[String; 2], ChangeError> {
    let prefix = on.dialect.source();
    let at = &link.seen.applied;
    let file = quoted(&at.file).map_err(|error| on.unreadable(&error))?;
    Ok([
        format!("{prefix}_LOG_FILE = {file}"),
        format!("{prefix}_LOG_POS = {}", at.offset),
    ])
}

async fn complete(on: &mut Statements<'_>, link: &mut Link) -> Result<(), ChangeError> {
    let channel = link.seen.channel.clone();
    let completed = profile::complete(on.conn, on.dialect, &channel, &mut link.profile).await;
    completed.map_err(|error| super::servers::from_driver(on.key, &error))
}

/// Another replica's profile, over a connection of its own, within half of what is left.
async fn profile_from(on: &Statements<'_>, replica: &InstanceKey) -> Result<Profile, ChangeError> {
    let connector = &on.shared.connector;
    let query = connector.config().replication_credentials_query.clone();
    let reading = async {
        let connected = connector.connect(replica, Purpose::Operation).await;
        let mut conn = connected.map_err(|failed| not_connected(replica, &failed))?;
        profile::of_replica(&mut conn, replica, &query).await
    };
    let within = on.left() / 2;
    timeout(within, reading).await.unwrap_or_else(|_| {
        Err(ChangeError::Unreachable {
            server: replica.clone(),
            reason: format!("its connection profile was not read within {within:?}"),
        })
    })
}

/// Whether the link is to `source`, also where the server has another name of it.
async fn is_source(on: &Statements<'_>, link: &Link, source: &InstanceKey) -> bool {
    let SourceAddress::Attached(now) = &link.seen.source else {
        return false;
    };
    if now == source {
        return true;
    }
    let resolved = on.shared.resolver.resolve(now.host().clone()).await;
    now.port() == source.port() && resolved.is_ok_and(|host| host == *source.host())
}

fn follows(on: &Statements<'_>, link: &Link, source: &InstanceKey) -> Result<(), ChangeError> {
    if link.seen.source.attached() != Some(source) {
        return Err(on.not_seen(format!("it has {}", source_text(&link.seen.source))));
    }
    if !link.uses_gtid() {
        return Err(on.not_seen("it does not use GTID"));
    }
    Ok(())
}
