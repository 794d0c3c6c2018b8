//! Which lists of hooks come up at which moment of a recovery, in which order, and what a failing hook stops.
//!
//! A dead primary: [`OnDetection`] → the recovery is registered → [`BeforeFailover`] → receivers stopped, promoted, alias
//! moved → [`AfterTakingSource`] where the promoted server took the place of the most advanced one →
//! [`AfterPrimaryFailover`] → [`AfterFailover`]; or, where nobody was promoted, [`AfterFailedFailover`]. A recovery that was
//! called off after [`BeforeFailover`] had been run counts as one without a successor, so that hooks can undo what they did.
//! Where [`BeforeFailover`] itself failed, nothing was done and nothing more is run.
//!
//! Hooks run on the leader, one after the other. A leader that is lost may have run some already: its successor runs the lists
//! of the phase that it finds again, with the same id and a larger attempt number.
//!
//! [`OnDetection`]: HookList::OnDetection
//! [`BeforeFailover`]: HookList::BeforeFailover
//! [`AfterTakingSource`]: HookList::AfterTakingSource
//! [`AfterPrimaryFailover`]: HookList::AfterPrimaryFailover
//! [`AfterFailover`]: HookList::AfterFailover
//! [`AfterFailedFailover`]: HookList::AfterFailedFailover

use super::RecoveryKind;
use super::plan::Plan;
use crate::domain::RecoveryOutcome;
use crate::legacy::hooks::{HookList, TakenSource};

/// A moment at which hooks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookMoment {
    /// A finding that calls for a recovery was written down anew. Comes up before the global switch, cluster filters and
    /// block periods are looked at: hooks learn of failures that nothing is done about.
    Detected,
    /// A recovery is registered, and nobody was touched.
    Registered,
    /// A recovery has come to its end, its successor is published if there is one, and hooks of [`HookMoment::Registered`]
    /// had not failed.
    Ended(RecoveryOutcome),
}

/// The lists of a moment, in their order. None when the operator wanted none (`recover-lite`, `skipProcesses`), and none for
/// recoveries of settings.
pub fn hook_lists(
    moment: HookMoment,
    kind: RecoveryKind,
    skips_hooks: bool,
) -> &'static [HookList] {
    use HookList as List;
    if skips_hooks {
        return &[];
    }
    match (moment, kind) {
        (HookMoment::Detected, _) => &[List::OnDetection],
        (_, RecoveryKind::Settings) => &[],
        (HookMoment::Registered, _) => &[List::BeforeFailover],
        (HookMoment::Ended(RecoveryOutcome::Failed | RecoveryOutcome::CalledOff), _) => {
            &[List::AfterFailedFailover]
        }
        (
            HookMoment::Ended(RecoveryOutcome::Succeeded),
            RecoveryKind::DeadPrimary | RecoveryKind::DeadCoPrimary | RecoveryKind::Takeover,
        ) => &[List::AfterPrimaryFailover, List::AfterFailover],
        (HookMoment::Ended(RecoveryOutcome::Succeeded), RecoveryKind::DeadIntermediateSource) => {
            &[List::AfterIntermediateFailover, List::AfterFailover]
        }
    }
}

/// What a failing hook stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookFailure {
    /// The rest of its list, and nothing else. In the predecessor a failing detection hook held up the recovery by one
    /// second and kept it from nothing; here it holds it up by nothing.
    StopsList,
    /// The rest of its list, and the recovery or takeover, before anybody is touched.
    StopsRecovery,
    /// Nothing: the next hook is run.
    StopsNothing,
}

impl HookFailure {
    /// Of a list.
    pub const fn of(list: HookList) -> Self {
        match list {
            HookList::OnDetection => Self::StopsList,
            HookList::BeforeFailover | HookList::BeforeTakeover => Self::StopsRecovery,
            HookList::AfterTakingSource
            | HookList::AfterPrimaryFailover
            | HookList::AfterIntermediateFailover
            | HookList::AfterFailover
            | HookList::AfterFailedFailover
            | HookList::AfterTakeover => Self::StopsNothing,
        }
    }

