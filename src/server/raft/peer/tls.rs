use std::fmt;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::Clock;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::config::TlsFiles;
use super::error::Error;
use super::names::canonical;

const CERTIFICATE: &str = "RaftSSLCertFile";
const PRIVATE_KEY: &str = "RaftSSLPrivateKeyFile";
const AUTHORITY: &str = "RaftSSLCAFile";

/// Loaded certificates, ready for both directions.
pub(super) struct Material {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
    /// Of the certificate of our own chain that expires first.
    pub validity: Validity,
    /// Of the authority that expires last: several stand side by side while one takes the place of another.
    pub authorities: Validity,
    /// Names in our own certificate.
    pub names: Vec<String>,
}

/// What a verified certificate says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// DNS and IP names, canonical. The common name is not among them: it is not a name of a host (RFC 9525, section 2).
    pub names: Vec<String>,
    /// How long it holds.
    pub validity: Validity,
}

/// How long a certificate holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Validity {
    pub begins_at: i64,
    pub expires_at: i64,
}

const DAY: i64 = 24 * 3600;

/// Time before the expiry of a certificate from which on it is a warning; a third of its life where that is less, because
/// certificates that a machine renews live for weeks or days, and are renewed when a third of that is left.
const EXPIRY_WARNING: i64 = 30 * DAY;

impl Validity {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            begins_at: validity.not_before.timestamp(),
            expires_at: validity.not_after.timestamp(),
        }
    }

    /// Seconds until it expires; negative when it has.
    pub(super) fn expires_in(&self, now: Timestamp) -> i64 {
        self.expires_at - now.as_micros() / 1_000_000
    }

    /// When it expires, in words, where that is soon: "expires in 9 days", "has expired".
    pub(super) fn warning(&self, now: Timestamp) -> Option<String> {
        let life = self.expires_at.saturating_sub(self.begins_at);
        let left = self.expires_in(now);
        let warns = EXPIRY_WARNING.min(life / 3);
        match left {
            left if left <= 0 => Some("has expired".to_owned()),
            left if left > warns => None,
            left if left < 2 * DAY => Some(format!("expires in {} hours", left / 3600)),
            left => Some(format!("expires in {} days", left / DAY)),
        }
    }
}

