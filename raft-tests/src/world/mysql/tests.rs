//! The relay-log rules, semi-sync and late statements, as measured on real servers.

use std::time::Duration;

use orchestrator_core::ports::Change;

use super::*;
use crate::world::{Trace, key};

const TICK: Duration = Duration::from_millis(20);

const FILE: OptionFile = OptionFile {
    read_only: false,
    has_binlog: true,
    logs_updates: true,
    recovers_relay_log: false,
    starts_replication: true,
    semi_sync: SemiSyncSetting {
        source: false,
        replica: false,
        wait_count: 1,
        timeout: Duration::from_secs(10),
    },
};

/// A dead source and a replica with two transactions received and not applied; both threads run.
fn two_unapplied(product: Product, file: OptionFile) -> Fleet {
    let servers = (0..3).map(|id| Server::new(id, key(&format!("db{id}")), product, file));
    let mut fleet = Fleet::new(servers.collect(), Tuning::default(), 1, Trace::default());
    fleet.servers[1].link = Some(Link::started(0, Duration::ZERO));
    run(&mut fleet, 5);
    link(&mut fleet).delay = Duration::from_secs(3600);
    for _ in 0..2 {
        let txn = fleet.servers[0].next_txn();
        fleet.servers[0].commit(txn);
    }
    run(&mut fleet, 5);
    fleet.crash(0);
    run(&mut fleet, 5);
    assert_eq!(unapplied(&fleet), 2);
    fleet
}

fn run(fleet: &mut Fleet, ticks: u32) {
    for _ in 0..ticks {
        let now = fleet.now + TICK;
        fleet.step(now);
    }
}

fn link(fleet: &mut Fleet) -> &mut Link {
    fleet.servers[1].link.as_mut().expect("it is a replica")
}

fn unapplied(fleet: &Fleet) -> usize {
    let link = fleet.servers[1].link.as_ref();
    link.map_or(0, |link| link.relay.len())
}

/// Carries out changes one after the other; returns how many transactions they discarded.
fn discarded(fleet: &mut Fleet, changes: &[Change]) -> u64 {
    let each = changes.iter().map(|change| {
        let (said, discarded) = fleet.execute(1, change);
        assert_eq!(said, Ok(()), "{change:?}");
        discarded
    });
    each.collect::<Vec<_>>().iter().sum()
}

#[test]
fn mariadb_loses_relay_logs_when_a_thread_starts_while_none_runs() {
    use Change::{StartApplier, StartReplication, StopApplier, StopReceiver};
    let restart_receiver = [StopReceiver, StartReplication];
    for product in Product::MARIADB {
        for (changes, lost) in [
            (&[StopApplier, StartApplier][..], 0),
            (&[StopReceiver][..], 0),
            (&restart_receiver[..], 0),
            (&[StopApplier, StopReceiver, StartApplier][..], 2),
            (&[StopReceiver, StopApplier, StartApplier][..], 2),
            (&[StopReceiver, StopApplier, StartReplication][..], 2),
        ] {
            let mut fleet = two_unapplied(product, FILE);
            assert_eq!(discarded(&mut fleet, changes), lost, "{changes:?}");
            assert_eq!(unapplied(&fleet), 2 - lost as usize);
        }
    }
}

#[test]
fn a_receiver_is_restarted_on_mariadb_only_while_the_applier_runs() {
    for product in Product::MARIADB.into_iter().chain(Product::MYSQL) {
        let restart = |fleet: &mut Fleet| fleet.execute(1, &Change::RestartReceiver);
        let mut fleet = two_unapplied(product, FILE);
        fleet.start(0);
        run(&mut fleet, 60);
        assert_eq!(restart(&mut fleet), (Ok(()), 0));
        run(&mut fleet, 5);
        discarded(&mut fleet, &[Change::StopApplier]);
        let (said, lost) = restart(&mut fleet);
        let expected = match product.is_mariadb() {
            true => Err(1644),
            false => Ok(()),
        };
        assert_eq!((said, lost), (expected, 0), "{product:?}");
        assert_eq!(unapplied(&fleet), 2);
    }
}

#[test]
fn mysql_keeps_relay_logs_through_stops_and_starts() {
    use Change::{StartApplier, StartReplication, StopApplier, StopReceiver};
    for product in Product::MYSQL {
        for changes in [
            &[StopReceiver, StopApplier, StartApplier][..],
            &[StopApplier, StopReceiver, StartReplication][..],
        ] {
            let mut fleet = two_unapplied(product, FILE);
            assert_eq!(discarded(&mut fleet, changes), 0, "{changes:?}");
        }
    }
}

