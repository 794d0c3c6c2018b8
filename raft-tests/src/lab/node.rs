//! One orchestrator process: its configuration, its store, its log, its API.

use super::answer::{Answer, call, client};
use super::data_centres::Namespace;
use super::launch::{Finished, Process, Program};
use super::place::{client_binary, service_binary};
use super::ports::free_port;
use super::server::{Server, tail};
use super::sql::Account;
use super::wait::wait_until;
use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Method};
use serde_json::{Map, Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

/// The port of the HTTP service in every example.
const HTTP_PORT: u16 = 3000;
/// A node answers within a second; a machine busy with other tests needs more.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// An orderly end writes what is waiting and hands over.
const STOP_DEADLINE: Duration = Duration::from_secs(15);
/// Lines of the log that a failure shows.
const TAIL_LINES: usize = 30;
/// One client command: a few HTTP calls.
const CLIENT_DEADLINE: Duration = Duration::from_secs(30);

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodePlan {
    binary: Option<PathBuf>,
    host: Ipv4Addr,
    config: Map<String, Value>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    within: Option<Namespace>,
}

impl NodePlan {
    /// A single node on `host` that polls each second and logs in to lab servers.
    ///
    /// Its store, `ListenAddress` and credentials are set; every key may be replaced by [`NodePlan::with`].
    #[must_use]
    pub fn on(host: Ipv4Addr) -> Self {
        let config = json!({
            "Debug": true,
            "MySQLTopologyUser": Account::ORCHESTRATOR.user,
            "MySQLTopologyPassword": Account::ORCHESTRATOR.password,
            // On loopback every replica connects from 127.0.0.1, so only its own report tells where it listens; and all
            // servers of one machine have one host name.
            "DiscoverByShowSlaveHosts": true,
            "HostnameResolveMethod": "none",
            "MySQLHostnameResolveMethod": "none",
            "InstancePollSeconds": 1,
            "MySQLConnectTimeoutSeconds": 1,
            "MySQLDiscoveryReadTimeoutSeconds": 2,
        });
        let Value::Object(config) = config else {
            unreachable!("the literal above is an object")
        };
        Self {
            binary: None,
            host,
            config,
            arguments: Vec::new(),
            environment: Vec::new(),
            within: None,
        }
    }

    /// The address that it is to listen on.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Sets one key of the configuration file.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// Keeps its store in a database of this server.
    #[must_use]
    pub fn store_on(self, server: &Server, database: &str, account: Account) -> Self {
        self.with("BackendDB", "mysql")
            .with("MySQLOrchestratorHost", server.host().to_string())
            .with("MySQLOrchestratorPort", server.port())
            .with("MySQLOrchestratorDatabase", database)
            .with("MySQLOrchestratorUser", account.user)
            .with("MySQLOrchestratorPassword", account.password)
    }

    /// Leaves one key out of the configuration file.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.config.remove(key);
        self
    }

    /// Adds a flag before `http`, such as `-discovery=false`.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.arguments.push(flag.to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it in a network namespace, where its address is.
    #[must_use]
    pub fn within(mut self, namespace: Namespace) -> Self {
        self.within = Some(namespace);
        self
    }

    /// Takes another program than the one that [`service_binary`] finds.
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
        self
    }
}

/// An orchestrator process with a folder of its own. Dropping it kills it and removes its folder (kept when `LAB_KEEP` is
/// set).
#[derive(Debug)]
pub struct Node {
    program: Program,
    folder: TempDir,
    url: String,
    host: Ipv4Addr,
    port: u16,
    config: Mutex<Map<String, Value>>,
    process: Mutex<Option<Process>>,
    http: Client,
}

impl Node {
    /// Starts a node and waits until `/api/health` answers 200.
    ///
    /// # Errors
    /// When the program is missing, ends, or is not healthy in time; the log's end is shown.
    pub async fn start(plan: NodePlan) -> Result<Self> {
        let node = Self::prepare(plan)?;
        node.launch()?;
        node.healthy().await?;
        Ok(node)
    }

