//! TLS towards real servers.

use std::fs;
use std::path::PathBuf;

use orchestrator::mysql::{Config, Purpose};
use orchestrator_core::domain::ProbeFailureKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::servers::{Product, Server, addresses};
use crate::world::{config, fails, world};

/// An authority, and a certificate by it for a server and for a client.
struct Pki {
    dir: TempDir,
}

impl Pki {
    fn new(server: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
        for (name, host) in [("server", server), ("client", "orchestrator")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, host);
            let cert = params.signed_by(&key, &ca).unwrap();
            fs::write(dir.path().join(format!("{name}.pem")), cert.pem()).unwrap();
            fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn mutual(pki: &Pki) -> Config {
    let mut config = config();
    config.tls.mutual = true;
    config.tls.ca_file = Some(pki.file("ca.pem"));
    config.tls.cert_file = Some(pki.file("client.pem"));
    config.tls.key_file = Some(pki.file("client.key"));
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_connects_with_the_certificate_and_refuses_a_stranger() {
    // The address has to be known before the certificate is made.
    let (hosts, _) = addresses(1);
    let pki = Pki::new(&hosts[0]);
    let names = ["ca.pem", "server.pem", "server.key"].map(|name| pki.file(name));
    let settings = [
        format!("--ssl-ca={}", names[0].display()),
        format!("--ssl-cert={}", names[1].display()),
        format!("--ssl-key={}", names[2].display()),
    ];
    let servers = Server::start_at(Product::MariaDb, hosts, &settings).await;
    let server = &servers[0];
    server.sql("ALTER USER orchestrator@'%' REQUIRE X509").await;

    let world = world(mutual(&pki));
    let mut session = world.session(&server.key());
    session.probe().await.unwrap();
    let conn = world
        .connector
        .connect(&server.key(), Purpose::Beat)
        .await
        .unwrap();
    assert!(conn.is_encrypted());

    let stranger = Pki::new(&server.host);
    world.reload(|config| config.tls.ca_file = Some(stranger.file("ca.pem")));
    fails(&mut session, ProbeFailureKind::Tls, 0).await;
    world.reload(|config| {
        config.tls = mutual(&pki).tls;
        config.tls.cert_file = None;
        config.tls.key_file = None;
    });
    fails(&mut session, ProbeFailureKind::AccessDenied, 1045).await;
    world.reload(|config| config.tls.ca_file = Some("/no/such/file".into()));
    let failure = fails(&mut session, ProbeFailureKind::Tls, 0).await;
    assert!(
        failure.message.contains("/no/such/file"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_tls_is_used_where_a_mysql_9_server_demands_it() {
    let servers = Server::start(Product::MySql9, 1, &[]).await;
    let server = &servers[0];
    let mut config = config();
    config.read_timeout = std::time::Duration::from_secs(10);
    // The certificate that the server made for itself has no names.
    config.tls.skip_verify = true;
    let world = world(config);
    let key = server.key();
    let connect = || world.connector.connect(&key, Purpose::Beat);
    assert!(!connect().await.unwrap().is_encrypted());

    server.sql("SET GLOBAL require_secure_transport = ON").await;
    assert!(
        connect().await.unwrap().is_encrypted(),
        "refused with 3159, then encrypted"
    );
    let refused = server.counter("Connection_errors_internal").await;
    assert!(connect().await.unwrap().is_encrypted(), "remembered");
    assert_eq!(server.counter("Connection_errors_internal").await, refused);
    world.session(&server.key()).probe().await.unwrap();

    server
        .sql("SET GLOBAL require_secure_transport = OFF")
        .await;
    server.sql("ALTER USER orchestrator@'%' REQUIRE SSL").await;
    world.session(&server.key()).probe().await.unwrap();

    world.reload(|config| config.tls.skip_verify = false);
    fails(&mut world.session(&server.key()), ProbeFailureKind::Tls, 0).await;
}
