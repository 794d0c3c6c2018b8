//! Who may do what: decided here, before any handler runs, from the connection, the headers and the route's access.
//!
//! Order: client certificate, name and password, rules about browsers, then, for changing routes, permission. All of it
//! is pure over [`Request`](axum::http::request::Parts) parts and an [`AccessConfig`]; `gate` is the thin layer that runs it.

mod audit;
mod authentication;
mod authorization;
mod browser;
mod config;
mod gate;
mod peer;
mod secrets;
mod standing;
#[cfg(test)]
mod tests;
mod vouched;

pub use authentication::{Rejected, TOKEN_COOKIE};
pub use authorization::Denied;
pub use axum::http::HeaderName;
pub use browser::CrossSite;
pub use config::{
    AccessConfig, AuditEntry, AuditSink, Authentication, CertificateRule, GroupLookup, ProxyUsers,
    TokenLookup, TrustedProxy,
};
pub use gate::Gate;
pub(in crate::api) use gate::Guard;
pub use peer::{ClientCertificate, Peer};
pub use secrets::{digest_of, same_as_digest, same_secret};
pub(in crate::api) use standing::Standing;
pub use vouched::{BrowserWord, VouchError, Vouched, VouchedProof};
