//! Three data centres on one machine: network namespaces with a router between them, whose links are cut one way or both.
//!
//! ```text
//!            router ─────────────┬──────────────┐          198.18.0.0/16 (RFC 2544: for tests)
//!              │                 │              │
//!        centre 0           centre 1       centre 2        a namespace each: its servers
//!         │      │           │      │       │      │
//!       node 0  test       node 1  test   node 2  test     a namespace for each node; the test comes by a link of its own
//! ```
//!
//! A cut is a routing rule of the router (between a node and the servers beside it, of their data centre): it takes packets from
//! one prefix to another, and either drops them or says that the host is unreachable. What is inside a data centre stays connected, and so does the test, whose links no data centre sends
//! anything through but answers to the test.
//!
//! The namespaces carry this process's id. They are removed when the value is dropped; those of a test that was killed, by the
//! next one.

use super::launch::Program;
use super::place::on_path;
use super::ports::AddressBlock;
use anyhow::{Context as _, Result, ensure};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many data centres there are: one more than may be lost.
pub const DATA_CENTRES: usize = 3;

/// Addresses of one data centre: a /28.
const ADDRESSES: u32 = 16;
/// Servers have the addresses from 1 to here.
const SERVERS_MAX: u32 = 8;
/// The node of a data centre.
const NODE: u32 = 14;
/// The test, counted from the block's first address, behind those of the data centres.
const TEST: u32 = 60;
/// First address of all: a network that is kept for tests of networks.
const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// How the router and the data centres are known to their neighbours; such addresses mean something on one link only.
const ROUTER: &str = "169.254.1.1";
const GATEWAY: &str = "169.254.1.2";
/// Where `ip` keeps namespaces.
const NAMESPACES: &str = "/run/netns";
/// How all names here begin.
const PREFIX: &str = "orchestrator-lab-";
/// Numbers of rules; smaller ones count first.
const FIRST_RULE: u32 = 100;
/// The rule by which local addresses are found. By itself it has 0, and no cut could come before it.
const LOCAL_RULE: u32 = 30_000;

/// What becomes of a packet that meets a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is dropped, as by a dead link or most firewalls: nobody is told.
    Silent,
    /// The sender is told that the host is unreachable.
    Unreachable,
}

/// One end of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of a data centre.
    Centre(usize),
    /// Its node alone.
    Node(usize),
    /// One server, by its address. What it asks of others it sends from the first address of its data centre.
    Server(Ipv4Addr),
}

/// The name of a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// The file by which it is entered.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Three data centres. Dropping it removes them.
#[derive(Debug)]
pub struct DataCentres {
    ip: PathBuf,
    block: AddressBlock,
    /// What was cut: the namespace that forwards, and the number of the rule there.
    cuts: Mutex<Vec<(Namespace, u32)>>,
    next_rule: AtomicU32,
    servers: [AtomicU32; DATA_CENTRES],
}

impl DataCentres {
    /// Makes namespaces, links and routes.
    ///
    /// # Errors
    /// Where `ip` is missing, or this process may not make namespaces.
    pub fn build() -> Result<Arc<Self>> {
        let ip = on_path("ip").context(
            "these tests need network namespaces, and the program ip (iproute2) is missing; `raft-tests/run` installs it",
        )?;
        let centres = Self {
            ip,
            block: AddressBlock::claim()?,
            cuts: Mutex::default(),
            next_rule: AtomicU32::new(FIRST_RULE),
            servers: Default::default(),
        };
        centres.remove_leftovers()?;
        // Before anything can fail, so that dropping it removes what was made.
        let centres = Arc::new(centres);
        for namespace in centres.all() {
            centres.ip(&["netns", "add", &namespace.0]).context(
                "these tests need network namespaces: run them as root on a kernel that has them (CONFIG_NET_NS, CONFIG_VETH)",
            )?;
        }
        centres.connect()?;
        Ok(centres)
    }

    /// An address for one more server in a data centre.
    ///
    /// # Errors
    /// When its addresses are used up.
    pub fn next_server(&self, centre: usize) -> Result<Ipv4Addr> {
        let place = self.servers[centre].fetch_add(1, Ordering::Relaxed) + 1;
        ensure!(
            place <= SERVERS_MAX,
            "a data centre has at most {SERVERS_MAX} servers"
        );
        Ok(self.address(centre, place))
    }

    /// The address of a data centre's node.
    #[must_use]
    pub fn node(&self, centre: usize) -> Ipv4Addr {
        self.address(centre, NODE)
    }

    /// The data centre that an address belongs to.
    #[must_use]
    pub fn centre_of(&self, address: Ipv4Addr) -> Option<usize> {
        let offset = address.to_bits().checked_sub(self.first())? / ADDRESSES;
        usize::try_from(offset).ok().filter(|it| *it < DATA_CENTRES)
    }

