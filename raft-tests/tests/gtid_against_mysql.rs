//! GTID sets compared with those of a real MySQL 9.7: reading, printing, subtracting, containing, and what is refused.
//!
//! The sets are drawn from a seed; `GTID_SEED=… cargo test -p raft-tests --test gtid_against_mysql` replays one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use orchestrator_core::domain::gtid::{OracleGtidSet, Problem};

const PAIRS: usize = 3_000;
const SPOILED_TEXTS: usize = 3_000;
const DEFAULT_SEED: u64 = 0x6774_6964_2073;

/// `ER_MALFORMED_GTID_SET_SPECIFICATION`.
const MALFORMED: u16 = 1772;

#[tokio::test]
async fn gtid_sets_agree_with_a_real_mysql() -> Result<()> {
    let seed = std::env::var("GTID_SEED")
        .ok()
        .map_or(Ok(DEFAULT_SEED), |text| text.parse())?;
    println!("GTID_SEED={seed}");
    let server = Server::start()?;
    let mut conn = server.connect().await?;
    let mut draw = Draw(seed);

    algebra_agrees(&mut conn, &mut draw)
        .await
        .with_context(|| format!("GTID_SEED={seed}"))?;
    refusals_agree(&mut conn, &mut draw)
        .await
        .with_context(|| format!("GTID_SEED={seed}"))?;
    executed_transactions_agree(&mut conn, &mut draw)
        .await
        .with_context(|| format!("GTID_SEED={seed}"))?;
    conn.disconnect().await?;
    Ok(())
}

/// What the server answers for two texts, in the order of [`QUESTION`].
type Answer = (String, String, bool, bool, String, String, String);

const QUESTION: &str = "SELECT GTID_SUBTRACT(?, ?), GTID_SUBTRACT(?, ?), GTID_SUBSET(?, ?), GTID_SUBSET(?, ?), \
    GTID_SUBTRACT(?, ''), GTID_SUBTRACT(CONCAT(?, ',', ?), ''), GTID_SUBTRACT(?, GTID_SUBTRACT(?, ?))";

async fn algebra_agrees(conn: &mut Conn, draw: &mut Draw) -> Result<()> {
    let (mut overlapping, mut subsets, mut tagged) = (0, 0, 0);
    for _ in 0..PAIRS {
        let (a, b) = draw.pair();
        let parameters =
            [&a, &b, &b, &a, &a, &b, &b, &a, &a, &a, &b, &a, &a, &b].map(mysql_async::Value::from);
        let answer: Answer = conn
            .exec_first(QUESTION, parameters.to_vec())
            .await?
            .context("one row")?;
        let (x, y): (OracleGtidSet, OracleGtidSet) = (a.parse()?, b.parse()?);
        let ours: Answer = (
            x.subtract(&y).to_string(),
            y.subtract(&x).to_string(),
            y.contains(&x),
            x.contains(&y),
            x.to_string(),
            x.union(&y).to_string(),
            x.intersect(&y).to_string(),
        );
        ensure!(
            ours == answer,
            "{a:?}\nand {b:?}\nours:   {ours:?}\nserver: {answer:?}"
        );
        overlapping += usize::from(x.intersects(&y));
        subsets += usize::from(!x.is_empty() && y.contains(&x));
        tagged += usize::from(x.parts().any(|(tsid, _)| tsid.tag.is_some()));
    }
    println!("{PAIRS} pairs agree: {overlapping} overlap, {subsets} subsets, {tagged} tagged");
    ensure!(
        overlapping > PAIRS / 3 && subsets > PAIRS / 20 && tagged > PAIRS / 3,
        "the drawn sets do not test enough"
    );
    Ok(())
}

