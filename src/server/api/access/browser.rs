//! Rules against pages of other sites that make an operator's browser call us. Requests of scripts and load balancers carry
//! none of the headers that are looked at here and pass untouched.

use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method};

use super::{AccessConfig, Peer};

/// Why a request of a browser is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrossSite {
    /// The name it uses for us is not ours: a page elsewhere may have made its own name point at us.
    #[error(
        "the Host header names a host that is not this service; add it to HTTPAllowedHosts if it is"
    )]
    UnknownHost,
    /// A page of another site sent it.
    #[error("a page of another site may not change anything here")]
    ForeignPage,
    /// It is a link or an address typed into a browser.
    #[error("opening a link may not change anything; use a POST request, or the client")]
    Navigation,
    /// A browser sent it, from whatever page.
    #[error(
        "a browser may not do this; use curl, or another program, on the machine of the service"
    )]
    Browser,
}

/// Judges a request by what a browser says of itself. `path` is not looked at; `changes` is the route's access.
pub(super) fn check(
    config: &AccessConfig,
    peer: &Peer,
    method: &Method,
    headers: &HeaderMap,
    changes: bool,
) -> Result<(), CrossSite> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("\u{fffd}"))
    };
    let (site, mode) = (text("sec-fetch-site"), text("sec-fetch-mode"));
    let (origin, referer) = (text(ORIGIN.as_str()), text(REFERER.as_str()));
    if !is_of_a_browser(headers) {
        return Ok(());
    }
    let host = text(HOST.as_str())
        .and_then(|host| host.parse::<Authority>().ok())
        .ok_or(CrossSite::UnknownHost)?;
    if !is_our_host(config, peer, &host) {
        return Err(CrossSite::UnknownHost);
    }
    if !changes {
        return Ok(());
    }
    let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = origin.is_some_and(|origin| !is_same_origin(origin, &host));
    let foreign_referer = referer.is_some_and(|referer| !is_same_origin(referer, &host));
    if foreign_site || foreign_origin || foreign_referer {
        return Err(CrossSite::ForeignPage);
    }
    if *method != Method::POST && mode == Some("navigate") {
        return Err(CrossSite::Navigation);
    }
    Ok(())
}

/// Whether a browser sent it.
pub(super) fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name.as_str().starts_with("sec-fetch-"))
        || headers.contains_key(ORIGIN)
        || headers.contains_key(REFERER)
}

fn is_our_host(config: &AccessConfig, peer: &Peer, host: &Authority) -> bool {
    let name = host
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    if let Ok(ip) = name.parse::<std::net::IpAddr>() {
        let ip = ip.to_canonical();
        return ip.is_loopback()
            || peer
                .local
                .is_some_and(|local| local.ip().to_canonical() == ip)
            || config.allowed_hosts.contains(&name)
            || config.own_hosts.contains(&name);
    }
    name == "localhost" || config.own_hosts.contains(&name) || config.allowed_hosts.contains(&name)
}

/// Whether a URL (an `Origin`, or a `Referer` with a path) has the host and port of the request. The scheme is left out:
/// a proxy may end TLS in front of us.
fn is_same_origin(url: &str, host: &Authority) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let port = |a: &Authority| a.port_u16();
    authority.host().eq_ignore_ascii_case(host.host())
        && (port(&authority) == port(host)
            || port(&authority).unwrap_or(default) == port(host).unwrap_or(default))
}
