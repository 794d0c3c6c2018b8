use axum::http::HeaderMap;

use super::authentication::{Identity, believes_header_of};
use super::{AccessConfig, Authentication, Peer};

/// Why a caller may not change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// `ReadOnly` is on.
    #[error("Unauthorized")]
    ReadOnly,
    /// No authentication is configured and the caller is not on this machine.
    #[error(
        "Unauthorized: while AuthenticationMethod is not set, changes are taken from this machine only; set it to basic, multi, proxy or token, or write \"AuthenticationMethod\": \"none\" to let everybody change"
    )]
    NotLocal,
    /// The caller has no name, or one without the right to change.
    #[error("Unauthorized")]
    NotPermitted,
    /// The route is for the machine of the service only.
    #[error(
        "Unauthorized: this is taken on the machine of the service only, over loopback or the unix socket, and not through a proxy"
    )]
    NotOnThisMachine,
    /// The proxy that named the user is not trusted.
    #[error(
        "Unauthorized: the user header is believed from this machine and from the addresses of HTTPTrustedProxies; list the proxy there"
    )]
    UntrustedProxy,
}

/// Whether the caller may use a changing route.
pub(super) fn may_change(
    config: &AccessConfig,
    peer: &Peer,
    headers: &HeaderMap,
    caller: &Identity,
) -> Result<(), Denied> {
    if config.read_only {
        return Err(Denied::ReadOnly);
    }
    match &config.authentication {
        Authentication::Nobody => Ok(()),
        Authentication::Unset => match peer.is_local() && !came_through_a_proxy(headers) {
            true => Ok(()),
            false => Err(Denied::NotLocal),
        },
        Authentication::OAuth => Err(Denied::NotPermitted),
        Authentication::Basic { .. } | Authentication::Multi { .. } | Authentication::Token(_) => {
            if caller.is_verified && !caller.reads_only {
                Ok(())
            } else {
                Err(Denied::NotPermitted)
            }
        }
        Authentication::Proxy(users) => {
            if headers.contains_key(&users.header) && !believes_header_of(users, peer) {
                return Err(Denied::UntrustedProxy);
            }
            let is_power_user = || {
                users
                    .power_users
                    .iter()
                    .any(|user| user == "*" || *user == caller.user)
            };
            let is_in_group = || users.groups.is_in_any(&caller.user, &users.power_groups);
            if caller.is_verified && (is_power_user() || is_in_group()) {
                Ok(())
            } else {
                Err(Denied::NotPermitted)
            }
        }
    }
}

/// Whether the caller may use a route that is for the machine of the service only.
pub(super) fn may_administer(
    config: &AccessConfig,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    may_claim(config)?;
    // A proxy that names users in a header of another name gives itself away by that one.
    let names_a_user = match &config.authentication {
        Authentication::Proxy(users) => headers.contains_key(&users.header),
        _ => false,
    };
    match peer.is_local() && !came_through_a_proxy(headers) && !names_a_user {
        true => Ok(()),
        false => Err(Denied::NotOnThisMachine),
    }
}

/// Whether anybody may take something that was handed out.
pub(super) fn may_claim(config: &AccessConfig) -> Result<(), Denied> {
    match config.read_only {
        true => Err(Denied::ReadOnly),
        false => Ok(()),
    }
}

/// A proxy on this machine makes strangers look local; one that says so is not taken for them.
fn came_through_a_proxy(headers: &HeaderMap) -> bool {
    headers.keys().map(|name| name.as_str()).any(|name| {
        matches!(name, "forwarded" | "x-real-ip" | "via") || name.starts_with("x-forwarded-")
    })
}
