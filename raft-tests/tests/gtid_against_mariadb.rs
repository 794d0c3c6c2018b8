//! MariaDB positions and binary log states compared with two real servers: reading, printing, the current position, and
//! above all from where a source serves a replica, which is what divergence is judged by.
//!
//! The cases are drawn from a seed; `GTID_SEED=… cargo test -p raft-tests --test gtid_against_mariadb` replays one.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use orchestrator_core::domain::gtid::{
    MariadbBinlogState, MariadbGtid, MariadbPosition, StartProblem,
};

const CASES: usize = 120;
const DEFAULT_SEED: u64 = 0x6d61_7269_6164;

/// The `server_id` of the source; it is one of those that the drawn transactions carry.
const SOURCE_ID: u32 = 1;
const REPLICA_ID: u32 = 50;

/// Each case has domains of its own, from here on, so that it needs no empty binary log to begin with.
const FIRST_DOMAIN: u32 = 100;

/// A domain that no drawn position has: its transactions show that a replica is served.
const PROOF_DOMAIN: u32 = 99;

/// `ER_MASTER_FATAL_ERROR_READING_BINLOG`, with which a source refuses a position.
const REFUSED: u16 = 1236;

/// How long anything may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn positions_agree_with_real_mariadb_servers() -> Result<()> {
    let seed = std::env::var("GTID_SEED")
        .ok()
        .map_or(Ok(DEFAULT_SEED), |text| text.parse())?;
    println!("GTID_SEED={seed}");
    let (source, replica) = (Server::start(SOURCE_ID)?, Server::start(REPLICA_ID)?);
    let mut pair = Pair {
        source: source.connect().await?,
        replica: replica.connect().await?,
        proofs: 0,
    };
    let change = "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='root', MASTER_USE_GTID=slave_pos, MASTER_PORT=";
    pair.replica
        .query_drop(format!("{change}{}", source.port))
        .await?;

    let (mut served, mut not_reached, mut diverged) = (0, 0, 0);
    let mut draw = Draw {
        seed,
        domain: FIRST_DOMAIN,
    };
    for case in 0..CASES {
        let context = || format!("GTID_SEED={seed}, case {case}");
        match pair.run_case(&mut draw).await.with_context(context)? {
            None => served += 1,
            Some(StartProblem::NotReached { .. }) => not_reached += 1,
            Some(StartProblem::Diverged { .. }) => diverged += 1,
        }
    }
    println!(
        "{CASES} cases agree: {served} served, {not_reached} not reached, {diverged} diverged"
    );
    ensure!(
        served > 10 && not_reached > 5 && diverged > 5,
        "the drawn cases do not test enough"
    );
    Ok(())
}

struct Pair {
    source: Conn,
    replica: Conn,
    proofs: u64,
}

impl Pair {
    /// Gives the source a drawn history and the replica a drawn position, and compares whether the one serves the other.
    async fn run_case(&mut self, draw: &mut Draw) -> Result<Option<StartProblem>> {
        self.replica.query_drop("STOP SLAVE").await?;
        self.source
            .query_drop("SET GLOBAL gtid_slave_pos = ''")
            .await?;
        let before = MariadbPosition::parse(&text(&mut self.source, "gtid_binlog_pos").await?)?;
        draw.domain += 10;
        let history = draw.history();
        for gtid in &history {
            let MariadbGtid {
                domain,
                server_id,
                sequence,
            } = gtid;
            let set = format!(
                "SET SESSION gtid_domain_id={domain}, server_id={server_id}, gtid_seq_no={sequence}"
            );
            self.source.query_drop(set).await?;
            self.source
                .query_drop("DROP TABLE IF EXISTS test.nothing")
                .await?;
        }
        let asked = draw.position(&history);
        if draw.below(3) == 0 {
            let applied = draw.position(&history);
            let own = if draw.below(2) == 0 { &asked } else { &applied };
            self.source
                .query_drop(format!("SET GLOBAL gtid_slave_pos = '{own}'"))
                .await?;
        }
        let (state, slave_pos) = self.check_source().await?;
        // Of the cases before, the replica has everything: their domains are not asked for again.
        let asked = asked.union(&before);
        self.replica
            .query_drop(format!("SET GLOBAL gtid_slave_pos = '{asked}'"))
            .await?;
        ensure!(
            text(&mut self.replica, "gtid_slave_pos").await? == asked.to_string(),
            "{asked} prints differently"
        );

        let problems = state.start_problems(&asked, &slave_pos);
        let refusal = self.refusal().await?;
        let context = format!(
            "{asked} asked of {state}, drawn {history:?}, applied there {slave_pos}: {problems:?}, the server: {refusal:?}"
        );
        ensure!(problems.is_empty() == refusal.is_none(), "{context}");
        let first = problems.first().copied();
        if let ([problem], Some(said)) = (problems.as_slice(), refusal) {
            let is_diverged = matches!(problem, StartProblem::Diverged { .. });
            ensure!(
                is_diverged == said.contains("higher sequence numbers"),
                "{context}"
            );
        }
        Ok(first)
    }

