use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orchestrator_core::domain::Secret;

use super::{AccessConfig, Authentication, Peer, ProxyUsers, same_secret};

/// The user of `multi` who may only read, with any password.
const READ_ONLY_USER: &str = "readonly";

/// Cookie of the token method: `<public>:<secret>`.
pub const TOKEN_COOKIE: &str = "access-token";

/// Who the caller is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// User name; empty when nobody.
    pub user: String,
    /// By what the name was proved.
    pub proof: Proof,
    /// Whether the name comes with reading rights only.
    pub reads_only: bool,
}

/// What stands behind the name of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    #[default]
    None,
    /// A password.
    Password,
    /// The word of a trusted proxy.
    Proxy,
    /// An access token.
    Token,
}

/// Why a request is turned away before its route is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Name or password is missing or wrong.
    #[error("Not Authorized")]
    Password,
    /// No client certificate, or none with a configured organisational unit.
    #[error("a client certificate with a unit listed in SSLValidOUs is required")]
    Certificate,
}

/// Checks the client certificate for a request to `path` (decoded, without the trailing slash, without query).
pub(super) fn check_certificate(
    config: &AccessConfig,
    peer: &Peer,
    path: &str,
) -> Result<(), Rejected> {
    let Some(rule) = &config.certificates else {
        return Ok(());
    };
    if path == config.status_path && !rule.on_status_path {
        return Ok(());
    }
    let units = peer
        .certificate
        .as_ref()
        .map_or(&[][..], |certificate| &certificate.organizational_units);
    if units.iter().any(|unit| rule.valid_units.contains(unit)) {
        Ok(())
    } else {
        Err(Rejected::Certificate)
    }
}

/// Establishes who the caller is. Malformed credentials count as none.
pub(super) fn identify(
    config: &AccessConfig,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Identity, Rejected> {
    match &config.authentication {
        Authentication::Unset | Authentication::Nobody | Authentication::OAuth => {
            Ok(Identity::default())
        }
        Authentication::Basic { user, password } => {
            by_password(headers, user, password).ok_or(Rejected::Password)
        }
        Authentication::Multi { user, password } => match basic_credentials(headers) {
            Some((name, _)) if name == READ_ONLY_USER => Ok(Identity {
                user: name,
                proof: Proof::Password,
                reads_only: true,
            }),
            _ => by_password(headers, user, password).ok_or(Rejected::Password),
        },
        Authentication::Proxy(users) => Ok(by_proxy(users, peer, headers)),
        Authentication::Token(tokens) => Ok(token_cookie(headers)
            .and_then(|(public, secret)| tokens.owner(&public, &secret))
            .map(|user| Identity {
                user,
                proof: Proof::Token,
                reads_only: false,
            })
            .unwrap_or_default()),
    }
}

/// Judges an identity that another node established: what was proved there counts here when the method in force here
/// would have asked for the same.
pub(super) fn recognise(config: &AccessConfig, found: Identity) -> Result<Identity, Rejected> {
    let has_password = found.proof == Proof::Password;
    let is_reader = has_password && found.reads_only && found.user == READ_ONLY_USER;
    match &config.authentication {
        Authentication::Basic { user, .. } | Authentication::Multi { user, .. }
            if has_password && !found.reads_only && found.user == *user =>
        {
            Ok(found)
        }
        Authentication::Multi { .. } if is_reader => Ok(found),
        Authentication::Basic { .. } | Authentication::Multi { .. } => Err(Rejected::Password),
        Authentication::Proxy(_) if found.proof == Proof::Proxy && !found.user.is_empty() => {
            Ok(found)
        }
        Authentication::Token(_) if found.proof == Proof::Token => Ok(found),
        Authentication::Proxy(_)
        | Authentication::Token(_)
        | Authentication::Unset
        | Authentication::Nobody
        | Authentication::OAuth => Ok(Identity::default()),
    }
}

fn by_password(headers: &HeaderMap, user: &str, password: &Secret) -> Option<Identity> {
    let (name, given) = basic_credentials(headers)?;
    // Both are compared always, so that a right name does not show in how long a wrong password takes.
    let name_is_right = same_secret(&Secret::new(user), &name);
    let password_is_right = same_secret(password, &given);
    (name_is_right & password_is_right).then_some(Identity {
        user: name,
        proof: Proof::Password,
        reads_only: false,
    })
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn by_proxy(users: &ProxyUsers, peer: &Peer, headers: &HeaderMap) -> Identity {
    if !believes_header_of(users, peer) {
        return Identity::default();
    }
    let mut values = headers.get_all(&users.header).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Identity::default();
    };
    let user = value.to_str().unwrap_or_default().trim().to_owned();
    let proof = match user.is_empty() {
        true => Proof::None,
        false => Proof::Proxy,
    };
    Identity {
        proof,
        user,
        reads_only: false,
    }
}

/// The header is believed from this machine, from the configured proxies, and from whoever showed a valid certificate.
pub(super) fn believes_header_of(users: &ProxyUsers, peer: &Peer) -> bool {
    peer.is_local()
        || peer.certificate.is_some()
        || peer
            .ip()
            .is_some_and(|ip| users.trusted.iter().any(|proxy| proxy.holds(ip)))
}

fn token_cookie(headers: &HeaderMap) -> Option<(String, String)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == TOKEN_COOKIE)
        .and_then(|(_, value)| value.trim_matches('"').split_once(':'))
        .map(|(public, secret)| (public.to_owned(), secret.to_owned()))
}
