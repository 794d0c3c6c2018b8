//! What the machine itself takes: figures of ours mean nothing without it.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Stopwatch;

/// Bytes of one synced write: a page of SQLite with its frame.
pub const SYNCED_BYTES: usize = 4_120;

/// Synced writes, and round trips, for one line: enough for a 99th percentile.
const SAMPLES: usize = 500;

/// Durations in order, to be asked for quantiles.
#[derive(Debug)]
pub struct Sorted(Vec<Duration>);

impl Sorted {
    /// Puts them in order.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(mut times: Vec<Duration>) -> Result<Self> {
        ensure!(!times.is_empty(), "nothing was measured");
        times.sort_unstable();
        Ok(Self(times))
    }

    /// What this many per cent of them do not exceed.
    #[must_use]
    pub fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent.min(100) / 100]
    }

    /// The longest.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.at(100)
    }
}

/// A duration in milliseconds.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A round trip between two threads over loopback, and an `fdatasync`, as both were a moment ago.
#[derive(Debug)]
pub struct Machine {
    round_trips: Sorted,
    syncs: Sorted,
}

impl Machine {
    /// Measures, for about a fifth of a second in which the caller's thread does nothing else.
    ///
    /// # Errors
    /// When `folder` cannot be written to, or loopback cannot be used.
    pub fn measured(folder: &Path) -> Result<Self> {
        Ok(Self {
            round_trips: round_trips()?,
            syncs: syncs(folder)?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |times: &Sorted| (millis(times.at(50)), millis(times.at(99)));
        let (trip, slow_trip) = of(&self.round_trips);
        let (sync, slow_sync) = of(&self.syncs);
        write!(
            f,
            "this machine: a round trip over loopback p50 {trip:.3} ms, p99 {slow_trip:.3} ms; \
             fdatasync of {SYNCED_BYTES} appended bytes p50 {sync:.2} ms, p99 {slow_sync:.2} ms"
        )
    }
}

/// `fdatasync` of bytes that are appended to a file of this folder.
///
/// # Errors
/// When the file cannot be written.
pub fn syncs(folder: &Path) -> Result<Sorted> {
    let path = folder.join("synced");
    let mut file = File::create(&path).with_context(|| format!("cannot write {path:?}"))?;
    let bytes = vec![7; SYNCED_BYTES];
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let watch = Stopwatch::start();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(watch.elapsed());
    }
    Sorted::of(times)
}

fn round_trips() -> Result<Sorted> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    let (mut far, _) = listener.accept()?;
    far.set_nodelay(true)?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let mut byte = [0];
        while far.read(&mut byte)? > 0 {
            far.write_all(&byte)?;
        }
        Ok(())
    });
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let watch = Stopwatch::start();
        near.write_all(&[1])?;
        near.read_exact(&mut [0])?;
        times.push(watch.elapsed());
    }
    drop(near);
    let echoed = echo.join();
    echoed.map_err(|_| anyhow::anyhow!("the echoing thread panicked"))??;
    Sorted::of(times)
}
