//! The group as one node sees it, and leadership handed over. Without a group, all of it says so in the predecessor's words.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::ports::{Group, GroupError, NodesChange, Successor};

use super::change::commit;
use super::dto::RaftStatusDto;
use super::group::{Hearing, word};
use super::input::{Params, Requester};
use super::{ApiError, AppState, envelope};

/// The group, or the words in which the predecessor says that there is none.
fn group_of(state: &AppState, route: &'static str) -> Result<Arc<dyn Group>, ApiError> {
    state.group.clone().ok_or(ApiError::NoGroup { route })
}

/// `raft-state`.
pub async fn state(State(state): State<AppState>) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-state")?;
    let (hearing, status) = Hearing::of(group.as_ref());
    Ok(envelope::bare(word(&hearing, status.role)))
}

/// `raft-leader`: the leader's address on the peer port; empty when none is heard.
pub async fn leader(State(state): State<AppState>) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-leader")?;
    let (hearing, status) = Hearing::of(group.as_ref());
    let leader = hearing.leader(&status);
    Ok(envelope::bare(leader.map_or("", |leader| &leader.address)))
}

/// `raft-peers`.
pub async fn peers(State(state): State<AppState>) -> Result<Response, ApiError> {
    let status = group_of(&state, "raft-nodes")?.status();
    let members = status.members.iter();
    let addresses: Vec<&str> = members.map(|member| member.address.as_str()).collect();
    Ok(envelope::bare(&addresses))
}

/// `raft-health`: fine when it leads or hears a leader.
pub async fn health(State(state): State<AppState>) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-state")?;
    match Hearing::of(group.as_ref()).0 {
        Hearing::Leads | Hearing::Follows(_) => Ok(envelope::bare("healthy")),
        Hearing::LeadsInDoubt | Hearing::CutOff => Err(ApiError::NotInQuorum),
    }
}

/// `raft-status`.
pub async fn status(State(state): State<AppState>) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-state")?;
    let status = RaftStatusDto::of(group.as_ref(), &state.decisions.decided());
    Ok(envelope::bare(&status))
}

/// `raft-snapshot`, of this node.
pub async fn snapshot(State(state): State<AppState>) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-leader")?;
    group
        .take_snapshot()
        .await
        .map_err(|source| ApiError::Group {
            what: "Cannot create snapshot",
            source,
        })?;
    Ok(envelope::bare("snapshot created"))
}

/// `raft-yield/{node}`: hands leadership to the node of this name or address. On the leader only.
pub async fn give_way_to(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-yield")?;
    let node = params.get("node");
    hand_over(group.as_ref(), Successor::Member(node.to_owned())).await?;
    Ok(envelope::ok(
        &format!("Leadership was handed to {node}"),
        &(),
    ))
}

/// `raft-yield-hint/{hint}`: the same to a node with this text in its name.
pub async fn give_way_by_hint(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let group = group_of(&state, "raft-yield-hint")?;
    let hint = params.get("hint");
    hand_over(group.as_ref(), Successor::NameContains(hint.to_owned())).await?;
    let message = format!("Leadership was handed to a node with {hint} in its name");
    Ok(envelope::ok(&message, hint))
}

/// `raft-add-peer/{addr}`: this node is to be a member; it becomes one when it is there and has caught up.
pub async fn add_peer(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let change = NodesChange::Add(params.get("addr").to_owned());
    change_nodes(&state, &requester, "raft-add-peer", change).await
}

/// `raft-remove-peer/{addr}`: this node is to be a member no more.
pub async fn remove_peer(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let change = NodesChange::Remove(params.get("addr").to_owned());
    change_nodes(&state, &requester, "raft-remove-peer", change).await
}

/// `raft-replace-peer/{old}/{new}`: one takes the place of another, which goes when the new one has joined.
pub async fn replace_peer(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let change = NodesChange::Replace {
        old: params.get("old").to_owned(),
        new: params.get("new").to_owned(),
    };
    change_nodes(&state, &requester, "raft-replace-peer", change).await
}

/// Decides it; answers with the normalised name, as the predecessor.
async fn change_nodes(
    state: &AppState,
    requester: &Requester,
    route: &'static str,
    change: NodesChange,
) -> Result<Response, ApiError> {
    let group = group_of(state, route)?;
    let (name, command) = group.change_nodes(&change).map_err(|source| match source {
        GroupError::NotLeader => ApiError::NoLeader,
        source => ApiError::Group {
            what: "The nodes of the group stay",
            source,
        },
    })?;
    commit(state, requester, route, command).await?;
    Ok(envelope::bare(&name))
}

/// `reelect`: the leader hands over to whoever has most of the log. A single node has nobody to hand over to.
pub async fn reelect(State(state): State<AppState>) -> Result<Response, ApiError> {
    let Some(group) = &state.group else {
        return Ok(envelope::ok("This single node goes on leading", &()));
    };
    hand_over(group.as_ref(), Successor::Anyone).await?;
    Ok(envelope::ok("Leadership was handed over", &()))
}

async fn hand_over(group: &dyn Group, to: Successor) -> Result<(), ApiError> {
    let (hearing, status) = Hearing::of(group);
    if let Hearing::Follows(leader) = hearing {
        return Err(ApiError::OnTheLeaderOnly {
            leader: leader.http.unwrap_or(leader.name),
        });
    }
    let me = &status.me;
    let is_me = match &to {
        Successor::Member(wanted) => [&me.name, &me.address].contains(&wanted),
        Successor::NameContains(hint) => me.name.contains(hint.as_str()),
        Successor::Anyone => false,
    };
    if is_me && matches!(hearing, Hearing::Leads) {
        return Ok(());
    }
    group.hand_over(to).await.map_err(|source| match source {
        GroupError::NotLeader => ApiError::NoLeader,
        source => ApiError::Group {
            what: "Leadership was not handed over",
            source,
        },
    })
}

/// `raft-follower-health-report/…`: followers of the predecessor call it. A follower of this group never does, and no word
/// was ever given out, so each is unknown.
pub async fn health_report(State(state): State<AppState>) -> Result<Response, ApiError> {
    group_of(&state, "raft-state")?;
    Err(ApiError::NoHealthToken)
}
