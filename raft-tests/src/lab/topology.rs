//! Whole topologies from a drawing.

use super::data_centres::DataCentres;
use super::drawing::{Drawn, parse_drawing};
use super::flavour::{Flavour, Installation, Link};
use super::forwarder::Forwarders;
use super::ports::{AddressBlock, free_port};
use super::server::{Server, ServerSpec};
use super::settings::Settings;
use super::sql::Account;
use super::statement_relay::{Calling, StatementRelay};
use super::wait::wait_until;
use anyhow::{Context as _, Result, anyhow, ensure};
use std::net::Ipv4Addr;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;

/// The port that real fleets have.
const MYSQL_PORT: u16 = 3306;
/// Behind relays, a server listens at the address that is so many further on than the one it is known by.
const BEHIND: usize = 19;
/// A replica connects within a retry of one second; the rest is for a busy machine.
const REPLICATION_DEADLINE: Duration = Duration::from_secs(30);

/// What to build.
#[derive(Clone, Debug)]
pub struct Plan {
    flavour: Flavour,
    drawing: String,
    settings: Settings,
    link: Link,
    semi_sync: bool,
    before: Before,
    centres: Option<(Arc<DataCentres>, Vec<usize>)>,
}

/// What stands in front of each server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Relay(Calling),
    /// A forwarder that holds back what it passes on for so long.
    Forwarder(Duration),
}

impl Plan {
    /// A topology of MariaDB servers; see [`parse_drawing`] for the text.
    #[must_use]
    pub fn mariadb(drawing: &str) -> Self {
        Self::of(Flavour::MariaDb, drawing)
    }

    /// A topology of MySQL 9 servers.
    #[must_use]
    pub fn mysql(drawing: &str) -> Self {
        Self::of(Flavour::MySql, drawing)
    }

    /// A topology of MySQL 5.6 servers.
    #[must_use]
    pub fn mysql56(drawing: &str) -> Self {
        Self::of(Flavour::MySql56, drawing)
    }

    /// A topology of any of them.
    #[must_use]
    pub fn of(flavour: Flavour, drawing: &str) -> Self {
        Self {
            flavour,
            drawing: drawing.to_owned(),
            settings: Settings::new(),
            link: Link::default(),
            semi_sync: false,
            before: Before::Nothing,
            centres: None,
        }
    }

    /// Sets an option of all servers; one in the drawing's brackets goes before it.
    #[must_use]
    pub fn with(mut self, option: &str, value: impl ToString) -> Self {
        self.settings.set(option, value);
        self
    }

    /// Turns semi-synchronous replication on: a server with replicas waits for them, a replica acknowledges.
    ///
    /// A server without replicas does not wait: each of its commits would last the whole timeout of 10 s.
    #[must_use]
    pub fn semi_sync(mut self) -> Self {
        self.semi_sync = true;
        self
    }

    /// Puts a [`StatementRelay`] in front of all servers: [`Fleet::relay`].
    #[must_use]
    pub fn behind_relays(mut self) -> Self {
        self.before = Before::Relay(Calling::Loopback);
        self
    }

    /// The same with relays that call from addresses of their own: servers count connections that go wrong of all hosts but 127.0.0.1.
    #[must_use]
    pub fn behind_relays_of_other_hosts(mut self) -> Self {
        self.before = Before::Relay(Calling::OwnAddress);
        self
    }

    /// Puts every server so far away from everybody: what is sent to it, or by it, takes `delay`.
    #[must_use]
    pub fn far_away(mut self, delay: Duration) -> Self {
        self.before = Before::Forwarder(delay);
        self
    }

    /// Puts the servers into data centres: `where_each` is of each server, in the order of the drawing. Nothing else can stand in front
    /// of them then.
    #[must_use]
    pub fn in_data_centres(mut self, centres: &Arc<DataCentres>, where_each: &[usize]) -> Self {
        self.centres = Some((Arc::clone(centres), where_each.to_vec()));
        self
    }

