//! One process has a database at a time.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator::store::{DecisionStore, Error, MysqlOptions};
use orchestrator_core::domain::Timestamp;
use raft_tests::lab::Stopwatch;

use crate::world::{begun, blocking, end_connection, grown, on_each, open, options};

fn of(options: &MysqlOptions, node: &str) -> MysqlOptions {
    let mut options = options.clone();
    options.node = node.to_owned();
    options
}

#[tokio::test]
async fn a_second_node_is_refused_while_the_first_lives_and_not_after_it_ended() -> Result<()> {
    on_each(async |fleet| {
        let options = options(fleet, "store")?;
        blocking(move || -> Result<()> {
            let first = open(options.clone())?;
            let history = grown(&first, 10)?;
            let other = of(&options, "node2:3000");
            let second = std::thread::spawn(move || open(other).err());
            // As a node does once a second.
            let mut seconds = 0;
            while !second.is_finished() {
                seconds += 1;
                first.beat(Timestamp::from_seconds(seconds))?;
                std::thread::sleep(Duration::from_millis(200));
            }
            let refused = second.join().unwrap();
            ensure!(
                matches!(&refused, Some(Error::Shared { holder, .. }) if holder == "node1:3000"),
                "{refused:?}"
            );
            ensure!(first.load()? == *history.state(), "nothing was touched");
            drop(first);
            let watch = Stopwatch::start();
            let second = open(of(&options, "node2:3000"))?;
            ensure!(watch.elapsed() < Duration::from_secs(5), "it was free");
            ensure!(second.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test]
async fn a_node_whose_silent_database_was_taken_cannot_write_and_says_who_has_it() -> Result<()> {
    on_each(async |fleet| {
        let options = options(fleet, "store")?;
        blocking(move || -> Result<()> {
            let first = open(options.clone())?;
            let mut history = grown(&first, 10)?;
            // It says nothing for ten seconds, and its connection is still there.
            let second = open(of(&options, "node2:3000"))?;
            ensure!(second.load()? == *history.state());
            let batch = history.entries(1);
            let refused = first.commit(batch.clone()).unwrap_err();
            // Its connection was ended, perhaps with a word and perhaps without.
            ensure!(
                matches!(&refused, Error::Taken { .. } | Error::OutcomeUnknown { .. }),
                "{refused}"
            );
            let refused = first.commit(batch).unwrap_err();
            ensure!(
                matches!(&refused, Error::Taken { holder, .. } if holder == "node2:3000"),
                "{refused}"
            );
            ensure!(matches!(first.load(), Err(Error::Taken { .. })));
            ensure!(second.applied_index()? == 10);
            drop(first);
            second.beat(Timestamp::from_seconds(1))?;
            Ok(())
        })
        .await?
    })
    .await
}

/// A process that was killed leaves its row; the server closes its connection.
#[tokio::test]
async fn a_node_that_comes_back_takes_its_database_at_once() -> Result<()> {
    on_each(async |fleet| {
        let options = options(fleet, "store")?;
        let again = options.clone();
        let left = blocking(move || -> Result<_> {
            let first = open(again)?;
            grown(&first, 10)?;
            Ok(first)
        })
        .await??;
        end_connection(fleet).await?;
        blocking(move || -> Result<()> {
            let watch = Stopwatch::start();
            let second = open(options)?;
            ensure!(watch.elapsed() < Duration::from_secs(5));
            ensure!(second.applied_index()? == 10);
            let refused = left.beat(Timestamp::from_seconds(1)).unwrap_err();
            ensure!(!matches!(refused, Error::Closed { .. }), "{refused}");
            Ok(())
        })
        .await?
    })
    .await
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_opened_again_without_a_word() -> Result<()> {
    on_each(async |fleet| {
        let options = options(fleet, "store")?;
        let (store, mut history) = begun(options, 10).await?;
        end_connection(fleet).await?;
        blocking(move || -> Result<()> {
            store.commit(history.entries(10))?;
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}
