//! Recoveries that operators ask for.

use std::sync::Arc;

use orchestrator_core::analysis::Stalls;
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{Insistence, RecoverError, RecoveryAnswer, RecoveryRequest};
use orchestrator_core::recovery::Demand;
use tokio::sync::oneshot;

use super::begin::{Begun, Wanted, recover};
use super::recovery_loop::Shared;
use super::run::Ended;

/// Requests that may wait for the loop: more than operators and their scripts make at once.
pub(super) const DEMANDS_MAX: usize = 64;

/// A request on its way to the loop.
pub(super) struct Demanded {
    pub request: RecoveryRequest,
    pub answer: oneshot::Sender<Result<RecoveryAnswer, RecoverError>>,
}

/// Carries a request out, and answers it.
pub(super) async fn carry_out(
    shared: Arc<Shared>,
    fence: Fence,
    stalls: Stalls,
    demanded: Demanded,
) {
    let RecoveryRequest {
        failed,
        candidate,
        insistence,
        skips_hooks,
        who,
        whence,
    } = demanded.request;
    let demand = match insistence {
        Insistence::Asks => Demand::by_hand(candidate),
        Insistence::Orders => Demand::forced(candidate),
    };
    tracing::warn!(server = %failed, ?insistence, who, whence, "a recovery is asked for");
    let wanted = Wanted {
        subject: failed,
        demand: Demand {
            skips_hooks,
            ..demand
        },
        who,
        whence,
        connects_ahead: true,
    };
    let begun = recover(shared, fence, wanted, stalls).await;
    let answer = match begun {
        Err(why) => Err(RecoverError::Refused {
            reason: why.to_string(),
        }),
        Ok(Begun {
            id,
            ended: Err(lost),
        }) => Err(RecoverError::Unfinished {
            id,
            reason: lost.to_string(),
        }),
        Ok(Begun {
            id,
            ended:
                Ok(Ended {
                    outcome,
                    successor,
                    errors,
                }),
        }) => Ok(RecoveryAnswer {
            id,
            outcome,
            successor,
            errors,
        }),
    };
    // Whoever asked may be gone; the recovery was carried out all the same.
    let _ = demanded.answer.send(answer);
}
