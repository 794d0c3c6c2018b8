//! HTTPS: whom the client trusts, and who it says it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Ended, Run};

/// An authority, a server that wants certificates of it, and the client's files in a folder.
struct Site {
    uri: String,
    files: TempDir,
    connections: Arc<AtomicUsize>,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn issue(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        (
            params.signed_by(&key, &self.issuer).expect("a certificate"),
            key,
        )
    }

    fn server_config(&self) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.der().clone())
            .expect("an authority");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = self.issue("localhost");
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate with its key")
    }
}

impl Site {
    async fn start() -> Site {
        let authority = Authority::new();
        let files = tempfile::tempdir().expect("a folder");
        let (certificate, key) = authority.issue("client");
        let write =
            |name: &str, text: String| fs::write(files.path().join(name), text).expect("a file");
        write("ca.pem", authority.certificate.pem());
        write("client.pem", certificate.pem());
        write("client.key", key.serialize_pem());
        write("both.pem", certificate.pem() + &key.serialize_pem());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let acceptor = TlsAcceptor::from(Arc::new(authority.server_config()));
        tokio::spawn(serve(listener, acceptor, Arc::clone(&connections)));
        Site {
            uri: format!("https://localhost:{port}"),
            files,
            connections,
        }
    }

    /// Asks for a check with these variables, whose values are names in the folder of files.
    async fn check(&self, variables: &[(&str, &str)]) -> Ended {
        let path = |name: &str| {
            self.files
                .path()
                .join(Path::new(name))
                .to_str()
                .expect("UTF-8")
                .to_owned()
        };
        let run = Run::new(&["-c", "api", "-P", "lb-check"]).api(&self.uri);
        let run = variables
            .iter()
            .fold(run, |run, (name, file)| run.env(name, &path(file)));
        run.ends().await
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, connections: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        // A client that this server refuses, or that refuses it, is part of the tests.
        let _ = answer(&acceptor, stream).await;
    }
}

async fn answer(acceptor: &TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\"OK\"";
    stream.write_all(text).await?;
    stream.shutdown().await
}

const CA: (&str, &str) = ("ORCHESTRATOR_CA_FILE", "ca.pem");
const CERTIFICATE: (&str, &str) = ("ORCHESTRATOR_CERT_FILE", "client.pem");
const KEY: (&str, &str) = ("ORCHESTRATOR_KEY_FILE", "client.key");

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_certificates_is_reached_with_them() {
    let site = Site::start().await;
    site.check(&[CA, CERTIFICATE, KEY])
        .await
        .printed("\"OK\"\n");
    let both = ("ORCHESTRATOR_CERT_FILE", "both.pem");
    site.check(&[CA, both]).await.printed("\"OK\"\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_certificates_end_the_run_at_once() {
    let site = Site::start().await;
    for (variables, reason) in [
        (&[CA][..], "CertificateRequired"),
        (&[CERTIFICATE, KEY], "UnknownIssuer"),
    ] {
        let before = site.connections.load(Ordering::SeqCst);
        let ended = site.check(variables).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
        assert!(
            ended.stderr.contains("TLS failed: ") && ended.stderr.contains(reason),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("ORCHESTRATOR_CA_FILE"), "{ended:?}");
        assert_eq!(site.connections.load(Ordering::SeqCst) - before, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named() {
    let site = Site::start().await;
    for (variables, part) in [
        (
            &[("ORCHESTRATOR_CA_FILE", "absent.pem")][..],
            "ORCHESTRATOR_CA_FILE: no certificate can be read from",
        ),
        (
            &[("ORCHESTRATOR_CA_FILE", "client.key")],
            "ORCHESTRATOR_CA_FILE: ",
        ),
        (
            &[CA, KEY],
            "ORCHESTRATOR_KEY_FILE is set but ORCHESTRATOR_CERT_FILE is not",
        ),
        (
            &[CA, CERTIFICATE],
            "ORCHESTRATOR_KEY_FILE: no private key can be read from",
        ),
    ] {
        let ended = site.check(variables).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    assert_eq!(site.connections.load(Ordering::SeqCst), 0);
}
