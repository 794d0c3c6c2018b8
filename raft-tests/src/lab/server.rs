//! One real server: its folder, its process, its statements.

use super::data_centres::Namespace;
use super::flavour::{Flavour, Installation, Link, server_user};
use super::launch::{Process, Program};
use super::settings::Settings;
use super::sql::{Account, Endpoint, Record, rows};
use super::template::copy_tree;
use super::wait::wait_until;
use anyhow::{Context as _, Result, bail, ensure};
use mysql_async::Conn;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// MariaDB is ready in 0.3 s, MySQL in 2 s; a machine that is busy with other tests needs several times that.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// An orderly end writes dirty pages and tells the replicas; it takes up to 2 s.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// A socket's path has at most 107 bytes (unix(7)).
const SOCKET_PATH_MAX: usize = 107;
/// Lines of the error log that a failure shows.
const TAIL_LINES: usize = 10;
/// Lines that a crash writes there: its stack among them.
const CRASH_LINES: usize = 80;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Its name in the test.
    pub name: String,
    /// Which server.
    pub flavour: Flavour,
    /// The address it listens on and reports as its own.
    pub host: Ipv4Addr,
    /// The port it listens on.
    pub port: u16,
    /// Options over those of the lab.
    pub settings: Settings,
    /// The network namespace that it runs in; `None` for the test's own.
    pub within: Option<Namespace>,
}

/// Gives a MySQL server a UUID. One that makes its own derives it from the time and the machine: two MySQL 5.6 servers started in
/// the same moment were seen with the same one, and then refuse to replicate.
fn name_uniquely(data: &Path) -> Result<()> {
    let text = format!("[auto]\nserver-uuid={}\n", Uuid::new_v4());
    fs::write(data.join("auto.cnf"), text).context("cannot write auto.cnf")
}

/// A server with a data directory of its own. It may be running, frozen or ended; dropping it kills it and removes its
/// folder (kept when `LAB_KEEP` is set).
#[derive(Debug)]
pub struct Server {
    spec: ServerSpec,
    program: PathBuf,
    version: String,
    folder: TempDir,
    endpoint: Endpoint,
    settings: Mutex<Settings>,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// Makes the folder of a server with a copy of the template. It does not start it.
    ///
    /// # Errors
    /// When the disk is full or the folder's path is too long for a socket.
    pub fn create(spec: ServerSpec, installation: &Installation) -> Result<Self> {
        let mut folder = tempfile::Builder::new()
            .prefix("orchestrator-lab-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        folder.disable_cleanup(std::env::var_os("LAB_KEEP").is_some());
        let socket = folder.path().join("sock");
        ensure!(
            socket.as_os_str().len() <= SOCKET_PATH_MAX,
            "{} is too long for a socket; set TMPDIR to a shorter path",
            socket.display()
        );
        let data = folder.path().join("data");
        copy_tree(&installation.template, &data)?;
        if spec.flavour.has_server_uuid() {
            name_uniquely(&data)?;
        }
        let mut settings = lab_settings(&spec, folder.path());
        settings.overlay(&spec.settings);
        Ok(Self {
            endpoint: Endpoint {
                host: spec.host,
                port: spec.port,
                socket,
            },
            program: installation.program.clone(),
            version: installation.version.clone(),
            folder,
            settings: Mutex::new(settings),
            process: Mutex::new(None),
            spec,
        })
    }

    /// Its name in the test.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Which server it is.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        self.spec.flavour
    }

