//! Opens the stores of a node, and waits for those that are not there yet.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{Clock, Ids, ObservationStore};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::mapping;
use super::start::StartError;
use crate::api::serve::{Limits, Listener, Server, ServerConfig, TlsMaterial};
use crate::api::waiting_router;
use crate::config::settings::{AuthMethod, MysqlStoreSettings};
use crate::config::{Settings, StorePlace, SystemSource};
use crate::store::{
    self, DecisionStore, ErrorKind, MysqlObservations, MysqlStore, Place, SqliteObservations,
    SqliteOptions, SqliteStore,
};

/// Pause between two tries to open a store that somebody else has to make ready.
const TRIED_EVERY: Duration = Duration::from_secs(1);

/// The store of a node, opened.
pub(super) struct Stores {
    pub decisions: Arc<dyn DecisionStore>,
    pub observations: Arc<dyn ObservationStore>,
    pub place: String,
}

/// What is needed around a store.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Opens the store that the configuration names, or says why it cannot be opened now.
///
/// # Errors
/// [`StartError`].
pub(super) async fn now(settings: &Settings, around: &Surroundings) -> Result<Stores, StartError> {
    let opened = match settings.startup.store.place(&SystemSource)? {
        StorePlace::Mysql(store) => attempt(&store, settings, around).await,
        place => in_file(place, settings, around),
    };
    Ok(opened?)
}

/// Opens a store in a file or in memory.
pub(super) fn in_file(
    place: StorePlace,
    settings: &Settings,
    around: &Surroundings,
) -> Result<Stores, store::Error> {
    let place = match place {
        StorePlace::File { path, why } => {
            tracing::info!(path = %path.display(), why, "the store");
            Place::File(path)
        }
        StorePlace::Memory | StorePlace::Mysql(_) => Place::Memory,
    };
    let now = around.clock.now();
    let mut options = SqliteOptions::new(place.clone());
    options.is_derived = is_derived(settings);
    let decisions = SqliteStore::open(&options, around.ids.as_ref(), now)?;
    let observations = SqliteObservations::open(&place.observations(), now)?;
    Ok(Stores {
        decisions: Arc::new(decisions),
        observations: Arc::new(observations),
        place: place.to_string(),
    })
}

/// A member applies its durable log again; a single node has nothing else.
fn is_derived(settings: &Settings) -> bool {
    settings.startup.raft.group.is_some()
}

/// Opens a store on a server. While the server is not there, or does not let this node in yet, says so, once for each reason: in the log,
/// and to whoever asks over `listener`, which is given back.
pub(super) async fn on_server(
    store: &MysqlStoreSettings,
    settings: &Settings,
    around: &Surroundings,
    listener: Listener,
    tls: Option<TlsMaterial>,
) -> Result<(Listener, Stores), StartError> {
    let attempt = || attempt(store, settings, around);
    let first = match attempt().await {
        Ok(stores) => return Ok((listener, stores)),
        Err(error) if may_mend(&error) => error,
        Err(error) => return Err(error.into()),
    };
    let shows_all = matches!(
        settings.live.auth.method,
        AuthMethod::Unsaid | AuthMethod::None
    );
    let told = |error: &store::Error| match shows_all {
        true => error.to_string(),
        // Who asks was not asked who it is.
        false => "it cannot be opened; the log of this node says why".to_owned(),
    };
    let (reason, stop) = (watch::Sender::new(told(&first)), CancellationToken::new());
    let tls = tls.map(|material| watch::channel(material).1);
    let config = ServerConfig {
        limits: Limits::default(),
        tls,
    };
    let server = Server::new(waiting_router(reason.subscribe()), config, stop.clone());
    let serving = tokio::spawn(server.run(listener));
    let opened = tokio::select! {
        opened = again(first, attempt, |error| drop(reason.send_replace(told(error))), around) => opened,
        () = told_to_stop() => return Err(StartError::ToldToStop),
    };
    stop.cancel();
    let listener = serving.await.map_err(|_| StartError::NoListener)?;
    Ok((listener, opened?))
}

/// Tries until the store is there, or no trying helps.
async fn again<F>(
    first: store::Error,
    attempt: impl Fn() -> F,
    tell: impl Fn(&store::Error),
    around: &Surroundings,
) -> Result<Stores, StartError>
where
    F: Future<Output = Result<Stores, store::Error>>,
{
    let mut reason = first.to_string();
    tracing::error!(reason, "waiting for the store");
    loop {
        around.clock.sleep(TRIED_EVERY).await;
        match attempt().await {
            Ok(stores) => {
                tracing::info!(store = stores.place, "the store is there");
                return Ok(stores);
            }
            Err(error) if may_mend(&error) => {
                let now = error.to_string();
                if now != reason {
                    tracing::error!(reason = now, "waiting for the store");
                    tell(&error);
                    reason = now;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn may_mend(error: &store::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Retryable | ErrorKind::OutcomeUnknown
    )
}

async fn attempt(
    store: &MysqlStoreSettings,
    settings: &Settings,
    around: &Surroundings,
) -> Result<Stores, store::Error> {
    let options = mapping::mysql_store(store, settings);
    let place = options.place();
    let Surroundings { clock, ids } = around.clone();
    let now = clock.now();
    let open = move || -> Result<Stores, store::Error> {
        let decisions = MysqlStore::open(options, clock, ids.as_ref(), now)?;
        let observations = MysqlObservations::beside(&decisions)?;
        Ok(Stores {
            place: decisions.place(),
            decisions: Arc::new(decisions),
            observations: Arc::new(observations),
        })
    };
    // It blocks.
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or(Err(store::Error::Closed { store: place }))
}

/// Completes at SIGTERM or SIGINT.
async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be listened to; end the process with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
