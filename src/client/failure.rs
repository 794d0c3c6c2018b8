//! Everything that ends a run without success.

use std::error::Error;

use crate::commands::{Missing, PathError};
use crate::filters::Shape;
use crate::{endpoint, http, settings};

/// Why a run failed. With its sources, its text is one sentence for standard error; none holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No `-c`.
    #[error("No command given. Name one with -c; -c help lists them")]
    NoCommand,
    /// No such command.
    #[error("Unsupported command {0}")]
    Unsupported(String),
    /// A command of the predecessor that this release cannot carry out.
    #[error("The command {0} is known but not there yet: this release cannot carry it out")]
    NotYet(&'static str),
    /// A required option is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The path cannot be built.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The endpoints cannot be used.
    #[error(transparent)]
    Endpoint(#[from] endpoint::Error),
    /// A TLS file cannot be used.
    #[error(transparent)]
    Tls(#[from] http::TlsError),
    /// No host to ask.
    #[error(transparent)]
    NoLeader(#[from] http::NoLeader),
    /// The node in use is not the leader of a group.
    #[error(
        "Cannot determine raft state: {host} says {said} instead of Leader. Give all nodes of the group in ORCHESTRATOR_API (or -U)"
    )]
    DoesNotLead {
        /// The host.
        host: String,
        /// What it said.
        said: String,
    },
    /// No usable answer.
    #[error(transparent)]
    Call(#[from] http::Error),
    /// The request was carried out, but its answer cannot be printed.
    #[error("The answer to {path} cannot be printed")]
    Shape {
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        #[source]
        shape: Shape,
    },
}

impl Failure {
    /// The failure and what caused it, in one line.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            sentence.push_str(&format!(": {error}"));
            cause = error.source();
        }
        sentence
    }

    /// 5 was `jq`'s code for an answer that its program could not handle, and scripts know it; everything else is 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Shape { .. } => 5,
            _ => 1,
        }
    }
}
