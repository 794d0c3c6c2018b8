//! Servers that mean harm. Whatever they do, a probe ends in time with a failure, takes little memory, and gives away
//! neither the password nor a file. What the SQL driver leaves open, and what limits it, is in `docs/security.md`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fake::{END, OK, column, greeting, receive, send};
use crate::servers::PASSWORD;
use crate::world::{config, world};

/// The deadline of the probes, and what a busy machine may add.
const LIMIT: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    SaysNothing,
    ClosesAtOnce,
    SpeaksGarbage,
    TricklesItsGreeting,
    AnnouncesHugePacket,
    SendsEmptyPackets,
    AsksForClearPassword,
    AsksForOldPassword,
    SendsBrokenKey,
    NeverEndsTheLogin,
    AsksForLocalFile,
    AnnouncesImpossibleColumns,
    AnnouncesAMillionColumns,
    SendsManyColumns,
    SendsHugeColumn,
    SendsEmptyRow,
    SendsRowsWithoutEnd,
    SendsBigRowsWithoutEnd,
    TricklesARow,
    SendsRowsThatLie,
    SendsHostileError,
}

use Behaviour::*;

async fn hear(socket: &mut TcpStream, heard: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let payload = receive(socket).await?;
    heard.lock().unwrap().extend_from_slice(&payload);
    Ok(())
}

async fn misbehave(
    socket: &mut TcpStream,
    behaviour: Behaviour,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    match behaviour {
        ClosesAtOnce => return Ok(()),
        SaysNothing => loop {
            hear(socket, heard).await?;
        },
        SpeaksGarbage => loop {
            socket
                .write_all(&[0x10, 0, 0, 0, 0x77, 0x3f, 0x1b, 0x07, 0xee])
                .await?;
        },
        TricklesItsGreeting => {
            let greeting = greeting("8.0.36", "mysql_native_password");
            socket.write_all(&[greeting.len() as u8, 0, 0, 0]).await?;
            for byte in greeting {
                tokio::time::sleep(Duration::from_secs(1)).await;
                socket.write_all(&[byte]).await?;
            }
        }
        AnnouncesHugePacket => {
            socket.write_all(&[0xff, 0xff, 0xff, 0]).await?;
            loop {
                socket.write_all(&[0x0a; 65536]).await?;
            }
        }
        SendsEmptyPackets => {
            for sequence in (0..=255).cycle() {
                send(socket, sequence, &[]).await?;
            }
        }
        _ => {}
    }
    let plugin = match behaviour {
        SendsBrokenKey => "caching_sha2_password",
        _ => "mysql_native_password",
    };
    send(socket, 0, &greeting("8.0.36", plugin)).await?;
    hear(socket, heard).await?;
    match behaviour {
        AsksForClearPassword => send(socket, 2, b"\xfemysql_clear_password\0").await?,
        AsksForOldPassword => send(socket, 2, b"\xfe").await?,
        SendsBrokenKey => {
            send(socket, 2, &[1, 4]).await?;
            hear(socket, heard).await?;
            send(
                socket,
                4,
                b"\x01-----BEGIN PUBLIC KEY-----\nMAAC\n-----END PUBLIC KEY-----\n",
            )
            .await?;
        }
        NeverEndsTheLogin => {
            for sequence in (2..=255).cycle() {
                send(
                    socket,
                    sequence,
                    b"\xfemysql_native_password\0abcdefghijklmnopqrst\0",
                )
                .await?;
                hear(socket, heard).await?;
            }
        }
        _ => {
            send(socket, 2, OK).await?;
            hear(socket, heard).await?;
            answer(socket, behaviour, heard).await?;
        }
    }
    // It listens on: what comes now is what the other side gave away.
    loop {
        hear(socket, heard).await?;
    }
}

