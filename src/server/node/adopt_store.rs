//! `orchestrator raft-adopt-store`: what was decided in the store of another group, or of a node alone, is given up, so that a node of
//! this group may have it; what it knows of instances stays.

use std::sync::Arc;

use orchestrator_core::ports::Clock as _;

use super::lost_majority::{Outcome, config_flag};
use super::start::StartError;
use super::stores::{self, Surroundings};
use super::system::{SystemClock, SystemIds};
use crate::cli::Flags;
use crate::config::Settings;
use crate::raft::{GivenUp, give_up};

/// Gives up the store that the configuration names, when the group that it belongs to was named too.
pub(super) async fn adopt(flags: &Flags, settings: &Settings) -> Result<Outcome, StartError> {
    if settings.startup.raft.group.is_none() {
        return Err(StartError::NoGroup {
            mode: "raft-adopt-store",
        });
    }
    let clock = Arc::new(SystemClock::new());
    let around = Surroundings {
        clock: clock.clone(),
        ids: Arc::new(SystemIds),
    };
    // That they can be had shows that the node does not run.
    let stores = stores::now(settings, &around).await?;
    let known = stores.observations.load().await?.len();
    let named = flags.text("of-group");
    let given_up = give_up(
        stores.decisions.as_ref(),
        named,
        "raft-adopt-store",
        clock.now(),
    )?;
    let place = &stores.place;
    Ok(match given_up {
        GivenUp::Done => Outcome {
            text: format!(
                "What the group {named} decided is gone from the store {place}; it knows {known} instances. A node with it may join any \
                 group now, or begin one, in which automatic recoveries are off until enable-global-recoveries. Start it: orchestrator http\n"
            ),
            is_done: true,
        },
        GivenUp::Empty => Outcome {
            text: format!(
                "Nothing was decided in the store {place}; any group may have its node.\n"
            ),
            is_done: true,
        },
        GivenUp::OtherGroup(group) => {
            let wrong = match named {
                "" => String::new(),
                named => format!(" It does not belong to {named}."),
            };
            Outcome {
                text: format!(
                    "The store {place} belongs to group {group}, and knows {known} instances.{wrong} Nothing was changed. To give up all that \
                     was decided in it (downtimes, recoveries, candidates, tokens), and keep the instances:\n    \
                     orchestrator {}-of-group={group} raft-adopt-store\n",
                    config_flag(flags)
                ),
                is_done: false,
            }
        }
    })
}