    /// Where the servers of a data centre run.
    #[must_use]
    pub fn servers_of(&self, centre: usize) -> Namespace {
        self.named(&format!("c{centre}"))
    }

    /// Where its node runs.
    #[must_use]
    pub fn node_of(&self, centre: usize) -> Namespace {
        self.named(&format!("n{centre}"))
    }

    /// Takes all packets from one end to the other, that way only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn cut(&self, from: Part, to: Part, how: Cut) -> Result<()> {
        let rule = self.next_rule.fetch_add(1, Ordering::Relaxed);
        let what = match how {
            Cut::Silent => "blackhole",
            Cut::Unreachable => "unreachable",
        };
        // Between a node and the servers beside it, the data centre itself forwards.
        let forwards = match (from, to) {
            (Part::Node(node), Part::Server(server)) | (Part::Server(server), Part::Node(node))
                if self.centre_of(server) == Some(node) =>
            {
                self.servers_of(node)
            }
            _ => self.router(),
        };
        let (from, to) = (self.prefix(from), self.prefix(to));
        let text = format!("rule add pref {rule} from {from} to {to} {what}");
        self.batch(&forwards, &[text])?;
        self.cuts().push((forwards, rule));
        Ok(())
    }

    /// The same both ways.
    ///
    /// # Errors
    /// As [`DataCentres::cut`].
    pub fn cut_both_ways(&self, one: Part, other: Part, how: Cut) -> Result<()> {
        self.cut(one, other, how)?;
        self.cut(other, one, how)
    }

    /// Cuts a data centre off from all others.
    ///
    /// # Errors
    /// As [`DataCentres::cut`].
    pub fn cut_off(&self, centre: usize, how: Cut) -> Result<()> {
        self.cut_off_part(Part::Centre(centre), centre, how)
    }

    /// Cuts a node off from all that is not in its own data centre.
    ///
    /// # Errors
    /// As [`DataCentres::cut`].
    pub fn cut_node_off(&self, centre: usize, how: Cut) -> Result<()> {
        self.cut_off_part(Part::Node(centre), centre, how)
    }

    /// Sets a value of the kernel for the servers of a data centre: a file below `/proc/sys`, such as `net/ipv4/tcp_retries2`.
    ///
    /// # Errors
    /// When there is no such value.
    pub fn set(&self, centre: usize, name: &str, value: &str) -> Result<()> {
        Program::new("/bin/sh")
            .args(["-c", "echo \"$2\" >\"/proc/sys/$1\"", "sh", name, value])
            .within(&self.servers_of(centre))
            .run_to_success("")
    }

    /// Takes all cuts back.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn heal(&self) -> Result<()> {
        let cuts = std::mem::take(&mut *self.cuts());
        for (namespace, rule) in cuts {
            self.batch(&namespace, &[format!("rule del pref {rule}")])?;
        }
        Ok(())
    }

    fn cut_off_part(&self, part: Part, centre: usize, how: Cut) -> Result<()> {
        for other in (0..DATA_CENTRES).filter(|other| *other != centre) {
            self.cut_both_ways(part, Part::Centre(other), how)?;
        }
        Ok(())
    }

    fn cuts(&self) -> MutexGuard<'_, Vec<(Namespace, u32)>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prefix(&self, part: Part) -> String {
        match part {
            Part::Centre(centre) => self.network_of(centre),
            Part::Node(centre) => format!("{}/32", self.node(centre)),
            Part::Server(address) => format!("{address}/32"),
        }
    }

    fn first(&self) -> u32 {
        NETWORK.to_bits() + self.block.first_offset()
    }

    fn address(&self, centre: usize, place: u32) -> Ipv4Addr {
        let centre = u32::try_from(centre).expect("there are three data centres");
        Ipv4Addr::from_bits(self.first() + centre * ADDRESSES + place)
    }

    fn test(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first() + TEST)
    }

    fn network_of(&self, centre: usize) -> String {
        format!("{}/28", self.address(centre, 0))
    }

    fn router(&self) -> Namespace {
        self.named("r")
    }

    fn named(&self, part: &str) -> Namespace {
        let (process, block) = (std::process::id(), self.block.number());
        Namespace(format!("{PREFIX}{process}-{block}-{part}"))
    }

    fn all(&self) -> Vec<Namespace> {
        let centres = (0..DATA_CENTRES).flat_map(|it| [self.servers_of(it), self.node_of(it)]);
        std::iter::once(self.router()).chain(centres).collect()
    }

    /// The test's own end of its link to a data centre; names of links have at most 15 characters.
    fn link_of_test(&self, centre: usize) -> String {
        format!("orch{}t{centre}", self.block.number())
    }

    fn connect(&self) -> Result<()> {
        let router = self.router();
        let up = |link: &str| format!("link set dev {link} up");
        self.batch(&router, &[up("lo"), format!("addr add {ROUTER}/32 dev lo")])?;
        for centre in 0..DATA_CENTRES {
            let (servers, node) = (self.servers_of(centre), self.node_of(centre));
            let network = self.network_of(centre);
            let link = format!("c{centre}");
            self.batch(
                &router,
                &[
                    format!("link add {link} type veth peer name out netns {servers}"),
                    up(&link),
                    // To the gateway, which forwards to the node.
                    format!("route add {network} via {GATEWAY} dev {link} onlink"),
                ],
            )?;
            let (own, test) = (self.link_of_test(centre), self.test());
            self.ip(&[
                "link", "add", &own, "type", "veth", "peer", "name", "test", "netns", &servers.0,
            ])?;
            let first = self.address(centre, 1);
            let mut here = vec![up("lo"), format!("addr add {GATEWAY}/32 dev lo")];
            here.extend((1..=SERVERS_MAX).map(|place| {
                let address = self.address(centre, place);
                format!("addr add {address}/32 dev lo")
            }));
            let at = self.node(centre);
            here.extend([
                up("out"),
                up("test"),
                format!("route add {NETWORK}/16 via {ROUTER} dev out onlink src {first}"),
                format!("route add {test}/32 dev test src {first}"),
                format!("link add node type veth peer name out netns {node}"),
                up("node"),
                format!("route add {at}/32 dev node src {first}"),
                format!("rule add pref {LOCAL_RULE} lookup local"),
                "rule del pref 0".to_owned(),
            ]);
            self.batch(&servers, &here)?;
            self.batch(
                &node,
                &[
                    up("lo"),
                    format!("addr add {at}/32 dev lo"),
                    up("out"),
                    format!("route add default via {GATEWAY} dev out onlink src {at}"),
                ],
            )?;
            self.forward(&servers)?;
            for words in [
                format!("addr add {test}/32 dev {own}"),
                up(&own),
                format!("route add {network} via {GATEWAY} dev {own} onlink src {test}"),
            ] {
                self.ip(&words.split(' ').collect::<Vec<_>>())?;
            }
        }
        self.forward(&router)
    }

    /// Lets a namespace forward, and say "unreachable" as often as it is asked.
    fn forward(&self, namespace: &Namespace) -> Result<()> {
        let script = "cd /proc/sys/net/ipv4 && echo 1 >ip_forward && echo 0 >icmp_ratelimit";
        Program::new("/bin/sh")
            .args(["-c", script])
            .within(namespace)
            .run_to_success("")
    }

    /// Namespaces of processes that are gone, and whatever has the names that are claimed here.
    fn remove_leftovers(&self) -> Result<()> {
        let Ok(known) = std::fs::read_dir(NAMESPACES) else {
            return Ok(()); // No namespace was made here yet.
        };
        for entry in known {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let mut words = rest.split('-');
            let (process, block) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let is_gone = !Path::new("/proc").join(process).exists();
            if is_gone || block == self.block.number().to_string() {
                // Another test may have been quicker.
                self.ip(&["netns", "del", &name]).ok();
            }
        }
        for centre in 0..DATA_CENTRES {
            self.remove_link(centre);
        }
        Ok(())
    }

    fn remove_link(&self, centre: usize) {
        let link = self.link_of_test(centre);
        if Path::new("/sys/class/net").join(&link).exists() {
            // It goes with its other end a moment later as well.
            self.ip(&["link", "del", &link]).ok();
        }
    }

    /// Several commands in a namespace.
    fn batch(&self, namespace: &Namespace, commands: &[String]) -> Result<()> {
        let program = Program::new(&self.ip).args(["-n", &namespace.0, "-batch", "-"]);
        let input = commands.join("\n") + "\n";
        program
            .run_to_success(&input)
            .with_context(|| format!("in {namespace}: {}", commands.join("; ")))
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        Program::new(&self.ip)
            .args(arguments)
            .run_to_success("")
            .with_context(|| format!("ip {}", arguments.join(" ")))
    }
}

impl Drop for DataCentres {
    fn drop(&mut self) {
        for centre in 0..DATA_CENTRES {
            self.remove_link(centre);
        }
        for namespace in self.all() {
            if namespace.path().exists()
                && let Err(error) = self.ip(&["netns", "del", &namespace.0])
            {
                // Nothing else can be done in a drop, and the next test removes it.
                eprintln!("left: {error:#}");
            }
        }
    }
}