    /// Sets how replicas hold on to their sources.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// Starts all servers, sets replication up and waits until every replica replicates.
    ///
    /// Replicas are read-only by their option file and sources writable, unless the drawing says otherwise.
    ///
    /// # Errors
    /// When the drawing is wrong, a server is missing, or something does not come up in time.
    pub async fn build(self) -> Result<Fleet> {
        let drawn = parse_drawing(&self.drawing)?;
        let installation = self.flavour.installation().await?;
        let block = AddressBlock::claim()?;
        let mut places = Vec::new();
        for (number, server) in drawn.iter().enumerate() {
            places.push(match &self.centres {
                None => (None, block.server(number)?),
                Some((centres, where_each)) => {
                    let centre = where_each.get(number).copied();
                    let centre =
                        centre.with_context(|| format!("{} is in no data centre", server.name))?;
                    let address = centres.next_server(centre)?;
                    (Some(centres.servers_of(centre)), address)
                }
            });
        }
        let addresses: Vec<Ipv4Addr> = places.iter().map(|(_, address)| *address).collect();
        let behind = match self.before {
            Before::Nothing => vec![],
            Before::Relay(_) | Before::Forwarder(_) => addresses_behind(&block, drawn.len())?,
        };
        let all: Vec<Ipv4Addr> = addresses.iter().chain(&behind).copied().collect();
        let port = match self.centres {
            None => free_port(&all, MYSQL_PORT)?,
            Some(_) => MYSQL_PORT, // Nobody else is there.
        };
        let specs = (0..drawn.len()).map(|number| {
            let mut settings = self.settings_of(&drawn, number);
            if let Some(address) = behind.get(number) {
                settings.set("bind_address", address);
            }
            ServerSpec {
                name: drawn[number].name.clone(),
                flavour: self.flavour,
                host: addresses[number],
                port,
                settings,
                within: places[number].0.clone(),
            }
        });
        let servers = create_all(specs.collect(), &installation)?;
        let (mut relay, mut forwarders) = (None, None);
        match self.before {
            Before::Nothing => {}
            Before::Relay(calling) => {
                relay = Some(relay_before(&servers, &behind, port, calling).await?);
            }
            Before::Forwarder(delay) => {
                let started = Forwarders::start(&addresses, &behind, port, delay).await?;
                forwarders = Some(started);
            }
        }
        let fleet = Fleet {
            servers,
            relay,
            _forwarders: forwarders,
            sources: drawn.iter().map(|server| server.source).collect(),
            link: self.link,
            installation,
            block,
            _centres: self
                .centres
                .as_ref()
                .map(|(centres, _)| Arc::clone(centres)),
        };
        fleet.bring_up().await?;
        Ok(fleet)
    }

    /// The options of one server, from the least to the most particular.
    fn settings_of(&self, drawn: &[Drawn], number: usize) -> Settings {
        let is_replica = drawn[number].source.is_some();
        let mut settings = Settings::new().with("read_only", u8::from(is_replica));
        if self.semi_sync {
            let is_source = drawn.iter().any(|other| other.source == Some(number));
            settings.overlay(&self.flavour.semi_sync(is_source, is_replica));
        }
        settings.overlay(&self.settings);
        settings.overlay(&drawn[number].settings);
        settings
    }
}

fn addresses_behind(block: &AddressBlock, count: usize) -> Result<Vec<Ipv4Addr>> {
    ensure!(count <= BEHIND, "{count} servers are too many for relays");
    let numbers = BEHIND..BEHIND + count;
    numbers.map(|number| block.server(number)).collect()
}

async fn relay_before(
    servers: &[Server],
    behind: &[Ipv4Addr],
    port: u16,
    calling: Calling,
) -> Result<StatementRelay> {
    let links: Vec<_> = servers
        .iter()
        .zip(behind)
        .map(|(server, address)| (server.name().to_owned(), server.host(), *address))
        .collect();
    StatementRelay::start(&links, port, Account::ORCHESTRATOR.user, calling).await
}

