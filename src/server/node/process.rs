use std::io::Write;
use std::process::ExitCode;

use tokio::runtime::Runtime;

use super::adopt_store;
use super::lost_majority::{self, Outcome};
use super::start::{StartError, start};
use crate::cli::{Flags, Invocation, LogLevel, Saying, Stream, parse_os};
use crate::config::{self, Loaded, SystemSource};
use crate::telemetry::{LogSettings, init_log};

/// Exit code of a node that cannot go on; a supervisor starts it again.
const CORE_FAILED: u8 = 70;

/// Exit code of a start that was refused.
const REFUSED: u8 = 1;

/// The whole program: reads the arguments of the process and ends with its exit code.
pub fn main() -> ExitCode {
    match parse_os(std::env::args_os().skip(1)) {
        Invocation::Say(saying) => say(&saying),
        Invocation::CheckThenSay(flags, saying) => match configuration(&flags) {
            Ok(_) => say(&saying),
            Err(code) => code,
        },
        Invocation::Serve(flags) => match configuration(&flags) {
            Ok(loaded) => serve(&flags, loaded),
            Err(code) => code,
        },
        Invocation::RaftRecover(flags) => match configuration(&flags) {
            Ok(loaded) => offline(lost_majority::recover(&flags, &loaded.settings)),
            Err(code) => code,
        },
        Invocation::RaftAdoptStore(flags) => match configuration(&flags) {
            Ok(loaded) => offline(adopt_store::adopt(&flags, &loaded.settings)),
            Err(code) => code,
        },
    }
}

fn say(saying: &Saying) -> ExitCode {
    let text = saying.text.as_bytes();
    let written = match saying.stream {
        Stream::Stdout => std::io::stdout().write_all(text),
        Stream::Stderr => std::io::stderr().write_all(text),
    };
    // A closed pipe (`orchestrator | head`) is the reader's choice.
    drop(written);
    ExitCode::from(saying.code)
}

/// Reads the configuration; logs everything that is wrong with it.
fn configuration(flags: &Flags) -> Result<Loaded, ExitCode> {
    match config::load(&SystemSource, &flags.files(), flags.overrides()) {
        Ok(loaded) => {
            log_at(LogLevel::decide(flags, loaded.settings.live.log.is_debug));
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            Ok(loaded)
        }
        Err(errors) => {
            log_at(LogLevel::decide(flags, false));
            for warning in &errors.warnings {
                tracing::warn!("{warning}");
            }
            for problem in &errors.problems {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration cannot be used; nothing was started");
            Err(ExitCode::from(REFUSED))
        }
    }
}

fn log_at(level: LogLevel) {
    init_log(LogSettings {
        level: level.filter(),
    });
}

/// What all that speaks with others needs.
fn runtime() -> Result<Runtime, ExitCode> {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| refused(&format!("no threads could be started: {error}")))
}

/// What is done to a node that does not run.
fn offline(work: impl Future<Output = Result<Outcome, StartError>>) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    match outcome {
        Ok(outcome) => say(&Saying {
            stream: Stream::Stdout,
            text: outcome.text,
            code: if outcome.is_done { 0 } else { REFUSED },
        }),
        Err(error) => refused(&error.to_string()),
    }
}

fn serve(flags: &Flags, loaded: Loaded) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let outcome = runtime.block_on(async {
        match start(flags, loaded).await {
            Ok(node) => {
                if node.run().await {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::from(CORE_FAILED)
                }
            }
            Err(StartError::ToldToStop) => {
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error.to_string()),
        }
    });
    // Blocking calls that hang (a disk, a name service) must not keep the process.
    runtime.shutdown_background();
    outcome
}

fn refused(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::from(REFUSED)
}
