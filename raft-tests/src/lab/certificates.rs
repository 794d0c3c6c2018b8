//! Certificates for servers, by an authority of the test's own.

use super::clock::RealClock;
use super::server::Server;
use super::topology::Plan;
use anyhow::{Context as _, Result};
use orchestrator_core::ports::Clock as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Until when certificates hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// For years.
    ForYears,
    /// For so long from now on, in whole seconds.
    For(Duration),
}

/// An authority with one certificate for all servers of a fleet, as files. Dropping it removes them.
pub struct Certificates {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// An authority; its one certificate is for no server yet, because addresses are known when servers run.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let certificates = Self {
            authority: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            folder: tempfile::tempdir().context("cannot make a temporary directory")?,
        };
        fs::write(certificates.authority(), certificates.authority.pem())?;
        certificates.write(vec!["fleet".to_owned()], Holds::ForYears)?;
        Ok(certificates)
    }

    /// The file of the authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Servers that have it.
    #[must_use]
    pub fn of(&self, plan: Plan) -> Plan {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        plan.with("ssl_ca", at("ca.pem"))
            .with("ssl_cert", at("server.pem"))
            .with("ssl_key", at("server.key"))
    }

    /// Makes another certificate, for all of `servers`, and lets `of` take it up.
    ///
    /// # Errors
    /// When the files cannot be written, or a server refuses.
    pub async fn renew(&self, servers: &[Server], of: &[&Server], holds: Holds) -> Result<()> {
        let hosts = servers.iter().map(|server| server.host().to_string());
        self.write(hosts.collect(), holds)?;
        for server in of {
            server.run(server.flavour().reload_tls()).await?;
        }
        Ok(())
    }

    fn write(&self, names: Vec<String>, holds: Holds) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "fleet");
        if let Holds::For(length) = holds {
            let now = RealClock::start().now().as_micros().unsigned_abs();
            params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_micros(now) + length;
        }
        let cert = params.signed_by(&key, &self.authority)?;
        let at = |name: &str| self.folder.path().join(name);
        fs::write(at("server.pem"), cert.pem())?;
        fs::write(at("server.key"), key.serialize_pem()).context("cannot write a key")
    }
}
