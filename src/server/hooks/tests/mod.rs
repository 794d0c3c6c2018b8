//! Hooks that are really run.

mod behaviour;
mod hostile;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock, HookReport, HookRun, HookRunner};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Config, ProcessHooks};

/// As long as nothing in a test takes, however busy the machine.
const LONG: Duration = Duration::from_secs(60);

struct RealClock(std::time::Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// A runner with a directory of its own for its files, and one for what hooks leave behind: `$PLACE`.
struct Stage {
    runner: Arc<ProcessHooks>,
    files: TempDir,
    place: TempDir,
    _config: watch::Sender<Arc<Config>>,
}

impl Stage {
    fn new() -> Self {
        Self::with_shell("bash")
    }

    fn with_shell(shell: &str) -> Self {
        let (files, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = OsString::from("/usr/local/bin:/usr/bin:/bin");
        let config = watch::Sender::new(Arc::new(Config {
            shell: shell.to_owned(),
            environment: vec![("PATH".into(), path), ("PLACE".into(), place.path().into())],
            directory: files.path().to_owned(),
        }));
        #[allow(clippy::disallowed_methods, reason = "these processes are real")]
        let clock = Arc::new(RealClock(std::time::Instant::now()));
        Self {
            runner: Arc::new(ProcessHooks::new(config.subscribe(), clock)),
            files,
            place,
            _config: config,
        }
    }

    async fn run(&self, line: &str) -> HookReport {
        self.runner.run(hook(line)).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// What hooks have left in `$PLACE`.
    fn left(&self) -> Vec<String> {
        names(&self.place)
    }

    /// Files with texts that are there now.
    fn texts(&self) -> Vec<String> {
        names(&self.files)
    }

    /// Waits until a hook has written a whole line into a file of `$PLACE`.
    async fn line_of(&self, name: &str) -> String {
        let path = self.path(name);
        eventually(name, || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.strip_suffix('\n').map(str::to_owned)
        })
        .await
    }
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Polls until there is an answer: what other processes do sends no event.
async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let answer = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, answer)
        .await
        .unwrap_or_else(|_| panic!("it never came to this: {what}"))
}

/// Whether a process runs; one that is dead and not yet reaped does not.
fn runs(pid: &str) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit(')').next().unwrap_or_default();
    !state.trim_start().starts_with(['Z', 'X'])
}

fn hook(line: &str) -> HookRun {
    HookRun {
        line: line.to_owned(),
        arguments: Vec::new(),
        may_run_on: true,
        placeholders: Vec::new(),
        environment: Vec::new(),
        timeout: Some(LONG),
    }
}
