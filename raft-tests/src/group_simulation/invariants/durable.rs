//! R6: vote and entries are durable before they are acknowledged. A node that says "I have it" and forgets it in a power cut
//! lets a committed entry vanish. Checked when an answer leaves a node: its disk holds what the answer promises.

use orchestrator::raft::transport::{Answer, Call};
use orchestrator::raft::v1;
use orchestrator::wire::Envelope;

use crate::group_simulation::disk::Synced;

/// Whether the disk holds what `answer` to `call` promises.
pub fn check(call: &Call, answer: &Answer, synced: &Synced) -> Result<(), String> {
    match (call, answer) {
        (Call::Append(call), Answer::Append(answer)) => entries(call, answer, synced),
        (Call::Vote(call), Answer::Vote(answer)) if answer.is_granted => vote(call, synced),
        _ => Ok(()),
    }
}

fn entries(
    call: &v1::AppendRequest,
    answer: &v1::AppendResponse,
    synced: &Synced,
) -> Result<(), String> {
    use v1::append_response::Outcome;
    let up_to = match answer.outcome() {
        Outcome::Accepted => u64::MAX,
        Outcome::Partly => answer.accepted.map_or(0, |accepted| accepted.index),
        _ => return Ok(()),
    };
    // It follows a later leader already, who may have taken the entries back since.
    let is_over = match (synced.vote(), call.vote) {
        (Some(held), Some(asked)) => held > (asked.term, asked.node),
        _ => false,
    };
    if is_over {
        return Ok(());
    }
    for bytes in &call.entries {
        let sent = Envelope::from_bytes(bytes).map_err(|error| error.to_string())?;
        if sent.index > up_to || sent.index <= synced.purged {
            continue;
        }
        let holds = synced
            .entry(sent.index)
            .is_some_and(|held| (held.term, held.leader) == (sent.term, sent.leader));
        if !holds {
            return Err(format!(
                "entry {} of term {} is acknowledged and not on disk",
                sent.index, sent.term
            ));
        }
    }
    Ok(())
}

fn vote(call: &v1::VoteRequest, synced: &Synced) -> Result<(), String> {
    let Some(asked) = call.vote else {
        return Ok(());
    };
    match synced.vote() {
        Some(held) if held >= (asked.term, asked.node) => Ok(()),
        held => Err(format!(
            "a vote for {asked:?} is given, and the disk holds {held:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_that_is_not_on_disk_is_noticed() {
        let call = v1::VoteRequest {
            vote: Some(v1::Vote {
                term: 3,
                node: 7,
                is_committed: false,
            }),
            ..v1::VoteRequest::default()
        };
        assert!(vote(&call, &Synced::default()).is_err());
    }
}
