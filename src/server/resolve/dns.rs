use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use orchestrator_core::ports::BoxFuture;
use tokio::sync::OnceCell;

/// Why a lookup failed, in the words of the name service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Asks a name service. To be correct, dropping a future ends the lookup.
pub trait Lookup: Send + Sync {
    /// The name at the end of the `CNAME` chain of `host`, without a final dot; `host` itself when it is no alias.
    ///
    /// # Errors
    /// [`LookupError`] when the name has no address.
    fn canonical_name<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<String, LookupError>>;

    /// The addresses of `host`, in the service's order.
    ///
    /// # Errors
    /// [`LookupError`].
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>>;
}

/// The system's name service: `CNAME` chains by the servers of `/etc/resolv.conf`, addresses by the C library, so that
/// `/etc/hosts` and its kin count.
#[derive(Default)]
pub struct DnsLookup {
    resolver: OnceCell<TokioResolver>,
}

impl DnsLookup {
    async fn resolver(&self) -> Result<&TokioResolver, LookupError> {
        // Made at first use: most fleets resolve nothing, and the file may be broken without harm to them.
        self.resolver
            .get_or_try_init(|| async {
                TokioResolver::builder_tokio()
                    .and_then(|builder| builder.build())
                    .map_err(|e| LookupError(format!("/etc/resolv.conf cannot be used: {e}")))
            })
            .await
    }
}

impl Lookup for DnsLookup {
    fn canonical_name<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<String, LookupError>> {
        Box::pin(async move {
            let found = self
                .resolver()
                .await?
                .lookup_ip(host)
                .await
                .map_err(|e| LookupError(e.to_string()))?;
            // The resolver follows the chain; the addresses at its end carry the name they belong to.
            let name = found
                .as_lookup()
                .answers()
                .iter()
                .find(|record| record.record_type().is_ip_addr())
                .map(|record| record.name.to_ascii())
                .ok_or_else(|| LookupError("the name has no address".to_owned()))?;
            Ok(name.trim_end_matches('.').to_owned())
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0))
                .await
                .map_err(|e| LookupError(e.to_string()))?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
