use axum::http::HeaderMap;

use super::authentication::{Proof, believes_header_of};
use super::{AccessConfig, Authentication, ProxyUsers, Standing};

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
pub(super) fn may_change(config: &AccessConfig, caller: &Standing) -> Result<(), Denied> {
    if config.read_only {
        return Err(Denied::ReadOnly);
    }
    let identity = &caller.identity;
    let is_permitted = match &config.authentication {
        Authentication::Nobody => true,
        Authentication::Unset => match caller.is_on_the_machine() {
            true => true,
            false => return Err(Denied::NotLocal),
        },
        Authentication::OAuth => false,
        Authentication::Basic { .. } | Authentication::Multi { .. } => {
            identity.proof == Proof::Password && !identity.reads_only
        }
        Authentication::Token(_) => identity.proof == Proof::Token,
        Authentication::Proxy(users) => {
            // Of a caller elsewhere, the node that it is connected to has judged the proxy.
            let is_direct = caller.through.is_none();
            if is_direct && caller.names_a_user && !believes_header_of(users, &caller.peer) {
                return Err(Denied::UntrustedProxy);
            }
            identity.proof == Proof::Proxy && has_power(users, &identity.user)
        }
    };
    match is_permitted {
        true => Ok(()),
        false => Err(Denied::NotPermitted),
    }
}

fn has_power(users: &ProxyUsers, user: &str) -> bool {
    let by_name = |power: &String| power == "*" || power == user;
    users.power_users.iter().any(by_name) || users.groups.is_in_any(user, &users.power_groups)
}

/// Whether the caller may use a route that is for the machine of the service only.
pub(super) fn may_administer(config: &AccessConfig, caller: &Standing) -> Result<(), Denied> {
    may_claim(config)?;
    // A proxy that names users in a header of another name gives itself away by that one.
    match caller.is_on_the_machine() && !caller.names_a_user {
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
pub(super) fn came_through_a_proxy(headers: &HeaderMap) -> bool {
    headers.keys().map(|name| name.as_str()).any(|name| {
        matches!(name, "forwarded" | "x-real-ip" | "via") || name.starts_with("x-forwarded-")
    })
}
