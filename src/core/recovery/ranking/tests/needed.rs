//! Every veto and every criterion is needed: without it, another server would be promoted, or stand first. And every
//! criterion stands where it does: it gives way to those before it.

use std::cmp::Ordering;
use std::time::Duration;

use super::ranking;
use crate::domain::{HostFilters, InstanceKey, InstanceRecord};
use crate::recovery::ranking::order::compare_by;
use crate::recovery::ranking::rank::rank_by;
use crate::recovery::ranking::vetoes::{self, Check};
use crate::recovery::ranking::{Criterion, choose, compare};
use crate::recovery::testing::{NOW, Stage, key};
use crate::recovery::{RecoveryPolicy, UnappliedRelayLog};
use crate::topology::ReplicationPolicy;

/// A scene in which one veto is all that keeps `b` from being promoted.
struct Vetoed {
    veto: &'static str,
    stage: Stage,
    policy: RecoveryPolicy,
}

impl Vetoed {
    fn by(veto: &'static str, text: &str) -> Self {
        Self {
            veto,
            stage: Stage::of(text),
            policy: RecoveryPolicy::default(),
        }
    }

    fn where_policy_is(self, policy: RecoveryPolicy) -> Self {
        Self { policy, ..self }
    }

    /// As when the record of `b` has lost what was seen of it.
    fn with_b_forgotten(mut self) -> Self {
        let heard = InstanceRecord::heard_of(key("b"), NOW);
        self.stage.drawing.picture.put(heard);
        self
    }

    /// Who is promoted by these checks.
    fn promoted_by(&self, checks: &[Check]) -> Option<InstanceKey> {
        let ranking = rank_by(checks, &self.stage.scene(), &key("a"), &self.policy);
        let ranking = ranking.unwrap_or_else(|why| panic!("{}: {why}", self.veto));
        choose(&ranking, &self.policy).map(|choice| choice.promoted)
    }
}

/// One scene for each veto, in the order of the table.
fn vetoed() -> Vec<Vetoed> {
    let usual = RecoveryPolicy::default;
    let b = |veto, words: &str| {
        Vetoed::by(
            veto,
            &format!("a [8.0.36 unreachable]\n+ b [io=connecting {words}]"),
        )
    };
    vec![
        b("downtime", "downtime=1h"),
        b("must-not", "promotion=must_not"),
        b("ignored", "").where_policy_is(RecoveryPolicy {
            never_promoted: HostFilters::parse(["^b:"]).expect("a filter"),
            ..usual()
        }),
        b("never-seen", "").with_b_forgotten(),
        b("unreachable", "unreachable"),
        b("other-data-centre", "dc=y").where_policy_is(RecoveryPolicy {
            stays_in_data_center: true,
            ..usual()
        }),
        b("other-region", "region=s").where_policy_is(RecoveryPolicy {
            stays_in_region: true,
            ..usual()
        }),
        Vetoed::by(
            "binlog-server",
            "a [no-gtid unreachable]\n+ b [2.5.1-maxscale io=connecting]",
        ),
        b("group-member", "group=g/primary"),
        b("no-binary-log", "binlog=off"),
        Vetoed::by(
            "no-replica-updates",
            "a [unreachable]\n+ b [io=connecting log-updates=off]\n+ c [io=connecting]",
        ),
        Vetoed::by(
            "others-cannot-follow",
            "a [8.4.6 unreachable]\n+ b [9.7.0 io=connecting]\n+ c [8.4.6 io=connecting gtid=..1-90]",
        ),
        b("delayed", "delay=1h"),
        b("lag", "lag=60s").where_policy_is(RecoveryPolicy {
            lag_max: Some(Duration::from_secs(60)),
            ..usual()
        }),
        b("errant", "errant"),
        b("illegible", "gtid=nonsense"),
        b(
            "cannot-apply",
            "sql=no sql-errno=1062 gtid=..1-90 received=..1-100",
        ),
        Vetoed::by(
            "stranded",
            "a [10.11.6-MariaDB unreachable]\n+ b [io=no sql=no gtid=0-1-90 received=0-1-100]",
        ),
        b("not-applied", "gtid=..1-90 received=..1-100").where_policy_is(RecoveryPolicy {
            unapplied: UnappliedRelayLog::Refuse,
            ..usual()
        }),
    ]
}

/// A list without one of its items.
fn without<T: Copy>(list: &[T], number: usize) -> Vec<T> {
    [&list[..number], &list[number + 1..]].concat()
}

