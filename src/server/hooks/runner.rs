use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::legacy::hooks::{command_of, expand};
use orchestrator_core::ports::{BoxFuture, Clock, HookOutcome, HookReport, HookRun, HookRunner};
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::Config;
use super::process::{Ended, Process, Start, discard};

/// How the files with the texts are called: the predecessor's name, by which operators know them.
const FILE_PREFIX: &str = "orchestrator-process-cmd-";

/// Longest environment variable, name and `=` included, in bytes: Linux refuses to start a process with a longer one
/// (`MAX_ARG_STRLEN`, 32 pages, with the final NUL). A list of five thousand replicas fits.
const VARIABLE_BYTES_MAX: usize = 128 * 1024 - 1;

/// Runs hooks as processes.
pub struct ProcessHooks {
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    /// Those in the background, and what outlived its hook. They end by themselves; the service does not wait for them.
    background: TaskTracker,
}

impl ProcessHooks {
    /// With the configuration as it is when a hook is run.
    pub fn new(config: watch::Receiver<Arc<Config>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            clock,
            background: TaskTracker::new(),
        }
    }

    /// How many run in the background, those included whose processes merely hold on to their outputs.
    pub fn in_background(&self) -> usize {
        self.background.len()
    }

    async fn run_one(&self, hook: HookRun) -> HookReport {
        let config = self.config.borrow().clone();
        let (line, is_background) = match hook.may_run_on {
            true => command_of(&hook.line),
            false => (hook.line.as_str(), false),
        };
        let command = expand(line, &hook.placeholders);
        let began = self.clock.monotonic();
        let started = start(&config, &command, &hook).await;
        let ended = match started {
            Ok((process, file)) if is_background => {
                self.background
                    .spawn(finish_in_background(process, file, command.clone()));
                Ok(Ended {
                    outcome: HookOutcome::Background,
                    output: String::new(),
                    open_pipe: None,
                })
            }
            Ok((process, file)) => {
                let ended = process.finish(hook.timeout).await;
                drop(file);
                ended
            }
            Err(error) => Err(error),
        };
        let ended = ended.unwrap_or_else(|error| not_started(&config.shell, &error));
        if let Some(pipe) = ended.open_pipe {
            self.background.spawn(discard(pipe));
        }
        HookReport {
            command,
            outcome: ended.outcome,
            output: ended.output,
            took: self.took(began),
        }
    }

    fn took(&self, began: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(began)
    }
}

impl HookRunner for ProcessHooks {
    fn run(&self, hook: HookRun) -> BoxFuture<'_, HookReport> {
        Box::pin(self.run_one(hook))
    }
}

async fn start(
    config: &Config,
    command: &str,
    hook: &HookRun,
) -> io::Result<(Process, NamedTempFile)> {
    let file = written(&config.directory, command.to_owned()).await?;
    let process = Process::start(Start {
        shell: &config.shell,
        file: file.path(),
        arguments: &hook.arguments,
        environment: environment(config, hook),
    })?;
    Ok((process, file))
}

/// The text in a file that nobody else can read, removed when dropped.
async fn written(directory: &Path, text: String) -> io::Result<NamedTempFile> {
    let directory = directory.to_owned();
    let write = move || {
        // Mode 0600, whatever the umask.
        let mut file = tempfile::Builder::new()
            .prefix(FILE_PREFIX)
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(file)
    };
    tokio::task::spawn_blocking(write)
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn environment(config: &Config, hook: &HookRun) -> Vec<(OsString, OsString)> {
    let own = hook.environment.iter().map(|(name, value)| {
        let value = fitting(name, value);
        (OsString::from(name), OsString::from(value))
    });
    config.environment.iter().cloned().chain(own).collect()
}

/// A value as a variable can hold it: up to its bound, and with `_` for NUL, which ends a variable.
fn fitting(name: &str, value: &str) -> String {
    let mut end = VARIABLE_BYTES_MAX
        .saturating_sub(name.len() + 1)
        .min(value.len());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].replace('\0', "_")
}

fn not_started(shell: &str, error: &io::Error) -> Ended {
    Ended {
        outcome: HookOutcome::NotStarted(format!("{shell}: {error}")),
        output: String::new(),
        open_pipe: None,
    }
}

/// Nobody waits for it, so that its end is only logged.
async fn finish_in_background(process: Process, file: NamedTempFile, command: String) {
    let ended = process.finish_in_background().await;
    drop(file);
    match ended {
        Ok(ended) => {
            let (outcome, output) = (&ended.outcome, ended.output.trim_end());
            if *outcome == HookOutcome::Succeeded {
                tracing::info!(command, output, "a hook in the background has ended");
            } else {
                tracing::warn!(command, %outcome, output, "a hook in the background has failed");
            }
            if let Some(pipe) = ended.open_pipe {
                discard(pipe).await;
            }
        }
        Err(error) => tracing::warn!(command, %error, "a hook in the background was lost"),
    }
}
