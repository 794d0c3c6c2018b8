use std::time::Duration;

use super::*;
use crate::decided::{
    Applied, Command, Effect, EndRecovery, Origin, Proposal, RecoveryNews, RecoveryStepCommand,
    RegisterRecovery, apply,
};
use crate::domain::{
    Fence, FindingCode, Phase, RecoveryKind, RecoveryOutcome, TimeSplit, TouchedServer,
};

const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);
const FENCE: Fence = Fence::from_number(1);

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

const fn id(number: u128) -> RecoveryId {
    RecoveryId::from_number(number)
}

#[derive(Default)]
struct Log(Decided);

impl Log {
    fn take(&mut self, command: Command) -> Applied {
        let index = self.0.applied_index + 1;
        let proposal = Proposal {
            request: u128::from(index),
            proposed_at: NOON.plus(Duration::from_secs(index)),
            origin: Origin::default(),
            command,
        };
        let applied = apply(&self.0, &proposal);
        self.0.absorb(index, applied.decided_at, &applied.changes);
        applied
    }

    fn set(&mut self, cluster: &str, alias: &str) -> Reply {
        self.take(Command::SetClusterAlias {
            cluster: cluster.to_owned(),
            alias: alias.to_owned(),
            by: "ann".to_owned(),
        })
        .reply
    }

    /// Registers a recovery of `dead`, whose cluster goes by `alias`, and takes it to where its promoted server is writable.
    fn promoted(&mut self, number: u128, dead: &str, alias: &str) {
        let registered = self.take(Command::RegisterRecovery(Box::new(RegisterRecovery {
            id: id(number),
            kind: RecoveryKind::DeadPrimary,
            code: FindingCode::DeadPrimary,
            subject: key(dead),
            cluster: key(dead).to_string(),
            cluster_alias: alias.to_owned(),
            replicas: vec![],
            servers: vec![TouchedServer {
                key: key(dead),
                uuid: String::new(),
            }],
            requested_by: String::new(),
            is_forced: true,
            plan: vec![],
            node: "n".to_owned(),
            fence: FENCE,
            sessions: vec![],
            block_period: Duration::ZERO,
            kept_for: Duration::from_secs(60),
        })));
        assert_eq!(registered.reply, Reply::Done);
        self.enter(number, Phase::ReceiversStopped);
        self.enter(number, Phase::Promoted);
    }

    fn enter(&mut self, number: u128, phase: Phase) {
        let entered = self.step(
            number,
            RecoveryStepCommand::Enter {
                fence: FENCE,
                phase,
                news: RecoveryNews::default(),
            },
        );
        assert_eq!(entered.reply, Reply::Done);
    }

    fn step(&mut self, number: u128, step: RecoveryStepCommand) -> Applied {
        self.take(Command::RecoveryStep {
            id: id(number),
            step: Box::new(step),
        })
    }

    fn publish(&mut self, number: u128, promoted: &str) -> Applied {
        self.step(
            number,
            RecoveryStepCommand::Publish {
                fence: FENCE,
                promoted: key(promoted),
                news: RecoveryNews::default(),
            },
        )
    }

    fn end(&mut self, number: u128) {
        self.take(Command::EndRecovery(Box::new(EndRecovery {
            id: id(number),
            fence: FENCE,
            outcome: RecoveryOutcome::Succeeded,
            successor: None,
            successor_alias: String::new(),
            lost: vec![],
            participants: vec![],
            errors: vec![],
            data_loss: None,
            times: TimeSplit::default(),
            downtimes: vec![],
            news: RecoveryNews::default(),
        })));
    }

    /// All rows: cluster, alias, whether it was set by hand.
    fn rows(&self) -> Vec<(&str, &str, bool)> {
        let rows = self.0.cluster_aliases.iter();
        rows.map(|(name, row)| (name.as_str(), row.alias.as_str(), row.is_manual()))
            .collect()
    }

    /// The alias of a cluster with one member besides its head.
    fn of(&self, cluster: &str, member: &str) -> Option<&str> {
        let row = self.0.alias_of_cluster(cluster, |name| name == member);
        row.map(|row| row.alias.as_str())
    }
}

#[test]
fn an_alias_is_set_changed_and_taken_away() {
    let mut log = Log::default();
    assert_eq!(log.set("a:3306", "shop"), Reply::Done);
    assert_eq!(log.set("a:3306", "shop"), Reply::Unchanged);
    assert_eq!(log.rows(), [("a:3306", "shop", true)]);
    let row = &log.0.cluster_aliases["a:3306"];
    assert_eq!(row.set_by.as_deref(), Some("ann"));
    assert_eq!(row.at, NOON.plus(Duration::from_secs(1)));
    assert_eq!(log.set("a:3306", "store"), Reply::Done);
    assert_eq!(log.rows(), [("a:3306", "store", true)]);
    assert_eq!(log.set("a:3306", ""), Reply::Done);
    assert_eq!(log.set("a:3306", ""), Reply::Unchanged);
    assert_eq!(log.rows(), []);
}

