use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use orchestrator_core::decided::{
    Answer as Remembered, Decided, Effect, Proposal, RowChange, apply,
};
use orchestrator_core::domain::{HostName, InstanceKey, Observation, Picture, Timestamp};
use orchestrator_core::ports::{
    BoxFuture, Clock, Committed, DecisionReader, DiscoverError, Discovery, ForwardHandler, Group,
    GuardReport, Guarding, Ids, ImportError, ImportOrder, ImportReport, Importing, PictureReader,
    ProbeState, ProposeError, Proposer, ResolveError, Resolver,
};
use tokio::sync::watch;
use tower::ServiceExt;

use super::group::FakeGroup;
use super::recovering::Recovering;
use crate::api::access::{AccessConfig, Gate, Peer};
use crate::api::serve::Limits;
use crate::api::view::samples::{NOW, Sample, server};
use crate::api::{
    ApiConfig, AppState, Caller, Deps, Health, HealthReport, Reload, assemble, forward_handler,
    routes,
};

/// Every port, from memory: proposals are applied at once by the real `apply`, a probe finds a server that is well.
pub(crate) struct Fakes {
    picture: Mutex<Arc<Picture>>,
    decided: Mutex<Arc<Decided>>,
    now: Mutex<Timestamp>,
    /// Steps when a test pauses the clock of its runtime.
    started: tokio::time::Instant,
    ids: AtomicU64,
    /// Answers by request, as decided state remembers them.
    earlier: Mutex<HashMap<u128, Committed>>,
    /// All proposals so far.
    pub(crate) proposals: Mutex<Vec<Proposal>>,
    /// Proposals wait while somebody holds this.
    gate: Arc<tokio::sync::Mutex<()>>,
    waiting: AtomicU64,
    /// How the next proposals fail.
    pub(crate) propose_error: Mutex<Option<ProposeError>>,
    /// How proposals fail once so many went through.
    pub(crate) propose_error_after: Mutex<Option<(usize, ProposeError)>>,
    /// How the next probes fail.
    pub(crate) discover_error: Mutex<Option<DiscoverError>>,
    /// Hosts that resolve to another name; an empty one does not resolve.
    pub(crate) names: Mutex<Vec<(&'static str, &'static str)>>,
    /// What the discovery loop says.
    pub(crate) probing: Mutex<Vec<ProbeState>>,
    /// How this node is.
    pub(crate) health: Mutex<HealthReport>,
    /// What reloading answers.
    pub(crate) reload: Mutex<Result<Vec<String>, Vec<String>>>,
    /// What the loop that recovers says.
    pub(crate) recovering: Recovering,
    /// What the guard of a cut-off data centre reports.
    pub(crate) guard: Mutex<Arc<GuardReport>>,
    /// What importing answers.
    pub(crate) import: Mutex<Result<ImportReport, ImportError>>,
    /// What was asked of it.
    pub(crate) import_orders: Mutex<Vec<ImportOrder>>,
}

/// The API over fakes.
pub(crate) struct Service {
    pub(crate) fakes: Arc<Fakes>,
    pub(crate) state: AppState,
    router: Router,
    // Keeps the configuration's channel open.
    _config: watch::Sender<Arc<ApiConfig>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// The routes without anything around them but a caller.
pub(crate) fn bare_router(state: AppState) -> Router {
    let caller = Caller {
        user: "ada".into(),
        address: Some([127, 0, 0, 1].into()),
        through: None,
    };
    let router = routes().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.into_handler())
    });
    router.layer(Extension(caller)).with_state(state)
}

/// The routes behind the real gate, asked by `peer`.
pub(crate) fn gated(state: AppState, access: AccessConfig, peer: Peer) -> Router {
    // The gate goes on with what it was told last when nobody is left to tell it more.
    let (_sender, access) = watch::channel(Arc::new(access));
    assemble(state, routes(), &Gate::new(access), &Limits::default()).layer(Extension(peer))
}

impl Service {
    pub(crate) fn of(sample: Sample) -> Self {
        Self::assembled(sample, bare_router)
    }

    /// The same with another way around the routes.
    pub(crate) fn assembled(sample: Sample, assemble: impl FnOnce(AppState) -> Router) -> Self {
        Self::placed(sample, None, assemble)
    }

