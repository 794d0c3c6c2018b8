use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::WireError;
use crate::mysql::TlsConfig;

/// How to encrypt, and as whom the server has to show itself.
#[derive(Clone)]
pub(in crate::mysql) struct TlsTarget {
    pub(in crate::mysql) config: Arc<ClientConfig>,
    pub(in crate::mysql) name: ServerName<'static>,
}

/// The target for a host of `config`.
pub(in crate::mysql) fn target(
    config: Arc<ClientConfig>,
    host: &str,
) -> Result<TlsTarget, WireError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        WireError::Tls(format!(
            "'{host}' cannot be compared with the names of a certificate"
        ))
    })?;
    Ok(TlsTarget { config, name })
}

/// Reads the files and builds the client side of TLS. Blocking: files are read.
pub(in crate::mysql) fn client_config(tls: &TlsConfig) -> Result<ClientConfig, WireError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| WireError::Tls(format!("TLS cannot be set up: {e}")))?;
    let builder = if tls.skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(tls.ca_file.as_deref())?)
    };
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|e| {
                WireError::Tls(format!(
                    "the client certificate {} does not work with its key: {e}",
                    cert.display()
                ))
            }),
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, WireError> {
    let mut store = RootCertStore::empty();
    let Some(path) = ca_file else {
        // Certificates of the system that cannot be read are left out; the handshake then says which issuer is unknown.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|e| {
            WireError::Tls(format!(
                "the CA file {} holds no usable certificate: {e}",
                path.display()
            ))
        })?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let unreadable = |e: rustls_pki_types::pem::Error| {
        WireError::Tls(format!(
            "the certificate file {} cannot be read: {e}",
            path.display()
        ))
    };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(WireError::Tls(format!(
            "the certificate file {} holds no certificate",
            path.display()
        )));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, WireError> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| {
        WireError::Tls(format!(
            "the key file {} cannot be read: {e}",
            path.display()
        ))
    })
}

/// Accepts every certificate (`MySQLTopologySSLSkipVerify`); the server must still hold its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