#[test]
fn another_source_or_none_discards_what_is_not_applied() {
    use Change::{ForgetSource, StopApplier, StopReceiver};
    let repoint = Change::Repoint {
        source: key("db2"),
        profile_of: None,
    };
    for product in Product::MARIADB.into_iter().chain(Product::MYSQL) {
        for last in [&repoint, &ForgetSource, &Change::Detach] {
            let mut fleet = two_unapplied(product, FILE);
            let changes = [StopReceiver, StopApplier, last.clone()];
            assert_eq!(discarded(&mut fleet, &changes), 2, "{last:?}");
        }
        let mut fleet = two_unapplied(product, FILE);
        discarded(&mut fleet, &[StopReceiver]);
        let keeps = product.has_super_read_only();
        let expected = if keeps { Ok(()) } else { Err(1198) };
        assert_eq!(fleet.execute(1, &repoint), (expected, 0), "{product:?}");
    }
}

#[test]
fn a_restart_loses_relay_logs_unless_mysql_is_told_not_to_recover_them() {
    for product in Product::MARIADB.into_iter().chain(Product::MYSQL) {
        for recovers_relay_log in [false, true] {
            let file = OptionFile {
                recovers_relay_log,
                ..FILE
            };
            let mut fleet = two_unapplied(product, file);
            fleet.crash(1);
            fleet.start(1);
            let keeps = !product.is_mariadb() && !recovers_relay_log;
            assert_eq!(unapplied(&fleet), if keeps { 2 } else { 0 }, "{product:?}");
            assert_eq!(fleet.servers[1].lost_by_itself, if keeps { 0 } else { 2 });
        }
    }
}

#[test]
fn a_client_is_told_only_when_enough_replicas_have_received() {
    let mut file = FILE;
    file.semi_sync.source = true;
    file.semi_sync.replica = true;
    let servers =
        (0..2).map(|id| Server::new(id, key(&format!("db{id}")), Product::MYSQL[3], file));
    let mut fleet = Fleet::new(servers.collect(), Tuning::default(), 1, Trace::default());
    fleet.servers[1].link = Some(Link::started(0, Duration::ZERO));
    fleet.servers[1].acknowledges = true;
    fleet.writers = vec![Writer::new(None, Duration::from_millis(100))];
    run(&mut fleet, 20);
    assert!(!fleet.ledger.acknowledged.is_empty());
    assert!(fleet.ledger.acknowledged.iter().all(|one| one.by == [1]));
    fleet.network.cut(Place::Server(0), Place::Server(1));
    run(&mut fleet, 2);
    let before = fleet.ledger.acknowledged.len();
    run(&mut fleet, 100);
    assert_eq!(fleet.ledger.acknowledged.len(), before, "it waits");
    run(&mut fleet, 500);
    assert!(!fleet.servers[0].semi_sync_operates, "it gave up waiting");
    assert!(fleet.ledger.acknowledged.len() > before);
}

#[test]
fn a_closed_server_tells_nobody_any_more_and_takes_no_writes() {
    let mut fleet = two_unapplied(Product::MYSQL[4], FILE);
    fleet.start(0);
    fleet.writers = vec![Writer::new(None, Duration::from_millis(40))];
    run(&mut fleet, 10);
    assert!(!fleet.ledger.acknowledged.is_empty());
    fleet.execute(0, &Change::Close).0.expect("it closes");
    let (told, written) = (fleet.ledger.acknowledged.len(), fleet.servers[0].log.len());
    run(&mut fleet, 50);
    assert_eq!(fleet.ledger.acknowledged.len(), told);
    assert_eq!(fleet.servers[0].log.len(), written);
    assert_eq!(fleet.observe(0).super_read_only, Some(true));
}

#[test]
fn histories_that_differ_are_refused_by_the_source() {
    for (product, expected) in [(Product::MARIADB[1], 1236), (Product::MYSQL[3], 0)] {
        let mut fleet = two_unapplied(product, FILE);
        let own = fleet.servers[1].next_txn();
        fleet.servers[1].commit(own);
        link(&mut fleet).relay.clear();
        fleet.start(0);
        run(&mut fleet, 200);
        let seen = fleet.observe(1).replication.expect("a link");
        assert_eq!(seen.receiver_errno, expected, "{product:?}");
    }
}