    /// The address it listens on.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.spec.host
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.spec.port
    }

    /// `host:port`, as orchestrator names it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.spec.host, self.spec.port)
    }

    /// The version that the program prints.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its folder, with `my.cnf`, `data`, `sock` and `error.log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id, while it has a process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// Changes an option of its file; it counts from the next start.
    pub fn set(&self, option: &str, value: impl ToString) {
        self.settings().set(option, value);
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it runs already, or does not answer in time; the error log's end is shown.
    pub async fn start(&self) -> Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn launch(&self) -> Result<()> {
        let mut process = self.process();
        if let Some(running) = process.as_ref()
            && running.exited()?.is_none()
        {
            bail!("{} runs already, as process {}", self.name(), running.pid());
        }
        let option_file = self.folder().join("my.cnf");
        fs::write(&option_file, self.settings().to_option_file())
            .with_context(|| format!("cannot write {}", option_file.display()))?;
        let mut program = Program::new(&self.program)
            .arg(format!("--defaults-file={}", option_file.display()))
            .directory(self.folder());
        if let Some(namespace) = &self.spec.within {
            program = program.within(namespace);
        }
        *process = Some(program.start(&self.error_log())?);
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ends instead or the deadline passes; the error log's end is shown.
    pub async fn ready(&self) -> Result<()> {
        let what = format!("{} ({}) to answer", self.name(), self.key());
        let outcome = wait_until(&what, START_DEADLINE, async || {
            if let Some(status) = self.exited()? {
                return Ok(Err(status));
            }
            self.rows("SELECT 1").await.map(|_| Ok(()))
        })
        .await;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!(
                "{} ended at its start ({status}):\n{}",
                self.name(),
                self.log_tail()
            ),
            Err(error) => Err(error).with_context(|| self.log_tail()),
        }
    }

    /// Ends it at once (SIGKILL), as a crash or a lost host does.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&self) -> Result<()> {
        self.with_process(Process::kill)?;
        *self.process() = None;
        Ok(())
    }

    /// Shuts it down in order (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it is not running or does not end in time.
    pub async fn stop(&self) -> Result<()> {
        let process = self
            .process()
            .take()
            .with_context(|| format!("{} is not running", self.name()))?;
        process.signal("TERM")?;
        process.wait(STOP_DEADLINE).await?;
        Ok(())
    }

    /// Makes it stand still (SIGSTOP): connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When it is not running.
    pub fn freeze(&self) -> Result<()> {
        self.with_process(|process| process.signal("STOP"))
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.with_process(|process| process.signal("CONT"))
    }

    /// Shuts it down in order and starts it again.
    ///
    /// # Errors
    /// As [`Server::stop`] and [`Server::start`].
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// A connection with all rights through the unix socket.
    ///
    /// # Errors
    /// When it is not answering.
    pub async fn connect(&self) -> Result<Conn> {
        self.endpoint.by_socket(Account::LAB).await
    }

    /// A connection over TCP with any account.
    ///
    /// # Errors
    /// When it is not answering, or refuses the account.
    pub async fn connect_as(&self, user: &str, password: &str) -> Result<Conn> {
        self.endpoint.by_tcp(user, password).await
    }

    /// Runs a statement on a connection of its own and gives its rows.
    ///
    /// # Errors
    /// When it is not answering within 5 s or refuses the statement.
    pub async fn rows(&self, statement: &str) -> Result<Vec<Record>> {
        let mut conn = self
            .connect()
            .await
            .with_context(|| self.name().to_owned())?;
        let answer = rows(&mut conn, statement).await;
        // The rows are here; whether the server hears the goodbye changes nothing.
        tokio::time::timeout(Duration::from_secs(1), conn.disconnect())
            .await
            .ok();
        answer.with_context(|| self.name().to_owned())
    }

    /// Runs a statement whose rows do not matter.
    ///
    /// # Errors
    /// As [`Server::rows`].
    pub async fn run(&self, statement: &str) -> Result<()> {
        self.rows(statement).await.map(|_| ())
    }

    /// Runs a query and gives the text of `column` in its first row; empty for NULL.
    ///
    /// # Errors
    /// As [`Server::rows`], and when there is no row or no such column.
    pub async fn value(&self, query: &str, column: &str) -> Result<String> {
        let rows = self.rows(query).await?;
        let first = rows.first().filter(|row| row.has(column));
        let first = first.with_context(|| format!("no {column} in the answer to: {query}"))?;
        Ok(first.text(column).to_owned())
    }

    /// Its replication state; `None` when it has no source.
    ///
    /// # Errors
    /// As [`Server::rows`].
    pub async fn replica_status(&self) -> Result<Option<Record>> {
        let rows = self.rows(self.flavour().replica_status()).await?;
        Ok(rows.into_iter().next())
    }

    /// Points it at a source, as an operator would by hand, and starts replication.
    ///
    /// # Errors
    /// As [`Server::rows`].
    pub async fn replicate_from(&self, source: &Self, link: Link) -> Result<()> {
        for statement in self
            .flavour()
            .replicate_from(source.host(), source.port(), link)
        {
            self.run(&statement).await?;
        }
        Ok(())
    }

    /// Looks once whether receiver and applier run.
    ///
    /// # Errors
    /// When they do not; the sentence has the server's own errors.
    pub async fn is_replicating(&self) -> Result<()> {
        let status = self.replica_status().await?;
        let status = status.with_context(|| format!("{} has no source", self.name()))?;
        for column in self.flavour().running_columns() {
            ensure!(
                status.text(column) == "Yes",
                "{}: {column} is {}; {} {}",
                self.name(),
                status.text(column),
                status.text("Last_IO_Error"),
                status.text("Last_SQL_Error")
            );
        }
        Ok(())
    }

    /// All that it has executed, as a GTID set or position.
    ///
    /// # Errors
    /// As [`Server::rows`].
    pub async fn position(&self) -> Result<String> {
        self.value(self.flavour().position(), "position").await
    }

    /// Waits until it has applied a position of another server.
    ///
    /// # Errors
    /// When that does not come about in time.
    pub async fn applied(&self, position: &str, deadline: Duration) -> Result<()> {
        let what = format!("{} to apply {position}", self.name());
        let query = self.flavour().has_applied(position);
        wait_until(&what, deadline, async || {
            let missing = self.value(&query, "missing").await?;
            if missing != "0" {
                self.is_replicating().await?;
                bail!("it replicates, but is not there yet");
            }
            Ok(())
        })
        .await
    }

    /// Starts it again where it ended by itself, as a supervisor does. True when it had.
    ///
    /// # Errors
    /// When it was never started, or cannot be started again.
    pub fn revive(&self) -> Result<bool> {
        if self.exited()?.is_none() {
            return Ok(false);
        }
        eprintln!(
            "{} crashed:\n{}",
            self.name(),
            tail(&self.error_log(), CRASH_LINES)
        );
        self.launch()?;
        Ok(true)
    }

    /// The last lines of its error log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.error_log(), TAIL_LINES)
    }

    /// Where it listens, for clients of the lab that outlive a borrow of it.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn error_log(&self) -> PathBuf {
        self.folder().join("error.log")
    }

    fn exited(&self) -> Result<Option<ExitStatus>> {
        self.with_process(Process::exited)
    }

    fn with_process<T>(&self, act: impl FnOnce(&Process) -> Result<T>) -> Result<T> {
        match self.process().as_ref() {
            Some(process) => act(process).with_context(|| self.name().to_owned()),
            None => bail!("{} is not running", self.name()),
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .expect("no code panics while it holds the process")
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings
            .lock()
            .expect("no code panics while it holds the settings")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Before the folder goes: a running server would write into it again.
        *self.process() = None;
        // Test runners show this for failed tests only.
        eprintln!(
            "error log of {} ({}):\n{}\n",
            self.name(),
            self.key(),
            self.log_tail()
        );
    }
}

