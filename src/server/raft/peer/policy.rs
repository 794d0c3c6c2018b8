use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_core::domain::Secret;
use orchestrator_core::ports::Clock;

use super::config::Config;
use super::error::Error;
use super::message::Trust;
use super::names::hosts_of;
use super::tls::{Material, Validity};

/// A secret with fewer characters can be tried out by whoever has overheard or provoked one handshake.
const SECRET_LEAST: usize = 16;
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
    /// At least one.
    Secrets(Vec<Secret>),
    Addresses,
}

impl Credentials {
    pub(super) fn trust(&self) -> Trust {
        match self {
            Self::Certificates(_) => Trust::Certificates,
            Self::Secrets(_) => Trust::Secret,
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
        let secrets = config.shared_secrets.iter();
        let secrets: Vec<Secret> = secrets
            .filter(|secret| !secret.is_empty())
            .cloned()
            .collect();
        let credentials = match &config.tls {
            Some(files) => Credentials::Certificates(Material::load(files, clock)?),
            None if !secrets.is_empty() => Credentials::Secrets(secrets),
            None if config.require_authentication => return Err(Error::NoAuthentication),
            None => Credentials::Addresses,
        };
        Ok(Self {
            hosts: hosts_of(&config.nodes),
            config,
            credentials,
        })
    }

    /// How long the certificate of this node holds.
    pub(super) fn validity(&self) -> Option<Validity> {
        match &self.credentials {
            Credentials::Certificates(material) => Some(material.validity),
            Credentials::Secrets(_) | Credentials::Addresses => None,
        }
    }

    /// What an operator must know, one sentence each.
    pub(super) fn warnings(&self, clock: &Arc<dyn Clock>) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.credentials {
            Credentials::Addresses => warnings.push(
                "members are trusted by their address only: whoever can send from an address of a member can take over the group; set RaftSharedSecret, or RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile".to_owned(),
            ),
            Credentials::Secrets(secrets) => {
                if secrets.iter().any(|secret| secret.expose().chars().count() < SECRET_LEAST) {
                    warnings.push(format!(
                        "RaftSharedSecret has fewer than {SECRET_LEAST} characters and can be guessed; make one with: openssl rand -hex 32"
                    ));
                }
                if secrets.len() > 1 {
                    warnings.push(
                        "RaftSharedSecret is being changed: the old one, its second, opens the peer port as well; take it out when all members have the new one".to_owned(),
                    );
                }
            }
            Credentials::Certificates(material) => {
                warnings.extend(self.warnings_of(material, clock));
            }
        }
        warnings
    }

    fn warnings_of(&self, material: &Material, clock: &Arc<dyn Clock>) -> Vec<String> {
        let mut warnings = Vec::new();
        if !material.names.iter().any(|name| self.hosts.contains(name)) {
            warnings.push(format!(
                "the certificate in RaftSSLCertFile names {}, and no entry of RaftNodes is written so: the other members may refuse this node",
                listed(&material.names)
            ));
        }
        let Some(files) = &self.config.tls else {
            return warnings;
        };
        let now = clock.now();
        let file = files.certificate.display();
        if let Some(when) = material.validity.warning(now) {
            warnings.push(format!(
                "the certificate in RaftSSLCertFile ({file}) {when}: the other members refuse this node then"
            ));
        }
        let file = files.authority.display();
        if let Some(when) = material.authorities.warning(now) {
            warnings.push(format!(
                "the last of the authorities in RaftSSLCAFile ({file}) {when}: no member is let in here then"
            ));
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
