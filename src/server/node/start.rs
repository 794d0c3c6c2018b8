use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_core::ports::{Clock, Discovery, Ids, OldTables, PictureReader, Resolver};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deciding::Deciding;
use super::group::{self, Around, Instances, Listed, PeerPort};
use super::health::NodeHealth;
use super::mapping;
use super::reload::{Circumstances, FollowedFiles, NodeReload, Told};
use super::run::Node;
use super::stores::{self, Surroundings};
use super::system::{Auditor, SystemClock, SystemIds, host_name};
use super::tokens::DecidedTokens;
use crate::api::access::{AuditSink, Gate};
use crate::api::serve::{BindError, Limits, Listener, Server, ServerConfig, TlsError, TlsMaterial};
use crate::api::{AppState, Deps, Route, assemble, forward_handler, routes};
use crate::beats::{self, BeatLoop};
use crate::cli::Flags;
use crate::config::settings::MysqlStoreSettings;
use crate::config::{Loaded, NoStorePlace, Settings, StorePlace, SystemSource};
use crate::discovery::{self, DiscoveryLoop, PictureKeeper};
use crate::effects::{Effects, Expiry};
use crate::executor::{self, RecoveryLoop};
use crate::guard::{self, Guard, TcpDialer};
use crate::hooks::ProcessHooks;
use crate::import::{self, Importer};
use crate::mysql::{Connector, MysqlBeater, MysqlProber, MysqlServers};
use crate::resolve::{CachedResolver, DnsLookup};
use crate::store::{
    self, LocalOptions, LocalProposer, OldTablesInFile, OldTablesOnServer, StoreEffectLog,
    StoreHealth,
};
use crate::telemetry::{AuditFile, Metrics};

