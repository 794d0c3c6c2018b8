//! Batches that go in one text, with a check in front that the server makes.

use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable as _;
use orchestrator::store::{DecisionStore, Error, ErrorKind};
use orchestrator_core::domain::InstanceKey;

use crate::relay::Relay;
use crate::world::{begun, blocking, grown, locked, on_each, open, options, waiting};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_one_round_trip() -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let mut options = options(fleet, "store")?;
        options.server = InstanceKey::parse(&relay.address.ip().to_string(), relay.address.port())?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            for commits in 1..=10 {
                let before = relay.sent();
                store.commit(history.entries(1))?;
                let sent = relay.sent() - before;
                ensure!(sent == 1, "commit {commits}: {sent}");
            }
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

/// What another process may do to the row, or a hand.
#[tokio::test]
async fn a_batch_on_a_row_that_changed_writes_nothing_and_the_reason_is_told() -> Result<()> {
    on_each(async |fleet| {
        let server = &fleet["a"];
        let (store, mut history) = begun(options(fleet, "store")?, 30).await?;
        let before = history.state().clone();
        let batch = history.entries(5);
        let attempt = async |store: Box<dyn DecisionStore>| {
            let batch = batch.clone();
            blocking(move || (store.commit(batch).err(), store)).await
        };
        let row = "UPDATE store.store_meta SET";
        server.run(&format!("{row} applied_index=31")).await?;
        let (error, store) = attempt(Box::new(store)).await?;
        ensure!(
            error
                == Some(Error::Gap {
                    applied: 31,
                    found: 31
                }),
            "{error:?}"
        );
        server.run(&format!("{row} applied_index=30")).await?;

        let token = server
            .value("SELECT HEX(holder_token) AS t FROM store.store_meta", "t")
            .await?;
        server
            .run(&format!(
                "{row} holder_token=REPEAT('x',16),holder_node='node2'"
            ))
            .await?;
        let (error, store) = attempt(store).await?;
        ensure!(
            matches!(&error, Some(Error::Taken { holder, .. }) if holder == "node2"),
            "{error:?}"
        );
        server.run(&format!("{row} holder_token=NULL")).await?;
        let (error, store) = attempt(store).await?;
        ensure!(matches!(error, Some(Error::Damaged { .. })), "{error:?}");
        server
            .run("CREATE TABLE store.kept LIKE store.store_meta")
            .await?;
        server
            .run("INSERT INTO store.kept SELECT * FROM store.store_meta")
            .await?;
        server.run("DELETE FROM store.store_meta").await?;
        let (error, store) = attempt(store).await?;
        ensure!(matches!(error, Some(Error::Damaged { .. })), "{error:?}");
        server
            .run("INSERT INTO store.store_meta SELECT * FROM store.kept")
            .await?;
        server
            .run(&format!("{row} holder_token=UNHEX('{token}')"))
            .await?;

        // Only which connection it is was forgotten, which is written down again.
        server.run(&format!("{row} holder_connection=0")).await?;
        let store = blocking(move || -> Result<_> {
            ensure!(store.load()? == before, "nothing of it happened");
            store.commit(batch)?;
            ensure!(store.load()? == *history.state());
            Ok(store)
        })
        .await??;
        let connection = server
            .value("SELECT holder_connection AS c FROM store.store_meta", "c")
            .await?;
        ensure!(connection != "0");
        drop(store);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_statement_that_fails_in_the_middle_undoes_those_before_it() -> Result<()> {
    on_each(async |fleet| {
        let (store, mut history) = begun(options(fleet, "store")?, 30).await?;
        let before = history.state().clone();
        let batch = history.entries(20);
        let mut conn = fleet["a"].connect().await?;
        conn.query_drop("USE store").await?;
        let mut store = Some(store);
        // Behind the rows of what was decided, and as the last before `COMMIT`.
        for moment in ["INSERT ON decision_log", "UPDATE ON store_meta"] {
            conn.query_drop(format!(
                "CREATE TRIGGER fails BEFORE {moment} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='no'"
            ))
            .await?;
            let (kept, again, state) = (store.take().unwrap(), batch.clone(), before.clone());
            let kept = blocking(move || -> Result<_> {
                let error = kept.commit(again).unwrap_err();
                ensure!(
                    matches!(&error, Error::Io { detail, .. } if detail.contains("1644")),
                    "{error}"
                );
                ensure!(kept.load()? == state);
                Ok(kept)
            })
            .await??;
            store = Some(kept);
            conn.query_drop("DROP TRIGGER fails").await?;
        }
        let store = store.take().unwrap();
        blocking(move || -> Result<()> {
            store.commit(batch)?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

/// The server ends the connection while it carries the text out.
#[tokio::test]
async fn a_batch_whose_connection_is_ended_under_way_is_there_or_not_as_it_is_told() -> Result<()> {
    on_each(async |fleet| {
        let (store, mut history) = begun(options(fleet, "store")?, 30).await?;
        let before = history.state().clone();
        let mut locker = locked(fleet).await?;
        let batch = history.entries(5);
        let again = batch.clone();
        let committing = tokio::task::spawn_blocking(move || (store.commit(again), store));
        let connection = waiting(fleet).await?;
        let mut other = fleet["a"].connect().await?;
        other.query_drop(format!("KILL {connection}")).await?;
        locker.query_drop("ROLLBACK").await?;
        let (outcome, store) = committing.await?;
        blocking(move || -> Result<()> {
            if let Err(error) = outcome {
                ensure!(error.kind() == ErrorKind::Retryable, "{error}");
                ensure!(store.load()? == before);
                store.commit(batch)?;
            }
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}