    /// Makes folder and configuration of a node without starting it.
    ///
    /// # Errors
    /// When the program is missing or the folder cannot be made.
    pub fn prepare(plan: NodePlan) -> Result<Self> {
        let binary = match plan.binary {
            Some(binary) => binary,
            None => service_binary()?,
        };
        let mut folder = tempfile::Builder::new()
            .prefix("orchestrator-node-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        folder.disable_cleanup(std::env::var_os("LAB_KEEP").is_some());
        let port = match &plan.within {
            None => free_port(&[plan.host], HTTP_PORT)?,
            Some(_) => HTTP_PORT, // Nobody else is there.
        };
        let mut program = Program::new(binary)
            .directory(folder.path())
            .arg("-config")
            .arg(folder.path().join("orchestrator.conf.json"));
        for argument in &plan.arguments {
            program = program.arg(argument);
        }
        for (name, value) in &plan.environment {
            program = program.env(name, value);
        }
        if let Some(namespace) = &plan.within {
            program = program.within(namespace);
        }
        let store = folder.path().join("orchestrator.sqlite3");
        let mut config = Map::new();
        config.insert(
            "ListenAddress".into(),
            format!("{}:{port}", plan.host).into(),
        );
        config.insert("SQLite3DataFile".into(), store.display().to_string().into());
        config.extend(plan.config);
        Ok(Self {
            program,
            folder,
            url: format!("http://{}:{port}", plan.host),
            host: plan.host,
            port,
            config: Mutex::new(config),
            process: Mutex::new(None),
            http: client()?,
        })
    }

    /// Starts it without waiting. The configuration file is written anew.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn launch(&self) -> Result<()> {
        let mut process = self.process();
        if let Some(running) = process.as_ref()
            && running.exited()?.is_none()
        {
            bail!("the node runs already, as process {}", running.pid());
        }
        self.write_config(&self.config())?;
        let program = self.program.clone().arg("http");
        *process = Some(program.start(&self.log_path())?);
        Ok(())
    }

    /// Runs its program in another mode than `http`, such as `raft-recover`, to its end, with its configuration, which is written anew.
    ///
    /// # Errors
    /// When it cannot be started or does not end within 30 s.
    pub async fn run_mode(&self, flags: &[&str], mode: &str) -> Result<Finished> {
        self.mode(flags, mode)?.run("", CLIENT_DEADLINE).await
    }