    /// Whether later hooks of the list are not run.
    pub const fn stops_list(self) -> bool {
        !matches!(self, Self::StopsNothing)
    }
}

/// What `PostTakeMasterProcesses` is told once a plan has promoted its server: it took the place of the most advanced one, from
/// which it had caught up. `None` where it was the most advanced one itself, and nobody's place was taken.
pub fn taken_source(plan: &Plan) -> Option<TakenSource> {
    let choice = &plan.choice;
    (choice.head != choice.promoted).then(|| TakenSource {
        successor: choice.promoted.clone(),
        demoted: choice.head.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::RecoveryPolicy;
    use crate::recovery::plan::plan;
    use crate::recovery::testing::{Stage, key};

    fn lists(moment: HookMoment, kind: RecoveryKind) -> Vec<&'static str> {
        hook_lists(moment, kind, false)
            .iter()
            .map(|list| list.key())
            .collect()
    }

    #[test]
    fn a_dead_primary_fires_its_lists_in_order() {
        let kind = RecoveryKind::DeadPrimary;
        for (moment, expected) in [
            (HookMoment::Detected, vec!["OnFailureDetectionProcesses"]),
            (HookMoment::Registered, vec!["PreFailoverProcesses"]),
            (
                HookMoment::Ended(RecoveryOutcome::Succeeded),
                vec!["PostMasterFailoverProcesses", "PostFailoverProcesses"],
            ),
            (
                HookMoment::Ended(RecoveryOutcome::Failed),
                vec!["PostUnsuccessfulFailoverProcesses"],
            ),
            (
                HookMoment::Ended(RecoveryOutcome::CalledOff),
                vec!["PostUnsuccessfulFailoverProcesses"],
            ),
        ] {
            assert_eq!(lists(moment, kind), expected, "{moment:?}");
        }
    }

    #[test]
    fn other_recoveries_fire_theirs() {
        let ended = HookMoment::Ended(RecoveryOutcome::Succeeded);
        assert_eq!(
            lists(ended, RecoveryKind::DeadCoPrimary),
            ["PostMasterFailoverProcesses", "PostFailoverProcesses"]
        );
        assert_eq!(
            lists(ended, RecoveryKind::DeadIntermediateSource),
            [
                "PostIntermediateMasterFailoverProcesses",
                "PostFailoverProcesses"
            ]
        );
        for moment in [HookMoment::Registered, ended] {
            assert!(lists(moment, RecoveryKind::Settings).is_empty());
        }
    }

    #[test]
    fn whoever_wants_no_hooks_gets_none() {
        for moment in [
            HookMoment::Detected,
            HookMoment::Registered,
            HookMoment::Ended(RecoveryOutcome::Succeeded),
            HookMoment::Ended(RecoveryOutcome::Failed),
        ] {
            assert!(hook_lists(moment, RecoveryKind::DeadPrimary, true).is_empty());
        }
    }

    #[test]
    fn only_hooks_before_anything_is_touched_stop_a_recovery() {
        let of = |wanted| {
            let all = HookList::ALL.into_iter();
            all.filter(|list| HookFailure::of(*list) == wanted)
                .map(HookList::key)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(HookFailure::StopsRecovery),
            ["PreGracefulTakeoverProcesses", "PreFailoverProcesses"]
        );
        assert_eq!(of(HookFailure::StopsList), ["OnFailureDetectionProcesses"]);
        assert!(HookFailure::StopsRecovery.stops_list() && HookFailure::StopsList.stops_list());
        assert!(!HookFailure::StopsNothing.stops_list());
    }

    #[test]
    fn a_server_that_caught_up_from_another_took_its_place() {
        let taken = |text: &str| {
            let plan = plan(
                &Stage::of(text).scene(),
                &key("a"),
                &RecoveryPolicy::default(),
            );
            taken_source(&plan.expect("a plan"))
        };
        assert_eq!(
            taken("a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]"),
            None
        );
        let two_steps = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]";
        let expected = TakenSource {
            successor: key("c"),
            demoted: key("b"),
        };
        assert_eq!(taken(two_steps), Some(expected));
    }
}