/// Why a node does not start; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    NoStorePlace(#[from] NoStorePlace),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("told to stop")]
    ToldToStop,
    #[error("the listener of the HTTP service was lost while the node waited for its store")]
    NoListener,
    #[error("the stored picture cannot be read: {0}")]
    Picture(#[from] orchestrator_core::ports::StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("AuditLogFile {} cannot be written: {source}", path.display())]
    Audit {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "there is no thread for beats of primaries: {0}; look at the limits of processes and open files"
    )]
    Beats(std::io::Error),
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
    #[error(transparent)]
    Peer(#[from] crate::raft::peer::Error),
    #[error(transparent)]
    Group(#[from] crate::raft::OpenError),
    #[error(transparent)]
    LostMajority(#[from] crate::raft::lost_majority::LostMajorityError),
    #[error(transparent)]
    MajorityIsThere(#[from] crate::raft::lost_majority::Objection),
    #[error("{mode} is for a node of a group; the configuration does not say RaftEnabled")]
    NoGroup { mode: &'static str },
    #[error(
        "RaftNodes ({nodes}) has no entry for this node, or more than one: {own}; set RaftAdvertise to the one that is this node"
    )]
    NotOnTheList { own: String, nodes: String },
    #[error("RaftDataDir {} cannot be used: {source}", path.display())]
    DataDirectory {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Builds everything and starts the loops. The address is taken before anything else is touched, so that a second node on
/// one machine changes nothing; nothing is answered before the stored picture and decided state are there.
pub(super) async fn start(flags: &Flags, loaded: Loaded) -> Result<Node, StartError> {
    let settings = loaded.settings.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let metrics = Metrics::install().map_err(|error| StartError::Metrics(error.to_string()))?;
    discovery::describe_metrics();
    executor::describe_metrics();
    guard::describe_metrics();
    beats::describe_metrics();
    crate::raft::describe_metrics();
    super::reload::describe_metrics();
    let tls = settings.startup.tls.as_ref().map(|tls| {
        let files = mapping::tls_files(tls);
        TlsMaterial::load(&files).map(|material| (files, material))
    });
    let tls = tls.transpose()?;
    let listener = Listener::bind(&mapping::listen_place(&settings.startup.listen))?;
    let place = settings.startup.store.place(&SystemSource)?;
    let around_stores = Surroundings {
        clock: clock.clone(),
        ids: ids.clone(),
    };
    // Before the port of the group is taken: other members wait for one that does not answer, and not for one that is not there.
    let (listener, stores) = match &place {
        StorePlace::Mysql(store) => {
            let material = tls.as_ref().map(|(_, material)| material.clone());
            let (listener, stores) =
                stores::on_server(store, &settings, &around_stores, listener, material).await?;
            (listener, Some(stores))
        }
        StorePlace::File { .. } | StorePlace::Memory => (listener, None),
    };
    let member = settings.startup.raft.group.clone();
    let peer_port = member
        .as_ref()
        .map(|member| {
            group::prepare_directory(&member.data_dir).map_err(|source| {
                StartError::DataDirectory {
                    path: member.data_dir.clone(),
                    source,
                }
            })?;
            PeerPort::take(member, &settings.live.raft_credentials, clock.clone())
        })
        .transpose()?;
    let stores = match stores {
        Some(stores) => stores,
        None => stores::in_file(place, &settings, &around_stores)?,
    };
    let failed = CancellationToken::new();
    let health = NodeHealth::new(
        StoreHealth::new(stores.decisions.clone(), clock.clone()),
        clock.clone(),
        ids.as_ref(),
        failed.clone(),
    );
    health.check().await;
    let (loops, stop_peers) = (TaskTracker::new(), CancellationToken::new());
    let instances = Arc::new(Instances::default());
    let links = peer_port.as_ref().map(|port| port.links.clone());
    let deciding = match (&member, peer_port) {
        (Some(member), Some(port)) => {
            let around = Around {
                store: stores.decisions.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                health: health.clone(),
                instances: instances.clone(),
            };
            let group = group::open(&settings, member, flags, port, around, &loops, &stop_peers)?;
            Deciding::Together(group)
        }
        _ => Deciding::Alone(Arc::new(LocalProposer::start(
            stores.decisions.clone(),
            clock.clone(),
            LocalOptions::default(),
        )?)),
    };
    let decisions = deciding.reader();
    let leadership = deciding.leadership();
    let node_name = host_name();
    let audit = open_audit(&settings, &clock)?;
    let circumstances = Circumstances {
        audit,
        node_name: node_name.clone(),
        store_place: stores.place.clone(),
        discovers: flags.discovers(),
        changes_nothing: flags.is("noop"),
        tokens: Arc::new(DecidedTokens {
            decisions: decisions.clone(),
            clock: clock.clone(),
        }),
    };
    let told = Told::first(&settings, tls, circumstances);

    let picture = Arc::new(PictureKeeper::new(&told.discovery.borrow()));
    let restored = picture.restore(
        stores.observations.load().await?,
        &decisions.decided().forgotten,
    );
    instances.read(picture.clone());
    let resolver: Arc<dyn Resolver> = Arc::new(CachedResolver::new(
        told.resolve.subscribe(),
        Arc::new(DnsLookup::default()),
        clock.clone(),
    ));
    let connector = Arc::new(Connector::new(told.mysql.subscribe(), clock.clone()));
    let discovery = DiscoveryLoop::start(
        discovery::Deps {
            prober: Arc::new(MysqlProber::new(connector.clone(), resolver.clone())),
            store: stores.observations.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            picture: picture.clone(),
        },
        told.discovery.subscribe(),
    );
    instances.feed(discovery.clone());
    let (stop_serving, stop_loops) = (CancellationToken::new(), CancellationToken::new());
    let effects = Effects {
        log: Arc::new(StoreEffectLog::new(stores.decisions.clone())),
        stored: deciding.stored(),
        discovery: discovery.clone() as Arc<dyn Discovery>,
        decisions: decisions.clone(),
        leadership: leadership.clone(),
        picture: picture.clone(),
        clock: clock.clone(),
    };
    loops.spawn(effects.run(stop_loops.clone()));
    let expiry = Expiry {
        decisions: decisions.clone(),
        proposer: deciding.proposer(),
        leadership: leadership.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        node_name: node_name.clone(),
    };
    loops.spawn(expiry.run(stop_loops.clone()));
    let beats = BeatLoop::new(
        beats::Deps {
            beater: Arc::new(MysqlBeater::new(connector.clone())),
            discovery: discovery.clone(),
            picture: picture.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            decisions: decisions.clone(),
        },
        told.beats.subscribe(),
    );
    if let Deciding::Together(group) = &deciding {
        group.set_beats(beats.clone());
    }
    // Whoever probes on request only asks nothing by itself.
    if flags.discovers() {
        let beating = beats.clone().run_apart(stop_loops.clone());
        loops.spawn(beating.map_err(StartError::Beats)?);
    }
    let servers = Arc::new(MysqlServers::new(connector, resolver.clone()));
    let recoveries = RecoveryLoop::new(
        executor::Deps {
            servers: servers.clone(),
            histories: servers.clone(),
            leadership: leadership.clone(),
            proposer: deciding.proposer(),
            decisions: decisions.clone(),
            picture: picture.clone(),
            beats: beats.clone(),
            others: deciding.others(),
            discovery: discovery.clone(),
            hooks: Arc::new(ProcessHooks::new(told.hooks.subscribe(), clock.clone())),
            clock: clock.clone(),
            ids: ids.clone(),
            node: node_name.clone(),
        },
        told.executor.subscribe(),
    );
    loops.spawn(recoveries.clone().run(stop_loops.clone()));
    let guard = Guard::new(
        guard::Deps {
            group: deciding.group(),
            picture: picture.clone(),
            decisions: decisions.clone(),
            discovery: discovery.clone(),
            servers,
            dialer: Arc::new(TcpDialer),
            clock: clock.clone(),
            ids: ids.clone(),
        },
        told.guard.subscribe(),
    );
    // Whoever probes on request only cannot tell who answers.
    if flags.discovers() {
        loops.spawn(guard.clone().run(stop_loops.clone()));
    }
    let importer = Importer::new(
        import::Deps {
            places: old_places(&settings, &clock)?,
            decisions: decisions.clone(),
            proposer: deciding.proposer(),
            leadership,
            clock: clock.clone(),
            ids: ids.clone(),
            node: node_name,
        },
        told.import.subscribe(),
    );
    loops.spawn(importer.clone().run(stop_loops.clone()));
    loops.spawn(health.clone().run(stop_loops.clone()));
    loops.spawn(upkeep(metrics.clone(), clock.clone(), stop_loops.clone()));

    let gate = Gate::new(told.access.subscribe());
    let tls = told.tls.as_ref().map(|(_, sender)| sender.subscribe());
    if let Some((files, material)) = &told.tls {
        health.serve_with(material.subscribe());
        let followed = FollowedFiles {
            files: files.clone(),
            material: material.clone(),
            clock: clock.clone(),
        };
        loops.spawn(followed.run(stop_loops.clone()));
    }
    let api_config = told.api.subscribe();
    let listed = match (&deciding, links) {
        (Deciding::Together(group), Some(links)) => Some(Listed {
            group: group.clone(),
            links,
        }),
        _ => None,
    };
    let reload = NodeReload::new(loaded, told, listed);
    let state = AppState::new(Deps {
        picture: picture as Arc<dyn PictureReader>,
        beats,
        decisions,
        proposer: deciding.proposer(),
        discovery: discovery.clone(),
        resolver,
        clock,
        ids,
        health,
        reload: reload.clone(),
        group: deciding.group(),
        recoveries: Some(recoveries),
        importing: Some(importer),
        guarding: Some(guard),
        config: api_config,
    });
    let limits = Limits::default();
    let mut table = routes();
    table.push(metrics_route(metrics));
    let router = assemble(state.clone(), table, &gate, &limits);
    if let Deciding::Together(group) = &deciding {
        group.set_forward_handler(forward_handler(router.clone(), state, &limits));
        group.start();
    }
    let server = Server::new(router, ServerConfig { limits, tls }, stop_serving.clone());
    announce(&settings, &listener, &stores.place, restored);
    Ok(Node {
        listener,
        server,
        stop_serving,
        reload,
        discovery,
        loops,
        stop_loops,
        deciding,
        stop_peers,
        failed,
    })
}

/// Where the predecessor's tables may be.
fn old_places(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<import::Places, NoStorePlace> {
    let store = &settings.startup.store;
    let in_file =
        |path: &PathBuf| -> Arc<dyn OldTables> { Arc::new(OldTablesInFile::new(path.clone())) };
    let on_server = |server: &MysqlStoreSettings| -> Arc<dyn OldTables> {
        let options = mapping::mysql_store(server, settings);
        Arc::new(OldTablesOnServer::new(options, clock.clone()))
    };
    let own = match store.place(&SystemSource)? {
        StorePlace::File { path, .. } => Some(in_file(&path)),
        StorePlace::Mysql(server) => Some(on_server(&server)),
        StorePlace::Memory => None,
    };
    Ok(import::Places {
        own,
        file: store.old_file.as_ref().map(in_file),
        database: store.old_database.as_deref().map(on_server),
    })
}

fn open_audit(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn AuditSink>>, StartError> {
    let Some(path) = &settings.startup.audit_file else {
        return Ok(None);
    };
    let file = AuditFile::open(path).map_err(|source| StartError::Audit {
        path: path.clone(),
        source,
    })?;
    Ok(Some(Arc::new(Auditor {
        file,
        clock: clock.clone(),
    })))
}

/// What an operator wants to know of a start, printed whatever the log level is.
fn announce(settings: &Settings, listener: &Listener, store: &str, restored: usize) {
    let scheme = if settings.startup.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let place = match listener.local_addr() {
        Some(address) => format!("{scheme}://{address}"),
        None => mapping::listen_place(&settings.startup.listen).to_string(),
    };
    // The one line of a start on standard output; logs go to standard error.
    println!(
        "orchestrator {} serves {place}; store: {store}; known instances: {restored}",
        env!("CARGO_PKG_VERSION")
    );
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        place,
        store,
        restored,
        "started"
    );
    let is_open = settings.live.auth.method == crate::config::settings::AuthMethod::Unsaid;
    let is_remote = listener
        .local_addr()
        .is_some_and(|address| !address.ip().is_loopback());
    if is_open && is_remote && !settings.live.http.is_read_only {
        tracing::warn!(
            "AuthenticationMethod is not set: everybody may read, and changes are taken from this machine only; set it to basic, multi, proxy or token, or write \"AuthenticationMethod\": \"none\" to let everybody change"
        );
    }
}

fn metrics_route(metrics: Metrics) -> Route {
    let render = move || {
        let text = metrics.render();
        async move { text }
    };
    Route::reads("/metrics", render).locally()
}

async fn upkeep(metrics: Metrics, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(crate::telemetry::UPKEEP_INTERVAL) => metrics.upkeep(),
        }
    }
}