    /// Compares what the source says of itself with what we make of it.
    async fn check_source(&mut self) -> Result<(MariadbBinlogState, MariadbPosition)> {
        let state_text = text(&mut self.source, "gtid_binlog_state").await?;
        let binlog_text = text(&mut self.source, "gtid_binlog_pos").await?;
        let slave_text = text(&mut self.source, "gtid_slave_pos").await?;
        let current_text = text(&mut self.source, "gtid_current_pos").await?;
        let state = MariadbBinlogState::parse(&state_text)?;
        let slave_pos = MariadbPosition::parse(&slave_text)?;
        ensure!(
            state.position().to_string() == binlog_text,
            "{state_text} gives {:?}, not {binlog_text}",
            state.position()
        );
        let current = MariadbPosition::current(&slave_pos, &state.position(), SOURCE_ID);
        ensure!(
            current.to_string() == current_text,
            "{slave_text} and {binlog_text} give {current}, not {current_text}"
        );
        Ok((state, slave_pos))
    }

    /// Starts the replica. `None` when a transaction written after that arrives; else what the receiver says.
    async fn refusal(&mut self) -> Result<Option<String>> {
        self.replica.query_drop("START SLAVE").await?;
        self.proofs += 1;
        let set = format!(
            "SET SESSION gtid_domain_id={PROOF_DOMAIN}, server_id={SOURCE_ID}, gtid_seq_no={}",
            self.proofs
        );
        self.source.query_drop(set).await?;
        self.source
            .query_drop("DROP TABLE IF EXISTS test.nothing")
            .await?;
        let outcome = tokio::time::timeout(LIMIT, async {
            loop {
                let applied =
                    MariadbPosition::parse(&text(&mut self.replica, "gtid_slave_pos").await?)?;
                if applied
                    .last_of(PROOF_DOMAIN)
                    .is_some_and(|last| last.sequence == self.proofs)
                {
                    return anyhow::Ok(None);
                }
                let status: Row = self
                    .replica
                    .query_first("SHOW SLAVE STATUS")
                    .await?
                    .context("it is a replica")?;
                let (number, said) = (
                    status.get::<u16, _>("Last_IO_Errno"),
                    status.get::<String, _>("Last_IO_Error"),
                );
                match number {
                    Some(0) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Some(REFUSED) => return Ok(said),
                    other => bail!("the receiver stopped with {other:?}: {said:?}"),
                }
            }
        });
        outcome
            .await
            .context("the replica was neither served nor refused")?
    }
}

async fn text(conn: &mut Conn, variable: &str) -> Result<String> {
    conn.query_first(format!("SELECT @@GLOBAL.{variable}"))
        .await?
        .context("a variable has a value")
}

