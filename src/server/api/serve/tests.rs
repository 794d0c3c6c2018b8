//! A real server on loopback against clients that are slow, greedy, strange or without a certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::access::Peer;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn serve(limits: Limits, tls: Option<TlsMaterial>) -> Running {
    let router = Router::new()
        .route("/api/leader-check", get(|| async { "\"OK\"" }))
        .route(
            "/api/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "done"
            }),
        )
        .route(
            "/api/whoami",
            get(|request: Request| async move {
                let peer = request
                    .extensions()
                    .get::<Peer>()
                    .cloned()
                    .unwrap_or_default();
                peer.certificate
                    .map(|certificate| certificate.organizational_units.join(","))
                    .unwrap_or_default()
            }),
        )
        .route("/api/large", get(|| async { "x".repeat(64 * 1024 * 1024) }));
    let listener = Listener::bind(&ListenPlace::Tcp("127.0.0.1:0".into())).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let tls = tls.map(|material| watch::channel(material).1);
    let server = Server::new(router, ServerConfig { limits, tls }, stop.clone());
    Running {
        address,
        stop,
        task: tokio::spawn(async move { drop(server.run(listener).await) }),
    }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is the server's way to say that it reads no further.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_larger_than_the_limits_get_the_status_that_says_so() {
    let server = serve(Limits::default(), None);
    let status = |answer: String| answer.split(' ').nth(1).unwrap_or("none").to_owned();
    assert_eq!(
        status(ask(server.address, &get_request("/api/leader-check/")).await),
        "200"
    );
    assert_eq!(
        status(
            ask(
                server.address,
                &get_request(&format!("/api/leader-check?{}", "q".repeat(9_000)))
            )
            .await
        ),
        "414"
    );
    let header = format!(
        "GET /api/leader-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n",
        "h".repeat(17_000)
    );
    assert_eq!(status(ask(server.address, &header).await), "431");
    let many = format!(
        "GET /api/leader-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
        "X: y\r\n".repeat(200)
    );
    assert_eq!(status(ask(server.address, &many).await), "431");
    let endless = format!("GET /{} ", "a".repeat(60_000));
    assert_eq!(status(ask(server.address, &endless).await), "431");
    let body = "POST /api/leader-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n";
    assert_eq!(status(ask(server.address, body).await), "413");
    assert_eq!(status(ask(server.address, "nonsense\r\n\r\n").await), "400");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_clients_do_not_delay_a_leader_check() {
    let limits = Limits {
        connections: 300,
        ..Limits::default()
    };
    let server = serve(limits, None);
    let mut slow = Vec::new();
    for i in 0..500 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Some say nothing, some half a header, some ask for much and take nothing.
        let said: &[u8] = [
            &b""[..],
            b"GET /api/lead",
            b"GET /api/large HTTP/1.1\r\nHost: x\r\n\r\n",
        ][if i % 50 == 0 { 2 } else { i % 2 }];
        stream.write_all(said).await.unwrap();
        slow.push(stream);
    }
    let mut times = Vec::new();
    for _ in 0..100 {
        #[allow(clippy::disallowed_methods, reason = "the figure is about real time")]
        let begun = std::time::Instant::now();
        let answer = ask(server.address, &get_request("/api/leader-check")).await;
        assert!(answer.ends_with("\"OK\""), "{answer}");
        times.push(begun.elapsed());
    }
    times.sort();
    assert!(
        times[98] < Duration::from_millis(100),
        "p99 was {:?}",
        times[98]
    );
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_does_not_come_ends_the_connection() {
    let limits = Limits {
        header: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = serve(limits, None);
    for said in ["", "GET /api/lea"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(
            ended.is_ok(),
            "the connection that said {said:?} is still open"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_requests_end_before_the_service_does() {
    let server = serve(Limits::default(), None);
    let address = server.address;
    let request = tokio::spawn(async move { ask(address, &get_request("/api/slow")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    server.task.await.unwrap();
    assert!(request.await.unwrap().ends_with("done"));
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority {
        certificate,
        issuer: Issuer::new(params, key),
    }
}

fn issued(authority: &Authority, unit: &str) -> (CertificateDer<'static>, KeyPair) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params
        .subject_alt_names
        .push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, unit);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    (certificate.der().clone(), key)
}

fn files(dir: &std::path::Path, authority: &Authority) -> TlsFiles {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params
        .subject_alt_names
        .push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name)
    };
    TlsFiles {
        certificate: write("cert.pem", certificate.pem()),
        private_key: write("key.pem", key.serialize_pem()),
        client_authority: Some(write("ca.pem", authority.certificate.pem())),
    }
}

async fn whoami(
    server: &Running,
    trusted: &Authority,
    client: Option<(CertificateDer<'static>, KeyPair)>,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    };
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    stream
        .write_all(get_request("/api/whoami").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_verified_and_their_units_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(), authority());
    let server = serve(
        Limits::default(),
        Some(TlsMaterial::load(&files(dir.path(), &ours)).unwrap()),
    );
    assert_eq!(
        whoami(&server, &ours, None).await.unwrap(),
        "",
        "without a certificate nobody is seen"
    );
    assert_eq!(
        whoami(&server, &ours, Some(issued(&ours, "ops")))
            .await
            .unwrap(),
        "ops"
    );
    assert!(
        whoami(&server, &ours, Some(issued(&theirs, "ops")))
            .await
            .is_err(),
        "a stranger's authority is refused"
    );
    let plain = ask(server.address, &get_request("/api/whoami")).await;
    assert!(
        !plain.contains("HTTP/1.1"),
        "plain HTTP gets no answer: {plain:?}"
    );
}

#[test]
fn wrong_certificate_files_are_named_with_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority();
    let good = files(dir.path(), &authority);
    let complaint = |files: TlsFiles| {
        TlsMaterial::load(&files)
            .err()
            .expect("it is refused")
            .to_string()
    };
    let missing = dir.path().join("missing.pem");
    let text = complaint(TlsFiles {
        certificate: missing.clone(),
        ..good.clone()
    });
    assert!(
        text.starts_with(&format!("SSLCertFile {}: ", missing.display())),
        "{text}"
    );
    let text = complaint(TlsFiles {
        certificate: good.private_key.clone(),
        ..good.clone()
    });
    assert!(
        text.contains("it holds no certificate in PEM form"),
        "{text}"
    );
    let text = complaint(TlsFiles {
        private_key: good.certificate.clone(),
        ..good.clone()
    });
    assert!(text.starts_with("SSLPrivateKeyFile "), "{text}");
    let text = complaint(TlsFiles {
        certificate: good.client_authority.clone().unwrap(),
        ..good.clone()
    });
    assert!(text.contains("do not belong together"), "{text}");
    let encrypted = dir.path().join("encrypted.pem");
    std::fs::write(
        &encrypted,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let text = complaint(TlsFiles {
        private_key: encrypted,
        ..good
    });
    assert!(text.contains("the key is encrypted; decrypt it"), "{text}");
}
