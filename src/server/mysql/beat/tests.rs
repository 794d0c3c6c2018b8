//! Connections for beats with a server that says what it is told to say.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::beats::{Farewell, VigilEnd};
use orchestrator_core::domain::{InstanceKey, Secret, Timestamp};
use orchestrator_core::ports::{BeatLine, Beater as _, BoxFuture, Clock, NoLine};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::wire::Wire;
use super::{MysqlBeater, vigil};
use crate::mysql::{Config, Connector, TlsConfig};

/// Far more than anything here takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

fn beater() -> MysqlBeater {
    beater_with(TlsConfig {
        mixed: false,
        ..TlsConfig::default()
    })
}

fn beater_with(tls: TlsConfig) -> MysqlBeater {
    let config = Config {
        user: "watcher".to_owned(),
        password: Secret::new("pass"),
        tls,
        ..Config::default()
    };
    let (_, config) = watch::channel(Arc::new(config));
    MysqlBeater::new(Arc::new(Connector::new(config, Arc::new(StandingClock))))
}

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

fn greeting(plugin: &str) -> Vec<u8> {
    greeting_with(0x82, plugin)
}

/// With the second byte of what the server offers; 0x08 of it is TLS.
fn greeting_with(offers: u8, plugin: &str) -> Vec<u8> {
    let mut payload = b"\x0a8.0.40\0\x07\0\0\0".to_vec();
    payload.extend(b"12345678\0");
    // All that is wanted: protocol 4.1, secure connection, plugins, attributes.
    payload.extend([0x01, offers, 45, 2, 0, 0x18, 0x00, 21]);
    payload.extend([0; 10]);
    payload.extend(b"abcdefghijkl\0");
    payload.extend(plugin.as_bytes());
    payload.push(0);
    packet(0, &payload)
}

fn error(number: u8, code: u16) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    packet(number, &[&[0xff, low, high][..], b"#08004no"].concat())
}

const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

/// What is asked, and by which packet.
async fn next(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let length = usize::from(head[0]) | usize::from(head[1]) << 8;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (head[3], payload)
}

/// Connects to a server that does `serve`; both come to an end.
async fn connected<T: Send + 'static>(
    within: Duration,
    serve: impl AsyncFnOnce(TcpStream) -> T,
) -> (Result<Box<dyn BeatLine>, NoLine>, T) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = InstanceKey::parse("127.0.0.1", port).unwrap();
    let beater = beater();
    tokio::join!(beater.connect(&key, within), async {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await
    })
}

/// A server that lets us in.
async fn welcoming(mut stream: TcpStream) -> TcpStream {
    stream
        .write_all(&greeting("mysql_native_password"))
        .await
        .unwrap();
    let_in(&mut stream, 1).await;
    stream
}

/// The rest of a login, which has this number.
async fn let_in(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), expected: u8) {
    let (number, login) = next(stream).await;
    assert_eq!(number, expected);
    let has = |text: &[u8]| login.windows(text.len()).any(|part| part == text);
    assert!(has(b"watcher\0") && has(b"mysql_native_password\0"));
    assert!(has(b"orchestrator beat"));
    assert!(!has(b"pass\0"), "the password is not sent as it is");
    stream.write_all(&packet(number + 1, &OK)).await.unwrap();
}

fn refused(line: Result<Box<dyn BeatLine>, NoLine>) -> NoLine {
    line.err().expect("no connection")
}

#[tokio::test]
async fn a_beat_is_one_packet_each_way() {
    let (line, mut stream) = connected(WITHIN, welcoming).await;
    let mut line = line.map_err(|why| format!("{why:?}")).unwrap();
    for _ in 0..3 {
        let (heard, ()) = tokio::join!(
            async {
                line.ask().await;
                line.hear().await
            },
            async {
                assert_eq!(next(&mut stream).await, (0, vec![0x0e]));
                stream.write_all(&packet(1, &OK)).await.unwrap();
            }
        );
        assert_eq!(heard, Ok(None));
    }
}

