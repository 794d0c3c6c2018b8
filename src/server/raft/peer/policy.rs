use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_core::domain::Secret;
use orchestrator_core::ports::Clock;

use super::config::Config;
use super::error::Error;
use super::message::Trust;
use super::names::hosts_of;
use super::tls::Material;

/// A secret with fewer characters can be tried out by whoever has overheard or provoked one handshake.
const SECRET_LEAST: usize = 16;
/// Time before the expiry of the certificate from which on it is a warning.
const EXPIRY_WARNING_SECONDS: i64 = 14 * 24 * 3600;

/// What is configured, as it is in force.
pub(super) struct Policy {
    pub config: Config,
    /// Hosts of `RaftNodes`.
    pub hosts: BTreeSet<String>,
    pub credentials: Credentials,
}

/// What this node shows and asks for; the strictest that is configured.
pub(super) enum Credentials {
    Certificates(Material),
    Secret(Secret),
    Addresses,
}

impl Credentials {
    pub(super) fn trust(&self) -> Trust {
        match self {
            Self::Certificates(_) => Trust::Certificates,
            Self::Secret(_) => Trust::Secret,
            Self::Addresses => Trust::Addresses,
        }
    }
}

impl Policy {
    /// Decides, and reads the files.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn of(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let secret = config
            .shared_secret
            .clone()
            .filter(|secret| !secret.is_empty());
        let credentials = match (&config.tls, secret) {
            (Some(files), _) => Credentials::Certificates(Material::load(files, clock)?),
            (None, Some(secret)) => Credentials::Secret(secret),
            (None, None) if config.require_authentication => return Err(Error::NoAuthentication),
            (None, None) => Credentials::Addresses,
        };
        Ok(Self {
            hosts: hosts_of(&config.nodes),
            config,
            credentials,
        })
    }

    /// Seconds until the certificate of this node expires; negative when it has.
    pub(super) fn expires_in(&self, clock: &Arc<dyn Clock>) -> Option<i64> {
        match &self.credentials {
            Credentials::Certificates(material) => {
                Some(material.expires_at - clock.now().as_micros() / 1_000_000)
            }
            _ => None,
        }
    }

    /// What an operator must know, one sentence each.
    pub(super) fn warnings(&self, clock: &Arc<dyn Clock>) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.credentials {
            Credentials::Addresses => warnings.push(
                "members are trusted by their address only: whoever can send from an address of a member can take over the group; set RaftSharedSecret, or RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile".to_owned(),
            ),
            Credentials::Secret(secret) if secret.expose().chars().count() < SECRET_LEAST => {
                warnings.push(format!(
                    "RaftSharedSecret has fewer than {SECRET_LEAST} characters and can be guessed; make one with: openssl rand -hex 32"
                ));
            }
            Credentials::Certificates(material)
                if !material.names.iter().any(|name| self.hosts.contains(name)) =>
            {
                warnings.push(format!(
                    "the certificate in RaftSSLCertFile names {}, and no entry of RaftNodes is written so: the other members may refuse this node",
                    listed(&material.names)
                ));
            }
            Credentials::Secret(_) | Credentials::Certificates(_) => {}
        }
        match self.expires_in(clock) {
            Some(seconds) if seconds <= 0 => warnings.push(
                "the certificate in RaftSSLCertFile has expired: the other members refuse this node".to_owned(),
            ),
            Some(seconds) if seconds <= EXPIRY_WARNING_SECONDS => warnings.push(format!(
                "the certificate in RaftSSLCertFile expires in {} hours; the other members refuse this node then",
                seconds / 3600
            )),
            _ => {}
        }
        warnings
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody (it has no subject alternative name)".to_owned(),
        names => names.join(", "),
    }
}
