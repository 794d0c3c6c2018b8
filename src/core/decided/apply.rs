use std::time::Duration;

use super::{
    Command, Decided, Effect, Proposal, Refusal, Reply, RowChange, access_tokens, aliases,
    group_nodes, import, recoveries,
};
use crate::domain::{Candidate, Downtime, InstanceKey, PromotionRule, Timestamp};
use crate::planted::{Bug, is_planted};

/// How long a mark of forgetting is kept: longer than any node is away and still comes back with an old picture that is
/// worth anything.
const FORGOTTEN_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What came of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Answer to the proposer.
    pub reply: Reply,
    /// Rows to write, in order.
    pub changes: Vec<RowChange>,
    /// Work owed, in order.
    pub effects: Vec<Effect>,
    /// Time of decided state after it.
    pub decided_at: Timestamp,
}

/// Applies one proposal. Reads no clock, environment or randomness; never fails: "no" is a [`Reply::Refused`].
pub fn apply(state: &Decided, proposal: &Proposal) -> Applied {
    // Time never goes back, also when leadership moves to a node whose clock is behind.
    let now = state.decided_at.max(proposal.proposed_at);
    let now = match is_planted(Bug::ClockInApply) {
        true => now.plus(crate::planted::reading()),
        false => now,
    };
    let (reply, changes, effects) = decide(state, &proposal.command, now);
    Applied {
        reply,
        changes,
        effects,
        decided_at: now,
    }
}

pub(super) type Decision = (Reply, Vec<RowChange>, Vec<Effect>);

fn decide(state: &Decided, command: &Command, now: Timestamp) -> Decision {
    match command {
        Command::Discover { key } => discover(state, key),
        Command::Forget { key } => forget(state, key, now),
        Command::BeginDowntime {
            key,
            owner,
            reason,
            ends_at,
        } => {
            let row = Downtime {
                owner: owner.clone(),
                reason: reason.clone(),
                begins_at: now,
                ends_at: *ends_at,
            };
            if *ends_at <= now {
                refused(Refusal::AlreadyOver)
            } else {
                done(RowChange::PutDowntime(key.clone(), row))
            }
        }
        Command::EndDowntime { key } => match state.downtimes.contains_key(key) {
            true => done(RowChange::DeleteDowntime(key.clone())),
            false => (Reply::Unchanged, vec![], vec![]),
        },
        Command::RegisterCandidate {
            rule: PromotionRule::Must,
            ..
        } => refused(Refusal::MustIsNotRegistrable),
        Command::RegisterCandidate {
            key,
            rule,
            expires_at,
        } => {
            let row = Candidate {
                rule: *rule,
                registered_at: now,
                expires_at: *expires_at,
            };
            if *expires_at <= now {
                refused(Refusal::AlreadyOver)
            } else {
                done(RowChange::PutCandidate(key.clone(), row))
            }
        }
        Command::Expire => expire(state, now),
        Command::CreateAccessToken {
            public,
            owner,
            claim_by,
        } => access_tokens::create(state, *public, owner, *claim_by, now),
        Command::ClaimAccessToken {
            public,
            secret_digest,
            expires_at,
        } => access_tokens::claim(state, *public, *secret_digest, *expires_at, now),
        Command::RegisterDetection(new) => recoveries::register_detection(state, new, now),
        Command::RegisterRecovery(new) => recoveries::register(state, new, now),
        Command::RecoveryStep { id, step } => recoveries::step(state, *id, step, now),
        Command::EndRecovery(end) => recoveries::end(state, end, now),
        Command::AcknowledgeRecoveries { which, by, comment } => {
            recoveries::acknowledge(state, which, by, comment, now)
        }
        Command::DisableRecoveries { by } => recoveries::disable(state, by, now),
        Command::EnableRecoveries => recoveries::enable(state),
        Command::SetGroupNodes { old, new, reported } => {
            group_nodes::set(state, old, new, reported)
        }
        Command::SetClusterAlias { cluster, alias, by } => {
            aliases::set(state, cluster, alias, by, now)
        }
        Command::Import(portion) => import::import(state, portion, now),
    }
}

pub(super) fn done(change: RowChange) -> Decision {
    (Reply::Done, vec![change], vec![])
}

pub(super) fn refused(why: Refusal) -> Decision {
    (Reply::Refused(why), vec![], vec![])
}

fn discover(state: &Decided, key: &InstanceKey) -> Decision {
    let unmark = state
        .forgotten
        .contains_key(key)
        .then(|| RowChange::DeleteForgotten(key.clone()));
    (
        Reply::Done,
        unmark.into_iter().collect(),
        vec![Effect::Discover(key.clone())],
    )
}