/// The answer to the first statement.
async fn answer(
    socket: &mut TcpStream,
    behaviour: Behaviour,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    match behaviour {
        AsksForLocalFile => send(socket, 1, b"\xfb/etc/passwd").await,
        AnnouncesImpossibleColumns => send(socket, 1, &[0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80]).await,
        AnnouncesAMillionColumns => send(socket, 1, &[0xfd, 0, 0, 0x10]).await,
        SendsManyColumns => {
            send(socket, 1, &[0xfc, 88, 2]).await?;
            for sequence in 2..602_u16 {
                send(socket, sequence as u8, &column("x")).await?;
            }
            send(socket, 90, END).await
        }
        SendsHugeColumn => {
            send(socket, 1, &[1]).await?;
            let mut huge = column("x");
            huge.resize(5 * 1024 * 1024, 0);
            send(socket, 2, &huge).await
        }
        SendsEmptyRow => {
            begin_table(socket, &["version", "version_comment"]).await?;
            send(socket, 4, &[]).await
        }
        SendsHostileError => {
            let mut error = b"\xff\x15\x04#28000\x1b[2J\r\n".to_vec();
            error.resize(1024 * 1024, b'A');
            send(socket, 1, &error).await
        }
        TricklesARow => {
            begin_table(socket, &["version", "version_comment"]).await?;
            socket.write_all(&[200, 0, 0, 4]).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                socket.write_all(&[1]).await?;
            }
        }
        SendsRowsThatLie => {
            begin_table(socket, &["version", "version_comment"]).await?;
            send(socket, 4, &[0xfd, 0xff, 0xff, 0xff, 1]).await
        }
        _ => endless_rows(socket, behaviour == SendsBigRowsWithoutEnd, heard).await,
    }
}

async fn begin_table(socket: &mut TcpStream, columns: &[&str]) -> std::io::Result<()> {
    send(socket, 1, &[columns.len() as u8]).await?;
    for (i, name) in columns.iter().enumerate() {
        send(socket, i as u8 + 2, &column(name)).await?;
    }
    Ok(())
}

/// Behaves until the counters are asked, so that it counts as a server that is up; they never end.
async fn endless_rows(
    socket: &mut TcpStream,
    are_big: bool,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    begin_table(socket, &["version", "version_comment"]).await?;
    send(socket, 4, b"\x068.0.36\x01x").await?;
    send(socket, 5, END).await?;
    hear(socket, heard).await?;
    begin_table(socket, &["server_id", "hostname"]).await?;
    send(socket, 4, b"\x017\x01h").await?;
    send(socket, 5, END).await?;
    hear(socket, heard).await?;
    begin_table(socket, &["Variable_name", "Value"]).await?;
    let mut row = b"\x01x\x01y".to_vec();
    if are_big {
        row = vec![1, b'x', 0xfd, 0, 0, 8];
        row.resize(6 + 512 * 1024, b'y');
    }
    for sequence in (4..=255).chain((0..=255).cycle()) {
        send(socket, sequence, &row).await?;
    }
    Ok(())
}

struct Rogue {
    key: InstanceKey,
    heard: Arc<Mutex<Vec<u8>>>,
    /// Conversations that ended.
    ended: Arc<AtomicU32>,
    server: JoinHandle<()>,
}

