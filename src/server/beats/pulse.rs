//! The task of one primary: its connection, its beats, and what is told of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::beats::{BeatPolicy, Farewell, Heard, Over, Standing, Watch};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{
    BeatLine, Beater, BoxFuture, Clock, Discovery, NoLine, PictureReader,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::board::{Board, Told};
use super::guard::{Guard, News};
use super::inquiry::Inquiry;
use super::pace::{Hurry, Urgent};
use super::{Config, metrics};

/// For how long one that does not answer is tried as often as one in doubt. Afterwards as often as one that answers: it is
/// dead, or somebody has moved on.
const TRIED_OFTEN_FOR: Duration = Duration::from_secs(60);

/// *Server shutdown in progress.*
const GOES_DOWN: u16 = 1053;

/// What the tasks of all primaries share.
pub(super) struct Shared {
    pub(super) beater: Arc<dyn Beater>,
    pub(super) discovery: Arc<dyn Discovery>,
    pub(super) picture: Arc<dyn PictureReader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) board: Arc<Board>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    /// What counts for each primary, where clusters differ.
    pub(super) policies: Mutex<BTreeMap<InstanceKey, BeatPolicy>>,
    /// Whether anybody is in doubt.
    pub(super) hurry: Arc<Hurry>,
}

impl Shared {
    /// What counts for a primary.
    pub(super) fn policy(&self, key: &InstanceKey) -> BeatPolicy {
        let of_each = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let own = of_each.get(key).copied();
        own.unwrap_or_else(|| self.config.borrow().policy)
    }
}

/// One primary.
pub(super) struct Pulse {
    shared: Arc<Shared>,
    key: InstanceKey,
    watch: Watch,
    /// How it stands, as it was told last.
    told: Standing,
    /// When it began to fail, or to answer again.
    since: Timestamp,
    /// The inquiry among its replicas, while it fails; dropping the set ends it.
    inquiry: JoinSet<()>,
    guard: Guard,
    /// Whether there is a connection now.
    keeps: bool,
    /// While it is tried often, it is heard at once.
    urgent: Option<Urgent>,
}

/// A connection that is kept.
type Line = Box<dyn BeatLine>;
/// One that is being opened.
type Opening<'a> = BoxFuture<'a, Result<Line, NoLine>>;

impl Pulse {
    pub(super) fn new(shared: Arc<Shared>, key: InstanceKey) -> Self {
        shared.board.enter(&key);
        Self {
            since: shared.clock.now(),
            guard: Guard::new(Arc::clone(&shared), key.clone()),
            shared,
            key,
            keeps: false,
            urgent: None,
            watch: Watch::default(),
            told: Standing::Unknown,
            inquiry: JoinSet::new(),
        }
    }

    /// Beats until it is dropped. The first is sent after `first`, so that all primaries are not asked in one moment.
    pub(super) async fn run(mut self, first: Duration) {
        self.shared.clock.sleep(first).await;
        let mut kept = None;
        loop {
            kept = match kept.take() {
                None => self.knock().await,
                Some(line) => self.listen(line).await,
            };
        }
    }

    fn now(&self) -> Duration {
        self.shared.clock.monotonic()
    }

    /// Tries to connect, once, and waits until the next attempt is due where that fails.
    async fn knock(&mut self) -> Option<Line> {
        let began = self.now();
        self.keeps = false;
        let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
        let opening = shared.beater.connect(&key, BeatPolicy::ANSWER_WITHIN);
        match self.meanwhile(opening).await {
            Ok(line) => {
                self.let_in();
                return Some(line);
            }
            Err(why) => self.hear(self.unopened(why, began)),
        }
        let passed = self.now().saturating_sub(began);
        let pause = self.pause().saturating_sub(passed);
        self.meanwhile(shared.clock.sleep(pause)).await;
        None
    }

    /// Waits for something, and hears the vigil meanwhile.
    async fn meanwhile<T>(&mut self, mut what: BoxFuture<'_, T>) -> T {
        loop {
            tokio::select! {
                biased;
                news = self.guard.hear() => self.hear_guard(news),
                done = &mut what => return done,
            }
        }
    }

    /// A new connection was let in, and is the one that is kept.
    fn let_in(&mut self) {
        self.keeps = true;
        self.hear(self.packet(Over::New, None));
        self.guard.begin();
    }

    fn hear_guard(&mut self, news: News) {
        match news {
            News::Stands => {
                self.hear(self.packet(Over::New, None));
                self.hear(Heard::VigilStands);
            }
            News::Ended(end) => self.hear(Heard::VigilEnded(end)),
            News::SaidNo { goes_down } => {
                let refusal = goes_down.then_some(GOES_DOWN);
                self.hear(self.packet(Over::New, refusal));
            }
            News::Refused => self.hear(Heard::Refused),
        }
    }

    fn packet(&self, over: Over, refusal: Option<u16>) -> Heard {
        Heard::Packet {
            over,
            refusal,
            keeps: self.keeps,
        }
    }

    /// What a connection that did not come about tells.
    fn unopened(&self, why: NoLine, began: Duration) -> Heard {
        match why {
            NoLine::Refused => Heard::Refused,
            NoLine::Silent => Heard::Nothing {
                over: Over::New,
                asked: began,
            },
            NoLine::Answered { refusal } => self.packet(Over::New, refusal),
            NoLine::NotTried { why } => {
                tracing::debug!(primary = %self.key, why, "a beat could not be tried");
                Heard::NotTried
            }
        }
    }

