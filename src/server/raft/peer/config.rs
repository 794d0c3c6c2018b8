use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::Secret;

/// What the links between members are told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `RaftBind`: `host:port` or `host`; a wildcard host listens everywhere and lets the system choose the address that
    /// dials leave from. Taken at the start only.
    pub bind: String,
    /// `DefaultRaftPort`: port of addresses written without one; 0 adds none.
    pub default_port: u16,
    /// `RaftNodes`, as written.
    pub nodes: Vec<String>,
    /// The name under which this node introduces itself, for the logs of the others.
    pub own_name: String,
    /// `RaftSSLCertFile`, `RaftSSLPrivateKeyFile` and `RaftSSLCAFile`; `None` when none of them is set.
    pub tls: Option<TlsFiles>,
    /// `RaftSharedSecret`; not used where there are certificates. All are accepted; the first is shown, and the next where the other side
    /// does not know that one.
    pub shared_secrets: Vec<Secret>,
    /// `RaftRequireAuthentication`: without certificates and secret there is no start.
    pub require_authentication: bool,
    /// Bounds. Taken at the start only.
    pub limits: Limits,
}

/// Files of mutual TLS between members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `RaftSSLCertFile`: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// `RaftSSLPrivateKeyFile`.
    pub private_key: PathBuf,
    /// `RaftSSLCAFile`: authorities of members' certificates.
    pub authority: PathBuf,
}

/// Bounds on links.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time from accepting a connection until its identity is known.
    pub identify: Duration,
    /// Connections whose identity is not known yet. When there are more, the oldest goes: a member needs milliseconds.
    /// Each costs a descriptor and up to 40 KiB during a TLS handshake.
    pub strangers: usize,
    /// The same from one address, so that one host cannot push out the others.
    pub strangers_per_address: usize,
    /// Connections of members. A member holds a handful; more is a leak, which must not take all descriptors.
    pub peers: usize,
    /// The same from one address. Several members may share one (tests, NAT with a secret).
    pub peers_per_address: usize,
    /// Bytes read before the identity is known, in clear: a whole handshake has less than 1 KiB.
    pub plain_bytes: usize,
    /// Bytes read before the identity is known, with TLS: a chain with an intermediate of 4,096-bit RSA has some 4 KiB, so
    /// the 4 KiB of the plain handshake would refuse honest members.
    pub tls_bytes: usize,
    /// Time for the look-up of a name, before the addresses last known are taken.
    pub look_up: Duration,
    /// Time for one TCP connect. Shorter than the second after which the system repeats a lost opening packet: dialing
    /// anew is faster. Three round trips between continents fit.
    pub connect: Duration,
    /// Time for the handshake of a dialed connection: up to three round trips and a signature on a busy machine.
    pub dial_handshake: Duration,
    /// Time between two dials of one member after a failed one, so that a member that is down costs little; short enough
    /// that a restarted one is reached within 200 ms.
    pub redial: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            identify: Duration::from_secs(5),
            strangers: 256,
            strangers_per_address: 64,
            peers: 512,
            peers_per_address: 128,
            plain_bytes: 4 * 1024,
            tls_bytes: 16 * 1024,
            look_up: Duration::from_secs(1),
            connect: Duration::from_millis(500),
            dial_handshake: Duration::from_secs(2),
            redial: Duration::from_millis(50),
        }
    }
}