/// Texts with a few characters changed: we must refuse what the server refuses, and read alike what both read. What only we
/// refuse must be one of the forms that the server reads as nothing.
async fn refusals_agree(conn: &mut Conn, draw: &mut Draw) -> Result<()> {
    let (mut both_read, mut both_refuse, mut stricter) = (0, 0, 0);
    for _ in 0..SPOILED_TEXTS {
        let text = draw.spoiled();
        let theirs = canonical(conn, &text).await?;
        match (OracleGtidSet::parse(&text), theirs) {
            (Ok(ours), Some(theirs)) => {
                ensure!(
                    ours.to_string() == theirs,
                    "{text:?}: ours {ours}, the server's {theirs}"
                );
                both_read += 1;
            }
            (Err(_), None) => both_refuse += 1,
            (Ok(ours), None) => bail!("{text:?}: the server refuses it, we read {ours}"),
            (Err(error), Some(theirs)) => {
                let meant = matches!(
                    error.problem,
                    Problem::ReversedRange { .. } | Problem::NoNumbers
                );
                ensure!(
                    meant,
                    "{text:?}: we refuse it ({error}), the server reads {theirs}"
                );
                stricter += 1;
            }
        }
    }
    println!(
        "{SPOILED_TEXTS} spoiled texts: {both_read} read, {both_refuse} refused, {stricter} refused by us only"
    );
    ensure!(
        both_read > 300 && both_refuse > 300 && stricter > 50,
        "the spoiled texts do not test enough"
    );
    Ok(())
}

/// The server's canonical text, or `None` when it calls the text malformed.
async fn canonical(conn: &mut Conn, text: &str) -> Result<Option<String>> {
    match conn
        .exec_first("SELECT GTID_SUBTRACT(?, '')", (text,))
        .await
    {
        Ok(answer) => Ok(answer),
        Err(mysql_async::Error::Server(error)) if error.code == MALFORMED => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Transactions really executed, one by one, tagged and not, arrive in `gtid_executed` as in a set of ours.
async fn executed_transactions_agree(conn: &mut Conn, draw: &mut Draw) -> Result<()> {
    let executed = "SELECT @@GLOBAL.gtid_executed";
    let text: String = conn.query_first(executed).await?.context("one row")?;
    let mut expected = OracleGtidSet::parse(&text)?;
    for _ in 0..60 {
        let gtid = format!("{}:{}", draw.tsid(), 1 + draw.below(12)).to_lowercase();
        conn.query_drop(format!("SET gtid_next = '{gtid}'")).await?;
        conn.query_drop("BEGIN").await?;
        conn.query_drop("COMMIT").await?;
        expected = expected.union(&gtid.parse()?);
    }
    conn.query_drop("SET gtid_next = 'AUTOMATIC'").await?;
    let text: String = conn.query_first(executed).await?.context("one row")?;
    ensure!(
        expected.to_string() == text,
        "ours {expected}, the server's {text}"
    );
    Ok(())
}

/// Random choices from a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// One of a few origins, so that sets meet; in capitals at times.
    fn tsid(&mut self) -> String {
        let uuid = self.pick(&[
            "3e11fa47-71ca-11e1-9e33-c80aa9429562",
            "3e11fa47-71ca-11e1-9e33-c80aa9429563",
            "00000000-0000-0000-0000-000000000001",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ]);
        let tag = self.pick(&[
            "",
            "",
            "",
            ":a",
            ":_a",
            ":a1",
            ":a_",
            ":aa",
            ":this_is_a_tag_of_32_characters__",
        ]);
        let text = format!("{uuid}{tag}");
        if self.below(4) == 0 {
            text.to_uppercase()
        } else {
            text
        }
    }

    fn range(&mut self) -> String {
        let base = [0, 0, 0, 9_223_372_036_854_775_700][self.below(4)];
        let first = base + 1 + self.below(60);
        match self.below(3) {
            0 => first.to_string(),
            _ => format!("{first}-{}", first + self.below(20)),
        }
    }

    /// A set as text: any order, overlaps, repeated origins, white space.
    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(6) {
            text += &self.tsid();
            for _ in 0..=self.below(5) {
                text += self.pick(&[":", ":", ":", " : "]);
                text += &self.range();
            }
            text += self.pick(&[",", ",\n", " , ", ",,"]);
        }
        text
    }

    /// Two sets; often one is made of the other, so that subsets and large overlaps come up.
    fn pair(&mut self) -> (String, String) {
        let (a, b) = (self.text(), self.text());
        match self.below(4) {
            0 => (a.clone(), format!("{a},{b}")),
            1 => (format!("{b},{a}"), b),
            _ => (a, b),
        }
    }

    /// A set with one or two characters removed, doubled or put in, mostly not in the UUID: any change there is refused.
    fn spoiled(&mut self) -> String {
        let mut bytes = self.tsid().into_bytes();
        for _ in 0..=self.below(4) {
            bytes.extend(format!(":{}", self.range()).bytes());
        }
        for _ in 0..=self.below(2) {
            let uuid = if self.below(6) == 0 {
                0
            } else {
                UUID_LENGTH.min(bytes.len() - 1)
            };
            let at = uuid + self.below(bytes.len() - uuid);
            match self.below(4) {
                0 if bytes.len() > 1 => {
                    bytes.remove(at);
                }
                1 => bytes.insert(at, bytes[at]),
                _ => bytes.insert(at, self.pick(&SPOILERS).as_bytes()[0]),
            }
        }
        String::from_utf8(bytes).expect("only ASCII was put in")
    }
}

