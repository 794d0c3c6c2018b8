use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock, Ids};

use crate::api::access::{self, AuditSink, GroupLookup};
use crate::telemetry::{self, AuditFile};

/// The machine's clocks.
pub(super) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the Clock that everything else is given"
    )]
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the Clock that everything else is given"
    )]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        };
        Timestamp::from_micros(micros)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Random ids of the operating system's generator.
pub(super) struct SystemIds;

impl Ids for SystemIds {
    fn unique(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "this is the source of jitter that everything else is given"
    )]
    fn fraction(&self) -> f64 {
        rand::random::<f64>()
    }
}

/// The unix groups of this machine, as its name service tells them.
pub(super) struct UnixGroups;

impl GroupLookup for UnixGroups {
    fn is_in_any(&self, user: &str, groups: &[String]) -> bool {
        if groups.is_empty() || user.is_empty() {
            return false;
        }
        let Some(found) = uzers::get_user_by_name(user) else {
            return false;
        };
        uzers::get_user_groups(user, found.primary_group_id())
            .unwrap_or_default()
            .iter()
            .any(|group| {
                groups
                    .iter()
                    .any(|name| group.name().to_str() == Some(name))
            })
    }
}

/// The audit file, as the API fills it.
pub(super) struct Auditor {
    pub file: AuditFile,
    pub clock: Arc<dyn Clock>,
}

impl AuditSink for Auditor {
    fn record(&self, entry: access::AuditEntry) {
        let access::AuditEntry {
            what,
            host,
            port,
            message,
        } = entry;
        let at = self.clock.now();
        self.file.record(&telemetry::AuditEntry {
            at,
            what,
            host,
            port,
            message,
        });
    }
}

/// Name of this machine, as the kernel has it; `localhost` when it has none.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_in_its_group_and_strangers_are_in_none() {
        assert!(UnixGroups.is_in_any("root", &["root".into()]));
        assert!(!UnixGroups.is_in_any("root", &["no-such-group".into()]));
        assert!(!UnixGroups.is_in_any("no-such-user", &["root".into()]));
        assert!(!UnixGroups.is_in_any("", &["root".into()]));
    }
}