impl Material {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`], naming the key and the file.
    pub(super) fn load(files: &TlsFiles, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        whole(files)?;
        refuse_readable(&files.private_key)?;
        let chain = certificates(CERTIFICATE, &files.certificate)?;
        let validity = validities(CERTIFICATE, &chain, &files.certificate)?
            .into_iter()
            .min_by_key(|validity| validity.expires_at)
            .unwrap_or_default();
        let names = Holder::of(Some(&chain)).names;
        let key = PrivateKeyDer::from_pem_file(&files.private_key)
            .map_err(|error| private_key_error(&files.private_key, &error))?;
        let (roots, authorities) = authorities(&files.authority)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(ClockTime(clock.clone()));
        let pair = |error: rustls::Error| Error::Pair {
            certificate: files.certificate.clone(),
            private_key: files.private_key.clone(),
            reason: error.to_string(),
        };
        let mut client = ClientConfig::builder_with_details(provider.clone(), time.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the ring provider has TLS 1.3")
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(pair)?;
        client.resumption = Resumption::disabled();
        let server = server_config(provider, time, roots, &files.authority)?
            .with_single_cert(chain, key)
            .map_err(pair)?;
        Ok(Self {
            server: Arc::new(without_resumption(server)),
            client: Arc::new(client),
            validity,
            authorities,
            names,
        })
    }
}

type ServerBuilder = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn server_config(
    provider: Arc<CryptoProvider>,
    time: Arc<dyn TimeProvider>,
    roots: Arc<RootCertStore>,
    authority: &Path,
) -> Result<ServerBuilder, Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| file_error(AUTHORITY, authority, &error.to_string()))?;
    Ok(ServerConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the ring provider has TLS 1.3")
        .with_client_cert_verifier(verifier))
}

/// A resumed session would skip the check of the certificate, and so outlive its expiry and a change of authorities.
fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn whole(files: &TlsFiles) -> Result<(), Error> {
    let all = [
        (CERTIFICATE, &files.certificate),
        (PRIVATE_KEY, &files.private_key),
        (AUTHORITY, &files.authority),
    ];
    match all.iter().find(|(_, path)| path.as_os_str().is_empty()) {
        Some((missing, _)) => Err(Error::HalfConfigured { missing }),
        None => Ok(()),
    }
}

fn refuse_readable(path: &Path) -> Result<(), Error> {
    let meta = std::fs::metadata(path)
        .map_err(|error| file_error(PRIVATE_KEY, path, &error.to_string()))?;
    match meta.permissions().mode() & 0o004 {
        0 => Ok(()),
        _ => Err(Error::ReadableKey {
            path: path.to_owned(),
        }),
    }
}

fn authorities(path: &Path) -> Result<(Arc<RootCertStore>, Validity), Error> {
    let mut roots = RootCertStore::empty();
    let all = certificates(AUTHORITY, path)?;
    let last = validities(AUTHORITY, &all, path)?
        .into_iter()
        .max_by_key(|validity| validity.expires_at)
        .unwrap_or_default();
    for certificate in all {
        roots
            .add(certificate)
            .map_err(|error| file_error(AUTHORITY, path, &error.to_string()))?;
    }
    Ok((Arc::new(roots), last))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let error = |error: rustls_pki_types::pem::Error| file_error(key, path, &error.to_string());
    let read = CertificateDer::pem_file_iter(path).map_err(error)?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(error)?;
    match all.is_empty() {
        true => Err(file_error(key, path, "it holds no certificate in PEM form")),
        false => Ok(all),
    }
}

fn validities(
    key: &'static str,
    certificates: &[CertificateDer<'_>],
    path: &Path,
) -> Result<Vec<Validity>, Error> {
    let each = certificates.iter().map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| file_error(key, path, &error.to_string()))?;
        Ok(Validity::of(&parsed))
    });
    each.collect()
}

fn private_key_error(path: &Path, error: &rustls_pki_types::pem::Error) -> Error {
    let is_encrypted = std::fs::read_to_string(path).is_ok_and(|text| text.contains("ENCRYPTED"));
    let reason = match is_encrypted {
        true => "the key is encrypted; decrypt it, for example with: openssl pkey -in KEY -out PLAIN_KEY".to_owned(),
        false => error.to_string(),
    };
    file_error(PRIVATE_KEY, path, &reason)
}

fn file_error(key: &'static str, path: &Path, reason: &str) -> Error {
    Error::File {
        key,
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

impl Holder {
    /// Of the first certificate of a chain that TLS has verified; one that cannot be read names nobody.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        let nobody = Self {
            names: Vec::new(),
            validity: Validity::default(),
        };
        let Some(first) = chain.and_then(<[_]>::first) else {
            return nobody;
        };
        let Ok((_, parsed)) = X509Certificate::from_der(first) else {
            return nobody;
        };
        let names = match parsed.subject_alternative_name() {
            Ok(Some(alternatives)) => alternatives.value.general_names.iter().filter_map(name),
            _ => return nobody,
        };
        Self {
            names: names.collect(),
            validity: Validity::of(&parsed),
        }
    }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(canonical(name)),
        GeneralName::IPAddress(bytes) => {
            let address = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
            };
            Some(address.to_canonical().to_string())
        }
        _ => None,
    }
}

/// Certificates are judged by the same clock as everything else.
struct ClockTime(Arc<dyn Clock>);

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let micros = u64::try_from(self.0.now().as_micros()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
    }
}

/// A TLS error as an operator understands it.
pub(super) fn reason(error: &rustls::Error) -> String {
    use rustls::AlertDescription as Alert;
    use rustls::Error as Tls;
    match error {
        Tls::InvalidMessage(_) => {
            "it does not speak TLS; RaftSSL… must be set on all members or on none".to_owned()
        }
        Tls::NoCertificatesPresented => "it showed no certificate".to_owned(),
        Tls::InvalidCertificate(why) => certificate_reason(why),
        Tls::AlertReceived(Alert::CertificateExpired) => {
            "it says that the certificate of this node has expired".to_owned()
        }
        Tls::AlertReceived(Alert::UnknownCA | Alert::DecryptError | Alert::BadCertificate) => {
            "it says that the certificate of this node is not of its authorities (RaftSSLCAFile)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn certificate_reason(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not of an authority in RaftSSLCAFile".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate does not have the name that was dialed".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for both servers and clients (extended key usage)".to_owned()
        }
        other => rustls::Error::InvalidCertificate(other.clone()).to_string(),
    }
}