const UUID_LENGTH: usize = 36;

const SPOILERS: [&str; 15] = [
    ":", ":", "-", ",", "{", "}", "0", "9", "a", "Z", "_", " ", "\n", ";", "+",
];

/// A MySQL of its own, reachable over a socket in its own directory only, ended with this value.
struct Server {
    process: Child,
    directory: tempfile::TempDir,
}

/// How long it may take to come up, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

impl Server {
    fn start() -> Result<Self> {
        let mysqld = home()?.join("bin/mysqld");
        let directory = tempfile::tempdir()?;
        let data = format!("--datadir={}", directory.path().join("data").display());
        let log = directory.path().join("log");
        let initialized = command(&mysqld, &log)?
            .args([
                "--no-defaults",
                "--user=root",
                &data,
                "--initialize-insecure",
            ])
            .status()?;
        ensure!(
            initialized.success(),
            "{} could not make its data directory: {}",
            mysqld.display(),
            fs::read_to_string(&log)?
        );
        let socket = format!("--socket={}", directory.path().join("sock").display());
        let process = command(&mysqld, &log)?
            .args([
                "--no-defaults",
                "--user=root",
                &data,
                &socket,
                "--skip-networking",
                "--mysqlx=OFF",
                "--secure-file-priv=",
            ])
            .args([
                "--innodb-buffer-pool-size=32M",
                "--performance-schema=0",
                "--innodb-flush-log-at-trx-commit=0",
                "--sync-binlog=0",
            ])
            .args([
                "--server-id=1",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
            ])
            .spawn()?;
        Ok(Self { process, directory })
    }

    /// Connects as soon as the server answers.
    async fn connect(&self) -> Result<Conn> {
        let socket = self.directory.path().join("sock").display().to_string();
        let options = OptsBuilder::default()
            .socket(Some(socket))
            .user(Some("root"));
        let answered = tokio::time::timeout(START_LIMIT, async {
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
                "MySQL did not answer: {}",
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

/// Where the server is unpacked.
fn home() -> Result<PathBuf> {
    let advice = "set MYSQL97_HOME to the folder of an unpacked MySQL 9.x, which holds bin/mysqld (`raft-tests/run` gets one): this test compares with a real server";
    let home = PathBuf::from(std::env::var_os("MYSQL97_HOME").context(advice)?);
    ensure!(
        home.join("bin/mysqld").is_file(),
        "{} holds no bin/mysqld; {advice}",
        home.display()
    );
    Ok(home)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the real server under test is a process"
)]
fn command(program: &Path, log: &Path) -> Result<Command> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}
