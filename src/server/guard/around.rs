//! What is known of everything outside: who was heard, and what came of trying everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Picture, ProbeFailureKind, Timestamp};
use orchestrator_core::isolation::{OtherNode, Outside, Tried};
use orchestrator_core::ports::{Dialer, GroupMember, GroupStatus};
use tokio::task::JoinSet;

/// How long one attempt to reach somebody may take: several round trips between sites.
pub(super) const DIAL_WITHIN: Duration = Duration::from_secs(1);

/// How many servers are tried in one round; all of them are tried, one part after the other. As many sockets as a process has by
/// default are far more.
pub(super) const SERVERS_AT_ONCE: usize = 256;

/// What came of trying servers since this node was cut off.
pub(super) type Tries = BTreeMap<InstanceKey, Tried>;

/// Members but this node.
pub(super) fn others(status: &GroupStatus) -> Vec<&GroupMember> {
    let members = status.members.iter();
    members.filter(|one| one.id != status.me.id).collect()
}

/// Tries the peer port of each of them, and its HTTP service where that is known.
pub(super) async fn try_nodes(dialer: &Arc<dyn Dialer>, status: &GroupStatus) -> Vec<OtherNode> {
    let mut dialing = JoinSet::new();
    for member in others(status) {
        let mut addresses = vec![member.address.clone()];
        addresses.extend(member.http.as_deref().and_then(host_and_port));
        let (dialer, name) = (Arc::clone(dialer), member.name.clone());
        let heard_ago = member.heard_ago;
        dialing.spawn(async move {
            let mut tried = Tried::Nothing;
            for address in addresses {
                tried = the_more_telling(tried, dialer.dial(&address, DIAL_WITHIN).await);
            }
            OtherNode {
                name,
                heard_ago,
                tried,
            }
        });
    }
    let mut nodes = dialing.join_all().await;
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}

/// `host:port` of a URL; a missing port is that of its scheme.
fn host_and_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    Some(match (has_port, scheme) {
        (true, _) => authority.to_owned(),
        (false, "https") => format!("{authority}:443"),
        (false, _) => format!("{authority}:80"),
    })
}

/// An answer says most, and that something was not tried more than that nothing came.
fn the_more_telling(one: Tried, other: Tried) -> Tried {
    match (one, other) {
        (Tried::Answered, _) | (_, Tried::Answered) => Tried::Answered,
        (not @ Tried::Not { .. }, _) | (_, not @ Tried::Not { .. }) => not,
        (Tried::Nothing, Tried::Nothing) => Tried::Nothing,
    }
}

/// Servers that are not known to be in this data centre.
pub(super) fn keys_outside(picture: &Picture, own: &str) -> BTreeSet<InstanceKey> {
    let records = picture.records();
    let outside = records.filter(|record| place_of(picture, &record.key) != own);
    outside.map(|record| record.key.clone()).collect()
}

/// The data centre of a server; empty when that is not known.
pub(super) fn place_of(picture: &Picture, key: &InstanceKey) -> String {
    let seen = picture.observation(key);
    seen.map(|seen| seen.placement.data_center.clone())
        .unwrap_or_default()
}

/// Those of them whose turn it is to be tried: the next ones after `last`, and from the first on again.
pub(super) fn next_servers(
    outside: &BTreeSet<InstanceKey>,
    last: Option<&InstanceKey>,
) -> Vec<InstanceKey> {
    let later = outside.iter().filter(|key| Some(*key) > last);
    let earlier = outside.iter().filter(|key| Some(*key) <= last);
    let turn = later.chain(earlier).take(SERVERS_AT_ONCE);
    turn.cloned().collect()
}

/// Tries them.
pub(super) async fn try_servers(
    dialer: &Arc<dyn Dialer>,
    servers: &[InstanceKey],
) -> Vec<(InstanceKey, Tried)> {
    let mut dialing = JoinSet::new();
    for key in servers {
        let (dialer, key) = (Arc::clone(dialer), key.clone());
        dialing.spawn(async move {
            let tried = dialer.dial(&key.to_string(), DIAL_WITHIN).await;
            (key, tried)
        });
    }
    dialing.join_all().await
}

/// What is known of servers outside, by probes that ended since `cut_off_at` and by connections that were tried since.
pub(super) fn outside(
    picture: &Picture,
    own: &str,
    cut_off_at: Timestamp,
    tries: &Tries,
) -> Vec<Outside> {
    let all = keys_outside(picture, own).into_iter();
    all.map(|key| {
        let tried = match tries.get(&key) {
            Some(tried) => the_more_telling(tried.clone(), by_probes(picture, &key, cut_off_at)),
            None => Tried::Not {
                why: "no connection was tried yet".to_owned(),
            },
        };
        Outside {
            data_center: place_of(picture, &key),
            key,
            tried,
        }
    })
    .collect()
}

fn by_probes(picture: &Picture, key: &InstanceKey, cut_off_at: Timestamp) -> Tried {
    let Some(record) = picture.get(key) else {
        return Tried::Nothing; // Forgotten a moment ago.
    };
    let is_since = |at: Option<Timestamp>| at.is_some_and(|at| at > cut_off_at);
    let says_no = record.failure.as_ref().is_some_and(|failure| {
        failure.kind == ProbeFailureKind::Refused || failure.kind.server_answered()
    });
    if is_since(record.last_seen_at) || (says_no && is_since(record.last_checked_at)) {
        return Tried::Answered;
    }
    match is_since(record.last_checked_at) {
        true => Tried::Nothing,
        false => Tried::Not {
            why: "it was not probed yet".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_servers_come_to_their_turn() {
        let all: BTreeSet<InstanceKey> = (0..SERVERS_AT_ONCE * 2 + 10)
            .map(|number| InstanceKey::parse(&format!("db{number:04}"), 3306).unwrap())
            .collect();
        let mut last = None;
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let turn = next_servers(&all, last.as_ref());
            assert_eq!(turn.len(), SERVERS_AT_ONCE);
            last = turn.last().cloned();
            seen.extend(turn);
        }
        assert_eq!(seen, all);
        let few: BTreeSet<InstanceKey> = all.into_iter().take(3).collect();
        assert_eq!(next_servers(&few, last.as_ref()).len(), 3);
    }

    #[test]
    fn urls_have_a_host_and_a_port() {
        for (url, expected) in [
            ("http://node1:3000", Some("node1:3000")),
            ("https://node1/", Some("node1:443")),
            ("http://10.0.0.1", Some("10.0.0.1:80")),
            ("http://[::1]:3000/x", Some("[::1]:3000")),
            ("node1", None),
        ] {
            assert_eq!(host_and_port(url).as_deref(), expected, "{url}");
        }
    }
}
