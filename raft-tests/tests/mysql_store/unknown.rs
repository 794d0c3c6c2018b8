//! Commits whose outcome is not known, at first or at last.

use anyhow::{Result, ensure};
use orchestrator::store::{DecisionStore, ErrorKind, MysqlOptions};
use orchestrator_core::domain::InstanceKey;
use raft_tests::lab::Fleet;

use crate::relay::{Fate, Relay};
use crate::world::{begun, blocking, grown, locked, on_each, open, options, waiting};

async fn behind(relay: &Relay, fleet: &Fleet) -> Result<MysqlOptions> {
    let mut options = options(fleet, "store")?;
    options.server = InstanceKey::parse(&relay.address.ip().to_string(), relay.address.port())?;
    Ok(options)
}

// A batch goes in one text, which the store settles itself; what stands alone in its transaction has a `COMMIT` of its own.

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_was_lost_is_found_to_be_there_and_is_not_written_twice() -> Result<()>
{
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            relay.next(Fate::AnswerLost);
            store.commit(history.entries(20))?;
            ensure!(!relay.is_pending());
            ensure!(store.applied_index()? == 40);
            ensure!(store.load()? == *history.state());
            store.commit(history.entries(20))?;
            ensure!(store.load()? == *history.state());
            ensure!(store.log_tail(100)?.len() == 60);
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_lost_is_found_not_to_be_there_and_is_written() -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            relay.next(Fate::Lost);
            store.commit(history.entries(20))?;
            ensure!(!relay.is_pending());
            ensure!(store.load()? == *history.state());
            ensure!(store.log_tail(100)?.len() == 40);
            Ok(())
        })
        .await?
    })
    .await
}

/// The server still has the old connection when the state is read back. Had it not been ended first, the text would land behind the one
/// that was sent in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_after_reading_back_does_not_land() -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        let runtime = tokio::runtime::Handle::current();
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            relay.next(Fate::Late);
            store.commit(history.entries(20))?;
            ensure!(!relay.is_pending());
            runtime.block_on(relay.release());
            ensure!(store.load()? == *history.state());
            store.commit(history.entries(20))?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

/// Nobody can be asked what became of it, until somebody can.
#[tokio::test]
async fn a_batch_is_unknown_when_its_server_goes_down_with_it_and_reading_back_tells() -> Result<()>
{
    on_each(async |fleet| {
        let plan = options(fleet, "store")?;
        let (store, mut history) = begun(plan, 30).await?;
        let before = history.state().clone();
        let locker = locked(fleet).await?;
        let committing = tokio::task::spawn_blocking(move || {
            let outcome = store.commit(history.entries(5));
            (outcome, store, history)
        });
        waiting(fleet).await?;
        fleet["a"].kill()?;
        let (outcome, store, history) = committing.await?;
        drop(locker);
        let error = outcome.unwrap_err();
        ensure!(error.kind() == ErrorKind::OutcomeUnknown, "{error}");
        fleet["a"].start().await?;
        blocking(move || -> Result<()> {
            ensure!(store.applied_index()? == 30);
            ensure!(store.load()? == before);
            ensure!(history.state().applied_index == 35);
            Ok(())
        })
        .await?
    })
    .await
}

/// A small write whose commit has this fate is unknown, and reading back tells what became of it.
async fn is_unknown_until_read(fate: Fate, reads: u64) -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            grown(&store, 20)?;
            relay.next(fate);
            let unknown = store.set_performed_index(7).unwrap_err();
            ensure!(unknown.kind() == ErrorKind::OutcomeUnknown, "{unknown}");
            ensure!(store.performed_index()? == reads);
            store.set_performed_index(7)?;
            ensure!(store.performed_index()? == 7);
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_unknown_and_reading_back_tells_that_it_took_effect()
-> Result<()> {
    is_unknown_until_read(Fate::AnswerLost, 7).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_lost_is_unknown_and_reading_back_tells_that_nothing_happened()
-> Result<()> {
    is_unknown_until_read(Fate::Lost, 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_after_reading_back_does_not_land() -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        let runtime = tokio::runtime::Handle::current();
        blocking(move || -> Result<()> {
            let store = open(options)?;
            grown(&store, 20)?;
            relay.next(Fate::Late);
            let unknown = store.set_performed_index(7).unwrap_err();
            ensure!(unknown.kind() == ErrorKind::OutcomeUnknown, "{unknown}");
            ensure!(!relay.is_pending());
            ensure!(store.performed_index()? == 0);
            runtime.block_on(relay.release());
            ensure!(store.performed_index()? == 0);
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_has_everything_that_was_acknowledged() -> Result<()>
{
    on_each(async |fleet| {
        let options = options(fleet, "store")?;
        let (store, mut history) = begun(options, 30).await?;
        fleet["a"].kill()?;
        let (store, history) = blocking(move || -> Result<_> {
            let batch = history.entries(5);
            let refused = store.commit(batch.clone()).unwrap_err();
            // It had closed the connection, which cannot be told from one that was lost with the batch.
            ensure!(refused.kind() == ErrorKind::OutcomeUnknown, "{refused}");
            Ok((store, (history, batch)))
        })
        .await??;
        fleet["a"].start().await?;
        blocking(move || -> Result<()> {
            let (history, batch) = history;
            ensure!(store.applied_index()? == 30);
            store.commit(batch)?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}