    /// The same in a group.
    pub(crate) fn placed(
        sample: Sample,
        group: Option<Arc<FakeGroup>>,
        assemble: impl FnOnce(AppState) -> Router,
    ) -> Self {
        let fakes = Arc::new(Fakes::new(sample.picture(), sample.decided));
        let (sender, config) = watch::channel(Arc::new(sample.config));
        Self::over(fakes, group, sender, config, assemble)
    }

    fn over(
        fakes: Arc<Fakes>,
        group: Option<Arc<FakeGroup>>,
        sender: watch::Sender<Arc<ApiConfig>>,
        config: watch::Receiver<Arc<ApiConfig>>,
        assemble: impl FnOnce(AppState) -> Router,
    ) -> Self {
        let state = AppState::new(Deps {
            picture: fakes.clone(),
            beats: Arc::new(orchestrator_core::ports::NoBeats),
            decisions: fakes.clone(),
            proposer: fakes.clone(),
            discovery: fakes.clone(),
            resolver: fakes.clone(),
            clock: fakes.clone(),
            ids: fakes.clone(),
            health: fakes.clone(),
            reload: fakes.clone(),
            group: group.map(|group| group as Arc<dyn Group>),
            recoveries: Some(fakes.clone()),
            importing: Some(fakes.clone()),
            guarding: Some(fakes.clone()),
            config,
        });
        Self {
            router: assemble(state.clone()),
            fakes,
            state,
            _config: sender,
        }
    }

    /// Another node that knows and decided the same, without what this one remembers by itself.
    pub(crate) fn successor(&self, assemble: impl FnOnce(AppState) -> Router) -> Self {
        let fakes = self.fakes.clone();
        let (sender, config) = watch::channel(self.state.config());
        Self::over(fakes, None, sender, config, assemble)
    }

    /// What the group calls for requests that others pass on to this one.
    pub(crate) fn handler(&self) -> Arc<dyn ForwardHandler> {
        forward_handler(self.router.clone(), self.state.clone(), &Limits::default())
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri, &[]).await
    }

    pub(crate) async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Whether what was asked for was done; some refusals have status 200 and say so in the header only.
    pub(crate) fn is_done(&self) -> bool {
        let has_status = self.status.is_success() || self.status.is_redirection();
        has_status && self.header("orchestrator-error").is_empty()
    }

    /// The keys of all instances in a list, or of one.
    pub(crate) fn keys(&self) -> String {
        let json = self.json();
        let list = match &json {
            serde_json::Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let names = list.iter().map(|instance| {
            let key = &instance["Key"];
            format!("{}:{}", key["Hostname"].as_str().unwrap(), key["Port"])
        });
        names.collect::<Vec<_>>().join(" ")
    }
}

impl Fakes {
    #[allow(
        clippy::disallowed_methods,
        reason = "a clock for tests, which can be paused"
    )]
    fn new(picture: Picture, decided: Decided) -> Self {
        Self {
            picture: Mutex::new(Arc::new(picture)),
            decided: Mutex::new(Arc::new(decided)),
            now: Mutex::new(NOW),
            started: tokio::time::Instant::now(),
            ids: AtomicU64::new(1),
            earlier: Mutex::default(),
            proposals: Mutex::default(),
            gate: Arc::default(),
            waiting: AtomicU64::new(0),
            propose_error: Mutex::default(),
            propose_error_after: Mutex::default(),
            discover_error: Mutex::default(),
            names: Mutex::default(),
            probing: Mutex::default(),
            health: Mutex::new(HealthReport {
                is_healthy: true,
                error: None,
                warnings: Vec::new(),
                is_leader: true,
                token: "ab".repeat(32),
                active_since: NOW.minus(Duration::from_secs(3600)),
                checked_at: NOW,
            }),
            reload: Mutex::new(Ok(vec![])),
            recovering: Recovering::default(),
            guard: Mutex::default(),
            import: Mutex::new(Ok(ImportReport::default())),
            import_orders: Mutex::default(),
        }
    }

    /// Lets proposals wait until what is returned is dropped.
    pub(crate) fn hold_proposals(&self) -> tokio::sync::OwnedMutexGuard<()> {
        let gate = self.gate.clone().try_lock_owned();
        gate.expect("nobody proposes now")
    }

    /// Proposals that have not been decided yet.
    pub(crate) fn waiting_proposals(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn wait(&self, length: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(length);
    }

    pub(crate) fn change_picture(&self, change: impl FnOnce(&mut Picture)) {
        let mut held = self.picture.lock().unwrap();
        let mut picture = (**held).clone();
        change(&mut picture);
        *held = Arc::new(picture);
    }
}

