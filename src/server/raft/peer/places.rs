use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use super::config::Limits;

/// Who holds how many connections, so that neither strangers nor one host take all of them.
pub(super) struct Places {
    strangers_most: usize,
    strangers_per_address: usize,
    peers_most: usize,
    peers_per_address: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// Those whose identity is not known yet, by age.
    strangers: BTreeMap<u64, (Origin, CancellationToken)>,
    strangers_of: HashMap<Origin, BTreeSet<u64>>,
    peers: usize,
    peers_of: HashMap<Origin, usize>,
}

/// What counts as one address: an IPv4 address, or the 64 bits that one IPv6 network is given (RFC 4291, section 2.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }
}

/// The place of a connection that is being identified; given back when dropped.
pub(super) struct Stranger {
    places: Arc<Places>,
    id: u64,
    origin: Origin,
    /// Cancelled when it has to make room for a newer one.
    pub(super) evicted: CancellationToken,
}

/// The place of a member's connection; given back when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    origin: Origin,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            strangers_most: limits.strangers,
            strangers_per_address: limits.strangers_per_address,
            peers_most: limits.peers,
            peers_per_address: limits.peers_per_address,
            table: Mutex::default(),
        })
    }

    /// A place for a new connection. When its address, or all together, hold too many, the oldest of these goes: a member
    /// is identified within milliseconds, and who has waited longest is least likely to be one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Stranger {
        let origin = Origin::of(address);
        let mut table = self.lock();
        let of_origin = table.strangers_of.get(&origin);
        if of_origin.is_some_and(|ids| ids.len() >= self.strangers_per_address) {
            let oldest = of_origin.and_then(|ids| ids.first().copied());
            table.evict(oldest);
        }
        if table.strangers.len() >= self.strangers_most {
            let oldest = table.strangers.first_key_value().map(|(id, _)| *id);
            table.evict(oldest);
        }
        table.next += 1;
        let (id, evicted) = (table.next, CancellationToken::new());
        table.strangers.insert(id, (origin, evicted.clone()));
        table.strangers_of.entry(origin).or_default().insert(id);
        Stranger {
            places: self.clone(),
            id,
            origin,
            evicted,
        }
    }

    /// Connections of members and of strangers.
    pub(super) fn open(&self) -> (usize, usize) {
        let table = self.lock();
        (table.peers, table.strangers.len())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder of this lock panics")
    }
}

impl Table {
    fn evict(&mut self, id: Option<u64>) {
        if let Some(evicted) = id.and_then(|id| self.forget(id)) {
            evicted.cancel();
        }
    }

    fn forget(&mut self, id: u64) -> Option<CancellationToken> {
        let (origin, evicted) = self.strangers.remove(&id)?;
        if let Some(ids) = self.strangers_of.get_mut(&origin) {
            ids.remove(&id);
            if ids.is_empty() {
                self.strangers_of.remove(&origin);
            }
        }
        Some(evicted)
    }
}

impl Stranger {
    /// It is a member: a place for it, unless members hold too many already.
    pub(super) fn identified(&self) -> Option<Place> {
        let mut table = self.places.lock();
        let of_origin = table.peers_of.get(&self.origin).copied().unwrap_or(0);
        if table.peers >= self.places.peers_most || of_origin >= self.places.peers_per_address {
            return None;
        }
        table.peers += 1;
        *table.peers_of.entry(self.origin).or_default() += 1;
        Some(Place {
            places: self.places.clone(),
            origin: self.origin,
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.places.lock().forget(self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.lock();
        table.peers -= 1;
        if let Some(count) = table.peers_of.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                table.peers_of.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Arc<Places> {
        Places::new(&Limits {
            strangers: 4,
            strangers_per_address: 2,
            peers: 3,
            peers_per_address: 2,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_of_an_address_goes_first_and_then_the_oldest_of_all() {
        let places = places();
        let a1 = places.admit(ip("10.0.0.1"));
        let a2 = places.admit(ip("10.0.0.1"));
        let b1 = places.admit(ip("10.0.0.2"));
        let a3 = places.admit(ip("10.0.0.1"));
        assert!(a1.evicted.is_cancelled(), "its address held two");
        let c1 = places.admit(ip("10.0.0.3"));
        assert!(!a2.evicted.is_cancelled() && !b1.evicted.is_cancelled());
        let d1 = places.admit(ip("10.0.0.4"));
        assert!(a2.evicted.is_cancelled(), "the oldest of four");
        assert_eq!(places.open(), (0, 4));
        drop((a1, a2, a3, b1, c1, d1));
        assert_eq!(places.open(), (0, 0));
        assert!(places.lock().strangers_of.is_empty());
    }

    #[test]
    fn one_network_of_ipv6_counts_as_one_address() {
        let places = places();
        let first = places.admit(ip("2001:db8::1"));
        let _second = places.admit(ip("2001:db8::2"));
        let _third = places.admit(ip("2001:db8::3"));
        assert!(first.evicted.is_cancelled());
        let other = places.admit(ip("2001:db8:0:1::1"));
        assert!(!other.evicted.is_cancelled());
    }

    #[test]
    fn members_have_places_of_their_own_and_no_more_than_their_share() {
        let places = places();
        let stranger = places.admit(ip("10.0.0.1"));
        let (one, two) = (
            stranger.identified().unwrap(),
            stranger.identified().unwrap(),
        );
        assert!(stranger.identified().is_none(), "two from one address");
        let other = places.admit(ip("10.0.0.2"));
        let third = other.identified().unwrap();
        assert!(other.identified().is_none(), "three in all");
        drop(one);
        assert!(other.identified().is_some());
        drop((two, third, stranger, other));
        assert_eq!(places.open(), (0, 0));
        assert!(places.lock().peers_of.is_empty());
    }
}