fn forget(state: &Decided, key: &InstanceKey, now: Timestamp) -> Decision {
    let mark = RowChange::PutForgotten(key.clone(), now);
    let left = state.left_stopped.contains_key(key);
    let left = left.then(|| RowChange::DeleteLeftStopped(key.clone()));
    let alias = aliases::forgotten(state, key);
    let changes = std::iter::once(mark).chain(left).chain(alias).collect();
    (Reply::Done, changes, vec![Effect::Forget(key.clone())])
}

fn expire(state: &Decided, now: Timestamp) -> Decision {
    let changes: Vec<RowChange> = due(state, now).collect();
    let reply = if changes.is_empty() {
        Reply::Unchanged
    } else {
        Reply::Done
    };
    (reply, changes, vec![])
}

/// What an expiry at `now` removes.
fn due(state: &Decided, now: Timestamp) -> impl Iterator<Item = RowChange> + '_ {
    let downtimes = state
        .downtimes
        .iter()
        .filter(move |(_, row)| !row.holds_at(now))
        .map(|(key, _)| RowChange::DeleteDowntime(key.clone()));
    let candidates = state
        .candidates
        .iter()
        .filter(move |(_, row)| row.expires_at <= now)
        .map(|(key, _)| RowChange::DeleteCandidate(key.clone()));
    let forgotten = state
        .forgotten
        .iter()
        .filter(move |(_, at)| now.since(**at) >= FORGOTTEN_KEPT)
        .map(|(key, _)| RowChange::DeleteForgotten(key.clone()));
    let access_tokens = state
        .access_tokens
        .iter()
        .filter(move |(_, row)| row.is_over_at(now))
        .map(|(public, _)| RowChange::DeleteAccessToken(*public));
    downtimes
        .chain(candidates)
        .chain(forgotten)
        .chain(access_tokens)
        .chain(recoveries::due(state, now))
}

