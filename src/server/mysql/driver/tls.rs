use std::fs;
use std::path::Path;
use std::sync::Arc;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::DriverError;
use super::anyone::Anyone;
use crate::mysql::TlsConfig;

/// TLS as its files say it. Connections that are opened with copies of it share what is built from the files.
#[derive(Clone)]
pub(in crate::mysql) struct Tls {
    /// For the driver's connections: options that say nothing but TLS.
    options: Opts,
    /// The same for connections of our own.
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files and checks that they can be used, so that the sentence about one that cannot be used names it. Blocking:
    /// files are read.
    ///
    /// # Errors
    /// [`DriverError::Tls`] with the file.
    pub(in crate::mysql) fn read(tls: &TlsConfig) -> Result<Self, DriverError> {
        let provider = Arc::new(ring::default_provider());
        let mut options = SslOpts::default();
        let verifier: Arc<dyn ServerCertVerifier> = if tls.skip_verify {
            // The driver's own list stays in place, unused: it refuses to work with none.
            options = options.with_danger_accept_invalid_certs(true);
            Arc::new(Anyone::new(&provider))
        } else {
            let mut roots = RootCertStore::empty();
            let trusted = trusted(tls.ca_file.as_deref(), &mut roots)?;
            options = options
                .with_disable_built_in_roots(true)
                .with_root_certs(trusted.into_iter().map(Into::into).collect());
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(unusable)?
        };
        let client = match (&tls.cert_file, &tls.key_file) {
            (Some(cert), Some(key)) => {
                let (identity, client) = identity(cert, key, &provider, verifier)?;
                options = options.with_client_identity(Some(identity));
                client
            }
            _ => builder(&provider, verifier)?.with_no_client_auth(),
        };
        Ok(Self {
            options: OptsBuilder::default().ssl_opts(options).into(),
            client: Arc::new(client),
        })
    }

    /// Options that say nothing but TLS.
    pub(super) fn options(&self) -> &Opts {
        &self.options
    }

    /// For connections that are not the driver's.
    pub(in crate::mysql) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }
}

fn unusable(error: impl std::fmt::Display) -> DriverError {
    DriverError::Tls(format!("TLS cannot be set up: {error}"))
}

/// A configuration that lacks only who we are.
fn builder(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, DriverError> {
    let versions = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    Ok(versions
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

/// The certificates that may have signed a server's: those of the file, else the system's.
fn trusted(ca_file: Option<&Path>, roots: &mut RootCertStore) -> Result<Vec<Vec<u8>>, DriverError> {
    let mut trusted = Vec::new();
    let Some(path) = ca_file else {
        // Certificates of the system that cannot be read are left out; the handshake then says which issuer is unknown.
        for certificate in rustls_native_certs::load_native_certs().certs {
            if roots.add(certificate.clone()).is_ok() {
                trusted.push(certificate.to_vec());
            }
        }
        if trusted.is_empty() {
            return Err(DriverError::Tls(
                "this machine has no list of certificate authorities; name a file with them (MySQLTopologySSLCAFile, or MySQLOrchestratorSSLCAFile for a store)"
                    .to_owned(),
            ));
        }
        return Ok(trusted);
    };
    for certificate in certificates(path, &read(path)?)? {
        trusted.push(certificate.to_vec());
        roots.add(certificate).map_err(|e| {
            DriverError::Tls(format!(
                "the CA file {} holds no usable certificate: {e}",
                path.display()
            ))
        })?;
    }
    Ok(trusted)
}

/// Our certificate with its key, for the driver, and a configuration with them, which tries whether they belong together.
fn identity(
    cert: &Path,
    key: &Path,
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<(ClientIdentity, ClientConfig), DriverError> {
    let (chain, secret) = (read(cert)?, read(key)?);
    let parsed = PrivateKeyDer::from_pem_slice(&secret).map_err(|e| {
        DriverError::Tls(format!(
            "the key file {} cannot be read: {e}",
            key.display()
        ))
    })?;
    let certificates = certificates(cert, &chain)?;
    let client = builder(provider, verifier)?
        .with_client_auth_cert(certificates, parsed)
        .map_err(|e| {
            DriverError::Tls(format!(
                "the client certificate {} does not work with its key: {e}",
                cert.display()
            ))
        })?;
    let identity = ClientIdentity::new(chain.into(), secret.into());
    Ok((identity, client))
}

fn read(path: &Path) -> Result<Vec<u8>, DriverError> {
    fs::read(path).map_err(|e| {
        DriverError::Tls(format!(
            "the TLS file {} cannot be read: {e}",
            path.display()
        ))
    })
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, DriverError> {
    let found = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| {
            DriverError::Tls(format!(
                "the certificate file {} cannot be read: {e}",
                path.display()
            ))
        })?;
    if found.is_empty() {
        return Err(DriverError::Tls(format!(
            "the certificate file {} holds no certificate",
            path.display()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn refusal(tls: &TlsConfig) -> String {
        match Tls::read(tls) {
            Err(DriverError::Tls(sentence)) => sentence,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it is taken"),
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["db1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let stranger = KeyPair::generate().unwrap();
        let good = TlsConfig {
            ca_file: file("ca.pem", &cert.pem()),
            cert_file: file("client.pem", &cert.pem()),
            key_file: file("client.key", &key.serialize_pem()),
            ..TlsConfig::default()
        };
        assert!(Tls::read(&good).is_ok());
        let bad = [
            TlsConfig {
                ca_file: Some("/no/such/file".into()),
                ..good.clone()
            },
            TlsConfig {
                ca_file: file("empty.pem", "nothing"),
                ..good.clone()
            },
            TlsConfig {
                key_file: file("broken.key", "nothing"),
                ..good.clone()
            },
            TlsConfig {
                key_file: file("stranger.key", &stranger.serialize_pem()),
                ..good.clone()
            },
        ];
        for (tls, name) in
            bad.iter()
                .zip(["/no/such/file", "empty.pem", "broken.key", "client.pem"])
        {
            let sentence = refusal(tls);
            assert!(sentence.contains(name), "{sentence}");
        }
    }
}
