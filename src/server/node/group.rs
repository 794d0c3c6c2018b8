//! Builds this node as a member of its group.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use orchestrator_core::decided::{CommandFormats, GroupId};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{Clock, Discovery, Ids, PictureReader};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::NodeHealth;
use super::start::StartError;
use crate::cli::Flags;
use crate::config::Settings;
use crate::config::settings::{Listen, Live, RaftCredentials, RaftMember};
use crate::raft::peer::{self, PeerAcceptor, PeerLinks};
use crate::raft::{
    Condition, ENTRIES_KEPT, GroupConfig, GroupDeps, GrpcTransport, KnownInstances, RaftGroup,
    SNAPSHOT_EVERY, normalise, serve,
};
use crate::store::DecisionStore;

/// The port on which other members are answered, taken before anything else is touched.
pub(super) struct PeerPort {
    pub links: PeerLinks,
    acceptor: PeerAcceptor,
}

/// What a group needs of the node around it.
pub(super) struct Around {
    pub store: Arc<dyn DecisionStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub health: Arc<NodeHealth>,
    pub instances: Arc<Instances>,
}

impl PeerPort {
    /// Takes the port.
    pub fn take(
        member: &RaftMember,
        credentials: &RaftCredentials,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let links = links(member, credentials, clock)?;
        let acceptor = links.listen()?;
        Ok(Self { links, acceptor })
    }
}

/// The way to other members, as configured.
pub(super) fn links(
    member: &RaftMember,
    credentials: &RaftCredentials,
    clock: Arc<dyn Clock>,
) -> Result<PeerLinks, StartError> {
    let (name, _) = place(member)?;
    let peer::Access {
        tls,
        shared_secrets,
        require_authentication,
    } = access(credentials);
    let config = peer::Config {
        bind: member.bind.clone(),
        default_port: member.default_port,
        nodes: member.nodes.clone(),
        own_name: name,
        tls,
        shared_secrets,
        require_authentication,
        limits: peer::Limits::default(),
    };
    Ok(PeerLinks::new(config, clock)?)
}

/// By what members make sure of each other, as the links want it.
fn access(credentials: &RaftCredentials) -> peer::Access {
    peer::Access {
        tls: credentials.tls.as_ref().map(|tls| peer::TlsFiles {
            certificate: tls.certificate.clone(),
            private_key: tls.private_key.clone(),
            authority: tls.authority.clone(),
        }),
        shared_secrets: credentials.shared_secrets.clone(),
        require_authentication: credentials.requires_authentication,
    }
}

