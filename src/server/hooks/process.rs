//! One process of a hook, from its start to its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use orchestrator_core::ports::HookOutcome;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;

use super::output::Output;

/// Time between SIGTERM and SIGKILL of a hook that took too long: to clean up, and no more, as a recovery may wait for it.
const GRACE: Duration = Duration::from_secs(1);

/// As much as is read after the end of a hook: the most that Linux lets a pipe of an unprivileged process hold
/// (`pipe-max-size`). What comes after that was not printed by the hook itself.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// What is started.
pub(super) struct Start<'a> {
    pub shell: &'a str,
    /// File with the text.
    pub file: &'a Path,
    pub arguments: &'a [String],
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// A process that runs, the leader of a group of its own.
pub(super) struct Process {
    child: Child,
    /// Both of its outputs; `None` once everybody who had them is gone.
    pipe: Option<pipe::Receiver>,
    output: Output,
}

/// How a process ended.
pub(super) struct Ended {
    pub outcome: HookOutcome,
    pub output: String,
    /// Its outputs, where processes that it has started still have them.
    pub open_pipe: Option<pipe::Receiver>,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// Why it cannot be started: no such shell, not executable, an environment that is too large.
    pub(super) fn start(start: Start<'_>) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the adapter that starts processes"
        )]
        let mut command = std::process::Command::new(start.shell);
        command
            .arg(start.file)
            .args(start.arguments)
            .env_clear()
            .envs(start.environment)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        // Once started, it is the only one that has the writing ends: they go with `command`.
        let child = tokio::process::Command::from(command).spawn()?;
        let pipe = pipe::Receiver::from_owned_fd(reader.into())?;
        Ok(Self {
            child,
            pipe: Some(pipe),
            output: Output::default(),
        })
    }

    /// Waits for its end, for at most `timeout`; then it and everything in its group is ended. Processes that it has started
    /// and that outlive it in good time are left alone. Dropped, it ends the whole group.
    pub(super) async fn finish(self, timeout: Option<Duration>) -> io::Result<Ended> {
        let mut group = Group(self);
        let late = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let process = &mut group.0;
        let in_time = tokio::select! {
            status = process.wait() => Some(status?),
            () = late => None,
        };
        let outcome = match in_time {
            Some(status) => outcome(status),
            None => {
                process.end_group().await?;
                HookOutcome::TimedOut
            }
        };
        let process = &mut group.0;
        process.read_rest();
        Ok(Ended {
            outcome,
            output: std::mem::take(&mut process.output).into_text(),
            open_pipe: process.pipe.take(),
        })
    }

    /// The same for one that runs in the background: it may take as long as it likes, and goes on when this is dropped.
    pub(super) async fn finish_in_background(mut self) -> io::Result<Ended> {
        let status = self.wait().await?;
        self.read_rest();
        Ok(Ended {
            outcome: outcome(status),
            output: self.output.into_text(),
            open_pipe: self.pipe,
        })
    }

    /// Reads until it ends.
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                () = read_some(&mut self.pipe, &mut self.output), if self.pipe.is_some() => {}
            }
        }
    }

    /// SIGTERM, time to clean up, SIGKILL. The leader is reaped last: until then its number belongs to the group.
    async fn end_group(&mut self) -> io::Result<()> {
        self.signal_group(Signal::TERM);
        let closed = async {
            while self.pipe.is_some() {
                read_some(&mut self.pipe, &mut self.output).await;
            }
        };
        // Whether all are gone within it is known by their outputs, which may also be closed by one that is not.
        let _elapsed = tokio::time::timeout(GRACE, closed).await;
        self.signal_group(Signal::KILL);
        // One that hangs in the kernel is left to its end: the recovery goes on.
        match tokio::time::timeout(GRACE, self.wait()).await {
            Ok(status) => status.map(drop),
            Err(_elapsed) => Ok(()),
        }
    }

    /// Nothing once the leader was reaped: another group may have its number then.
    fn signal_group(&self, signal: Signal) {
        let leader = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = leader.and_then(Pid::from_raw) {
            // It fails where everybody is gone already.
            let _nobody_left = kill_process_group(group, signal);
        }
    }

    /// What is in the pipe already. Read directly: the runtime may not have heard of it yet.
    fn read_rest(&mut self) {
        let mut buffer = [0; 8192];
        for _ in 0..PIPE_BYTES_MAX / buffer.len() {
            let Some(pipe) = &self.pipe else { return };
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.output.push(&buffer[..count]),
                Err(rustix::io::Errno::INTR) => {}
                // Nothing there now: somebody else still has the writing end.
                Err(_) => return,
            }
        }
    }
}

/// Ends the group of a process that nobody waits for any more.
struct Group(Process);

impl Drop for Group {
    fn drop(&mut self) {
        self.0.signal_group(Signal::KILL);
    }
}

/// Reads once; at the end, or when it cannot be read any more, there is no pipe.
async fn read_some(pipe: &mut Option<pipe::Receiver>, output: &mut Output) {
    let mut buffer = [0; 8192];
    let Some(open) = pipe else { return };
    match open.read(&mut buffer).await {
        Ok(0) | Err(_) => *pipe = None,
        Ok(count) => output.push(&buffer[..count]),
    }
}

/// Reads what processes print that outlived their hook, until all are gone, so that none is ended by a closed pipe.
pub(super) async fn discard(pipe: pipe::Receiver) {
    let mut pipe = Some(pipe);
    while pipe.is_some() {
        read_some(&mut pipe, &mut Output::default()).await;
    }
}

fn outcome(status: ExitStatus) -> HookOutcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => HookOutcome::Succeeded,
        (Some(code), _) => HookOutcome::Exited(code),
        (None, signal) => HookOutcome::Signalled(signal.unwrap_or_default()),
    }
}
