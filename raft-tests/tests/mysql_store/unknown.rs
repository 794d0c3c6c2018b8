//! Commits whose outcome is not known.

use anyhow::{Result, ensure};
use orchestrator::store::{DecisionStore, Error, ErrorKind, MysqlOptions};
use orchestrator_core::domain::InstanceKey;
use raft_tests::lab::Fleet;

use crate::relay::{Fate, Relay};
use crate::world::{begun, blocking, grown, on_each, open, options};

async fn behind(relay: &Relay, fleet: &Fleet) -> Result<MysqlOptions> {
    let mut options = options(fleet, "store")?;
    options.server = InstanceKey::parse(&relay.address.ip().to_string(), relay.address.port())?;
    Ok(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_unknown_and_reading_back_tells_that_it_took_effect()
-> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            relay.next(Fate::AnswerLost);
            let unknown = store.commit(history.entries(20)).unwrap_err();
            ensure!(unknown.kind() == ErrorKind::OutcomeUnknown, "{unknown}");
            ensure!(store.applied_index()? == 40);
            ensure!(store.load()? == *history.state());
            store.commit(history.entries(20))?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_lost_is_unknown_and_reading_back_tells_that_nothing_happened()
-> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            let before = history.state().clone();
            relay.next(Fate::Lost);
            let batch = history.entries(20);
            let unknown = store.commit(batch.clone()).unwrap_err();
            ensure!(unknown.kind() == ErrorKind::OutcomeUnknown, "{unknown}");
            ensure!(store.load()? == before);
            store.commit(batch)?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

/// The server still has the old connection when the state is read back. Had it not been ended first, the commit would land behind the
/// answer that it had not.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_after_reading_back_does_not_land() -> Result<()> {
    on_each(async |fleet| {
        let relay = Relay::before(&fleet["a"]).await?;
        let options = behind(&relay, fleet).await?;
        let runtime = tokio::runtime::Handle::current();
        blocking(move || -> Result<()> {
            let store = open(options)?;
            let mut history = grown(&store, 20)?;
            let before = history.state().clone();
            relay.next(Fate::Late);
            let batch = history.entries(20);
            let unknown = store.commit(batch.clone()).unwrap_err();
            ensure!(unknown.kind() == ErrorKind::OutcomeUnknown, "{unknown}");
            ensure!(!relay.is_pending());
            ensure!(store.applied_index()? == 20);
            runtime.block_on(relay.release());
            ensure!(store.load()? == before);
            store.commit(batch)?;
            ensure!(store.load()? == *history.state());
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
            // It had closed the connection: the commit did not even begin.
            ensure!(matches!(refused, Error::Unreachable { .. }), "{refused}");
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
