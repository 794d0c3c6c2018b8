use std::time::Duration;

use super::{Beside, GuardPolicy, OtherNode, Outside, Spared, Surroundings, Tried};

/// Whether everything outside is as it is to a node that is cut off, and has been so for long enough. The first reason against it is
/// the answer.
///
/// # Errors
/// [`Spared`]: the guard closes nothing.
pub fn surroundings(policy: &GuardPolicy, seen: &Surroundings) -> Result<(), Spared> {
    if seen.nodes.is_empty() {
        return Err(Spared::Alone);
    }
    if seen.has_leader {
        return Err(Spared::Connected);
    }
    if !seen.had_leader {
        return Err(Spared::NeverConnected);
    }
    for node in &seen.nodes {
        node_is_away(node, policy.after)?;
    }
    if seen.outside.is_empty() {
        let own = policy.data_center.clone();
        return Err(Spared::NothingOutside { own });
    }
    for server in &seen.outside {
        server_is_away(server)?;
    }
    if seen.cut_off_for < policy.after {
        return Err(Spared::NotYet {
            so_far: seen.cut_off_for,
            after: policy.after,
        });
    }
    Ok(())
}

fn node_is_away(node: &OtherNode, after: Duration) -> Result<(), Spared> {
    let name = node.name.clone();
    match (&node.tried, node.heard_ago) {
        (Tried::Answered, _) => Err(Spared::NodeAnswers { name }),
        (_, Some(ago)) if ago < after => Err(Spared::NodeHeard { name, ago }),
        (Tried::Not { why }, _) => {
            let why = why.clone();
            Err(Spared::NodeNotTried { name, why })
        }
        (Tried::Nothing, _) => Ok(()),
    }
}

fn server_is_away(outside: &Outside) -> Result<(), Spared> {
    let server = outside.key.clone();
    match &outside.tried {
        Tried::Answered if outside.data_center.is_empty() => {
            Err(Spared::UnplacedAnswers { server })
        }
        Tried::Answered => {
            let data_center = outside.data_center.clone();
            Err(Spared::ServerAnswers {
                server,
                data_center,
            })
        }
        Tried::Not { why } => {
            let why = why.clone();
            Err(Spared::ServerNotTried { server, why })
        }
        Tried::Nothing => Ok(()),
    }
}

/// Whether a primary is closed now by a node whose [`surroundings`] say nothing against it; `closed` is how many it has closed since it
/// was cut off. The first reason against it is the answer.
///
/// # Errors
/// [`Spared`]: it stays as it is.
pub fn judge(policy: &GuardPolicy, primary: &Beside, closed: usize) -> Result<(), Spared> {
    let server = primary.key.clone();
    let own = policy.data_center.clone();
    if own.is_empty() || primary.data_center != own {
        let data_center = primary.data_center.clone();
        return Err(Spared::Elsewhere {
            server,
            data_center,
            own,
        });
    }
    if !primary.answers {
        return Err(Spared::Unreachable { server });
    }
    if !primary.is_writable {
        return Err(Spared::ReadOnly { server });
    }
    if let Some(why) = primary.downtime.clone() {
        return Err(Spared::Downtimed { server, why });
    }
    if !primary.is_replaceable {
        return Err(Spared::NotReplaceable { server });
    }
    if primary.sent_to_before.is_empty() {
        return Err(Spared::NoReplicaOutside { server });
    }
    let receives = primary.sends_to.iter().find(|(_, place)| **place != own);
    if let Some((replica, _)) = receives {
        let replica = replica.clone();
        return Err(Spared::Receives {
            server,
            replica,
            own,
        });
    }
    if closed >= policy.primaries_max {
        let max = policy.primaries_max;
        return Err(Spared::TooMany { closed, max });
    }
    Ok(())
}