    /// How long one attempt is after the other.
    fn pause(&self) -> Duration {
        match self.is_tried_often(self.now()) {
            true => BeatPolicy::EVERY_IN_DOUBT,
            false => BeatPolicy::EVERY,
        }
    }

    fn is_tried_often(&self, now: Duration) -> bool {
        let failing = self.watch.failing_since();
        failing.is_some_and(|since| now.saturating_sub(since) < TRIED_OFTEN_FOR)
    }

    /// Asks and listens over a connection until it is closed (`None`) or replaced.
    async fn listen(&mut self, mut line: Line) -> Option<Line> {
        let clock = Arc::clone(&self.shared.clock);
        let mut asked: Option<Duration> = None;
        let mut due = self.now() + BeatPolicy::EVERY;
        loop {
            let until = match asked {
                Some(asked) => asked + BeatPolicy::ANSWER_WITHIN,
                None => due,
            };
            let left = until.saturating_sub(self.now());
            tokio::select! {
                biased;
                news = self.guard.hear() => self.hear_guard(news),
                heard = line.hear() => match self.hear_kept(heard) {
                    true => asked = None,
                    false => return None,
                },
                () = clock.sleep(left) => match asked {
                    None => {
                        let now = self.now();
                        line.ask().await;
                        (asked, due) = (Some(now), now + BeatPolicy::EVERY);
                    }
                    Some(asked) => {
                        let over = Over::Kept;
                        self.hear(Heard::Nothing { over, asked });
                        return self.doubt(line).await;
                    }
                },
            }
        }
    }

    /// Goes on listening to a connection over which no answer came, while new ones are tried. The first packet over any of them
    /// ends it.
    async fn doubt(&mut self, mut line: Line) -> Option<Line> {
        let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
        let mut began = self.now();
        let open = || shared.beater.connect(&key, BeatPolicy::ANSWER_WITHIN);
        let mut opening: Option<Opening<'_>> = Some(open());
        loop {
            let next = self.shared.clock.sleep(self.pause());
            tokio::select! {
                biased;
                news = self.guard.hear() => self.hear_guard(news),
                heard = line.hear() => return self.hear_kept(heard).then_some(line),
                opened = async { opening.as_mut().expect("it is polled only then").await }, if opening.is_some() => {
                    opening = None;
                    match opened {
                        Ok(line) => {
                            self.let_in();
                            return Some(line);
                        }
                        Err(why) => self.hear(self.unopened(why, began)),
                    }
                }
                // Also while one is being opened: by then it may have been silent for long enough.
                () = next => match opening {
                    Some(_) => self.hear(Heard::NotTried),
                    None => {
                        began = self.now();
                        opening = Some(open());
                    }
                },
            }
        }
    }

    /// Takes in what came over the connection that is kept; whether it is still there.
    fn hear_kept(&mut self, heard: Result<Option<u16>, Farewell>) -> bool {
        let is_there = heard.is_ok();
        self.hear(match heard {
            Ok(refusal) => self.packet(Over::Kept, refusal),
            Err(farewell) => Heard::Closed(farewell),
        });
        is_there
    }

    /// Takes in what was heard, and tells it where that changes anything.
    fn hear(&mut self, heard: Heard) {
        let (now, was_failing) = (self.now(), self.watch.failing_since());
        if let Heard::Closed(farewell) = heard {
            tracing::info!(primary = %self.key, ?farewell, "its connection for beats was closed");
        }
        self.watch.hear(heard, now);
        let failing = self.watch.failing_since();
        match self.is_tried_often(now) {
            true if self.urgent.is_none() => self.urgent = Some(self.shared.hurry.begin()),
            true => {}
            false => self.urgent = None,
        }
        let policy = self.shared.policy(&self.key);
        let standing = self.watch.standing(now, &policy);
        // The usual case costs nothing more.
        if standing == self.told && failing.is_none() {
            return;
        }
        if was_failing.is_some() != failing.is_some() {
            self.since = self.shared.clock.now();
        }
        let told = Told {
            standing,
            since: self.since,
            restart_left: {
                let served_at = self.shared.board.served_at(&self.key);
                self.watch.restart_left(now, served_at, &policy)
            },
            silent_since: self.watch.silent_since(),
        };
        let as_shown = self.shared.board.tell(&self.key, &told);
        if standing.is_against() && !self.told.is_against() {
            metrics::evidence(now.saturating_sub(failing.unwrap_or(now)));
        }
        // With what is known of all others it may stand otherwise the next time.
        self.told = match as_shown {
            Standing::NotOurs => Standing::Silent,
            other => other,
        };
        match failing {
            Some(_) if self.inquiry.is_empty() => self.inquire(),
            None => {
                self.inquiry.abort_all();
                self.inquiry = JoinSet::new();
                self.shared.board.end_inquiry(&self.key);
            }
            Some(_) => {}
        }
    }

    fn inquire(&mut self) {
        let inquiry = Inquiry {
            key: self.key.clone(),
            shared: Arc::clone(&self.shared),
        };
        self.inquiry.spawn(inquiry.run());
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.board.leave(&self.key);
    }
}
