use std::fs;
use std::path::Path;
use std::sync::Arc;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::DriverError;
use crate::mysql::TlsConfig;

/// TLS as its files say it. Connections that are opened with copies of it share what is built from the files.
#[derive(Clone)]
pub(in crate::mysql) struct Tls(Opts);

impl Tls {
    /// Reads the files and checks that they can be used, so that the sentence about one that cannot be used names it. Blocking:
    /// files are read.
    ///
    /// # Errors
    /// [`DriverError::Tls`] with the file.
    pub(in crate::mysql) fn read(tls: &TlsConfig) -> Result<Self, DriverError> {
        let mut options = SslOpts::default();
        let mut roots = RootCertStore::empty();
        if tls.skip_verify {
            // The driver's own list stays in place, unused: it refuses to work with none.
            options = options.with_danger_accept_invalid_certs(true);
        } else {
            let trusted = trusted(tls.ca_file.as_deref(), &mut roots)?;
            options = options
                .with_disable_built_in_roots(true)
                .with_root_certs(trusted.into_iter().map(Into::into).collect());
        }
        if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
            options = options.with_client_identity(Some(identity(cert, key, roots)?));
        }
        Ok(Self(OptsBuilder::default().ssl_opts(options).into()))
    }

    /// Options that say nothing but TLS.
    pub(super) fn options(&self) -> &Opts {
        &self.0
    }
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

/// Our certificate with its key. A configuration is built with them and thrown away, which tries whether they belong together.
fn identity(cert: &Path, key: &Path, roots: RootCertStore) -> Result<ClientIdentity, DriverError> {
    let (chain, secret) = (read(cert)?, read(key)?);
    let parsed = PrivateKeyDer::from_pem_slice(&secret).map_err(|e| {
        DriverError::Tls(format!(
            "the key file {} cannot be read: {e}",
            key.display()
        ))
    })?;
    let certificates = certificates(cert, &chain)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(certificates, parsed)
        })
        .map_err(|e| {
            DriverError::Tls(format!(
                "the client certificate {} does not work with its key: {e}",
                cert.display()
            ))
        })?;
    Ok(ClientIdentity::new(chain.into(), secret.into()))
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
