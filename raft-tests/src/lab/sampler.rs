//! Looks at every server all the time: does it answer, is it read-only, can an application commit there.

use super::server::Server;
use super::sql::{Account, Endpoint, rows};
use super::wait::Stopwatch;
use anyhow::{Context as _, Result};
use mysql_async::Conn;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two looks at one server: a tenth of the 200 ms in which an old primary has to be closed.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two attempts at a server that does not answer: the first moment that it does is what is measured.
const RECONNECT_PAUSE: Duration = Duration::from_millis(5);
/// Passes where an application may write, changes no row, and so leaves no transaction behind where rows are logged.
const WRITE: &str = "UPDATE lab.ledger SET writer = writer WHERE id < 0";

/// What one look at a server showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It does not answer.
    Silent,
    /// It answers, and refuses writes of an application.
    Closed,
    /// It takes writes of an application.
    Open,
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When the look began, since the sampler's start.
    pub at: Duration,
    /// What it showed.
    pub door: Door,
    /// `@@global.read_only`, where it answers.
    pub read_only: Option<bool>,
}

/// How long a server that came back took writes.
#[derive(Clone, Copy, Debug)]
pub struct OpenWindow {
    /// When it first answered.
    pub answered: Duration,
    /// When it was last seen to take writes; `None` when it never was.
    pub last_open: Option<Duration>,
    /// When it was first seen closed.
    pub closed: Option<Duration>,
}

impl OpenWindow {
    /// From its first answer until it was seen closed, and `None` while it was not.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        self.closed
            .map(|closed| closed.saturating_sub(self.answered))
    }
}

type Samples = Arc<Mutex<Vec<Sample>>>;

/// A running sampler: one task for each server, all through unix sockets. Dropping it ends it.
#[derive(Debug)]
pub struct Sampler {
    watch: Stopwatch,
    servers: Vec<(String, Samples)>,
    _tasks: JoinSet<()>,
}

impl Sampler {
    /// Starts to look. The table of the writers has to be there.
    #[must_use]
    pub fn start(servers: &[Server]) -> Self {
        let watch = Stopwatch::start();
        let mut tasks = JoinSet::new();
        let servers = servers.iter().map(|server| {
            let samples = Samples::default();
            tasks.spawn(look_on(server.endpoint().clone(), watch, samples.clone()));
            (server.name().to_owned(), samples)
        });
        Self {
            servers: servers.collect(),
            watch,
            _tasks: tasks,
        }
    }

    /// The time that samples are stamped with.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    /// All looks at a server so far.
    ///
    /// # Errors
    /// When no server has this name.
    pub fn samples(&self, name: &str) -> Result<Vec<Sample>> {
        let of = self.servers.iter().find(|(known, _)| known == name);
        let (_, samples) = of.with_context(|| format!("no server is named {name}"))?;
        Ok(locked(samples).clone())
    }

    /// Names of the servers that took writes at the last look.
    #[must_use]
    pub fn open_now(&self) -> Vec<&str> {
        let is_open = |samples: &Samples| {
            let last = locked(samples).last().copied();
            last.is_some_and(|sample| sample.door == Door::Open)
        };
        let open = self.servers.iter().filter(|(_, samples)| is_open(samples));
        open.map(|(name, _)| name.as_str()).collect()
    }

    /// The first look after `since` at which a server took writes.
    ///
    /// # Errors
    /// When no server has this name, or it never did.
    pub fn first_open(&self, name: &str, since: Duration) -> Result<Duration> {
        let samples = self.samples(name)?;
        let open = |sample: &&Sample| sample.at >= since && sample.door == Door::Open;
        let first = samples.iter().find(open);
        let first = first.with_context(|| format!("{name} never took writes after {since:?}"))?;
        Ok(first.at)
    }