#[test]
fn without_any_one_of_the_vetoes_a_server_would_be_promoted_that_must_not_be() {
    let scenes = vetoed();
    assert_eq!(scenes.len(), vetoes::ALL.len());
    for scene in &scenes {
        let ranking = rank_by(&vetoes::ALL, &scene.stage.scene(), &key("a"), &scene.policy);
        let ranking = ranking.unwrap_or_else(|why| panic!("{}: {why}", scene.veto));
        let b = ranking.find(&key("b")).expect("it is a replica");
        let names: Vec<&str> = b.vetoes.iter().map(|veto| veto.name()).collect();
        assert_eq!(names, [scene.veto]);
        let promoted = scene.promoted_by(&vetoes::ALL);
        assert_ne!(promoted, Some(key("b")), "{}", scene.veto);
    }
    for (number, scene) in scenes.iter().enumerate() {
        let others = without(&vetoes::ALL, number);
        for other in &scenes {
            let is_promoted = other.promoted_by(&others) == Some(key("b"));
            let is_its_own = other.veto == scene.veto;
            assert_eq!(is_promoted, is_its_own, "{}: {}", scene.veto, other.veto);
        }
    }
}

/// For each criterion but the last: a drawing in which it speaks for `c`, and the next one for `b`.
const RIVALS: [(Criterion, &str); 8] = [
    (
        Criterion::Received,
        "a [unreachable]
+ b [io=connecting gtid=..1-90]
+ c [io=connecting gtid=..1-90 received=..1-100]",
    ),
    (
        Criterion::Applied,
        "a [unreachable]
+ b [io=connecting gtid=..1-90 received=..1-100 promotion=prefer]
+ c [io=connecting]",
    ),
    (
        Criterion::Rule,
        "a [unreachable dc=x]
+ b [io=connecting dc=x]
+ c [io=connecting dc=y promotion=prefer]",
    ),
    (
        Criterion::DataCenter,
        "a [unreachable dc=x env=prod]
+ b [io=connecting dc=y env=prod]
+ c [io=connecting dc=x env=test]",
    ),
    (
        Criterion::Environment,
        "a [8.4.6 unreachable env=prod]
+ b [8.4.6 io=connecting env=test]
+ c [9.7.0 io=connecting env=prod]
+ d [8.4.6 io=connecting env=test]",
    ),
    (
        Criterion::Version,
        "a [8.4.6 unreachable]
+ b [9.7.0 io=connecting format=STATEMENT]
+ c [8.4.6 io=connecting format=ROW]
+ d [8.4.6 io=connecting format=STATEMENT log-updates=off]
+ e [8.4.6 io=connecting format=STATEMENT log-updates=off]",
    ),
    (
        Criterion::Format,
        "a [8.4.6 unreachable]
+ b [8.4.6 io=connecting format=ROW]
+ c [9.7.0 io=connecting format=STATEMENT]
+ d [9.7.0 io=connecting format=STATEMENT log-updates=off]
+ e [9.7.0 io=connecting format=STATEMENT log-updates=off]
+ f [8.4.6 io=connecting format=STATEMENT log-updates=off]",
    ),
    (
        Criterion::Followers,
        "a [unreachable]
+ b [io=connecting format=ROW]
+ c [io=connecting format=STATEMENT]
+ d [io=connecting format=ROW]",
    ),
];

#[test]
fn each_criterion_decides_against_the_next_and_without_it_the_next_one_would() {
    for (number, (criterion, text)) in RIVALS.iter().enumerate() {
        let next = Criterion::ALL[number + 1];
        let policy = RecoveryPolicy {
            replication: ReplicationPolicy {
                // Where the version itself is to decide, all can follow all versions.
                allows_older_replicas: *criterion != Criterion::Format,
                ..ReplicationPolicy::default()
            },
            ..RecoveryPolicy::default()
        };
        let ranking = ranking(text, &policy);
        let one = |name| ranking.find(&key(name)).expect("it is a replica");
        let (b, c) = (one("b"), one("c"));
        assert!(b.vetoes.is_empty() && c.vetoes.is_empty(), "{text}");
        assert_eq!(compare(b, c), (Ordering::Greater, *criterion), "{text}");
        let others = without(&Criterion::ALL, number);
        assert_eq!(compare_by(&others, b, c), (Ordering::Less, next), "{text}");
        // As each stands before the next, there is no other order of all of them.
        let mut swapped = Criterion::ALL;
        swapped.swap(number, number + 1);
        assert_eq!(compare_by(&swapped, b, c), (Ordering::Less, next), "{text}");
    }
    let alike = ranking(
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]",
        &RecoveryPolicy::default(),
    );
    let [b, c] = &alike.order[..] else {
        panic!("both may be promoted");
    };
    assert_eq!(compare(b, c), (Ordering::Less, Criterion::Address));
    let others = without(&Criterion::ALL, RIVALS.len());
    assert!(compare_by(&others, b, c).0.is_eq(), "nobody would be first");
}