/// Options of every lab server: small, quick, and reachable as one of a real fleet is.
fn lab_settings(spec: &ServerSpec, folder: &Path) -> Settings {
    let [_, _, high, low] = spec.host.octets();
    let mut settings = Settings::of(&[
        ("log_bin", "bin"),
        ("relay_log", "relay"),
        ("innodb_buffer_pool_size", "32M"),
        // Written at each commit, so that SIGKILL loses nothing, but not synced: no test takes the machine's power away.
        ("innodb_flush_log_at_trx_commit", "2"),
        ("sync_binlog", "0"),
        ("performance_schema", "0"),
        ("skip_name_resolve", "1"),
    ]);
    settings.overlay(&spec.flavour.settings());
    let at = |name: &str| folder.join(name).display().to_string();
    settings.set("datadir", at("data"));
    // Its own: a MariaDB that starts removes what looks like left temporary tables, also those of a neighbour.
    settings.set("tmpdir", at("data"));
    settings.set("socket", at("sock"));
    settings.set("pid_file", at("pid"));
    settings.set("bind_address", spec.host);
    settings.set("port", spec.port);
    settings.set("report_host", spec.host);
    settings.set("report_port", spec.port);
    // Different for every address of the lab, also across fleets.
    settings.set("server_id", u32::from(high) * 256 + u32::from(low));
    if let Some(user) = server_user() {
        settings.set("user", user);
    }
    settings
}

/// The last `lines` lines of a file; a sentence when it cannot be read.
pub(super) fn tail(path: &Path, lines: usize) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    }
}