/// Makes the folders side by side: copying is what takes the time.
fn create_all(specs: Vec<ServerSpec>, installation: &Installation) -> Result<Vec<Server>> {
    std::thread::scope(|scope| {
        let copies: Vec<_> = specs
            .into_iter()
            .map(|spec| scope.spawn(move || Server::create(spec, installation)))
            .collect();
        copies
            .into_iter()
            .map(|copy| copy.join().map_err(|_| anyhow!("copying panicked"))?)
            .collect()
    })
}

/// The servers of one test. `fleet["a"]` is the server drawn as `a`.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Server>,
    relay: Option<StatementRelay>,
    _forwarders: Option<Forwarders>,
    sources: Vec<Option<usize>>,
    link: Link,
    installation: Installation,
    block: AddressBlock,
    /// Last, because they can only be removed when nobody is there any more.
    _centres: Option<Arc<DataCentres>>,
}

impl Fleet {
    /// All servers, in the order of the drawing.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name() == name)
    }

    /// What stands in front of the servers.
    ///
    /// # Errors
    /// When the fleet was planned without.
    pub fn relay(&self) -> Result<&StatementRelay> {
        let relay = self.relay.as_ref();
        relay.context("nothing stands in front of these servers")
    }

    /// An address for one more orchestrator node, a new one at each call.
    ///
    /// # Errors
    /// When the fleet's node addresses are used up.
    pub fn node_address(&self) -> Result<Ipv4Addr> {
        self.block.next_node()
    }

    /// Waits until every server that was drawn as a replica replicates.
    ///
    /// # Errors
    /// When one does not in time; the sentence has its own errors.
    pub async fn replicating(&self) -> Result<()> {
        for (server, source) in self.servers.iter().zip(&self.sources) {
            if source.is_some() {
                let what = format!("{} to replicate", server.name());
                let look = async || server.is_replicating().await;
                wait_until(&what, REPLICATION_DEADLINE, look).await?;
            }
        }
        Ok(())
    }

    /// Points a replica at another source, as an operator would by hand, and waits until it replicates.
    ///
    /// # Errors
    /// When a name is unknown or the replica does not connect in time.
    pub async fn repoint(&self, replica: &str, source: &str) -> Result<()> {
        let named = |name: &str| {
            self.get(name)
                .with_context(|| format!("no server is drawn as {name}"))
        };
        let replica = named(replica)?;
        replica.replicate_from(named(source)?, self.link).await?;
        let what = format!("{} to replicate from {source}", replica.name());
        let look = async || replica.is_replicating().await;
        wait_until(&what, REPLICATION_DEADLINE, look).await
    }

    /// Starts one more server and makes it a replica of `source`.
    ///
    /// # Errors
    /// As [`Plan::build`].
    pub async fn add_replica(&mut self, name: &str, source: &str) -> Result<()> {
        let below = self
            .servers
            .iter()
            .position(|server| server.name() == source)
            .with_context(|| format!("no server is drawn as {source}"))?;
        let spec = ServerSpec {
            name: name.to_owned(),
            flavour: self.servers[below].flavour(),
            host: self.block.server(self.servers.len())?,
            port: self.servers[below].port(),
            settings: Settings::new().with("read_only", 1),
            within: None,
        };
        let server = Server::create(spec, &self.installation)?;
        server.start().await?;
        self.servers.push(server);
        self.sources.push(Some(below));
        self.repoint(name, source).await
    }

    async fn bring_up(&self) -> Result<()> {
        for server in &self.servers {
            server.launch()?;
        }
        for server in &self.servers {
            server.ready().await?;
        }
        for (server, source) in self.servers.iter().zip(&self.sources) {
            if let Some(source) = source {
                server
                    .replicate_from(&self.servers[*source], self.link)
                    .await?;
            }
        }
        self.replicating().await
    }
}

impl Index<&str> for Fleet {
    type Output = Server;

    /// # Panics
    /// When no server is drawn with this name: a mistake of the test itself.
    fn index(&self, name: &str) -> &Server {
        match self.get(name) {
            Some(server) => server,
            None => panic!("no server is drawn as {name}"),
        }
    }
}