#[test]
fn two_clusters_do_not_have_one_alias_and_the_refusal_names_the_other() {
    let mut log = Log::default();
    log.set("a:3306", "shop");
    let refused = log.set("b:3306", "shop");
    let wanted = Refusal::AliasIsTaken {
        cluster: "a:3306".to_owned(),
    };
    assert_eq!(refused, Reply::Refused(wanted));
    assert_eq!(
        log.set("b:3306", "SHOP"),
        Reply::Done,
        "bytes are compared, and nothing else"
    );
    log.set("a:3306", "");
    assert_eq!(log.set("b:3306", "shop"), Reply::Done);
}

#[test]
fn publishing_moves_an_alias_set_by_hand_once_and_keeps_what_is_set_afterwards() {
    let mut log = Log::default();
    log.set("a:3306", "shop");
    log.promoted(1, "a", "shop");
    let published = log.publish(1, "b");
    assert_eq!(published.reply, Reply::Done);
    assert_eq!(log.rows(), [("b:3306", "shop", true)]);
    let row = &log.0.cluster_aliases["b:3306"];
    assert!(row.came_from("a:3306") && !row.came_from("c:3306"));
    assert_eq!(row.set_by.as_deref(), Some("ann"));
    // The next leader publishes again.
    log.publish(1, "b");
    assert_eq!(log.rows(), [("b:3306", "shop", true)]);
    log.set("b:3306", "store");
    log.publish(1, "b");
    assert_eq!(log.rows(), [("b:3306", "store", true)]);
}

#[test]
fn an_alias_taken_away_between_two_publishings_comes_back_as_what_was_observed_only() {
    let mut log = Log::default();
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    log.set("b:3306", "");
    assert_eq!(log.rows(), []);
    log.publish(1, "b");
    assert_eq!(log.rows(), [("b:3306", "shop", false)]);
}

#[test]
fn what_the_cluster_went_by_is_kept_for_where_nothing_else_names_it() {
    let mut log = Log::default();
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    log.enter(1, Phase::Published);
    log.end(1);
    assert_eq!(log.rows(), [("b:3306", "shop", false)]);
    // The next one takes it further, and leaves nothing behind.
    log.promoted(2, "b", "shop");
    log.publish(2, "c");
    assert_eq!(log.rows(), [("c:3306", "shop", false)]);
    log.enter(2, Phase::Published);
    log.end(2);
    // A cluster without an alias has none to bring along.
    log.promoted(3, "x", "");
    log.publish(3, "y");
    assert_eq!(log.rows(), [("c:3306", "shop", false)]);
}

#[test]
fn what_was_observed_does_not_replace_what_somebody_has_set_for_the_promoted_server() {
    let mut log = Log::default();
    log.set("b:3306", "store");
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    assert_eq!(log.rows(), [("b:3306", "store", true)]);
    // What was set by hand for the cluster itself does.
    let mut log = Log::default();
    log.set("a:3306", "shop");
    log.set("b:3306", "store");
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    assert_eq!(log.rows(), [("b:3306", "shop", true)]);
}

#[test]
fn publishing_ends_downtime_of_the_promoted_server_and_lets_every_node_look_at_it() {
    let mut log = Log::default();
    log.promoted(1, "a", "shop");
    for name in ["b", "c"] {
        log.take(Command::BeginDowntime {
            key: key(name),
            owner: "ann".to_owned(),
            reason: "disk".to_owned(),
            ends_at: NOON.plus(Duration::from_secs(3600)),
        });
    }
    let published = log.publish(1, "b");
    assert_eq!(published.effects, [Effect::Discover(key("b"))]);
    let left: Vec<&InstanceKey> = log.0.downtimes.keys().collect();
    assert_eq!(left, [&key("c")]);
}

#[test]
fn only_the_leadership_that_has_it_publishes_and_only_while_somebody_is_promoted() {
    let mut log = Log::default();
    log.set("a:3306", "shop");
    log.promoted(1, "a", "shop");
    let late = log.step(
        1,
        RecoveryStepCommand::Publish {
            fence: Fence::from_number(7),
            promoted: key("b"),
            news: RecoveryNews::default(),
        },
    );
    assert_eq!(
        late.reply,
        Reply::Refused(Refusal::OtherFence { current: FENCE })
    );
    log.enter(1, Phase::Published);
    let over = log.publish(1, "b");
    let wanted = Refusal::PhaseOutOfOrder {
        current: Phase::Published,
    };
    assert_eq!(over.reply, Reply::Refused(wanted));
    assert_eq!(log.rows(), [("a:3306", "shop", true)]);
    assert!(over.effects.is_empty());
}

#[test]
fn until_the_promoted_server_is_seen_as_a_head_its_alias_leads_to_the_cluster_it_is_seen_in() {
    let mut log = Log::default();
    log.set("a:3306", "shop");
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    assert_eq!(log.of("a:3306", "b:3306"), Some("shop"));
    assert_eq!(log.of("b:3306", "c:3306"), Some("shop"));
    assert_eq!(log.of("a:3306", "c:3306"), None, "it has left that cluster");
    assert_eq!(
        log.of("x:3306", "b:3306"),
        None,
        "an operator has put it below another server: that is another cluster"
    );
}

#[test]
fn forgetting_a_head_drops_what_its_cluster_went_by_and_keeps_what_was_set() {
    let mut log = Log::default();
    log.promoted(1, "a", "shop");
    log.publish(1, "b");
    log.set("c:3306", "store");
    for name in ["b", "c"] {
        log.take(Command::Forget { key: key(name) });
    }
    assert_eq!(log.rows(), [("c:3306", "store", true)]);
}
