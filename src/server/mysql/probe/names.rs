//! Under which names servers are known.

use std::time::Duration;

use orchestrator_core::domain::{HostName, InstanceKey, SourceAddress};
use orchestrator_core::ports::Resolver;
use tokio::time::timeout;

use super::ask::unreadable;
use super::variables::Found;
use crate::mysql::OwnName;
use crate::mysql::failure::StepError;

const STEP: &str = "reading its name";

/// The names of one probe are waited for at most this long together; what is not resolved then keeps the name it has. A
/// slow name service must not make a healthy server look dead.
pub(super) const NAMING_LIMIT: Duration = Duration::from_secs(3);

/// The name that the server is to be known by, before it is resolved.
pub(super) fn own_host(
    key: &InstanceKey,
    found: &Found,
    method: OwnName,
) -> Result<HostName, StepError> {
    let (text, missing, broken) = match method {
        OwnName::None => return Ok(key.host().clone()),
        OwnName::Hostname => (
            &found.hostname,
            "an empty @@hostname, by which MySQLHostnameResolveMethod is to name it",
            "a @@hostname that is no host name",
        ),
        OwnName::ReportHost => (
            &found.report_host,
            "no @@report_host, by which MySQLHostnameResolveMethod is to name it; set report_host on the server",
            "a @@report_host that is no host name",
        ),
    };
    if text.trim().is_empty() {
        return Err(unreadable(STEP, missing));
    }
    HostName::parse(text).map_err(|_| unreadable(STEP, broken))
}

/// The name that `host` resolves to; `host` itself when that fails.
pub(super) async fn resolved(resolver: &dyn Resolver, host: &HostName) -> HostName {
    match resolver.resolve(host.clone()).await {
        Ok(resolved) => resolved,
        Err(error) => {
            tracing::debug!(%error, "the name is used as it is");
            host.clone()
        }
    }
}

/// Names to resolve and what becomes of them.
pub(super) struct Named {
    pub(super) key: InstanceKey,
    pub(super) source: Option<SourceAddress>,
    pub(super) others: Vec<InstanceKey>,
}

/// Resolves what the server was told and says, within [`NAMING_LIMIT`].
pub(super) async fn resolve_all(resolver: &dyn Resolver, mut named: Named) -> Named {
    let work = async {
        let host = resolved(resolver, named.key.host()).await;
        named.key = named.key.with_host(host);
        if let Some(SourceAddress::Attached(source)) = &mut named.source {
            let host = resolved(resolver, source.host()).await;
            *source = source.with_host(host);
        }
        for other in &mut named.others {
            let host = resolved(resolver, other.host()).await;
            *other = other.with_host(host);
        }
    };
    if timeout(NAMING_LIMIT, work).await.is_err() {
        tracing::debug!(instance = %named.key, "the name service is slow; some names stay as they are");
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(hostname: &str, report_host: &str) -> Found {
        Found {
            hostname: hostname.into(),
            report_host: report_host.into(),
            ..Found::default()
        }
    }

    #[test]
    fn the_method_chooses_the_name() {
        let key = InstanceKey::parse("10.0.0.1:3307", 1).unwrap();
        let of = |method, found: Found| own_host(&key, &found, method).map(|h| h.to_string());
        assert_eq!(of(OwnName::None, found("h", "r")).unwrap(), "10.0.0.1");
        assert_eq!(of(OwnName::Hostname, found("h", "r")).unwrap(), "h");
        assert_eq!(of(OwnName::ReportHost, found("h", "r")).unwrap(), "r");
        assert!(of(OwnName::ReportHost, found("h", "")).is_err());
        assert!(of(OwnName::Hostname, found(" ", "r")).is_err());
        assert!(of(OwnName::Hostname, found("a'b", "r")).is_err());
    }
}