/// Opens the group on what this node's directory holds, and answers other members; nothing is asked of them yet.
pub(super) fn open(
    settings: &Settings,
    member: &RaftMember,
    flags: &Flags,
    port: PeerPort,
    around: Around,
    loops: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Arc<RaftGroup>, StartError> {
    let PeerPort { links, acceptor } = port;
    let (name, nodes) = place(member)?;
    let config = GroupConfig {
        directory: member.data_dir.clone(),
        http: http_address(settings, member, &name),
        name,
        nodes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        formats: CommandFormats::of_this_release(),
        heartbeat: member.heartbeat,
        election: member.election,
        snapshot_every: SNAPSHOT_EVERY,
        entries_kept: ENTRIES_KEPT,
        default_port: member.default_port,
        starts_without_silent: flags.is("raft-start-without-silent"),
    };
    let deps = GroupDeps {
        store: around.store,
        transport: Arc::new(GrpcTransport::new(links.dialer())),
        clock: around.clock,
        ids: around.ids,
        known: around.instances,
        condition: Arc::new(NodeCondition {
            health: around.health.clone(),
            links: links.clone(),
        }),
    };
    let group = Arc::new(RaftGroup::open(config, deps)?);
    around.health.lead_as(group.clone());
    let handler = group.call_handler();
    let until = stop.clone();
    loops.spawn(async move {
        if let Err(error) = serve(acceptor, handler, until).await {
            tracing::error!(%error, "the peer port is not served any more");
        }
    });
    let until = stop.clone();
    loops.spawn(async move { links.follow_files(until).await });
    Ok(group)
}

/// Who is told when `RaftNodes` and credentials were read anew.
pub(super) struct Listed {
    pub group: Arc<RaftGroup>,
    pub links: PeerLinks,
}

impl Listed {
    /// Reads the files that the configuration names now. Blocks for them.
    pub fn prepare(links: &PeerLinks, live: &Live) -> Result<peer::Prepared, peer::Error> {
        links.prepare(live.raft_nodes.clone(), access(&live.raft_credentials))
    }

    /// Tells them.
    pub fn tell(&self, nodes: &[String], prepared: peer::Prepared) {
        self.links.take(prepared);
        self.group.set_nodes(nodes);
    }
}

/// Which of `RaftNodes` this node is, and all of them as they are compared.
pub(super) fn place(member: &RaftMember) -> Result<(String, Vec<String>), StartError> {
    let mut nodes: Vec<String> = member
        .nodes
        .iter()
        .map(|node| normalise(node, member.default_port))
        .collect();
    nodes.sort();
    nodes.dedup();
    let own = normalise(&member.advertise, member.default_port);
    if nodes.contains(&own) {
        return Ok((own, nodes));
    }
    // The list may have names where the key has an address.
    let ours: Vec<SocketAddr> = own.to_socket_addrs().into_iter().flatten().collect();
    let mut same = nodes.iter().filter(|node| {
        let theirs = node.to_socket_addrs().into_iter().flatten();
        theirs.into_iter().any(|address| ours.contains(&address))
    });
    match (same.next().cloned(), same.next()) {
        (Some(name), None) => Ok((name, nodes)),
        _ => Err(StartError::NotOnTheList {
            own,
            nodes: nodes.join(", "),
        }),
    }
}

/// Where the others reach the HTTP service of this node.
fn http_address(settings: &Settings, member: &RaftMember, name: &str) -> String {
    if let Some(url) = &member.http {
        return url.clone();
    }
    let scheme = match settings.startup.tls {
        Some(_) => "https",
        None => "http",
    };
    match &settings.startup.listen {
        Listen::Tcp(address) => {
            let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
            format!("{scheme}://{host}:{}", address.port)
        }
        // Nobody reaches it from elsewhere.
        Listen::Unix(_) => String::new(),
    }
}

/// A directory that this node alone may read, made when it is missing.
pub(super) fn prepare_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// How this node is beside its group.
struct NodeCondition {
    health: Arc<NodeHealth>,
    links: PeerLinks,
}

impl Condition for NodeCondition {
    fn store_error(&self) -> Option<String> {
        self.health.store_error()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.links.status().warnings;
        warnings.extend(self.health.warnings());
        warnings
    }

    fn certificate_expires_in(&self, name: Option<&str>) -> Option<i64> {
        let status = self.links.status();
        match name {
            None => status.certificate_expires_in_seconds,
            Some(name) => status
                .shown_certificates_expire_in_seconds
                .get(&peer::host_of(name))
                .copied(),
        }
    }

    fn members_changed(&self, names: &[String]) {
        self.links.set_members(names);
    }

    fn group_known(&self, group: GroupId) {
        self.links.set_group(Some(group));
    }
}

/// The instances of this node, for snapshots: those of the picture, once there is one, and those that others know, for the
/// discovery loop, once it runs.
#[derive(Default)]
pub(super) struct Instances {
    picture: OnceLock<Arc<dyn PictureReader>>,
    discovery: OnceLock<Arc<dyn Discovery>>,
    learned: Mutex<Vec<InstanceKey>>,
}

impl Instances {
    /// What is known from now on.
    pub fn read(&self, picture: Arc<dyn PictureReader>) {
        if self.picture.set(picture).is_err() {
            tracing::error!("a second picture was not taken");
        }
    }

    /// Who probes from now on, also what was learned before.
    pub fn feed(&self, discovery: Arc<dyn Discovery>) {
        if self.discovery.set(discovery).is_err() {
            tracing::error!("a second discovery loop was not taken");
        }
        let waiting = std::mem::take(&mut *self.lock());
        self.learn(&waiting);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<InstanceKey>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownInstances for Instances {
    fn known(&self) -> Vec<InstanceKey> {
        let picture = self.picture.get();
        picture
            .map(|picture| {
                let picture = picture.picture();
                picture.records().map(|record| record.key.clone()).collect()
            })
            .unwrap_or_default()
    }

    fn learn(&self, keys: &[InstanceKey]) {
        let Some(discovery) = self.discovery.get() else {
            self.lock().extend(keys.iter().cloned());
            return;
        };
        let picture = self.picture.get().map(|picture| picture.picture());
        let is_new = |key: &&InstanceKey| {
            picture
                .as_ref()
                .is_none_or(|known| known.get(key).is_none())
        };
        for key in keys.iter().filter(is_new) {
            if let Err(error) = discovery.discover_soon(key.clone()) {
                tracing::info!(instance = %key, %error, "an instance of a snapshot is not probed now");
            }
        }
    }
}