/// Whether [`Command::Expire`], proposed at `now`, would remove anything.
pub fn is_anything_due(state: &Decided, now: Timestamp) -> bool {
    due(state, state.decided_at.max(now)).next().is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decided::{Digest, Origin};
    use crate::domain::{PublicToken, SecretDigest};

    const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn key(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        NOON.plus(Duration::from_secs(seconds))
    }

    fn proposal(at: Timestamp, command: Command) -> Proposal {
        Proposal {
            request: 1,
            proposed_at: at,
            origin: Origin::default(),
            command,
        }
    }

    /// Applies and absorbs.
    fn take(state: &mut Decided, at: Timestamp, command: Command) -> Applied {
        let applied = apply(state, &proposal(at, command));
        let index = state.applied_index + 1;
        state.absorb(index, applied.decided_at, &applied.changes);
        applied
    }

    fn begin(name: &str, ends_at: Timestamp) -> Command {
        Command::BeginDowntime {
            key: key(name),
            owner: "ann".to_owned(),
            reason: "disk".to_owned(),
            ends_at,
        }
    }

    fn register(name: &str, rule: PromotionRule, expires_at: Timestamp) -> Command {
        Command::RegisterCandidate {
            key: key(name),
            rule,
            expires_at,
        }
    }

    fn refusal(applied: &Applied) -> Option<Refusal> {
        match &applied.reply {
            Reply::Refused(why) => Some(why.clone()),
            Reply::Done | Reply::Unchanged | Reply::Acknowledged(_) | Reply::Imported { .. } => {
                None
            }
        }
    }

    #[test]
    fn discovering_owes_a_probe_and_writes_nothing() {
        let mut state = Decided::default();
        let applied = take(&mut state, NOON, Command::Discover { key: key("a") });
        assert_eq!(applied.reply, Reply::Done);
        assert_eq!(applied.effects, [Effect::Discover(key("a"))]);
        assert_eq!(applied.changes, []);
    }

    #[test]
    fn forgetting_marks_the_instance_and_discovering_it_ends_the_mark() {
        let mut state = Decided::default();
        let applied = take(&mut state, NOON, Command::Forget { key: key("a") });
        assert_eq!(applied.effects, [Effect::Forget(key("a"))]);
        assert_eq!(state.forgotten.get(&key("a")), Some(&NOON));
        take(&mut state, after(60), Command::Forget { key: key("a") });
        assert_eq!(state.forgotten.get(&key("a")), Some(&after(60)));
        let applied = take(&mut state, after(61), Command::Discover { key: key("a") });
        assert_eq!(applied.changes, [RowChange::DeleteForgotten(key("a"))]);
        assert!(state.forgotten.is_empty());
    }

    #[test]
    fn a_downtime_holds_until_its_end_and_a_second_one_replaces_it() {
        let mut state = Decided::default();
        take(&mut state, NOON, begin("a", after(60)));
        assert!(state.downtime_at(&key("a"), after(59)).is_some());
        assert!(state.downtime_at(&key("a"), after(60)).is_none());
        take(&mut state, after(10), begin("a", after(30)));
        let row = state.downtime_at(&key("a"), after(29)).unwrap();
        assert_eq!((row.begins_at, row.ends_at), (after(10), after(30)));
        assert!(state.downtime_at(&key("a"), after(31)).is_none());
        assert!(state.downtime_at(&key("b"), after(29)).is_none());
    }

    #[test]
    fn a_downtime_that_is_over_already_is_refused_and_leaves_the_earlier_one() {
        let mut state = Decided::default();
        take(&mut state, NOON, begin("a", after(60)));
        for ends_at in [NOON, after(10)] {
            let applied = take(&mut state, after(10), begin("a", ends_at));
            assert_eq!(refusal(&applied), Some(Refusal::AlreadyOver));
            assert_eq!(applied.changes, []);
        }
        assert!(state.downtime_at(&key("a"), after(59)).is_some());
    }

    #[test]
    fn ending_a_downtime_says_whether_there_was_one() {
        let mut state = Decided::default();
        take(&mut state, NOON, begin("a", after(60)));
        let end = || Command::EndDowntime { key: key("a") };
        assert_eq!(take(&mut state, after(1), end()).reply, Reply::Done);
        let again = take(&mut state, after(2), end());
        assert_eq!(again.reply, Reply::Unchanged);
        assert_eq!(again.changes, []);
        assert!(state.downtimes.is_empty());
    }

    #[test]
    fn a_rule_counts_until_it_expires_and_is_renewed_by_registering_again() {
        let mut state = Decided::default();
        take(
            &mut state,
            NOON,
            register("a", PromotionRule::Prefer, after(60)),
        );
        take(
            &mut state,
            after(30),
            register("a", PromotionRule::MustNot, after(90)),
        );
        let row = state.candidate_at(&key("a"), after(89)).unwrap();
        assert_eq!(
            (row.rule, row.registered_at),
            (PromotionRule::MustNot, after(30))
        );
        assert!(state.candidate_at(&key("a"), after(90)).is_none());
    }

    #[test]
    fn the_rule_must_and_a_rule_that_is_over_are_refused() {
        let mut state = Decided::default();
        let must = take(
            &mut state,
            NOON,
            register("a", PromotionRule::Must, after(60)),
        );
        assert_eq!(refusal(&must), Some(Refusal::MustIsNotRegistrable));
        let over = take(&mut state, NOON, register("a", PromotionRule::Prefer, NOON));
        assert_eq!(refusal(&over), Some(Refusal::AlreadyOver));
        assert!(state.candidates.is_empty());
    }

    #[test]
    fn expiry_removes_what_is_over_and_nothing_else() {
        let mut state = Decided::default();
        take(&mut state, NOON, begin("a", after(60)));
        take(&mut state, NOON, begin("b", after(61)));
        take(
            &mut state,
            NOON,
            register("a", PromotionRule::Prefer, after(60)),
        );
        take(
            &mut state,
            NOON,
            register("b", PromotionRule::Prefer, after(61)),
        );
        assert!(!is_anything_due(&state, after(59)));
        assert_eq!(
            take(&mut state, after(59), Command::Expire).reply,
            Reply::Unchanged
        );
        assert!(is_anything_due(&state, after(60)));
        assert_eq!(
            take(&mut state, after(60), Command::Expire).reply,
            Reply::Done
        );
        assert_eq!(state.downtimes.keys().collect::<Vec<_>>(), [&key("b")]);
        assert_eq!(state.candidates.keys().collect::<Vec<_>>(), [&key("b")]);
    }

    #[test]
    fn a_mark_of_forgetting_is_kept_for_a_week() {
        let mut state = Decided::default();
        take(&mut state, NOON, Command::Forget { key: key("a") });
        let week = NOON.plus(FORGOTTEN_KEPT);
        let before = week.minus(Duration::from_micros(1));
        assert!(!is_anything_due(&state, before));
        take(&mut state, before, Command::Expire);
        assert_eq!(state.forgotten.len(), 1);
        take(&mut state, week, Command::Expire);
        assert!(state.forgotten.is_empty());
    }

    #[test]
    fn time_never_goes_back_whatever_the_proposer_says() {
        let mut state = Decided::default();
        take(&mut state, after(100), Command::Discover { key: key("a") });
        let applied = take(&mut state, NOON, Command::Forget { key: key("a") });
        assert_eq!(applied.decided_at, after(100));
        assert_eq!(state.decided_at, after(100));
        assert_eq!(state.forgotten.get(&key("a")), Some(&after(100)));
        // What would still hold by the slow clock is over by the time of decided state.
        let late = take(&mut state, NOON, begin("a", after(50)));
        assert_eq!(refusal(&late), Some(Refusal::AlreadyOver));
    }

    fn any_key() -> impl Strategy<Value = InstanceKey> {
        ("[a-d]", 3306_u16..3308)
            .prop_map(|(host, port)| InstanceKey::from_parts(&host, &port.to_string()).unwrap())
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (-50_i64..2_000_000).prop_map(|s| Timestamp::from_seconds(1_700_000_000 + s))
    }

    fn any_rule() -> impl Strategy<Value = PromotionRule> {
        prop_oneof![
            Just(PromotionRule::Must),
            Just(PromotionRule::Prefer),
            Just(PromotionRule::Neutral),
            Just(PromotionRule::PreferNot),
            Just(PromotionRule::MustNot),
        ]
    }

    fn any_public() -> impl Strategy<Value = PublicToken> {
        (0_u8..4).prop_map(|number| PublicToken::from_bytes([number; 32]))
    }

    fn any_command() -> impl Strategy<Value = Command> {
        prop_oneof![
            any_key().prop_map(|key| Command::Discover { key }),
            any_key().prop_map(|key| Command::Forget { key }),
            (any_key(), ".{0,4}", ".{0,4}", any_time()).prop_map(
                |(key, owner, reason, ends_at)| Command::BeginDowntime {
                    key,
                    owner,
                    reason,
                    ends_at
                }
            ),
            any_key().prop_map(|key| Command::EndDowntime { key }),
            (any_key(), any_rule(), any_time()).prop_map(|(key, rule, expires_at)| {
                Command::RegisterCandidate {
                    key,
                    rule,
                    expires_at,
                }
            }),
            (any_public(), ".{0,4}", any_time()).prop_map(|(public, owner, claim_by)| {
                Command::CreateAccessToken {
                    public,
                    owner,
                    claim_by,
                }
            }),
            (any_public(), any::<u8>(), any_time()).prop_map(|(public, digest, expires_at)| {
                Command::ClaimAccessToken {
                    public,
                    secret_digest: SecretDigest::from_bytes([digest; 32]),
                    expires_at,
                }
            }),
            Just(Command::Expire),
        ]
    }

    fn any_history() -> impl Strategy<Value = Vec<(Timestamp, Command)>> {
        proptest::collection::vec((any_time(), any_command()), 0..24)
    }

    proptest! {
        // Every case is a dozen commands on average, and the laws are checked after each.
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_history_keeps_the_laws(history in any_history()) {
            let mut state = Decided::default();
            for (at, command) in history {
                let before = state.clone();
                let applied = take(&mut state, at, command.clone());
                // Time and index only grow.
                prop_assert!(state.decided_at >= before.decided_at.max(at));
                prop_assert_eq!(state.applied_index, before.applied_index + 1);
                // A refusal and an answer of "unchanged" change no row and owe nothing.
                if matches!(applied.reply, Reply::Unchanged | Reply::Refused(_)) {
                    prop_assert!(applied.changes.is_empty() && applied.effects.is_empty());
                }
                // Absorbing the same entry again changes nothing.
                let mut again = state.clone();
                again.absorb(state.applied_index, applied.decided_at, &applied.changes);
                prop_assert_eq!(&again, &state);
                // Rows are all there is.
                let rows: Vec<RowChange> = state.rows().collect();
                let rebuilt = Decided::from_rows(state.applied_index, state.decided_at, &rows);
                prop_assert_eq!(&rebuilt, &state);
                // A claim is made once, and nobody takes it over.
                for (public, token) in &before.access_tokens {
                    let Some(claim) = &token.claim else { continue };
                    let now = state.access_tokens.get(public).map(|token| &token.claim);
                    prop_assert!(now.is_none_or(|now| now.as_ref() == Some(claim)));
                }
                // Nothing is due after an expiry, and a second one at the same time changes nothing.
                if command == Command::Expire {
                    prop_assert!(!is_anything_due(&state, at));
                    prop_assert_eq!(take(&mut again, at, Command::Expire).reply, Reply::Unchanged);
                }
                // What is due is what an expiry removes.
                let mut expired = state.clone();
                let removed = take(&mut expired, at, Command::Expire).reply == Reply::Done;
                prop_assert_eq!(removed, is_anything_due(&state, at));
            }
        }

        #[test]
        fn equal_histories_give_equal_digests_and_one_more_entry_another(history in any_history()) {
            let run = || {
                let mut state = Decided::default();
                for (at, command) in history.clone() {
                    take(&mut state, at, command);
                }
                state
            };
            let mut one = run();
            prop_assert_eq!(Digest::of(&one), Digest::of(&run()));
            let before = Digest::of(&one);
            take(&mut one, NOON, Command::Expire);
            prop_assert_ne!(before, Digest::of(&one));
        }
    }
}
