//! From databases on servers, and from a file beside a store on a server.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Account, Flavour, Fleet, Node, NodePlan, Plan, Server, wait_until};

use crate::from_files::{PATH, SOON, check_report, check_store, read_only};
use crate::old;

/// It may look and nothing else.
const LOOKER: Account = Account {
    user: "looker",
    password: "looker_pw",
};

fn in_mysql(seconds: i64) -> String {
    format!("(NOW() + INTERVAL {seconds} SECOND)")
}

/// The predecessor's tables in a database of that name.
async fn old_database(server: &Server, name: &str) -> Result<()> {
    server
        .run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        .await?;
    for statement in old::statements(in_mysql) {
        let placed = statement
            .replace("CREATE TABLE ", &format!("CREATE TABLE {name}."))
            .replace("INSERT INTO ", &format!("INSERT INTO {name}."));
        server.run(&placed).await.with_context(|| placed.clone())?;
    }
    Ok(())
}

/// What the tables hold, by their checksums.
async fn checksums(server: &Server, database: &str) -> Result<Vec<String>> {
    let tables = old::TABLES.map(|table| format!("{database}.{table}"));
    let rows = server
        .rows(&format!("CHECKSUM TABLE {}", tables.join(",")))
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.text("Checksum").to_owned())
        .collect())
}

/// What was ever written on the server.
async fn written(server: &Server, flavour: Flavour) -> Result<String> {
    let query = match flavour {
        Flavour::MariaDb => "SELECT @@GLOBAL.gtid_binlog_pos AS x",
        _ => "SELECT @@GLOBAL.gtid_executed AS x",
    };
    let rows = server.rows(query).await?;
    Ok(rows[0].text("x").to_owned())
}

async fn hosts(server: &Server, database: &str) -> Result<Vec<String>> {
    let query =
        format!("SELECT CAST(host AS CHAR) AS h FROM {database}.decided_downtime ORDER BY host");
    let rows = server.rows(&query).await?;
    Ok(rows.iter().map(|row| row.text("h").to_owned()).collect())
}

fn plan(fleet: &Fleet) -> Result<NodePlan> {
    Ok(NodePlan::on(fleet.node_address()?).with("AuthenticationMethod", "none"))
}

/// A new store in a file takes over what was in the predecessor's database, by an account that cannot write.
async fn into_a_file(fleet: &Fleet, flavour: Flavour) -> Result<()> {
    let server = &fleet["a"];
    old_database(server, "old").await?;
    let (user, password) = (LOOKER.user, LOOKER.password);
    server
        .run(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'"
        ))
        .await?;
    server
        .run(&format!("GRANT SELECT ON old.* TO '{user}'@'%'"))
        .await?;
    let node = Node::start(
        plan(fleet)?
            .store_on(server, "old", LOOKER)
            .with("BackendDB", "sqlite"),
    )
    .await?;
    let nothing = node.get(PATH).await?;
    ensure!(nothing.status == 404, "beside its store: {}", nothing.text);
    // Processes of the predecessor on other hosts still write there.
    server
        .run(&format!(
            "UPDATE old.node_health SET last_seen_active={}",
            in_mysql(60)
        ))
        .await?;
    let refused = node.get(&format!("{PATH}?from=mysql")).await?;
    ensure!(
        refused.status == 409 && refused.text.contains("orc1.invalid"),
        "{}",
        refused.text
    );
    let before = (
        checksums(server, "old").await?,
        written(server, flavour).await?,
    );
    let forced = node.get(&format!("{PATH}?from=mysql&force=true")).await?;
    ensure!(forced.status == 200, "{}", forced.text);
    check_report(&forced.json)?;
    check_store(&read_only(&node.folder().join("orchestrator.sqlite3"))?)?;
    let again = node.get(&format!("{PATH}?from=mysql")).await?;
    ensure!(
        again.json["outcome"] == "already-imported",
        "{}",
        again.text
    );
    let after = (
        checksums(server, "old").await?,
        written(server, flavour).await?,
    );
    ensure!(before == after, "{before:?}, then {after:?}");
    ensure!(node.terminate().await?.success());
    Ok(())
}

/// A store in the predecessor's own database takes over what is there without being asked.
async fn into_the_same_database(fleet: &Fleet) -> Result<()> {
    let server = &fleet["a"];
    old_database(server, "shared").await?;
    let before = checksums(server, "shared").await?;
    let node = Node::start(plan(fleet)?.store_on(server, "shared", Account::LAB)).await?;
    wait_until("the import", SOON, async || {
        let found = hosts(server, "shared").await?;
        ensure!(found == ["a.invalid", "b.invalid"], "{found:?}");
        Ok(())
    })
    .await?;
    ensure!(checksums(server, "shared").await? == before);
    ensure!(node.terminate().await?.success());
    // Whoever comes up again has nothing left to do.
    server
        .run("DELETE FROM shared.decided_downtime WHERE host='a.invalid'")
        .await?;
    node.start_again().await?;
    let again = node.get(PATH).await?;
    ensure!(
        again.json["outcome"] == "already-imported",
        "{}",
        again.text
    );
    ensure!(hosts(server, "shared").await? == ["b.invalid"]);
    ensure!(node.terminate().await?.success());
    Ok(())
}

/// A store on a server takes over what was in a file, which stays as it is byte for byte.
async fn from_a_file(fleet: &Fleet) -> Result<()> {
    let server = &fleet["a"];
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("old.sqlite3");
    old::in_file(&file)?;
    let before = std::fs::read(&file)?;
    let plan = plan(fleet)?
        .store_on(server, "fresh", Account::LAB)
        .with("SQLite3DataFile", file.display().to_string());
    let node = Node::start(plan).await?;
    let done = node.get(&format!("{PATH}?from=sqlite")).await?;
    ensure!(done.status == 200, "{}", done.text);
    check_report(&done.json)?;
    ensure!(hosts(server, "fresh").await? == ["a.invalid", "b.invalid"]);
    ensure!(std::fs::read(&file)? == before, "the file was changed");
    ensure!(
        std::fs::read_dir(folder.path())?.count() == 1,
        "there are files beside it"
    );
    ensure!(node.terminate().await?.success());
    Ok(())
}

async fn everything(flavour: Flavour) -> Result<()> {
    // Another time zone than any that the machine of a test is likely to have.
    let fleet = Plan::of(flavour, "a")
        .with("default_time_zone", "+05:45")
        .build()
        .await?;
    into_a_file(&fleet, flavour).await?;
    into_the_same_database(&fleet).await?;
    from_a_file(&fleet).await
}

#[tokio::test]
async fn on_mariadb() -> Result<()> {
    everything(Flavour::MariaDb).await
}

#[tokio::test]
async fn on_mysql() -> Result<()> {
    everything(Flavour::MySql).await
}

#[tokio::test]
async fn on_mysql_5_6() -> Result<()> {
    everything(Flavour::MySql56).await
}
