//! Starts real servers on loopback addresses of their own, and ends them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use orchestrator_core::domain::InstanceKey;
use raft_tests::lab::is_stopped;
use tempfile::TempDir;

/// Password of the account that probes.
pub const PASSWORD: &str = "Zaunkoenig-17";

/// A server is ready, or gone, within this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    MariaDb,
    MySql9,
}

pub struct Server {
    pub host: String,
    pub port: u16,
    product: Product,
    id: u32,
    extra: Vec<String>,
    dir: TempDir,
    child: Option<Child>,
}

async fn questions(conn: &mut Conn) -> u64 {
    let row: Option<Row> = conn
        .query_first("SHOW GLOBAL STATUS LIKE 'Questions'")
        .await
        .unwrap();
    text(&row.unwrap(), 1).parse().unwrap()
}

/// An address that no other test uses at the same time, from 127.41.0.0/16.
fn next_address() -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    let index = (std::process::id() * 8 + USED.fetch_add(1, Ordering::Relaxed)) % 62_000;
    format!("127.41.{}.{}", index / 250, index % 250 + 1)
}

/// Addresses on which the same port is free, as fleets have it.
pub fn addresses(count: usize) -> (Vec<String>, u16) {
    for _ in 0..50 {
        let hosts: Vec<String> = (0..count).map(|_| next_address()).collect();
        let first = TcpListener::bind((hosts[0].as_str(), 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if hosts[1..]
            .iter()
            .all(|host| TcpListener::bind((host.as_str(), port)).is_ok())
        {
            return (hosts, port);
        }
    }
    panic!("no port is free on {count} addresses of 127.41.0.0/16");
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Directory of a MySQL 9 with `bin/mysqld`.
fn mysql9_home() -> PathBuf {
    if let Some(home) = std::env::var_os("MYSQL97_HOME") {
        return home.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = fs::read_dir(root.join(".cache"))
        .into_iter()
        .flat_map(|entries| entries.filter_map(Result::ok))
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"mysql-9"))
        .map(|entry| entry.path())
        .find(|path| path.join("bin/mysqld").exists());
    found.expect("MySQL 9 is missing: run raft-tests/run, or set MYSQL97_HOME to a folder that has bin/mysqld")
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql9 => "mysql9",
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::MySql9 => mysql9_home().join("bin/mysqld"),
            Self::MariaDb => [
                "/usr/sbin/mariadbd",
                "/usr/local/sbin/mariadbd",
                "/usr/bin/mariadbd",
            ]
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .expect("mariadbd is missing: run raft-tests/run, which installs it"),
        }
    }

    /// An initialised data directory, made once.
    fn template(self) -> PathBuf {
        let template = scratch().join(format!("probe-{}-template", self.name()));
        let lock = File::create(scratch().join(format!("probe-{}.lock", self.name()))).unwrap();
        lock.lock().unwrap();
        if !template.join("ready").exists() {
            // What an interrupted run left behind.
            if template.exists() {
                fs::remove_dir_all(&template).unwrap();
            }
            self.initialise(&template);
            File::create(template.join("ready")).unwrap();
        }
        template
    }

    fn initialise(self, template: &Path) {
        let datadir = format!("--datadir={}", template.display());
        let mut command = match self {
            Self::MariaDb => {
                let mut command = Command::new("mariadb-install-db");
                command.args([
                    "--no-defaults",
                    &datadir,
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--innodb-log-file-size=8M",
                ]);
                command
            }
            Self::MySql9 => {
                let mut command = Command::new(self.program());
                command.args([
                    "--no-defaults",
                    &datadir,
                    "--initialize-insecure",
                    "--mysqlx=OFF",
                ]);
                command
            }
        };
        if is_root() {
            command.arg("--user=root");
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{} could not be initialised: {}",
            self.name(),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["--innodb-log-file-size=8M", "--slave-net-timeout=2"],
            Self::MySql9 => &[
                "--mysqlx=OFF",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
                "--secure-file-priv=",
                "--plugin-load=rpl_semi_sync_source=semisync_source.so;rpl_semi_sync_replica=semisync_replica.so",
            ],
        }
    }
}

