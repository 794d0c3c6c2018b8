use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Method};

use super::authentication::{Identity, Proof, identify, recognise};
use super::authorization::came_through_a_proxy;
use super::browser::{self, CrossSite};
use super::vouched::{BrowserWord, Vouched, VouchedProof};
use super::{AccessConfig, Authentication, ClientCertificate, Peer, Rejected};

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    /// By who the caller is.
    Rejected(Rejected),
    /// By what a browser says.
    CrossSite(CrossSite),
}

/// All that a caller is judged by: found out once, from the connection and the headers, or by the node that passed the
/// request on. A request extension.
#[derive(Clone, Debug)]
pub(in crate::api) struct Standing {
    /// Who it is.
    pub(super) identity: Identity,
    /// What the connection says.
    pub(super) peer: Peer,
    /// Whether a proxy stands between.
    pub(super) is_through_proxy: bool,
    /// Whether a header names a user, as proxies of the method `proxy` do.
    pub(super) names_a_user: bool,
    /// Whether a browser sent it.
    pub(super) is_of_a_browser: bool,
    /// Whether the browser, if it is one, may change something with it.
    pub(super) browser_may_change: Result<(), CrossSite>,
    /// The node that passed the request on and vouches for all of this.
    pub(super) through: Option<String>,
}

impl Standing {
    /// Of a caller who is connected to this node.
    pub(super) fn direct(
        config: &AccessConfig,
        peer: &Peer,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Self, NotLetIn> {
        let identity = identify(config, peer, headers).map_err(NotLetIn::Rejected)?;
        browser::check(config, peer, method, headers, false).map_err(NotLetIn::CrossSite)?;
        let names_a_user = match &config.authentication {
            Authentication::Proxy(users) => headers.contains_key(&users.header),
            _ => false,
        };
        Ok(Self {
            identity,
            peer: peer.clone(),
            is_through_proxy: came_through_a_proxy(headers),
            names_a_user,
            is_of_a_browser: browser::is_of_a_browser(headers),
            browser_may_change: browser::check(config, peer, method, headers, true),
            through: None,
        })
    }

    /// Of a caller for whom another node vouches, as far as this node's own configuration lets that count.
    pub(super) fn vouched(config: &AccessConfig, vouched: &Vouched) -> Result<Self, NotLetIn> {
        let identity = Identity {
            user: vouched.user.clone(),
            proof: match vouched.proof {
                VouchedProof::None => Proof::None,
                VouchedProof::Password => Proof::Password,
                VouchedProof::Proxy => Proof::Proxy,
                VouchedProof::Token => Proof::Token,
            },
            reads_only: vouched.reads_only,
        };
        let identity = recognise(config, identity).map_err(NotLetIn::Rejected)?;
        Ok(Self {
            identity,
            peer: peer_of(vouched),
            is_through_proxy: vouched.is_through_proxy,
            names_a_user: vouched.names_a_user,
            is_of_a_browser: vouched.browser != BrowserWord::NoBrowser,
            browser_may_change: match vouched.browser {
                BrowserWord::NoBrowser | BrowserWord::OwnPage => Ok(()),
                BrowserWord::Elsewhere => Err(CrossSite::ForeignPage),
            },
            through: Some(vouched.node.clone()),
        })
    }

    /// The same for another node to judge by; this node, called `node`, vouches for it.
    pub(in crate::api) fn vouch(&self, node: &str) -> Vouched {
        Vouched {
            node: node.to_owned(),
            user: self.identity.user.clone(),
            proof: match self.identity.proof {
                Proof::None => VouchedProof::None,
                Proof::Password => VouchedProof::Password,
                Proof::Proxy => VouchedProof::Proxy,
                Proof::Token => VouchedProof::Token,
            },
            reads_only: self.identity.reads_only,
            address: self.peer.ip(),
            units: self
                .peer
                .certificate
                .as_ref()
                .map(|certificate| certificate.organizational_units.clone()),
            is_through_proxy: self.is_through_proxy,
            names_a_user: self.names_a_user,
            browser: match (self.is_of_a_browser, self.browser_may_change) {
                (false, _) => BrowserWord::NoBrowser,
                (true, Ok(())) => BrowserWord::OwnPage,
                (true, Err(_)) => BrowserWord::Elsewhere,
            },
        }
    }

    /// Whether the caller is on the machine of the node that it is connected to, without a proxy between.
    pub(super) fn is_on_the_machine(&self) -> bool {
        self.peer.is_local() && !self.is_through_proxy
    }

    /// Its address; `None` on a unix socket.
    pub(in crate::api) fn address(&self) -> Option<IpAddr> {
        self.peer.ip()
    }

    /// Whether it came over a unix socket.
    pub(in crate::api) fn is_on_a_socket_file(&self) -> bool {
        self.peer.remote.is_none()
    }
}

/// The connection as the other node described it. Its port does not matter to anything.
pub(super) fn peer_of(vouched: &Vouched) -> Peer {
    Peer {
        remote: vouched.address.map(|ip| SocketAddr::new(ip, 0)),
        local: None,
        certificate: vouched.units.clone().map(|units| ClientCertificate {
            organizational_units: units,
        }),
    }
}
