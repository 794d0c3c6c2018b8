//! The replication link: threads, errors, positions, lag.

use super::super::draft::{Draft, Scope};
use super::super::values::{quote, read_duration, read_position, read_seconds, write_duration};
use super::{Attribute, Misread, Needs, Said};
use crate::domain::ThreadState;

/// `ER_CONN_HOST_ERROR`: what a receiver says while nobody answers.
const CANNOT_CONNECT: u32 = 2003;

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["io"],
        expects: "io=yes, io=no, io=connecting or io=stopping",
        needs: Needs::Link,
        write: |draft, _| Some(format!("io={}", thread_word(draft.link()?.receiver))),
        read: read_io,
    },
    Attribute {
        names: &["io-errno"],
        expects: "io-errno=NUMBER",
        needs: Needs::Link,
        write: |draft, _| Some(format!("io-errno={}", draft.link()?.receiver_errno)),
        read: |draft, _, said| {
            let errno = said.parsed(|text| text.parse().ok())?;
            if let Some(link) = &mut draft.seen.replication {
                link.receiver_errno = errno;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["io-error"],
        expects: "io-error=TEXT, in quotes when it has spaces",
        needs: Needs::Link,
        write: |draft, _| Some(format!("io-error={}", quote(&draft.link()?.receiver_error))),
        read: |draft, _, said| {
            let text = said.some()?;
            if let Some(link) = &mut draft.seen.replication {
                text.clone_into(&mut link.receiver_error);
            }
            Ok(())
        },
    },
    Attribute {
        names: &["sql"],
        expects: "sql=yes, sql=no or sql=connecting",
        needs: Needs::Link,
        write: |draft, _| Some(format!("sql={}", thread_word(draft.link()?.applier))),
        read: |draft, _, said| {
            let state = said.parsed(thread_state)?;
            if let Some(link) = &mut draft.seen.replication {
                link.applier = state;
            }
            draft.reckon_lag();
            Ok(())
        },
    },
    Attribute {
        names: &["sql-errno"],
        expects: "sql-errno=NUMBER",
        needs: Needs::Link,
        write: |draft, _| Some(format!("sql-errno={}", draft.link()?.applier_errno)),
        read: |draft, _, said| {
            let errno = said.parsed(|text| text.parse().ok())?;
            if let Some(link) = &mut draft.seen.replication {
                link.applier_errno = errno;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["sql-error"],
        expects: "sql-error=TEXT, in quotes when it has spaces",
        needs: Needs::Link,
        write: |draft, _| Some(format!("sql-error={}", quote(&draft.link()?.applier_error))),
        read: |draft, _, said| {
            let text = said.some()?;
            if let Some(link) = &mut draft.seen.replication {
                text.clone_into(&mut link.applier_error);
            }
            Ok(())
        },
    },
    Attribute {
        names: &["read"],
        expects: "read=FILE:OFFSET",
        needs: Needs::Link,
        write: |draft, _| {
            Some(format!(
                "read={}",
                quote(&draft.link()?.received.to_string())
            ))
        },
        read: |draft, _, said| {
            let position = said.parsed(read_position)?;
            if let Some(link) = &mut draft.seen.replication {
                link.applied = position.clone();
                link.received = position;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["exec"],
        expects: "exec=FILE:OFFSET",
        needs: Needs::Link,
        write: |draft, _| {
            Some(format!(
                "exec={}",
                quote(&draft.link()?.applied.to_string())
            ))
        },
        read: |draft, _, said| {
            let position = said.parsed(read_position)?;
            if let Some(link) = &mut draft.seen.replication {
                link.applied = position;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["lag"],
        expects: "lag=TIME in whole seconds, like lag=5s, or lag=unknown",
        needs: Needs::Link,
        write: |draft, _| {
            draft.link()?;
            let lag = match draft.seen.lag_seconds {
                Some(seconds) => write_duration(std::time::Duration::from_secs(seconds)),
                None => "unknown".to_owned(),
            };
            Some(format!("lag={lag}"))
        },
        read: |draft, _, said| {
            let lag = match said.some()? {
                "unknown" => None,
                _ => Some(said.parsed(read_seconds)?),
            };
            draft.set_lag(lag);
            Ok(())
        },
    },
    Attribute {
        names: &["delay"],
        expects: "delay=TIME, like delay=1h",
        needs: Needs::Link,
        write: |draft, _| Some(format!("delay={}", write_duration(draft.link()?.delay))),
        read: |draft, _, said| {
            let delay = said.parsed(read_duration)?;
            if let Some(link) = &mut draft.seen.replication {
                link.delay = delay;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["filters"],
        expects: "without a value",
        needs: Needs::Link,
        write: |draft, _| draft.link()?.has_filters.then(|| "filters".to_owned()),
        read: |draft, _, said| {
            if let Some(link) = &mut draft.seen.replication {
                link.has_filters = true;
            }
            said.none()
        },
    },
    Attribute {
        names: &["channel"],
        expects: "channel=TEXT",
        needs: Needs::Link,
        write: |draft, _| Some(format!("channel={}", quote(&draft.link()?.channel))),
        read: |draft, _, said| {
            let text = said.some()?;
            if let Some(link) = &mut draft.seen.replication {
                text.clone_into(&mut link.channel);
            }
            Ok(())
        },
    },
];

fn thread_word(state: ThreadState) -> &'static str {
    match state {
        ThreadState::Running => "yes",
        ThreadState::Stopped => "no",
        ThreadState::Other => "connecting",
        ThreadState::Stopping => "stopping",
    }
}

fn thread_state(text: &str) -> Option<ThreadState> {
    match text {
        "yes" => Some(ThreadState::Running),
        "no" => Some(ThreadState::Stopped),
        "connecting" => Some(ThreadState::Other),
        "stopping" => Some(ThreadState::Stopping),
        _ => None,
    }
}

/// A receiver that is connecting has met a source that does not answer, unless another error is drawn.
fn read_io(draft: &mut Draft, _: &Scope<'_>, said: Said<'_>) -> Result<(), Misread> {
    let state = said.parsed(thread_state)?;
    if let Some(link) = &mut draft.seen.replication {
        link.receiver = state;
        if state == ThreadState::Other {
            link.receiver_errno = CANNOT_CONNECT;
            "error connecting to source".clone_into(&mut link.receiver_error);
        }
    }
    draft.reckon_lag();
    Ok(())
}