impl Rogue {
    async fn start(behaviour: Behaviour) -> Self {
        let (hosts, _) = crate::servers::addresses(1);
        let listener = TcpListener::bind((hosts[0].as_str(), 0)).await.unwrap();
        let key = InstanceKey::parse(&listener.local_addr().unwrap().to_string(), 1).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = heard.clone();
        let ended = Arc::new(AtomicU32::new(0));
        let count = ended.clone();
        let server = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                // It fails when the other side hangs up, which is what is wanted.
                let _ = misbehave(&mut socket, behaviour, &ears).await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            key,
            heard,
            ended,
            server,
        }
    }

    /// Waits until the other side has hung up, which it has to do soon.
    async fn is_left(&self, behaviour: Behaviour) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.ended.load(Ordering::Relaxed) == 0 {
            assert!(
                Instant::now() < deadline,
                "{behaviour:?}: the connection stays open"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Most memory this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn suffer(behaviour: Behaviour) -> ProbeFailure {
    let rogue = Rogue::start(behaviour).await;
    let world = world(config());
    let mut session = world.session(&rogue.key);
    let began = Instant::now();
    let failure = session
        .probe()
        .await
        .expect_err("a rogue has no observation");
    let took = began.elapsed();
    assert!(
        took < LIMIT + SLACK,
        "{behaviour:?} held the probe for {took:?}"
    );
    assert!(
        failure.message.len() < 1000,
        "{behaviour:?}: a long message"
    );
    assert!(
        !failure.message.contains(char::is_control),
        "{}",
        failure.message
    );
    // What it may still be told has arrived by then.
    rogue.is_left(behaviour).await;
    let heard = String::from_utf8_lossy(&rogue.heard.lock().unwrap()).into_owned();
    for secret in [PASSWORD, "root:"] {
        assert!(!heard.contains(secret), "{behaviour:?} was told {secret:?}");
    }
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rogue_server_holds_a_probe_fills_the_memory_or_learns_a_secret() {
    let before = peak_memory();
    for (behaviour, kind) in [
        (SaysNothing, ProbeFailureKind::Timeout),
        (ClosesAtOnce, ProbeFailureKind::Refused),
        (SpeaksGarbage, ProbeFailureKind::InvalidAnswer),
        (TricklesItsGreeting, ProbeFailureKind::Timeout),
        (AnnouncesHugePacket, ProbeFailureKind::InvalidAnswer),
        (SendsEmptyPackets, ProbeFailureKind::InvalidAnswer),
        (AsksForClearPassword, ProbeFailureKind::AccessDenied),
        (AsksForOldPassword, ProbeFailureKind::AccessDenied),
        (SendsBrokenKey, ProbeFailureKind::InvalidAnswer),
        (NeverEndsTheLogin, ProbeFailureKind::InvalidAnswer),
        (AsksForLocalFile, ProbeFailureKind::InvalidAnswer),
        (AnnouncesImpossibleColumns, ProbeFailureKind::InvalidAnswer),
        (AnnouncesAMillionColumns, ProbeFailureKind::Timeout),
        (SendsManyColumns, ProbeFailureKind::InvalidAnswer),
        (SendsHugeColumn, ProbeFailureKind::InvalidAnswer),
        (SendsEmptyRow, ProbeFailureKind::InvalidAnswer),
        (SendsRowsWithoutEnd, ProbeFailureKind::InvalidAnswer),
        (SendsBigRowsWithoutEnd, ProbeFailureKind::InvalidAnswer),
        (TricklesARow, ProbeFailureKind::Timeout),
        (SendsRowsThatLie, ProbeFailureKind::InvalidAnswer),
        (SendsHostileError, ProbeFailureKind::AccessDenied),
    ] {
        let failure = suffer(behaviour).await;
        assert_eq!(failure.kind, kind, "{behaviour:?}: {}", failure.message);
        let is_up = matches!(behaviour, SendsRowsWithoutEnd | SendsBigRowsWithoutEnd);
        assert_eq!(
            failure.is_partial, is_up,
            "{behaviour:?}: {}",
            failure.message
        );
    }
    // An answer of 16 MiB, what the allocator keeps between its pieces, and the rogues themselves, which live in this
    // process too: 45 to 80 MiB were seen, and 145 on a machine busy with other tests. Without bounds, two seconds bring
    // gigabytes.
    let grown = peak_memory() - before;
    assert!(grown < 256 * 1024, "{grown} KiB more at the worst moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn rogue_servers_slow_only_themselves() {
    let mut rogues = Vec::new();
    for _ in 0..50 {
        rogues.push(Rogue::start(SaysNothing).await);
    }
    let world = Arc::new(world(config()));
    let began = Instant::now();
    let mut probes = tokio::task::JoinSet::new();
    for rogue in &rogues {
        let mut session = world.session(&rogue.key);
        probes.spawn(async move { session.probe().await.unwrap_err().kind });
    }
    let kinds = probes.join_all().await;
    assert!(kinds.iter().all(|kind| *kind == ProbeFailureKind::Timeout));
    assert!(began.elapsed() < LIMIT + SLACK, "{:?}", began.elapsed());
}
