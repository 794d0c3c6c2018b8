//! Servers that do not let a node in, or not write.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orchestrator::store::{AppliedEntry, DecisionStore, Error, ErrorKind};
use orchestrator_core::decided::{Command, Decided};
use orchestrator_core::domain::{InstanceKey, Secret};
use raft_tests::contract::{History, MINUTE, START};
use raft_tests::lab::{Flavour, Plan, Stopwatch};

use crate::world::{ALL, begun, blocking, grown, on_each, open, options, server};

#[tokio::test]
async fn an_account_without_rights_is_refused_until_it_has_them() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let server = &fleet["a"];
        let mut plan = options(&fleet, "store")?;
        plan.user = "keeper".to_owned();
        plan.password = Secret::new("keeper_pw");
        let again = plan.clone();
        let attempt = async || {
            let again = again.clone();
            blocking(move || open(again).err()).await
        };
        let denied = |error: &Option<Error>| matches!(error, Some(error @ Error::Denied { .. }) if error.kind() == ErrorKind::Retryable);
        let error = attempt().await?;
        ensure!(denied(&error), "no such account: {error:?}");
        server
            .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw'")
            .await?;
        let error = attempt().await?;
        ensure!(
            denied(&error),
            "no database, no right to make one: {error:?}"
        );
        ensure!(!error.unwrap().to_string().contains("keeper_pw"));
        server.run("CREATE DATABASE store").await?;
        server
            .run("GRANT SELECT ON store.* TO 'keeper'@'%'")
            .await?;
        let error = attempt().await?;
        ensure!(denied(&error), "it may not make tables: {error:?}");
        server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
        let error = attempt().await?;
        ensure!(error.is_none(), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_read_only_server_takes_nothing_and_goes_on_when_it_is_writable() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let server = &fleet["a"];
        server
            .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw'")
            .await?;
        server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
        for leaves in [false, true] {
            let mut plan = options(&fleet, "store")?;
            plan.user = "keeper".to_owned();
            plan.password = Secret::new("keeper_pw");
            plan.leaves_read_only = leaves;
            let again = plan.clone();
            let (store, mut history) = blocking(move || -> Result<_> {
                let store = open(again)?;
                let history = History::from(store.identity()?.group, 3, store.load()?);
                Ok((store, history))
            })
            .await??;
            server.run("SET GLOBAL read_only=1").await?;
            let (store, (history, batch)) = blocking(move || -> Result<_> {
                let batch = history.entries(20);
                let refused = store.commit(batch.clone()).unwrap_err();
                ensure!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
                ensure!(refused.kind() == ErrorKind::Retryable);
                let applied = batch[0].index - 1;
                ensure!(store.applied_index()? == applied, "it can be read");
                Ok((store, (history, batch)))
            })
            .await??;
            server.run("SET GLOBAL read_only=0").await?;
            blocking(move || -> Result<()> {
                store.commit(batch)?;
                ensure!(store.load()? == *history.state());
                Ok(())
            })
            .await?
            .with_context(|| format!("{flavour:?}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_deadline_and_what_was_under_way_ends() -> Result<()>
{
    on_each(async |fleet| {
        let mut plan = options(fleet, "store")?;
        plan.read_timeout = Duration::from_secs(2);
        let (store, mut history) = begun(plan, 10).await?;
        fleet["a"].freeze()?;
        let (store, (history, batch)) = blocking(move || -> Result<_> {
            let batch = history.entries(10);
            let watch = Stopwatch::start();
            let refused = store.commit(batch.clone()).unwrap_err();
            ensure!(refused.kind() == ErrorKind::OutcomeUnknown, "{refused}");
            ensure!(watch.elapsed() < Duration::from_secs(8));
            Ok((store, (history, batch)))
        })
        .await??;
        fleet["a"].thaw()?;
        blocking(move || -> Result<()> {
            // It may have found the text before it was told to end the connection.
            let found = store.applied_index()?;
            ensure!(found == 10 || found == 20, "{found}");
            if found == 10 {
                store.commit(batch)?;
            }
            ensure!(store.load()? == *history.state());
            Ok(())
        })
        .await?
    })
    .await
}

/// Changes that take some space each, until one is refused; what was committed before it, and what was not.
fn fill(
    store: &dyn DecisionStore,
    history: &mut History,
) -> Result<(Decided, AppliedEntry, Error)> {
    const MOST: usize = 2_000;
    for number in 0..MOST {
        let before = history.state().clone();
        let command = Command::BeginDowntime {
            key: InstanceKey::parse(&format!("db{number}"), 3306)?,
            owner: "ann".to_owned(),
            reason: "x".repeat(50_000),
            ends_at: START.plus(MINUTE),
        };
        let entry = history.entry(START, command);
        if let Err(error) = store.commit(vec![entry.clone()]) {
            return Ok((before, entry, error));
        }
    }
    anyhow::bail!("there was space for all {MOST}")
}

#[tokio::test]
async fn a_server_without_space_takes_nothing_until_it_has_some() -> Result<()> {
    let space = |most: &str| format!("ibdata1:12M:autoextend:max:{most}");
    let fleet = Plan::mariadb("a")
        .with("innodb_file_per_table", 0)
        .with("innodb_data_file_path", space("30M"))
        .build()
        .await?;
    let plan = options(&fleet, "store")?;
    let (store, history, before, refused) = blocking(move || -> Result<_> {
        let store = open(plan)?;
        let mut history = History::new(store.identity()?.group, 1);
        let (before, refused, error) = fill(&store, &mut history)?;
        ensure!(matches!(error, Error::Full { .. }), "{error}");
        ensure!(error.kind() == ErrorKind::Retryable);
        ensure!(store.load()? == before, "nothing is half done");
        Ok((store, history, before, refused))
    })
    .await??;
    let server = &fleet["a"];
    server.stop().await?;
    server.set("innodb_data_file_path", space("90M"));
    server.start().await?;
    blocking(move || -> Result<()> {
        ensure!(store.load()? == before, "nothing is lost");
        store.commit(vec![refused])?;
        ensure!(store.load()? == *history.state());
        Ok(())
    })
    .await?
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_with_its_name() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    let mut plan = options(&fleet, "store")?;
    plan.server = InstanceKey::parse(&fleet["a"].host().to_string(), 1)?;
    let key = plan.server.to_string();
    let error = blocking(move || open(plan).err()).await?;
    let error = error.context("there is nobody")?;
    ensure!(error.kind() == ErrorKind::Retryable, "{error}");
    ensure!(error.to_string().contains(&key), "{error}");
    Ok(())
}

/// What an operator may have done by hand.
#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage_and_a_table_that_is_gone_too() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    let plan = options(&fleet, "store")?;
    let (store, _) = blocking(move || -> Result<_> {
        let store = open(plan)?;
        let history = grown(&store, 100)?;
        Ok((store, history))
    })
    .await??;
    let server = &fleet["a"];
    server
        .run("INSERT INTO store.decided_candidate VALUES ('a',1,'best',0,0)")
        .await?;
    let store = blocking(move || -> Result<_> {
        let error = store.load().unwrap_err();
        ensure!(
            matches!(&error, Error::Damaged { detail, .. } if detail.contains("decided_candidate")),
            "{error}"
        );
        Ok(store)
    })
    .await??;
    server.run("DROP TABLE store.decided_candidate").await?;
    blocking(move || -> Result<()> {
        let error = store.load().unwrap_err();
        ensure!(error.kind() == ErrorKind::Fatal, "{error}");
        Ok(())
    })
    .await?
}