impl PictureReader for Fakes {
    fn picture(&self) -> Arc<Picture> {
        self.picture.lock().unwrap().clone()
    }
}

impl DecisionReader for Fakes {
    fn decided(&self) -> Arc<Decided> {
        self.decided.lock().unwrap().clone()
    }
}

impl Proposer for Fakes {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        Box::pin(async move {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            drop(self.gate.lock().await);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(error) = self.propose_error.lock().unwrap().clone() {
                return Err(error);
            }
            let made = self.proposals.lock().unwrap().len();
            let later = self.propose_error_after.lock().unwrap().clone();
            if let Some((_, error)) = later.filter(|(most, _)| made >= *most) {
                return Err(error);
            }
            if let Some(earlier) = self.earlier(proposal.request) {
                return Ok(earlier);
            }
            let mut held = self.decided.lock().unwrap();
            let applied = apply(&held, &proposal);
            let index = held.applied_index + 1;
            let mut next = (**held).clone();
            next.absorb(index, applied.decided_at, &applied.changes);
            let request = proposal.request;
            let answer = Remembered {
                index,
                reply: applied.reply.clone(),
                at: next.decided_at,
            };
            // As a group remembers it.
            let remembered = [RowChange::PutAnswer(request, answer)];
            next.absorb(index, next.decided_at, &remembered);
            *held = Arc::new(next);
            self.proposals.lock().unwrap().push(proposal);
            for effect in applied.effects {
                if let Effect::Forget(key) = effect {
                    self.change_picture(|picture| drop(picture.remove(&key)));
                }
            }
            let committed = Committed {
                index,
                reply: applied.reply,
            };
            let mut earlier = self.earlier.lock().unwrap();
            earlier.insert(request, committed.clone());
            Ok(committed)
        })
    }

    fn earlier(&self, request: u128) -> Option<Committed> {
        self.earlier.lock().unwrap().get(&request).cloned()
    }
}

impl Discovery for Fakes {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move {
            if let Some(error) = self.discover_error.lock().unwrap().clone() {
                return Err(error);
            }
            if let Some(seen) = self.picture().observation(&key) {
                return Ok(seen.clone());
            }
            let found = server(&key.to_string(), None);
            self.change_picture(|picture| picture.put(found.clone()));
            Ok(found.observation.unwrap())
        })
    }

    fn discover_soon(&self, _: InstanceKey) -> Result<(), DiscoverError> {
        match self.discover_error.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn forget(&self, key: &InstanceKey) -> bool {
        let was_known = self.picture().get(key).is_some();
        self.change_picture(|picture| drop(picture.remove(key)));
        was_known
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        self.probing.lock().unwrap().clone()
    }
}

impl Resolver for Fakes {
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        let names = self.names.lock().unwrap();
        let found = names.iter().find(|(name, _)| *name == host.as_str());
        let answer = match found {
            None => Ok(host),
            Some((_, "")) => Err(ResolveError {
                host: host.to_string(),
                reason: "no such host".into(),
            }),
            Some((_, name)) => Ok(HostName::parse(name).unwrap()),
        };
        Box::pin(async move { answer })
    }
}

impl Clock for Fakes {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.now().since(NOW) + self.started.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

impl Ids for Fakes {
    fn unique(&self) -> u128 {
        u128::from(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}

impl Health for Fakes {
    fn report(&self) -> HealthReport {
        self.health.lock().unwrap().clone()
    }
}

impl Reload for Fakes {
    fn reload(&self, _: Option<PathBuf>) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        let answer = self.reload.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}

impl Guarding for Fakes {
    fn report(&self) -> Arc<GuardReport> {
        self.guard.lock().unwrap().clone()
    }
}

impl Importing for Fakes {
    fn import(&self, order: ImportOrder) -> BoxFuture<'_, Result<ImportReport, ImportError>> {
        self.import_orders.lock().unwrap().push(order);
        let answer = self.import.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}
