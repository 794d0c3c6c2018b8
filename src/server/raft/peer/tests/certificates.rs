use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::support::*;
use crate::raft::peer::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2060, 1, 1);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Files of a member in a folder of its own.
    fn member(&self, names: &[&str]) -> Files {
        self.issue(names, 2031, None)
    }

    fn issue(
        &self,
        names: &[&str],
        last_year: i32,
        purpose: Option<ExtendedKeyUsagePurpose>,
    ) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        self.write(&files, names, last_year, purpose);
        files
    }

    fn write(
        &self,
        files: &Files,
        names: &[&str],
        last_year: i32,
        purpose: Option<ExtendedKeyUsagePurpose>,
    ) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(last_year, 1, 1);
        params.extended_key_usages.extend(purpose);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        files.put("cert.pem", &certificate.pem());
        files.put("key.pem", &key.serialize_pem());
        files.put("ca.pem", &self.pem);
    }
}

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
    }

    fn paths(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.0.path().join("cert.pem"),
            private_key: self.0.path().join("key.pem"),
            authority: self.0.path().join("ca.pem"),
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn tls_config(bind: &str, files: &Files) -> Config {
    let mut config = config(bind);
    config.nodes = ["node1", "node2:10008", "127.0.1.3"]
        .map(str::to_owned)
        .into();
    config.tls = Some(files.paths());
    config
}

fn tls_links(bind: &str, files: &Files, clock: &Arc<TestClock>) -> PeerLinks {
    PeerLinks::with_names(tls_config(bind, files), clock.clone(), Names::of(&[])).unwrap()
}

/// node1 serves; its clock is everybody's.
fn node1(authority: &Authority) -> (Node, Files, Arc<TestClock>) {
    let (files, clock) = (authority.member(&["node1"]), TestClock::start());
    let node = Node::start(tls_links("127.0.1.1:0", &files, &clock));
    (node, files, clock)
}

async fn why_refused(peer: &PeerLinks, node: &Node) -> String {
    let channel = peer.dialer().channel(node.target_as("node1"));
    match failure(echo(&channel, "hello").await) {
        DialError::NotTrusted { reason, .. } => reason.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn members_are_known_by_the_names_in_their_certificates() {
    let authority = Authority::new();
    let (node, _files, clock) = node1(&authority);
    for (name, bind) in [("node2", "127.0.1.2:0"), ("127.0.1.3", "127.0.1.3:0")] {
        let files = authority.member(&["elsewhere.example", name]);
        let peer = tls_links(bind, &files, &clock);
        let channel = peer.dialer().channel(node.target_as("NODE1:10008"));
        let answer = echo(&channel, "hello").await.unwrap();
        assert_eq!(answer, format!("hello from {name} by certificates"));
    }
    node.refused(0).await;
    assert!(node.links.status().warnings.is_empty());
}

#[tokio::test]
async fn a_strangers_certificate_an_unknown_name_and_none_at_all_are_refused() {
    let authority = Authority::new();
    let (node, _files, clock) = node1(&authority);

    let files = authority.member(&["node9"]);
    let unknown = tls_links("127.0.1.2:0", &files, &clock);
    assert_eq!(
        why_refused(&unknown, &node).await,
        "it refused this node: the certificate shown is not that of the member: a DNS or IP name in it must be exactly the name in RaftNodes"
    );
    assert!(
        unknown.status().warnings[0]
            .starts_with("the certificate in RaftSSLCertFile names node9, and no entry")
    );
    node.links.set_members(&["node9:10008".to_owned()]);
    assert!(
        unknown
            .dialer()
            .connect(&node.target_as("node1"))
            .await
            .is_ok(),
        "a member by the log"
    );

    let stranger = Authority::new().member(&["node2"]);
    // It believes our authority, but its own certificate is of another.
    stranger.put("ca.pem", &authority.pem);
    let stranger = tls_links("127.0.1.2:0", &stranger, &clock);
    assert_eq!(
        why_refused(&stranger, &node).await,
        "TLS: it says that the certificate of this node is not of its authorities (RaftSSLCAFile)"
    );

    let plain = links(secret_config(
        "127.0.1.2:0",
        "a secret of the group, long enough",
    ));
    assert_eq!(
        why_refused(&plain, &node).await,
        "what it sent is no handshake of a member: it speaks TLS, and no certificates are configured on this side"
    );
    node.refused(3).await;
}

#[tokio::test]
async fn the_dialing_side_refuses_an_impostor() {
    let authority = Authority::new();
    let clock = TestClock::start();
    let files = authority.member(&["node2"]);
    let peer = tls_links("127.0.1.2:0", &files, &clock);

    // A captured member cannot stand for another one.
    let node3 = authority.member(&["127.0.1.3"]);
    let node = Node::start(tls_links("127.0.1.3:0", &node3, &clock));
    assert_eq!(
        why_refused(&peer, &node).await,
        "TLS: its certificate does not have the name that was dialed"
    );

    // A pattern is no name.
    let pattern = authority.member(&["*.site.example"]);
    let node = Node::start(tls_links("127.0.1.1:0", &pattern, &clock));
    let mut wide = tls_config("127.0.1.2:0", &files);
    wide.nodes.push("node1.site.example".into());
    let wide = PeerLinks::with_names(wide, clock.clone(), Names::of(&[])).unwrap();
    let error = wide
        .dialer()
        .connect(&node.target_as("node1.site.example"))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("is not that of the member"),
        "{error}"
    );

    let foreign = Authority::new().member(&["node1"]);
    let node = Node::start(tls_links("127.0.1.1:0", &foreign, &clock));
    assert_eq!(
        why_refused(&peer, &node).await,
        "TLS: its certificate is not of an authority in RaftSSLCAFile"
    );

    let plain = Node::start(links(config("127.0.1.1:0")));
    assert_eq!(
        why_refused(&peer, &plain).await,
        "TLS: it does not speak TLS; RaftSSL… must be set on all members or on none"
    );

    let server_only = authority.issue(&["node2"], 2031, Some(ExtendedKeyUsagePurpose::ServerAuth));
    let (node, _node1, _) = node1(&authority);
    let peer = tls_links("127.0.1.2:0", &server_only, &clock);
    assert!(
        peer.dialer()
            .connect(&node.target_as("node1"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_expired_node_is_refused_and_comes_back_with_new_files() {
    let authority = Authority::new();
    let (node, _files, clock) = node1(&authority);
    // Expires on the second day of the test's clock.
    let files = authority.issue(&["node2"], 2030, None);
    let mut soon = CertificateParams::new(vec!["node2".to_owned()]).unwrap();
    soon.not_after = date_time_ymd(2030, 1, 2);
    let key = KeyPair::generate().unwrap();
    files.put(
        "cert.pem",
        &soon.signed_by(&key, &authority.issuer).unwrap().pem(),
    );
    files.put("key.pem", &key.serialize_pem());
    let peer = tls_links("127.0.1.2:0", &files, &clock);
    let left = peer.status().certificate_expires_in_seconds.unwrap();
    assert!((86_390..=86_400).contains(&left), "{left}");
    let warnings = peer.status().warnings;
    assert!(
        warnings[0].starts_with("the certificate in RaftSSLCertFile (")
            && warnings[0].contains("cert.pem) expires in 2"),
        "{warnings:?}"
    );
    let channel = peer.dialer().channel(node.target_as("node1"));
    echo(&channel, "hello").await.unwrap();

    clock.pass_days(2);
    assert_eq!(
        why_refused(&peer, &node).await,
        "TLS: it says that the certificate of this node has expired"
    );
    assert!(peer.status().certificate_expires_in_seconds.unwrap() <= 0);
    assert!(peer.status().warnings[0].contains("has expired"));

    let stop = CancellationToken::new();
    let follower = peer.clone();
    let following = tokio::spawn({
        let stop = stop.clone();
        async move { follower.follow_files(stop).await }
    });
    tokio::task::yield_now().await;
    authority.write(&files, &["node2"], 2032, None);
    let renewed = async {
        while peer
            .dialer()
            .connect(&node.target_as("node1"))
            .await
            .is_err()
        {
            clock.sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), renewed)
        .await
        .unwrap();
    assert!(peer.status().warnings.is_empty());
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn expiry_is_a_warning_in_the_last_thirty_days_or_the_last_third_of_a_life() {
    let authority = Authority::new();
    let clock = TestClock::start();
    // The clock stands at 2030-01-01.
    for (from, to, warns) in [
        ((2029, 2, 1), (2030, 1, 30), true),
        ((2029, 2, 1), (2030, 2, 5), false),
        ((2029, 12, 1), (2030, 1, 10), true),
        ((2029, 12, 20), (2030, 1, 12), false),
    ] {
        let files = Files(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::new(vec!["node2".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        files.put("cert.pem", &certificate.pem());
        files.put("key.pem", &key.serialize_pem());
        files.put("ca.pem", &authority.pem);
        let peer = tls_links("127.0.1.2:0", &files, &clock);
        let warnings = peer.status().warnings;
        assert_eq!(!warnings.is_empty(), warns, "{to:?}: {warnings:?}");
    }
}

#[tokio::test]
async fn expiry_is_known_of_members_that_showed_their_certificates_to_either_side() {
    let authority = Authority::new();
    let (node, _files, clock) = node1(&authority);
    let files = authority.issue(&["node2"], 2030, None);
    authority.write(&files, &["node2"], 2031, None);
    let peer = tls_links("127.0.1.2:0", &files, &clock);
    peer.dialer()
        .connect(&node.target_as("node1"))
        .await
        .unwrap();
    let of = |links: &PeerLinks| links.status().shown_certificates_expire_in_seconds;
    let year = 365 * 24 * 3600;
    let seen: Vec<_> = of(&peer).into_iter().collect();
    assert!(
        matches!(&seen[..], [(name, left)] if name == "node1" && (year - 10..=year).contains(left)),
        "{seen:?}"
    );
    let seen: Vec<String> = of(&node.links).into_keys().collect();
    assert_eq!(seen, ["node2"]);
    clock.pass_days(350);
    let warnings = peer.status().warnings;
    assert!(
        warnings
            .iter()
            .any(|told| told
                .starts_with("the certificate that node1 showed last expires in 15 days")),
        "{warnings:?}"
    );
    // Whoever is no member any more is nobody's concern.
    let access = Access {
        tls: Some(files.paths()),
        ..Access::default()
    };
    let prepared = peer.prepare(vec!["node2".into()], access).unwrap();
    peer.take(prepared);
    assert!(of(&peer).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_open_connection_ends_when_its_certificate_does() {
    let (files, clock) = (Authority::new().member(&["node1"]), TestClock::start());
    let links = tls_links("127.0.1.1:0", &files, &clock);
    let two_days = clock.now().as_micros() / 1_000_000 + 2 * 86_400;
    let expiry = links.0.at_expiry(two_days);
    let (mine, _theirs) = tokio::io::duplex(16);
    let identity = PeerIdentity {
        address: "127.0.1.2:1".parse().unwrap(),
        trust: Trust::Certificates,
        member: Some("node2".into()),
        called: "node2".into(),
        group: None,
    };
    let mut peer = PeerIo::new(Box::new(mine), identity, Some(expiry), None);
    let mut byte = [0];
    let ended = tokio::io::AsyncReadExt::read(&mut peer, &mut byte)
        .await
        .unwrap_err();
    assert_eq!(ended.to_string(), "the certificate of the peer has expired");
    let after = clock.monotonic();
    assert!((172_800..172_810).contains(&after.as_secs()), "{after:?}");
    let again = tokio::io::AsyncReadExt::read(&mut peer, &mut byte).await;
    assert!(again.is_err(), "and it stays ended");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_and_the_old_ones_stay_in_force() {
    let authority = Authority::new();
    let (node, files, clock) = node1(&authority);
    let refused = |files: &Files| {
        node.links
            .reload(tls_config("127.0.1.1:0", files))
            .unwrap_err()
            .to_string()
    };
    let path = |name: &str| files.0.path().join(name).display().to_string();

    set_mode(&files.0.path().join("key.pem"), 0o604);
    assert_eq!(
        refused(&files),
        format!(
            "RaftSSLPrivateKeyFile {0} can be read by every user of this machine; take the right away with: chmod o-r {0}",
            path("key.pem")
        )
    );
    files.put("key.pem", &KeyPair::generate().unwrap().serialize_pem());
    assert!(refused(&files).starts_with(&format!(
        "RaftSSLCertFile {} and RaftSSLPrivateKeyFile {} do not belong together: ",
        path("cert.pem"),
        path("key.pem")
    )));
    files.put("cert.pem", "nothing\n");
    assert_eq!(
        refused(&files),
        format!(
            "RaftSSLCertFile {}: it holds no certificate in PEM form",
            path("cert.pem")
        )
    );
    std::fs::remove_file(path("key.pem")).unwrap();
    assert!(refused(&files).starts_with(&format!("RaftSSLPrivateKeyFile {}: ", path("key.pem"))));
    let mut half = tls_config("127.0.1.1:0", &files);
    half.tls.as_mut().unwrap().authority = "".into();
    assert_eq!(
        node.links.reload(half).unwrap_err().to_string(),
        "RaftSSLCAFile is not set; RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile are set together or not at all"
    );

    let files = authority.member(&["node2"]);
    let peer = tls_links("127.0.1.2:0", &files, &clock);
    assert!(
        peer.dialer()
            .connect(&node.target_as("node1"))
            .await
            .is_ok(),
        "what was in force still is"
    );
}

#[tokio::test]
async fn authorities_are_changed_under_load_without_a_failed_call() {
    let (old, new) = (Authority::new(), Authority::new());
    let (node, node_files, clock) = node1(&old);
    let peer_files = old.member(&["node2"]);
    let peer = tls_links("127.0.1.2:0", &peer_files, &clock);
    let channel = peer.dialer().channel(node.target_as("node1"));
    let both = format!("{}{}", old.pem, new.pem);
    let reload = || {
        node.links
            .reload(tls_config("127.0.1.1:0", &node_files))
            .unwrap();
        peer.reload(tls_config("127.0.1.2:0", &peer_files)).unwrap();
    };
    for step in 0..4 {
        match step {
            0 => {}
            1 => {
                node_files.put("ca.pem", &both);
                peer_files.put("ca.pem", &both);
            }
            2 => {
                new.write(&node_files, &["node1"], 2031, None);
                new.write(&peer_files, &["node2"], 2031, None);
                node_files.put("ca.pem", &both);
                peer_files.put("ca.pem", &both);
            }
            _ => {
                node_files.put("ca.pem", &new.pem);
                peer_files.put("ca.pem", &new.pem);
            }
        }
        reload();
        for _ in 0..20 {
            echo(&channel, "open already").await.unwrap();
            let fresh = peer.dialer().channel(node.target_as("node1"));
            echo(&fresh, "dialed anew").await.unwrap();
        }
    }
    let late = old.member(&["node2"]);
    late.put("ca.pem", &both);
    let late = tls_links("127.0.1.2:0", &late, &clock);
    assert!(
        late.dialer()
            .connect(&node.target_as("node1"))
            .await
            .is_err(),
        "the old authority is out"
    );
}

/// What a raw connection gets back until it is closed.
async fn answer_to(node: &Node, bytes: &[u8]) -> Vec<u8> {
    let mut stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
    // A reset while sending is as good as a refusal.
    drop(stream.write_all(bytes).await);
    let mut back = Vec::new();
    drop(stream.read_to_end(&mut back).await);
    back
}

#[tokio::test]
async fn a_handshake_of_tls_has_a_bound_too() {
    let (node, _files, _) = node1(&Authority::new());
    // A ClientHello that announces 60,000 bytes, in records of 16 KiB.
    let mut endless = b"\x16\x03\x01\x40\x00\x01\x00\xea\x60".to_vec();
    endless.resize(5 + 16_384, 0);
    endless.extend(b"\x16\x03\x01\x40\x00");
    endless.resize(2 * (5 + 16_384), 0);
    assert!(
        answer_to(&node, &endless).await.len() < 16,
        "an alert at most"
    );
    node.refused(1).await;
    let refusal = node.links.status().last_refusal.unwrap();
    assert!(
        refusal.ends_with("it sent more than 16384 bytes before its identity was known"),
        "{refusal}"
    );
}

#[tokio::test]
async fn tls_without_a_certificate_does_not_reach_the_server() {
    let authority = Authority::new();
    let (node, files, _) = node1(&authority);
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(files.0.path().join("ca.pem")).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "node1".try_into().unwrap();
    // In TLS 1.3 the client is through before the server has looked for its certificate.
    let mut stream = connector.connect(name, stream).await.unwrap();
    drop(stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
    let mut back = Vec::new();
    let error = stream.read_to_end(&mut back).await.unwrap_err();
    assert!(
        back.is_empty() && error.to_string().contains("CertificateRequired"),
        "{error}"
    );
    node.refused(1).await;
    let refusal = node.links.status().last_refusal.unwrap();
    assert!(
        refusal.ends_with("TLS: it showed no certificate"),
        "{refusal}"
    );
    assert_eq!(node.links.status().open, 0);
}
