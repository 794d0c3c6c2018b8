//! What changed about an instance, for the log: transitions, not states.

use orchestrator_core::domain::{InstanceKey, InstanceRecord, ProbeFailureKind};

/// One change worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// It answered for the first time.
    FirstSeen,
    /// It answers again.
    CameBack { after_failures: u32 },
    /// It stopped answering, never answered, or fails in another way than before.
    Unreachable {
        kind: ProbeFailureKind,
        message: String,
    },
    /// It replicates from another server than before.
    SourceChanged {
        from: Option<InstanceKey>,
        to: Option<InstanceKey>,
    },
    /// It is known under another name than it was reached by.
    KnownAs {
        name: InstanceKey,
        /// Whether people know it by the name it was reached by; otherwise another instance said that name.
        was_shown: bool,
    },
    /// Its name leads back to itself over another server; both keep the names they are reached by.
    NamesGoInCircles { reported: InstanceKey },
}

/// What changed between two records of an instance; most often nothing.
pub(super) fn between(before: Option<&InstanceRecord>, after: &InstanceRecord) -> Vec<Transition> {
    match &after.failure {
        Some(failure) => {
            let kind = before.and_then(|before| before.failure.as_ref());
            match kind.is_some_and(|before| before.kind == failure.kind) {
                true => Vec::new(),
                false => vec![Transition::Unreachable {
                    kind: failure.kind,
                    message: failure.message.clone(),
                }],
            }
        }
        None => between_good(before, after),
    }
}

fn between_good(before: Option<&InstanceRecord>, after: &InstanceRecord) -> Vec<Transition> {
    let seen = |record: &InstanceRecord| record.observation.clone();
    let Some((before, last)) = before.and_then(|before| Some((before, seen(before)?))) else {
        return vec![Transition::FirstSeen];
    };
    let mut changes = Vec::new();
    if before.failure.is_some() {
        changes.push(Transition::CameBack {
            after_failures: before.failures_in_a_row,
        });
    }
    let to = after.observation.as_deref().and_then(|now| now.source());
    if last.source() != to {
        changes.push(Transition::SourceChanged {
            from: last.source().cloned(),
            to: to.cloned(),
        });
    }
    changes
}

impl Transition {
    /// Writes the line.
    pub(super) fn log(&self, instance: &InstanceKey) {
        match self {
            Self::FirstSeen => tracing::info!(%instance, "instance seen for the first time"),
            Self::CameBack { after_failures } => {
                tracing::info!(%instance, after_failures, "instance answers again");
            }
            Self::Unreachable { kind, message } => {
                tracing::warn!(%instance, reason = ?kind, why = message, "instance cannot be probed");
            }
            Self::SourceChanged { from, to } => {
                let (from, to) = (or_nobody(from.as_ref()), or_nobody(to.as_ref()));
                tracing::info!(%instance, from, to, "instance changed its source");
            }
            Self::KnownAs {
                name,
                was_shown: true,
            } => {
                tracing::info!(%instance, %name, "instance is known under another name");
            }
            Self::KnownAs {
                name,
                was_shown: false,
            } => {
                tracing::debug!(%instance, %name, "instance is known under another name");
            }
            Self::NamesGoInCircles { reported } => {
                tracing::warn!(%instance, %reported, "two instances claim each other's name; each keeps the one it is reached by");
            }
        }
    }
}

fn or_nobody(key: Option<&InstanceKey>) -> String {
    key.map_or_else(|| "nobody".to_owned(), ToString::to_string)
}
