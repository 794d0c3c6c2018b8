use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orchestrator_core::ports::{BoxFuture, Clock};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How long the addresses of a name are believed when somebody calls.
const BELIEVED: Duration = Duration::from_secs(10);
/// A name is not looked up more often than this for callers that are not known: a stranger must not load the name service.
const RARELY: Duration = Duration::from_secs(1);
/// How long the last known addresses serve when the name service does not answer: an outage of it must not part the
/// members, and after this time an address may belong to somebody else.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The name service.
pub trait LookUp: Send + Sync {
    /// All addresses of a host.
    fn look_up(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The name service of the system: files, DNS, whatever it is set up with.
pub struct SystemLookUp;

impl LookUp for SystemLookUp {
    fn look_up(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address: SocketAddr| address.ip()).collect())
        })
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// The name service says that there is no such name.
    Unknown(String),
    /// It could not say, or not in time.
    Uncertain,
}

type Outcome = Result<Arc<[IpAddr]>, NoAddress>;

/// Addresses of names. A name is asked for once at a time, however many wait for it: a name service that hangs holds one
/// thread for each name, and no more.
pub(super) struct AddressBook {
    service: Arc<dyn LookUp>,
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Default)]
struct Entry {
    known: Option<(Duration, Arc<[IpAddr]>)>,
    asked_at: Option<Duration>,
    running: Option<Running>,
}

struct Running {
    answer: watch::Receiver<Option<Outcome>>,
    _task: AbortOnDropHandle<()>,
}

impl AddressBook {
    pub(super) fn new(service: Arc<dyn LookUp>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            service,
            clock,
            entries: Mutex::default(),
        })
    }

    /// Addresses of a host, asked for now; the last known ones when there is no answer within the time. Cancel-safe.
    pub(super) async fn addresses(self: &Arc<Self>, host: &str, within: Duration) -> Outcome {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(Arc::new([literal]));
        }
        let mut answer = self.ask(host);
        let answered = tokio::time::timeout(within, answer.wait_for(Option::is_some)).await;
        let outcome = match answered {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(NoAddress::Uncertain)),
            _ => Err(NoAddress::Uncertain),
        };
        match outcome {
            Err(NoAddress::Uncertain) => self.remembered(host).ok_or(NoAddress::Uncertain),
            certain => certain,
        }
    }

    /// Whether one of the hosts has this address. Hosts whose addresses are too old are asked for first.
    pub(super) async fn any_has<'a>(
        self: &Arc<Self>,
        hosts: impl Iterator<Item = &'a String> + Clone,
        address: IpAddr,
        within: Duration,
    ) -> bool {
        self.any_believed(hosts.clone(), |known| known == address, BELIEVED) || {
            self.ask_again(hosts.clone(), within).await;
            self.any_believed(hosts, |known| known == address, REMEMBERED)
        }
    }

    /// Whether one of the hosts has a loopback address.
    pub(super) async fn any_is_loopback<'a>(
        self: &Arc<Self>,
        hosts: impl Iterator<Item = &'a String> + Clone,
        within: Duration,
    ) -> bool {
        self.any_believed(hosts.clone(), |known| known.is_loopback(), BELIEVED) || {
            self.ask_again(hosts.clone(), within).await;
            self.any_believed(hosts, |known| known.is_loopback(), REMEMBERED)
        }
    }

    async fn ask_again<'a>(
        self: &Arc<Self>,
        hosts: impl Iterator<Item = &'a String>,
        within: Duration,
    ) {
        let asked: Vec<_> = hosts.filter_map(|host| self.ask_rarely(host)).collect();
        let all = async {
            for mut answer in asked {
                // A task that was aborted answers nothing; then there is nothing to wait for either.
                drop(answer.wait_for(Option::is_some).await);
            }
        };
        drop(tokio::time::timeout(within, all).await);
    }

    fn any_believed<'a>(
        &self,
        hosts: impl Iterator<Item = &'a String>,
        fits: impl Fn(IpAddr) -> bool,
        believed: Duration,
    ) -> bool {
        let now = self.clock.monotonic();
        let entries = self.lock();
        hosts.into_iter().any(|host| {
            if let Ok(literal) = host.parse::<IpAddr>() {
                return fits(literal);
            }
            let known = entries.get(host).and_then(|entry| entry.known.as_ref());
            known.is_some_and(|(at, addresses)| {
                now.saturating_sub(*at) <= believed && addresses.iter().any(|it| fits(*it))
            })
        })
    }

    fn remembered(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let now = self.clock.monotonic();
        let entries = self.lock();
        let (at, addresses) = entries.get(host)?.known.as_ref()?;
        (now.saturating_sub(*at) <= REMEMBERED).then(|| addresses.clone())
    }

    fn ask_rarely(self: &Arc<Self>, host: &String) -> Option<watch::Receiver<Option<Outcome>>> {
        if host.parse::<IpAddr>().is_ok() {
            return None;
        }
        let now = self.clock.monotonic();
        let too_soon = self.lock().get(host).is_some_and(|entry| {
            let asked = entry.asked_at.map(|at| now.saturating_sub(at));
            entry.running.is_none() && asked.is_some_and(|ago| ago < RARELY)
        });
        (!too_soon).then(|| self.ask(host))
    }

    /// Asks, or joins those who wait for the answer.
    fn ask(self: &Arc<Self>, host: &str) -> watch::Receiver<Option<Outcome>> {
        let now = self.clock.monotonic();
        let mut entries = self.lock();
        let entry = entries.entry(host.to_owned()).or_default();
        if let Some(running) = &entry.running {
            return running.answer.clone();
        }
        entry.asked_at = Some(now);
        let (teller, answer) = watch::channel(None);
        let asking = self.service.look_up(host.to_owned());
        let (book, host) = (Arc::downgrade(self), host.to_owned());
        let task = tokio::spawn(async move {
            let outcome = judge(asking.await);
            if let Some(book) = book.upgrade() {
                book.record(&host, &outcome);
            }
            teller.send_replace(Some(outcome));
        });
        entry.running = Some(Running {
            answer: answer.clone(),
            _task: AbortOnDropHandle::new(task),
        });
        answer
    }

    fn record(&self, host: &str, outcome: &Outcome) {
        let now = self.clock.monotonic();
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(host) else {
            return;
        };
        entry.running = None;
        match outcome {
            Ok(addresses) => entry.known = Some((now, addresses.clone())),
            // The name is gone, and its addresses may be somebody else's soon.
            Err(NoAddress::Unknown(_)) => entry.known = None,
            Err(NoAddress::Uncertain) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().expect("no holder of this lock panics")
    }
}

fn judge(answer: io::Result<Vec<IpAddr>>) -> Outcome {
    match answer {
        Ok(found) if found.is_empty() => Err(NoAddress::Unknown("it has no address".into())),
        Ok(found) => Ok(found.iter().map(IpAddr::to_canonical).collect()),
        Err(error) if says_unknown(&error) => Err(NoAddress::Unknown(error.to_string())),
        Err(_) => Err(NoAddress::Uncertain),
    }
}

/// Whether the system says for certain that there is no such name. The standard library gives the reason of getaddrinfo(3)
/// as a text only, in English as long as nobody calls setlocale(3): these are the texts of `EAI_NONAME` and `EAI_NODATA` in
/// glibc and musl. Any other text counts as uncertain, which makes the caller wait instead of going on.
fn says_unknown(error: &io::Error) -> bool {
    const CERTAIN: [&str; 4] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
    ];
    let text = error.to_string();
    CERTAIN.iter().any(|certain| text.ends_with(certain))
}
