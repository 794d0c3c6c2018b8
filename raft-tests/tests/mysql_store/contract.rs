//! The contract of decided state on each server; the same digests as on SQLite; observations beside it; the predecessor's tables.

use anyhow::{Context as _, Result, ensure};
use orchestrator::store::{
    DecisionStore, Error, ErrorKind, InstallMode, MysqlObservations, Place, SqliteOptions,
    SqliteStore,
};
use orchestrator_core::decided::{Digest, GroupId, Snapshot};
use orchestrator_core::domain::{InstanceKey, InstanceRecord, Timestamp};
use orchestrator_core::ports::{ObservationStore as _, ObservationWrite};
use raft_tests::contract::{History, START, clauses};
use raft_tests::lab::Flavour;

use crate::world::{ALL, Database, Drawn, blocking, grown, open, options, server};

async fn keeps_the_contract(flavour: Flavour) -> Result<()> {
    let fleet = server(flavour).await?;
    for (number, (name, clause)) in clauses().into_iter().enumerate() {
        eprintln!("{name}");
        let place = Database(options(&fleet, &format!("store_{number}"))?);
        blocking(move || clause(&place)).await.context(name)?;
    }
    Ok(())
}

#[tokio::test]
async fn mariadb_keeps_the_contract() -> Result<()> {
    keeps_the_contract(Flavour::MariaDb).await
}

#[tokio::test]
async fn mysql_keeps_the_contract() -> Result<()> {
    keeps_the_contract(Flavour::MySql).await
}

#[tokio::test]
async fn mysql_5_6_keeps_the_contract() -> Result<()> {
    keeps_the_contract(Flavour::MySql56).await
}

#[tokio::test]
async fn one_log_gives_the_same_digest_in_every_store_in_any_portions_and_by_snapshot() -> Result<()>
{
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let (whole, small) = (options(&fleet, "whole")?, options(&fleet, "small")?);
        let digests = blocking(move || -> Result<Vec<Digest>> {
            let sqlite = SqliteStore::open(&SqliteOptions::new(Place::Memory), &Drawn, START)?;
            let group = sqlite.identity()?.group;
            let entries: Vec<_> = {
                let mut history = History::new(group, 99);
                let mut entries = history.entries(150);
                // As a node of a group has them: answers are rows, too.
                let expire = orchestrator_core::decided::Command::Expire;
                entries.push(history.entry_of_a_group(START, expire));
                entries.extend(history.entries(150));
                entries
            };
            sqlite.commit(entries.clone())?;
            let (whole, small) = (open(whole)?, open(small)?);
            whole.commit(entries.clone())?;
            for some in entries.chunks(7) {
                small.commit(some.to_vec())?;
            }
            let snapshot = sqlite.export(vec![])?;
            let mut digests = vec![Digest::of(&sqlite.load()?)];
            digests.push(Digest::of(&whole.load()?));
            digests.push(Digest::of(&small.load()?));
            ensure!(whole.log_tail(1_000)? == sqlite.log_tail(1_000)?);
            whole.install(&snapshot, InstallMode::Adopt)?;
            digests.push(Digest::of(&whole.load()?));
            // And back.
            let theirs = whole.export(vec![])?;
            let other = SqliteStore::open(&SqliteOptions::new(Place::Memory), &Drawn, START)?;
            other.install(&theirs, InstallMode::Adopt)?;
            digests.push(Digest::of(&other.load()?));
            Ok(digests)
        })
        .await??;
        ensure!(
            digests.iter().all(|digest| *digest == digests[0]),
            "{flavour:?}: {digests:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_larger_than_a_packet_is_written_in_several_and_whole() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    // 1 MiB is less than 4,000 entries take.
    fleet["a"]
        .run("SET GLOBAL max_allowed_packet=1048576")
        .await?;
    let options = options(&fleet, "store")?;
    blocking(move || -> Result<()> {
        let store = open(options.clone())?;
        let mut history = History::new(store.identity()?.group, 5);
        for _ in 0..3 {
            store.commit(history.entries(4_000))?;
        }
        ensure!(store.load()? == *history.state());
        let snapshot = Snapshot::of(GroupId::from_number(4), history.state(), vec![]);
        store.install(&snapshot, InstallMode::Adopt)?;
        drop(store);
        ensure!(open(options)?.load()? == *history.state());
        Ok(())
    })
    .await?
}

#[tokio::test]
async fn a_value_larger_than_the_server_takes_is_refused_and_changes_nothing() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    fleet["a"]
        .run("SET GLOBAL max_allowed_packet=65536")
        .await?;
    let options = options(&fleet, "store")?;
    blocking(move || -> Result<()> {
        let store = open(options)?;
        let mut history = grown(&store, 10)?;
        let before = history.state().clone();
        let key = InstanceKey::parse("db1", 3306)?;
        let command = orchestrator_core::decided::Command::BeginDowntime {
            key,
            owner: "o".repeat(60_000),
            reason: String::new(),
            ends_at: START,
        };
        let refused = store.commit(vec![history.entry(START, command)]);
        let error = refused.err().context("it was taken")?;
        ensure!(error.kind() == ErrorKind::Invalid, "{error}");
        ensure!(error.to_string().contains("max_allowed_packet"), "{error}");
        ensure!(store.load()? == before);
        Ok(())
    })
    .await?
}