#[tokio::test]
async fn a_closed_connection_is_heard_without_being_asked_and_last_words_with_it() {
    let (line, stream) = connected(WITHIN, welcoming).await;
    let mut line = line.map_err(|why| format!("{why:?}")).unwrap();
    drop(stream);
    assert_eq!(line.hear().await, Err(Farewell::None));
    let (line, mut stream) = connected(WITHIN, welcoming).await;
    let mut line = line.map_err(|why| format!("{why:?}")).unwrap();
    stream.write_all(&error(0, 1053)).await.unwrap();
    drop(stream);
    assert_eq!(line.hear().await, Ok(Some(1053)));
    assert_eq!(line.hear().await, Err(Farewell::Error(1053)));
}

#[tokio::test]
async fn what_is_said_instead_of_a_login_is_an_answer() {
    let (line, ()) = connected(WITHIN, async |mut stream| {
        stream.write_all(&error(0, 1040)).await.unwrap();
    })
    .await;
    let refusal = Some(1040);
    assert_eq!(refused(line), NoLine::Answered { refusal });
    let (line, ()) = connected(WITHIN, async |mut stream| {
        stream
            .write_all(&greeting("mysql_native_password"))
            .await
            .unwrap();
        next(&mut stream).await;
        stream.write_all(&error(2, 1045)).await.unwrap();
    })
    .await;
    let refusal = Some(1045);
    assert_eq!(refused(line), NoLine::Answered { refusal });
    let (line, ()) = connected(WITHIN, async |mut stream| {
        stream
            .write_all(&greeting("mysql_native_password"))
            .await
            .unwrap();
    })
    .await;
    assert_eq!(refused(line), NoLine::Answered { refusal: None });
}

#[tokio::test]
async fn who_closes_or_refuses_is_told_apart_from_who_says_nothing() {
    let (line, ()) = connected(WITHIN, async |_| {}).await;
    assert_eq!(refused(line), NoLine::Refused);
    let short = Duration::from_millis(50);
    let (line, _stream) = connected(short, async |stream| stream).await;
    assert_eq!(refused(line), NoLine::Silent);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let key = InstanceKey::parse("127.0.0.1", port).unwrap();
    assert_eq!(
        refused(beater().connect(&key, WITHIN).await),
        NoLine::Refused
    );
    let key = InstanceKey::parse("no-such-host.invalid", 3306).unwrap();
    let line = refused(beater().connect(&key, WITHIN).await);
    assert!(matches!(line, NoLine::NotTried { .. }), "{line:?}");
}

#[tokio::test]
async fn a_cached_password_is_known_and_another_is_encrypted() {
    let (line, _stream) = connected(WITHIN, async |mut stream: TcpStream| {
        stream
            .write_all(&greeting("caching_sha2_password"))
            .await
            .unwrap();
        next(&mut stream).await;
        let known = [packet(2, &[1, 3]), packet(3, &OK)].concat();
        stream.write_all(&known).await.unwrap();
        stream
    })
    .await;
    assert!(line.is_ok());
    // A key that is none: the driver is to try, and finds nobody there.
    let (line, ()) = connected(Duration::from_secs(2), async |mut stream: TcpStream| {
        stream
            .write_all(&greeting("caching_sha2_password"))
            .await
            .unwrap();
        next(&mut stream).await;
        stream.write_all(&packet(2, &[1, 4])).await.unwrap();
        assert_eq!(next(&mut stream).await.1, [2]);
        stream.write_all(&packet(4, b"\x01no key")).await.unwrap();
    })
    .await;
    assert!(line.is_err());
}

/// Of the packet, with its header.
const PING_LENGTH: usize = 5;

