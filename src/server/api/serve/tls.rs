use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use orchestrator_core::domain::Timestamp;
use rustls::RootCertStore;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::api::access::ClientCertificate;

/// Files of the TLS server side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `SSLCertFile`: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// `SSLPrivateKeyFile`.
    pub private_key: PathBuf,
    /// `SSLCAFile`: authorities of client certificates; `None` when clients are not asked for one.
    pub client_authority: Option<PathBuf>,
}

/// What is wrong with a TLS file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{key} {}: {reason}", path.display())]
    File {
        /// Configuration key.
        key: &'static str,
        /// File.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The files do not fit together.
    #[error("SSLCertFile {} and SSLPrivateKeyFile {} do not belong together: {reason}", certificate.display(), private_key.display())]
    Pair {
        /// Certificate file.
        certificate: PathBuf,
        /// Key file.
        private_key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Loaded certificates, ready to accept connections with.
#[derive(Clone)]
pub struct TlsMaterial {
    pub(super) config: Arc<ServerConfig>,
    /// File of the certificate.
    file: PathBuf,
    /// When the first certificate of the chain begins to hold and when it expires, in seconds since 1970.
    begins_at: i64,
    expires_at: i64,
}

const DAY: i64 = 24 * 3600;

/// Time before the expiry from which on it is a warning; a third of the certificate's life where that is less, because certificates
/// that a machine renews live for weeks or days, and are renewed when a third of that is left.
const EXPIRY_WARNING: i64 = 30 * DAY;

/// When a file was last changed, and how long it was then.
pub type Stamp = Option<(SystemTime, u64)>;

impl TlsFiles {
    /// When each of them was last changed: a few calls of stat(2).
    pub fn stamps(&self) -> Vec<Stamp> {
        [&self.certificate, &self.private_key]
            .into_iter()
            .chain(&self.client_authority)
            .map(|path| {
                let meta = std::fs::metadata(path).ok()?;
                Some((meta.modified().ok()?, meta.len()))
            })
            .collect()
    }
}

impl TlsMaterial {
    /// Seconds until the certificate expires; negative when it has.
    pub fn expires_in_seconds(&self, now: Timestamp) -> i64 {
        self.expires_at - now.as_micros() / 1_000_000
    }

    /// What an operator must know, where it expires soon.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let left = self.expires_in_seconds(now);
        let life = self.expires_at.saturating_sub(self.begins_at);
        let when = match left {
            left if left <= 0 => "has expired".to_owned(),
            left if left > EXPIRY_WARNING.min(life / 3) => return None,
            left if left < 2 * DAY => format!("expires in {} hours", left / 3600),
            left => format!("expires in {} days", left / DAY),
        };
        Some(format!(
            "the certificate in SSLCertFile ({}) {when}: clients refuse this node then",
            self.file.display()
        ))
    }
}

impl TlsMaterial {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] naming the key and the file.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let chain = certificates("SSLCertFile", &files.certificate)?;
        let (begins_at, expires_at) = validity(&chain, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| {
            file_error(
                "SSLPrivateKeyFile",
                &files.private_key,
                &private_key_reason(&files.private_key, &error),
            )
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the ring provider has both versions");
        let builder = match &files.client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("SSLCAFile", path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| file_error("SSLCAFile", path, &error.to_string()))?;
                }
                // A client without a certificate gets through the handshake, so that the status path can answer it;
                // every other path is refused by the access rules.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| file_error("SSLCAFile", path, &error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::Pair {
                certificate: files.certificate.clone(),
                private_key: files.private_key.clone(),
                reason: error.to_string(),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            file: files.certificate.clone(),
            begins_at,
            expires_at,
        })
    }
}

/// Of the certificate that expires first.
fn validity(chain: &[CertificateDer<'_>], path: &Path) -> Result<(i64, i64), TlsError> {
    let mut first = (0, i64::MAX);
    for certificate in chain {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| file_error("SSLCertFile", path, &error.to_string()))?;
        let validity = parsed.validity();
        let expires_at = validity.not_after.timestamp();
        if expires_at < first.1 {
            first = (validity.not_before.timestamp(), expires_at);
        }
    }
    Ok(first)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path)
        .map_err(|error| file_error(key, path, &error.to_string()))?;
    let all: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| file_error(key, path, &error.to_string()))?;
    match all.is_empty() {
        true => Err(file_error(key, path, "it holds no certificate in PEM form")),
        false => Ok(all),
    }
}

fn private_key_reason(path: &Path, error: &rustls_pki_types::pem::Error) -> String {
    let is_encrypted = std::fs::read_to_string(path).is_ok_and(|text| text.contains("ENCRYPTED"));
    match is_encrypted {
        true => "the key is encrypted; decrypt it, for example with: openssl pkey -in KEY -out PLAIN_KEY".to_owned(),
        false => error.to_string(),
    }
}

fn file_error(key: &'static str, path: &Path, reason: &str) -> TlsError {
    TlsError::File {
        key,
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Organisational units of a certificate that has been verified.
pub(super) fn client_certificate(der: &CertificateDer<'_>) -> ClientCertificate {
    let units = X509Certificate::from_der(der).map(|(_, certificate)| {
        let subject = certificate.subject();
        subject
            .iter_organizational_unit()
            .filter_map(|unit| unit.as_str().ok())
            .map(str::to_owned)
            .collect()
    });
    // A certificate that cannot be read names no unit, and so opens nothing.
    ClientCertificate {
        organizational_units: units.unwrap_or_default(),
    }
}