#[tokio::test]
async fn observations_are_kept_beside_decided_state_over_one_connection_or_two() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        for connections in [1, 2] {
            let mut options = options(&fleet, &format!("store{connections}"))?;
            options.connections_max = connections;
            let heard = |name: &str| -> Result<InstanceRecord> {
                let key = InstanceKey::parse(name, 3306)?;
                Ok(InstanceRecord::heard_of(key, Timestamp::from_seconds(5)))
            };
            let put = |record: InstanceRecord| ObservationWrite::Put(Box::new(record));
            let again = options.clone();
            let store = blocking(move || open(again)).await??;
            let observations = MysqlObservations::beside(&store)?;
            let (a, b, c) = (heard("a")?, heard("b")?, heard("c")?);
            observations
                .write(vec![put(a.clone()), put(b.clone()), put(c.clone())])
                .await?;
            observations
                .write(vec![ObservationWrite::Remove(b.key.clone())])
                .await?;
            blocking(move || drop((observations, store))).await?;
            let store = blocking(move || open(options)).await??;
            let observations = MysqlObservations::beside(&store)?;
            let mut found = observations.load().await?;
            found.sort_by(|x, y| x.key.cmp(&y.key));
            ensure!(found == [a, c], "{found:?}");
            blocking(move || drop((observations, store))).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn other_tables_in_the_database_stay_as_they_are_and_a_newer_schema_is_refused() -> Result<()>
{
    let fleet = server(Flavour::MariaDb).await?;
    let server = &fleet["a"];
    server.run("CREATE DATABASE store").await?;
    server
        .run("CREATE TABLE store.access_token (a INT PRIMARY KEY) ENGINE=MyISAM")
        .await?;
    server
        .run("INSERT INTO store.access_token VALUES (7)")
        .await?;
    let plan = options(&fleet, "store")?;
    let again = plan.clone();
    blocking(move || -> Result<()> {
        let store = open(again)?;
        grown(&store, 50)?;
        Ok(())
    })
    .await??;
    let value = server
        .value("SELECT a FROM store.access_token", "a")
        .await?;
    ensure!(value == "7");
    let engines = server
        .rows("SELECT DISTINCT engine AS e FROM information_schema.tables WHERE table_schema='store' AND table_name<>'access_token'")
        .await?;
    ensure!(engines.len() == 1 && engines[0].text("e") == "InnoDB");

    server
        .run("INSERT INTO store.store_migration VALUES (99,'x',0)")
        .await?;
    let again = plan.clone();
    let refused = blocking(move || open(again).err()).await?;
    ensure!(
        matches!(refused, Some(Error::Newer { found: 99, .. })),
        "{refused:?}"
    );
    server
        .run("UPDATE store.store_migration SET checksum='x' WHERE number=1")
        .await?;
    server
        .run("DELETE FROM store.store_migration WHERE number=99")
        .await?;
    let again = plan.clone();
    let refused = blocking(move || open(again).err()).await?;
    ensure!(
        matches!(refused, Some(Error::ForeignMigration { number: 1, .. })),
        "{refused:?}"
    );
    Ok(())
}