/// How a vigil at a server ends that does `end` while it waits, with something unread in its socket.
async fn vigil_ends(end: impl AsyncFnOnce(TcpStream)) -> VigilEnd {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = InstanceKey::parse("127.0.0.1", port).unwrap();
    let beater = beater();
    let kept = async {
        let vigil = beater.vigil(&key, WITHIN).await;
        vigil.map_err(|why| format!("{why:?}")).unwrap().await
    };
    let (ended, ()) = tokio::join!(kept, async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = welcoming(stream).await;
        told_to_wait(&mut stream).await;
        // There, and unread: as much as has to lie there before the vigil counts as one.
        let mut unread = [0; PING_LENGTH];
        while stream.peek(&mut unread).await.unwrap() < unread.len() {
            tokio::task::yield_now().await;
        }
        end(stream).await;
    });
    ended
}

async fn told_to_wait(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let (_, settings) = next(stream).await;
    assert!(settings.starts_with(b"\x03SET SESSION long_query_time"));
    // Whether it is refused or not.
    stream.write_all(&error(1, 1227)).await.unwrap();
    let (_, waits) = next(stream).await;
    assert!(waits.starts_with(b"\x03DO SLEEP"));
}

/// A certificate for loopback in `dir/ca.pem`, and who presents it.
fn acceptor(dir: &Path) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    fs::write(dir.join("ca.pem"), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that lets us in over TLS.
async fn welcoming_by(
    acceptor: &TlsAcceptor,
    mut stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let greeting = greeting_with(0x8a, "mysql_native_password");
    stream.write_all(&greeting).await?;
    let (number, request) = next(&mut stream).await;
    assert_eq!((number, request.len()), (1, 32), "it asks for TLS");
    let mut stream = acceptor.accept(stream).await?;
    let_in(&mut stream, 2).await;
    Ok(stream)
}

/// What TLS 1.3 adds to a packet: a head, the kind of its content, and a tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;

/// The same as [`vigil_ends`] over TLS.
async fn encrypted_vigil_ends(end: impl AsyncFnOnce(TlsStream<TcpStream>)) -> VigilEnd {
    let dir = tempfile::tempdir().unwrap();
    let acceptor = acceptor(dir.path());
    let beater = beater_with(TlsConfig {
        mutual: true,
        ca_file: Some(dir.path().join("ca.pem")),
        ..TlsConfig::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = InstanceKey::parse("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let kept = async {
        let vigil = beater.vigil(&key, WITHIN).await;
        vigil.map_err(|why| format!("{why:?}")).unwrap().await
    };
    let (ended, ()) = tokio::join!(kept, async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = welcoming_by(&acceptor, stream).await.unwrap();
        told_to_wait(&mut stream).await;
        stream.flush().await.unwrap();
        let mut unread = [0; PING_LENGTH + RECORD_OVERHEAD];
        while stream.get_ref().0.peek(&mut unread).await.unwrap() < unread.len() {
            tokio::task::yield_now().await;
        }
        end(stream).await;
    });
    ended
}

#[tokio::test]
async fn an_encrypted_vigil_tells_who_closes_it_from_who_dies() {
    let dies = encrypted_vigil_ends(async |stream| drop(stream)).await;
    assert_eq!(dies, VigilEnd::Cut);
    let closes = encrypted_vigil_ends(async |mut stream| stream.shutdown().await.unwrap()).await;
    assert_eq!(closes, VigilEnd::InOrder);
    let without_a_goodbye = async |mut stream: TlsStream<TcpStream>| {
        stream.get_mut().0.shutdown().await.unwrap();
    };
    let ended = encrypted_vigil_ends(without_a_goodbye).await;
    assert_eq!(ended, VigilEnd::InOrder);
}

/// What becomes of a line to a server whose certificate is by `ca`, where it has TLS, and which wants it.
async fn line_over_tls(tls: TlsConfig, serve: impl AsyncFnOnce(TcpListener)) -> Option<NoLine> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = InstanceKey::parse("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let beater = beater_with(tls);
    let (line, ()) = tokio::join!(beater.connect(&key, WITHIN), serve(listener));
    line.err()
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_taken_has_answered_all_the_same() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = acceptor(own.path());
    acceptor(other.path());
    let by = |dir: &Path| TlsConfig {
        mutual: true,
        ca_file: Some(dir.join("ca.pem")),
        ..TlsConfig::default()
    };
    let serve = async |listener: TcpListener| {
        let (stream, _) = listener.accept().await.unwrap();
        welcoming_by(&server, stream).await.ok();
    };
    assert_eq!(line_over_tls(by(own.path()), &serve).await, None);
    let refusal = None;
    let stranger = line_over_tls(by(other.path()), &serve).await;
    assert_eq!(stranger, Some(NoLine::Answered { refusal }));
    let anyone = TlsConfig {
        skip_verify: true,
        ..by(other.path())
    };
    assert_eq!(line_over_tls(anyone, &serve).await, None);
    let has_none = async |listener: TcpListener| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let greeting = greeting("mysql_native_password");
        stream.write_all(&greeting).await.unwrap();
        // Until the other side has gone.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    };
    let plain = line_over_tls(by(own.path()), has_none).await;
    assert_eq!(plain, Some(NoLine::Answered { refusal }));
    let unread = line_over_tls(by(Path::new("/no/such/place")), async |_| {}).await;
    assert!(
        matches!(unread, Some(NoLine::NotTried { .. })),
        "our own files: {unread:?}"
    );
}

#[tokio::test]
async fn a_server_that_wants_tls_gets_it_and_that_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let acceptor = acceptor(dir.path());
    let beater = beater_with(TlsConfig {
        ca_file: Some(dir.path().join("ca.pem")),
        ..TlsConfig::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = InstanceKey::parse("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let (first, ()) = tokio::join!(beater.connect(&key, WITHIN), async {
        let (mut plain, _) = listener.accept().await.unwrap();
        let greeting = greeting_with(0x8a, "mysql_native_password");
        plain.write_all(&greeting).await.unwrap();
        next(&mut plain).await;
        plain.write_all(&error(2, 3159)).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        welcoming_by(&acceptor, stream).await.unwrap();
    });
    assert!(first.is_ok());
    let (second, ()) = tokio::join!(beater.connect(&key, WITHIN), async {
        let (stream, _) = listener.accept().await.unwrap();
        welcoming_by(&acceptor, stream).await.unwrap();
    });
    assert!(second.is_ok());
}

#[tokio::test]
async fn a_vigil_tells_who_closes_it_from_who_dies() {
    let dies = vigil_ends(async |stream| drop(stream)).await;
    assert_eq!(dies, VigilEnd::Cut);
    let closes = vigil_ends(async |mut stream| stream.shutdown().await.unwrap()).await;
    assert_eq!(closes, VigilEnd::InOrder);
    let interrupts = async |mut stream: TcpStream| {
        stream.write_all(&packet(1, &OK)).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    assert_eq!(vigil_ends(interrupts).await, VigilEnd::InOrder);
}

/// Answers the request behind a statement, and takes the next statement: what a server does that goes from one to the other.
async fn goes_on(stream: &mut TcpStream) {
    assert_eq!(next(stream).await.1, [0x0e]);
    stream.write_all(&packet(1, &OK)).await.unwrap();
    assert!(next(stream).await.1.starts_with(b"\x03DO SLEEP"));
}

#[tokio::test]
async fn a_vigil_whose_statement_is_interrupted_waits_anew() {
    let waits_again = async |mut stream: TcpStream| {
        let interrupted = error(1, 1317);
        stream.write_all(&interrupted).await.unwrap();
        goes_on(&mut stream).await;
        // There, and unread.
        stream.peek(&mut [0]).await.unwrap();
    };
    assert_eq!(vigil_ends(waits_again).await, VigilEnd::Cut);
}

#[tokio::test]
async fn where_no_statement_waits_there_is_no_vigil() {
    let refuses = async |mut stream: TcpStream| {
        stream.write_all(&error(1, 1064)).await.unwrap();
        goes_on(&mut stream).await;
        stream.write_all(&error(1, 1064)).await.unwrap();
        assert_eq!(next(&mut stream).await.1, [0x0e]);
        stream.write_all(&packet(1, &OK)).await.unwrap();
        // The other side closes it, having nothing to learn by it.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    };
    assert_eq!(vigil_ends(refuses).await, VigilEnd::Unknown);
}

/// What has come to a server that reads one packet at a time.
struct Socket {
    stream: DuplexStream,
    unread: Vec<u8>,
}

impl Socket {
    /// Reads one packet, and leaves something behind it.
    async fn read_one_of_several(&mut self) -> Vec<u8> {
        loop {
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.unread) => assert_ne!(read.unwrap(), 0),
                // Nothing more is there.
                () = std::future::ready(()) => break,
            }
        }
        let length = 4 + usize::from(self.unread[0]);
        assert!(
            self.unread.len() > length,
            "a server that dies now closes an empty socket"
        );
        let packet = self.unread[4..length].to_vec();
        self.unread.drain(..length);
        packet
    }

    async fn answer(&mut self) {
        self.stream.write_all(&packet(1, &OK)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn whenever_a_server_reads_something_else_lies_unread() {
    let (near, far) = duplex(1024);
    let server = async {
        let mut socket = Socket {
            stream: far,
            unread: Vec::new(),
        };
        let (_, settings) = next(&mut socket.stream).await;
        assert!(settings.starts_with(b"\x03SET SESSION"));
        socket.answer().await;
        // On its way.
        tokio::time::sleep(Duration::from_millis(30)).await;
        for _ in 0..1_000 {
            let waits = socket.read_one_of_several().await;
            assert!(waits.starts_with(b"\x03DO SLEEP"));
            tokio::time::sleep(Duration::from_secs(10)).await;
            socket.answer().await;
            assert_eq!(socket.read_one_of_several().await, [0x0e]);
            socket.answer().await;
        }
    };
    let kept = async { vigil::open(Wire::new(near)).await.ok().unwrap().await };
    let (ended, ()) = tokio::join!(kept, server);
    assert_eq!(ended, VigilEnd::InOrder, "as this kind of stream ends");
}

#[tokio::test]
async fn a_packet_that_comes_in_parts_is_read_whole_whatever_is_cancelled() {
    let (near, mut far) = duplex(64);
    let mut wire = Wire::new(near);
    let whole = [packet(7, b"one"), packet(8, b"two")].concat();
    for byte in &whole[..whole.len() - 1] {
        far.write_all(&[*byte]).await.unwrap();
        let read = wire.read();
        tokio::select! {
            biased;
            packet = read => assert_eq!(packet.unwrap(), b"one"),
            () = tokio::task::yield_now() => {}
        }
    }
    far.write_all(&whole[whole.len() - 1..]).await.unwrap();
    assert_eq!(wire.read().await.unwrap(), b"two");
    far.write_all(&[0xff, 0xff, 0xff, 0]).await.unwrap();
    let too_long = wire.read().await.unwrap_err();
    assert_eq!(too_long.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn what_routers_say_of_a_server_is_silence_and_what_we_lack_ourselves_is_nothing() {
    use std::io::ErrorKind;
    let line = |kind: ErrorKind| super::beater::unconnected(kind.into());
    for kind in [
        ErrorKind::TimedOut,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
    ] {
        assert_eq!(line(kind), NoLine::Silent, "{kind}");
    }
    assert_eq!(line(ErrorKind::ConnectionRefused), NoLine::Refused);
    let own = line(ErrorKind::AddrNotAvailable);
    assert!(matches!(own, NoLine::NotTried { .. }), "{own:?}");
}