impl Server {
    /// Starts servers of one product on addresses of their own and one common port, with the accounts of the tests.
    pub async fn start(product: Product, count: usize, extra: &[String]) -> Vec<Self> {
        let (hosts, port) = addresses(count);
        Self::start_on(product, hosts, port, extra).await
    }

    /// The same on addresses that were drawn before.
    pub async fn start_at(product: Product, hosts: Vec<String>, extra: &[String]) -> Vec<Self> {
        let probe = TcpListener::bind((hosts[0].as_str(), 0)).unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        Self::start_on(product, hosts, port, extra).await
    }

    async fn start_on(
        product: Product,
        hosts: Vec<String>,
        port: u16,
        extra: &[String],
    ) -> Vec<Self> {
        let mut servers = Vec::new();
        for (i, host) in hosts.into_iter().enumerate() {
            let dir = tempfile::Builder::new()
                .prefix("probe-")
                .tempdir_in(scratch())
                .unwrap();
            copy(&product.template(), &dir.path().join("data"));
            let mut server = Self {
                host,
                port,
                product,
                id: 100 + i as u32,
                extra: extra.to_vec(),
                dir,
                child: None,
            };
            server.spawn();
            servers.push(server);
        }
        for server in &servers {
            server.wait_ready().await;
            server.create_accounts().await;
        }
        servers
    }

