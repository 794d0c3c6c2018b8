//! TLS for the endpoints that want it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::{RootCertStore, crypto::ring};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::TlsFiles;

/// A file for TLS that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unreadable, not PEM, or without what is looked for.
    #[error("{variable}: no {wanted} can be read from {path}")]
    File {
        /// The variable that names the file.
        variable: &'static str,
        /// What should be in it.
        wanted: &'static str,
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        source: pem::Error,
    },
    /// No certificate between other PEM sections.
    #[error("{variable}: {path} holds no certificate")]
    NoCertificate {
        /// The variable that names the file.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Parsed, but refused by the TLS library: for example a key that does not belong to its certificate.
    #[error("{variable}: {path} cannot be used")]
    Unusable {
        /// The variable that names the file.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The library knows none of its own protocol versions: a build fault.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

const CA_FILE: &str = "ORCHESTRATOR_CA_FILE";
const CERT_FILE: &str = "ORCHESTRATOR_CERT_FILE";
const KEY_FILE: &str = "ORCHESTRATOR_KEY_FILE";

/// Makes ring the provider of the process; the HTTP library looks for it before anything else. A second call changes nothing.
pub fn install_provider() {
    // An error only says that a provider is installed already, which is what is wanted.
    let _ = ring::default_provider().install_default();
}

/// The TLS side of a client. Files and the system's authorities are read only when `wanted`: an http endpoint needs
/// none, and reading them costs more than the whole call.
///
/// # Errors
/// When a named file cannot be used.
pub fn config(files: &TlsFiles, wanted: bool) -> Result<ClientConfig, Error> {
    let roots = match &files.authorities {
        _ if !wanted => RootCertStore::empty(),
        Some(path) => authorities(path)?,
        None => system_authorities(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Setup)?
        .with_root_certificates(roots);
    let mut config = match &files.identity {
        Some((certificate, key)) if wanted => builder
            .with_client_auth_cert(certificates(CERT_FILE, certificate)?, private_key(key)?)
            .map_err(|source| unusable(CERT_FILE, certificate, source))?,
        _ => builder.with_no_client_auth(),
    };
    // One short conversation: HTTP/2 has nothing to offer here.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What the system trusts. A store that cannot be read leaves it empty: then the handshake says that the authority is unknown.
fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn authorities(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA_FILE, path)? {
        roots
            .add(certificate)
            .map_err(|source| unusable(CA_FILE, path, source))?;
    }
    Ok(roots)
}

fn certificates(
    variable: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| Error::File {
            variable,
            wanted: "certificate",
            path: path.into(),
            source,
        })?;
    if found.is_empty() {
        return Err(Error::NoCertificate {
            variable,
            path: path.into(),
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| Error::File {
        variable: KEY_FILE,
        wanted: "private key",
        path: path.into(),
        source,
    })
}

fn unusable(variable: &'static str, path: &Path, source: rustls::Error) -> Error {
    Error::Unusable {
        variable,
        path: path.into(),
        source,
    }
}