    /// How long a server that was silent after `since` took writes after it came back; `None` while it is silent.
    ///
    /// # Errors
    /// When no server has this name.
    pub fn window(&self, name: &str, since: Duration) -> Result<Option<OpenWindow>> {
        let samples = self.samples(name)?;
        let after = samples.iter().filter(|sample| sample.at >= since);
        let mut back = after
            .skip_while(|sample| sample.door != Door::Silent)
            .filter(|sample| sample.door != Door::Silent)
            .peekable();
        let Some(first) = back.peek() else {
            return Ok(None);
        };
        let answered = first.at;
        let (mut last_open, mut closed) = (None, None);
        for sample in back {
            match sample.door {
                Door::Open => last_open = Some(sample.at),
                Door::Closed => closed = closed.or(Some(sample.at)),
                Door::Silent => {}
            }
        }
        Ok(Some(OpenWindow {
            answered,
            last_open,
            closed,
        }))
    }
}

fn locked(samples: &Samples) -> std::sync::MutexGuard<'_, Vec<Sample>> {
    samples
        .lock()
        .expect("no code panics while it holds the samples")
}

async fn look_on(endpoint: Endpoint, watch: Stopwatch, samples: Samples) {
    let mut conn = None;
    loop {
        let at = watch.elapsed();
        let seen = look(&endpoint, &mut conn).await;
        let (door, read_only) = seen.unwrap_or((Door::Silent, None));
        if door == Door::Silent {
            conn = None;
        }
        locked(&samples).push(Sample {
            at,
            door,
            read_only,
        });
        tokio::time::sleep(match door {
            Door::Silent => RECONNECT_PAUSE,
            _ => PAUSE,
        })
        .await;
    }
}

async fn look(endpoint: &Endpoint, conn: &mut Option<Conn>) -> Result<(Door, Option<bool>)> {
    if conn.is_none() {
        *conn = Some(endpoint.by_socket(Account::APPLICATION).await?);
    }
    let conn = conn.as_mut().context("it was just opened")?;
    let answer = rows(conn, "SELECT @@global.read_only AS x").await?;
    let read_only = answer.first().map(|row| row.text("x") == "1");
    let written = rows(conn, WRITE).await;
    let door = match &written {
        Ok(_) => Door::Open,
        Err(error) if is_refusal(error) => Door::Closed,
        Err(_) => Door::Silent,
    };
    Ok((door, read_only))
}

/// Whether the server answered, and with an error: a broken connection is no refusal.
fn is_refusal(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<mysql_async::Error>();
    // ER_OPTION_PREVENTS_STATEMENT: read_only, super_read_only.
    matches!(cause, Some(mysql_async::Error::Server(server)) if server.code == 1290)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(doors: &[Door]) -> Sampler {
        let samples = doors.iter().zip(0..).map(|(door, at)| Sample {
            at: Duration::from_secs(at),
            door: *door,
            read_only: None,
        });
        Sampler {
            watch: Stopwatch::start(),
            servers: vec![("a".into(), Arc::new(Mutex::new(samples.collect())))],
            _tasks: JoinSet::new(),
        }
    }

    #[test]
    fn a_window_is_counted_from_the_first_answer_after_the_silence() {
        use Door::{Closed, Open, Silent};
        let seen = sampler(&[Open, Open, Silent, Silent, Open, Open, Closed, Closed]);
        let window = seen.window("a", Duration::from_secs(1)).unwrap().unwrap();
        assert_eq!(window.answered, Duration::from_secs(4));
        assert_eq!(window.last_open, Some(Duration::from_secs(5)));
        assert_eq!(window.length(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_server_that_opens_again_is_seen() {
        use Door::{Closed, Open, Silent};
        let seen = sampler(&[Silent, Open, Closed, Open]);
        let window = seen.window("a", Duration::ZERO).unwrap().unwrap();
        assert!(window.last_open > window.closed);
        assert_eq!(seen.open_now(), ["a"]);
    }

    #[test]
    fn a_server_that_stays_silent_has_no_window() {
        use Door::{Open, Silent};
        let seen = sampler(&[Open, Silent, Silent]);
        assert!(seen.window("a", Duration::ZERO).unwrap().is_none());
        assert!(seen.open_now().is_empty());
    }
}