/// Random choices from a seed (splitmix64).
struct Draw {
    seed: u64,
    /// The first of the ten domains of this case.
    domain: u32,
}

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn id(&mut self, bound: u64) -> u32 {
        u32::try_from(self.below(bound)).expect("bounds are small")
    }

    /// Transactions of three servers in two domains, with growing numbers in each domain.
    fn history(&mut self) -> Vec<MariadbGtid> {
        let mut last = [self.below(5), self.below(5)];
        let mut gtid = |draw: &mut Self| {
            let which = draw.id(2);
            let sequence = &mut last[which as usize];
            *sequence += 1 + draw.below(3);
            MariadbGtid {
                domain: draw.domain + which,
                server_id: SOURCE_ID + draw.id(3),
                sequence: *sequence,
            }
        };
        (0..self.below(8)).map(|_| gtid(self)).collect()
    }

    /// A position near a history: some of its transactions, at times another number or server, or a domain of its own.
    fn position(&mut self, history: &[MariadbGtid]) -> MariadbPosition {
        let mut position = MariadbPosition::new();
        for &gtid in history {
            if self.below(2) == 0 {
                position.advance_to(gtid);
            }
        }
        if let Some(&gtid) = position.gtids().first().filter(|_| self.below(4) > 0) {
            let (server_id, sequence) = match self.below(3) {
                0 => (SOURCE_ID + self.id(4), gtid.sequence),
                1 => (gtid.server_id, gtid.sequence + 1 + self.below(4)),
                _ => (SOURCE_ID + self.id(4), 1 + self.below(20)),
            };
            position.advance_to(MariadbGtid {
                server_id,
                sequence,
                ..gtid
            });
        }
        if self.below(5) == 0 {
            position.advance_to(MariadbGtid {
                domain: self.domain + 7,
                server_id: 3,
                sequence: 1 + self.below(9),
            });
        }
        position
    }
}

/// A MariaDB of its own, ended with this value.
struct Server {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start(server_id: u32) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (log, data) = (
            directory.path().join("log"),
            format!("--datadir={}", directory.path().join("data").display()),
        );
        let method = "--auth-root-authentication-method=normal";
        let installed = command("mariadb-install-db", directory.path())?
            .args(["--no-defaults", "--user=root", &data, method])
            .status();
        let installed = installed.context(
            "this test compares with a real MariaDB; install the package mariadb-server",
        )?;
        ensure!(
            installed.success(),
            "mariadb-install-db failed: {}",
            fs::read_to_string(&log)?
        );
        let port = free_port()?;
        let socket = format!("--socket={}", directory.path().join("sock").display());
        let process = command("mariadbd", directory.path())?
            .args([
                "--no-defaults",
                "--user=root",
                &data,
                &socket,
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
            ])
            .args([
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--performance-schema=0",
            ])
            .args([format!("--port={port}"), format!("--server-id={server_id}")])
            .args((server_id == SOURCE_ID).then_some("--log-bin=bin"))
            .spawn()?;
        Ok(Self {
            process,
            directory,
            port,
        })
    }

    /// Connects as soon as the server answers.
    async fn connect(&self) -> Result<Conn> {
        let socket = self.directory.path().join("sock").display().to_string();
        let options = OptsBuilder::default()
            .socket(Some(socket))
            .user(Some("root"));
        let answered = tokio::time::timeout(LIMIT, async {
            loop {
                match Conn::new(options.clone()).await {
                    Ok(conn) => return conn,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        match answered.await {
            Ok(conn) => Ok(conn),
            Err(_) => bail!(
                "MariaDB did not answer: {}",
                fs::read_to_string(self.directory.path().join("log"))?
            ),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do then.
        if self.process.kill().is_ok() {
            self.process
                .wait()
                .expect("a child that was killed can be waited for");
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the real servers under test are processes"
)]
fn command(program: &str, directory: &Path) -> Result<Command> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    let mut command = Command::new(program);
    // Temporary files of two servers that start at once can have the same name.
    command.env("TMPDIR", directory);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}
