//! Certificates for members of a group, by authorities of the test's own, as files that can be replaced.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use orchestrator_core::ports::Clock as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

use super::clock::RealClock;

/// How long a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// How long ago it began.
    pub began: Duration,
    /// How long from now it ends.
    pub left: Duration,
}

impl Life {
    /// A year, of which all is left.
    pub const YEAR: Self = Self {
        began: Duration::from_secs(60),
        left: Duration::from_secs(365 * 24 * 3600),
    };
}

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one member.
#[derive(Clone, Debug)]
pub struct MemberFiles {
    /// Certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// Authorities whose certificates count.
    pub authority: PathBuf,
}

impl MemberFiles {
    /// Files in a folder, which are not there yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            certificate: folder.join("member.pem"),
            private_key: folder.join("member.key"),
            authority: folder.join("authorities.pem"),
        }
    }

    /// Lets certificates of these authorities count.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trust(&self, authorities: &[&Authority]) -> Result<()> {
        let all: String = authorities.iter().map(|one| one.issuer.pem()).collect();
        replace(&self.authority, &all)
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Gives a member a certificate for its address.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn issue(&self, files: &MemberFiles, address: IpAddr, life: Life) -> Result<()> {
        let now = RealClock::start().now().as_micros().unsigned_abs();
        let now = date_time_ymd(1970, 1, 1) + Duration::from_micros(now);
        let mut params = CertificateParams::new(vec![])?;
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.not_before = now - life.began;
        params.not_after = now + life.left;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        // In this order: whoever looks in between finds two that do not belong together, and goes on with what it has.
        replace(&files.private_key, &key.serialize_pem())?;
        replace(&files.certificate, &certificate.pem())
    }
}

/// As what renews certificates does: never half a file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}
