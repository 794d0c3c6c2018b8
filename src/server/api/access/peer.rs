use std::net::{IpAddr, SocketAddr};

/// What the connection says about the other end; a request extension put there by the listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` on a unix socket.
    pub remote: Option<SocketAddr>,
    /// Our address that it connected to; `None` on a unix socket.
    pub local: Option<SocketAddr>,
    /// Its certificate, verified against the configured authority; `None` when it showed none.
    pub certificate: Option<ClientCertificate>,
}

/// The part of a verified client certificate that access is decided by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Organisational units of its subject.
    pub organizational_units: Vec<String>,
}

impl Peer {
    /// Address without port.
    pub fn ip(&self) -> Option<IpAddr> {
        self.remote.map(|address| address.ip().to_canonical())
    }

    /// Whether the caller is on this machine: over loopback, or a unix socket.
    pub fn is_local(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }
}