    /// The same without waiting for it; what it says goes to the node's log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_mode(&self, flags: &[&str], mode: &str) -> Result<Process> {
        self.mode(flags, mode)?.start(&self.log_path())
    }

    fn mode(&self, flags: &[&str], mode: &str) -> Result<Program> {
        self.write_config(&self.config())?;
        let program = flags
            .iter()
            .fold(self.program.clone(), |program, flag| program.arg(flag));
        Ok(program.arg(mode))
    }

    /// Takes everything from it but configuration and log, as a lost disk does; it must not run.
    ///
    /// # Errors
    /// When it runs, or a file cannot be removed.
    pub fn wipe(&self) -> Result<()> {
        ensure!(self.pid().is_none(), "the node runs");
        for entry in fs::read_dir(self.folder())? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(&path)?;
            } else if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("orchestrator.sqlite3"))
            {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Waits until `/api/health` answers 200.
    ///
    /// # Errors
    /// When it ends instead or the deadline passes; the log's end is shown.
    pub async fn healthy(&self) -> Result<()> {
        let outcome = wait_until("the node's health", START_DEADLINE, async || {
            if let Some(status) = self.with_process(Process::exited)? {
                return Ok(Err(status));
            }
            let answer = self.get("/api/health").await?;
            ensure!(answer.is_ok(), "{}: {}", answer.status, answer.text);
            Ok(Ok(()))
        })
        .await;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("the node ended ({status}):\n{}", self.log_tail()),
            Err(error) => Err(error).with_context(|| self.log_tail()),
        }
    }

    /// Starts a node that is expected to refuse its start, and waits for its end.
    ///
    /// # Errors
    /// When it goes on running for 15 s.
    pub async fn run_to_its_end(&self) -> Result<(ExitStatus, String)> {
        self.launch()?;
        let process = self.process().take().context("it was just started")?;
        let status = process.wait(STOP_DEADLINE).await?;
        Ok((status, self.log()?))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it is not running, or still runs at the deadline; it is killed then.
    pub async fn ended(&self, deadline: Duration) -> Result<ExitStatus> {
        let process = self.process().take().context("the node is not running")?;
        process.wait(deadline).await
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&self) -> Result<()> {
        self.with_process(Process::kill)?;
        *self.process() = None;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it is not running or does not end within 15 s.
    pub async fn terminate(&self) -> Result<ExitStatus> {
        let process = self.process().take().context("the node is not running")?;
        process.signal("TERM")?;
        process.wait(STOP_DEADLINE).await
    }

    /// Starts an ended node again on the same folder and waits until it is healthy.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_again(&self) -> Result<()> {
        self.launch()?;
        self.healthy().await
    }

    /// Sends a signal by its name without SIG, such as `HUP`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: &str) -> Result<()> {
        self.with_process(|process| process.signal(signal))
    }

    /// Changes a key of its configuration file, at once on disk; the node reads it at a reload or its next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, key: &str, value: impl Into<Value>) -> Result<()> {
        let mut config = self.config();
        config.insert(key.to_owned(), value.into());
        self.write_config(&config)
    }

    /// Calls `GET` on a path such as `/api/clusters`.
    ///
    /// # Errors
    /// When there is no answer. A status other than 200 is an answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        call(&self.http, Method::GET, &self.at(path), None).await
    }

    /// Calls `POST` on a path, with a JSON body where one is given.
    ///
    /// # Errors
    /// As [`Node::get`].
    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        call(&self.http, Method::POST, &self.at(path), body).await
    }

    /// Runs `orchestrator-client` against this node.
    ///
    /// # Errors
    /// As [`run_client`].
    pub async fn client(&self, arguments: &[&str]) -> Result<Finished> {
        run_client(&self.url, arguments).await
    }

    /// The URL of a path of this node.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The address it listens on.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// The port of its HTTP service.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it has a process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// Its folder: configuration, store and log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it logged so far, over all its starts.
    ///
    /// # Errors
    /// When it was never started.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.log_path()).context("cannot read the node's log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log_path(), TAIL_LINES)
    }

    /// For its owner only, as a file with a password should be.
    fn write_config(&self, config: &Map<String, Value>) -> Result<()> {
        let text = serde_json::to_string_pretty(config)?;
        let path = self.config_path();
        fs::write(&path, text).context("cannot write the configuration")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .context("cannot protect the configuration")
    }

    fn config_path(&self) -> PathBuf {
        self.folder().join("orchestrator.conf.json")
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn with_process<T>(&self, act: impl FnOnce(&Process) -> Result<T>) -> Result<T> {
        act(self.process().as_ref().context("the node is not running")?)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .expect("no code panics while it holds the process")
    }

    fn config(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.config
            .lock()
            .expect("no code panics while it holds the configuration")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Before the folder goes: a running node would write into it again.
        *self.process() = None;
        // Test runners show this for failed tests only.
        eprintln!("log of the node at {}:\n{}\n", self.url, self.log_tail());
    }
}

/// Runs `orchestrator-client` with `arguments` against the API at `url`.
///
/// # Errors
/// When the client is not built, or does not end within 30 s.
pub async fn run_client(url: &str, arguments: &[&str]) -> Result<Finished> {
    let client = Program::new(client_binary()?).env("ORCHESTRATOR_API", &format!("{url}/api"));
    arguments
        .iter()
        .fold(client, |client, argument| client.arg(argument))
        .run("", CLIENT_DEADLINE)
        .await
}
