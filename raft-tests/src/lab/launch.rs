//! Starting programs so that they end with the test.
//!
//! Every program runs under `setpriv --pdeathsig KILL` where util-linux has it, so the kernel ends it when this process
//! ends, also by SIGKILL. The kernel sends that signal when the *thread* that started the program ends (prctl(2),
//! PR_SET_PDEATHSIG), so one thread that lives as long as the process starts them all. Where `setpriv` is missing,
//! `Drop` still ends them with a test that fails or finishes.

use super::data_centres::Namespace;
use super::place::on_path;
use super::wait::wait_until;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};
use std::time::Duration;

/// How often it is looked whether a process has stopped, and the pause between: ten seconds in all.
const STOPPED_TRIES: u32 = 10_000;
const STOPPED_PAUSE: Duration = Duration::from_millis(1);

/// A program to start, its arguments and where its output goes.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    directory: Option<PathBuf>,
    namespace: Option<Namespace>,
}

impl Program {
    /// A program without arguments.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            namespace: None,
        }
    }

    /// Runs it in a network namespace.
    #[must_use]
    pub fn within(mut self, namespace: &Namespace) -> Self {
        self.namespace = Some(namespace.clone());
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, |it, word| it.arg(word))
    }

    /// Sets one variable of its environment; the rest is inherited.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets its working directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Starts it, both outputs appended to `log`.
    ///
    /// # Errors
    /// When the program is not a file or cannot be started, or the log cannot be written.
    pub fn start(&self, log: &Path) -> Result<Process> {
        let output = append(log)?;
        let errors = output.try_clone().context("cannot share the log file")?;
        self.spawn(Stdio::null(), output, errors)
    }

    /// Runs it to its end, at most for `deadline`, with `input` as its standard input.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time (it is ended then).
    pub async fn run(&self, input: &str, deadline: Duration) -> Result<Finished> {
        let place = tempfile::tempdir().context("cannot make a temporary directory")?;
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("in"), input).context("cannot write the program's input")?;
        let stdin = File::open(at("in")).context("cannot open the program's input")?;
        let process = self.spawn(stdin.into(), append(&at("out"))?, append(&at("err"))?)?;
        let status = process.wait(deadline).await?;
        let read = |name: &str| -> Result<String> {
            let bytes = std::fs::read(at(name)).context("cannot read the program's output")?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Finished {
            status,
            stdout: read("out")?,
            stderr: read("err")?,
        })
    }

    /// Runs a program that takes milliseconds, also where nothing can be awaited, such as in a drop; `input` fits into a pipe.
    ///
    /// # Errors
    /// When it cannot be started, or says that it failed; the sentence has what it said.
    pub(super) fn run_to_success(&self, input: &str) -> Result<()> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let mut stdin = child.stdin.take().context("it has a standard input")?;
        // One that ends early says why below.
        stdin.write_all(input.as_bytes()).ok();
        drop(stdin);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.trim());
        Ok(())
    }

    fn spawn(&self, stdin: Stdio, output: File, errors: File) -> Result<Process> {
        ensure!(
            self.path.is_file(),
            "cannot start {}: no such file",
            self.path.display()
        );
        let mut command = self.command();
        command.stdin(stdin).stdout(output).stderr(errors);
        let child = from_lasting_thread(command)
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        Ok(Process {
            name: self
                .path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            pid: child.id(),
            child: Mutex::new(child),
        })
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the lab's one place that starts processes"
    )]
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(setpriv) = setpriv() {
            words.push(setpriv.into());
            words.extend(["--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        if let Some(namespace) = &self.namespace {
            // Of util-linux, as setpriv is. It becomes the program, so that process id and signals are the program's.
            let mut net = OsString::from("--net=");
            net.push(namespace.path());
            words.extend(["nsenter".into(), net, "--".into()]);
        }
        words.push(self.path.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

/// How a program that ran to its end ended, and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
}

/// Whether no thread of a process runs, by proc(5).
///
/// # Errors
/// When there is no such process.
pub fn is_stopped(pid: u32) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has ended since it was listed does not run either.
        let Ok(status) = std::fs::read_to_string(thread?.path().join("stat")) else {
            continue;
        };
        let state = status
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        if !matches!(state, Some('T' | 't' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        self.child()
            .try_wait()
            .with_context(|| format!("cannot ask for the state of {} {}", self.name, self.pid))
    }

    /// Waits for its end, at most for `deadline`.
    ///
    /// # Errors
    /// When it still runs at the deadline; it goes on running.
    pub async fn wait(&self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {} {}", self.name, self.pid);
        wait_until(&what, deadline, async || {
            self.exited()?.ok_or_else(|| anyhow!("it still runs"))
        })
        .await
    }

    /// Sends SIGKILL and waits until the kernel has taken the process away, so its ports are free afterwards.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child();
        if child.try_wait()?.is_none() {
            child
                .kill()
                .with_context(|| format!("cannot kill {} {}", self.name, self.pid))?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends a signal by its name without SIG: `TERM`, `STOP`, `CONT`, `HUP`.
    ///
    /// # Errors
    /// When it has ended, or the signal is unknown.
    pub fn signal(&self, signal: &str) -> Result<()> {
        // The lock keeps the process from being reaped, so that the pid cannot have become somebody else's.
        let mut child = self.child();
        if let Some(status) = child.try_wait()? {
            bail!(
                "cannot send {signal} to {}: it has ended ({status})",
                self.name
            );
        }
        // By the shell's own `kill`: safe Rust has no call for it, and a minimal system no program for it.
        let script = "kill -s \"$1\" \"$2\"";
        let sender = Program::new("/bin/sh").arg("-c").arg(script).arg("sh");
        let mut command = sender.arg(signal).arg(self.pid.to_string()).command();
        let status = command.stderr(Stdio::null()).status()?;
        ensure!(
            status.success(),
            "cannot send {signal} to {} {}",
            self.name,
            self.pid
        );
        if signal == "STOP" {
            self.wait_until_stopped()?;
        }
        Ok(())
    }

    /// The signal only asks for it; on a busy machine a thread may go on for some time, and do what a test counts on it not to do.
    fn wait_until_stopped(&self) -> Result<()> {
        for _ in 0..STOPPED_TRIES {
            if is_stopped(self.pid)? {
                return Ok(());
            }
            std::thread::sleep(STOPPED_PAUSE);
        }
        bail!("{} {} was told to stop and goes on", self.name, self.pid)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child
            .lock()
            .expect("no code panics while it holds the child")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            // Nothing else can be done in a drop, and a server left behind must not stay unseen.
            eprintln!("left running: {error:#}");
        }
    }
}

/// One order to the starting thread, and where its answer goes.
type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a command from a thread that lives as long as this process.
fn from_lasting_thread(command: Command) -> Result<Child> {
    static LAUNCHER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // A caller that no longer listens dropped its end, and with it the wish for the child.
                if let Err(mpsc::SendError(Ok(mut child))) = reply.send(command.spawn()) {
                    child.kill().ok();
                }
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    launcher
        .send((command, reply))
        .map_err(|_| anyhow!("the starting thread has ended"))?;
    Ok(answer.recv().context("the starting thread has ended")??)
}

fn setpriv() -> Option<&'static Path> {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    SETPRIV.get_or_init(|| on_path("setpriv")).as_deref()
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").arg("-c").arg(script)
    }

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_program_gets_its_input_and_gives_status_and_both_outputs() {
        let finished = shell("read word; echo \"got $word $WHO\"; echo no >&2; exit 3")
            .env("WHO", "here")
            .run("it\n", SOON)
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(finished.stdout, "got it here\n");
        assert_eq!(finished.stderr, "no\n");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended_at_its_deadline() {
        let failed = shell("exec sleep 60")
            .run("", Duration::from_millis(100))
            .await;
        let text = format!("{:#}", failed.unwrap_err());
        assert!(text.contains("it still runs"), "{text}");
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let process = shell("exec sleep 60")
            .start(&place.path().join("log"))
            .unwrap();
        let status = format!("/proc/{}", process.pid());
        assert!(Path::new(&status).exists());
        drop(process);
        assert!(!Path::new(&status).exists());
    }

    #[tokio::test]
    async fn a_stopped_process_stands_still_and_a_continued_one_goes_on() {
        let place = tempfile::tempdir().unwrap();
        let process = shell("exec sleep 60")
            .start(&place.path().join("log"))
            .unwrap();
        let state = async |letter: &str| {
            wait_until(&format!("state {letter}"), SOON, async || {
                let text = std::fs::read_to_string(format!("/proc/{}/stat", process.pid()))?;
                ensure!(text.contains(&format!(") {letter} ")), "{text}");
                Ok(())
            })
            .await
        };
        process.signal("STOP").unwrap();
        state("T").await.unwrap();
        process.signal("CONT").unwrap();
        state("S").await.unwrap();
        process.signal("TERM").unwrap();
        process.wait(SOON).await.unwrap();
        let refused = process.signal("TERM").unwrap_err().to_string();
        assert!(refused.contains("it has ended"), "{refused}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let place = tempfile::tempdir().unwrap();
        let missing = Program::new("/nowhere/mariadbd").start(&place.path().join("log"));
        let text = missing.unwrap_err().to_string();
        assert_eq!(text, "cannot start /nowhere/mariadbd: no such file");
    }
}