    fn spawn(&mut self) {
        let data = self.dir.path().join("data");
        let log = File::create(self.dir.path().join("log")).unwrap();
        let program = self.product.program();
        // The server dies with the test, however that ends, where the system has the tool for it.
        let mut command = match Path::new("/usr/bin/setpriv").exists() {
            true => {
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!(
                "--pid-file={}",
                self.dir.path().join("pid").display()
            ))
            .arg(format!("--bind-address={}", self.host))
            .arg(format!("--port={}", self.port))
            .arg(format!("--server-id={}", self.id))
            .arg(format!("--report-host={}", self.host))
            .args([
                "--log-bin=mysql-bin",
                "--relay-log=relay-bin",
                "--log-slave-updates=ON",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--sync-binlog=0",
            ])
            .args(self.product.settings())
            .args(&self.extra)
            .stdout(Stdio::null())
            .stderr(log);
        if is_root() {
            command.arg("--user=root");
        }
        self.child = Some(command.spawn().unwrap());
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub fn key(&self) -> InstanceKey {
        InstanceKey::parse(&format!("{}:{}", self.host, self.port), 1).unwrap()
    }

    /// Its administrator's connection, by another client than ours and through the unix socket.
    pub async fn root(&self) -> mysql_async::Result<Conn> {
        let opts = OptsBuilder::default()
            .user(Some("root"))
            .socket(Some(self.socket().display().to_string()));
        Conn::new(opts).await
    }

    pub async fn sql(&self, statement: &str) {
        let mut root = self.root().await.unwrap();
        root.query_drop(statement)
            .await
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
        root.disconnect().await.unwrap();
    }

    /// The first row of a statement.
    pub async fn row(&self, statement: &str) -> Row {
        let mut root = self.root().await.unwrap();
        let row = root
            .query_first(statement)
            .await
            .unwrap_or_else(|e| panic!("{statement}: {e}"))
            .unwrap_or_else(|| panic!("{statement}: no row"));
        root.disconnect().await.unwrap();
        row
    }

    /// The first value of a statement, as text; empty for NULL.
    pub async fn text(&self, statement: &str) -> String {
        text(&self.row(statement).await, 0)
    }

    /// The value of a status counter.
    pub async fn counter(&self, name: &str) -> u64 {
        let row = self.row(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await;
        text(&row, 1).parse().unwrap()
    }

    /// Statements that `work` sends. A goodbye counts as a question, and is late: so it is asked over one connection, once all earlier
    /// ones of the administrator are gone.
    pub async fn statements_of<F: Future<Output = ()>>(&self, work: F) -> u64 {
        const OTHERS: &str = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()";
        let mut root = self.root().await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while root.query_first::<u64, _>(OTHERS).await.unwrap() != Some(0) {
            assert!(Instant::now() < deadline, "somebody else asks questions");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = questions(&mut root).await;
        work.await;
        // The second question is one itself.
        let asked = questions(&mut root).await - before - 1;
        root.disconnect().await.unwrap();
        asked
    }

    async fn wait_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.root().await {
                Ok(root) => return root.disconnect().await.unwrap(),
                Err(e) if Instant::now() > deadline => {
                    let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                    panic!("{} does not start: {e}\n{log}", self.host)
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn create_accounts(&self) {
        let grants = match self.product {
            Product::MariaDb => {
                "PROCESS, REPLICATION SLAVE, BINLOG MONITOR, SLAVE MONITOR, REPLICATION MASTER ADMIN"
            }
            Product::MySql9 => "PROCESS, REPLICATION SLAVE, REPLICATION CLIENT",
        };
        let mut statements = vec![
            // Each server has accounts of its own, so that they do not come by replication as well.
            "SET SESSION sql_log_bin = 0".to_owned(),
            format!("CREATE USER orchestrator@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT {grants} ON *.* TO orchestrator@'%'"),
            "CREATE USER repl@'%' IDENTIFIED BY 'repl-pw'".to_owned(),
            "GRANT REPLICATION SLAVE ON *.* TO repl@'%'".to_owned(),
        ];
        if self.product == Product::MySql9 {
            statements.push("GRANT SELECT ON mysql.slave_master_info TO orchestrator@'%'".into());
        }
        let mut root = self.root().await.unwrap();
        for statement in statements {
            root.query_drop(&statement)
                .await
                .unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
        root.disconnect().await.unwrap();
    }

    /// Points it at `source` by GTID and waits until both threads run.
    pub async fn replicate_from(&self, source: &Server) {
        let (host, port) = (&source.host, source.port);
        match self.product {
            Product::MariaDb => {
                self.sql(&format!(
                    "CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl-pw', \
                     MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1"
                ))
                .await;
                self.sql("START SLAVE").await;
            }
            Product::MySql9 => {
                self.sql(&format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port}, SOURCE_USER='repl', \
                     SOURCE_PASSWORD='repl-pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1"
                ))
                .await;
                self.sql("START REPLICA").await;
            }
        }
        self.wait_replicating().await;
    }

    pub fn show_status(&self) -> &'static str {
        match self.product {
            Product::MariaDb => "SHOW SLAVE STATUS",
            Product::MySql9 => "SHOW REPLICA STATUS",
        }
    }

    async fn wait_replicating(&self) {
        let (receiver, applier) = match self.product {
            Product::MariaDb => ("Slave_IO_Running", "Slave_SQL_Running"),
            Product::MySql9 => ("Replica_IO_Running", "Replica_SQL_Running"),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let row = self.row(self.show_status()).await;
            if named(&row, receiver) == "Yes" && named(&row, applier) == "Yes" {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not replicate: {} {}",
                self.host,
                named(&row, "Last_IO_Error"),
                named(&row, "Last_SQL_Error")
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Stops it; it does nothing any more when this returns.
    pub fn freeze(&self) {
        self.signal("-STOP");
        let deadline = Instant::now() + PATIENCE;
        while !is_stopped(self.pid()).unwrap() {
            assert!(Instant::now() < deadline, "it goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Ends it as a lost machine would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait_ready().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A value as text; empty for NULL.
pub fn text(row: &Row, index: usize) -> String {
    mysql_async::from_value::<Option<String>>(row[index].clone()).unwrap_or_default()
}

/// A value by its column's name.
pub fn named(row: &Row, column: &str) -> String {
    mysql_async::from_value::<Option<String>>(row[column].clone()).unwrap_or_default()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else if name != "auto.cnf" && name != "ready" {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
