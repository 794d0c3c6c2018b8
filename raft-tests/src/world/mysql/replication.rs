//! Receivers, appliers and acknowledgements.

use super::server::{Link, Relayed, Waiting};
use super::{Acknowledged, Applier, Fleet, Place, Power, Receiver, Server, ServerId, Txn};

/// Nobody answers at the source's address.
const CANNOT_CONNECT: u32 = 2003;
/// The address cannot be resolved: what a detached replica gets.
const UNKNOWN_HOST: u32 = 2005;
/// The source cannot serve what the replica asks for.
const CANNOT_SERVE: u32 = 1236;
/// A row is there already.
const DUPLICATE_KEY: u32 = 1062;
/// Transactions that a receiver takes at once.
const FETCH_MAX: usize = 50;

impl Fleet {
    /// Lets the receiver of a server take what it can.
    pub(super) fn receive(&mut self, id: ServerId) {
        if !self.servers[id].is_up() {
            return;
        }
        let Some(mut link) = self.servers[id].link.take() else {
            return;
        };
        link.receiver = match link.receiver {
            Receiver::Stopped { errno } => Receiver::Stopped { errno },
            Receiver::Connecting { errno, next_try } if next_try > self.now => {
                Receiver::Connecting { errno, next_try }
            }
            Receiver::Connecting { .. } => self.connect(id, &link),
            Receiver::Stopping { until, by } => match self.now >= until || !self.hangs(id, &link) {
                true => Receiver::Stopped { errno: 0 },
                false => Receiver::Stopping { until, by },
            },
            Receiver::Running { source_starts, .. }
                if source_starts != self.servers[link.source].starts =>
            {
                self.lost_source()
            }
            running @ Receiver::Running { .. } => self.fetch(id, &mut link, running),
        };
        self.servers[id].link = Some(link);
    }

    /// Whether who connects to the source waits for a greeting that does not come.
    pub(super) fn hangs(&self, id: ServerId, link: &Link) -> bool {
        let talks = (self.network).talks(Place::Server(id), Place::Server(link.source));
        talks && !link.is_detached && self.servers[link.source].power == Power::Frozen
    }

    fn connect(&mut self, id: ServerId, link: &Link) -> Receiver {
        let fails = |errno| Receiver::Connecting {
            errno,
            next_try: self.now + self.tuning.connect_retry,
        };
        if link.is_detached {
            return fails(UNKNOWN_HOST);
        }
        let talks = (self.network).talks(Place::Server(id), Place::Server(link.source));
        let source = &self.servers[link.source];
        if !talks || !source.is_up() {
            return fails(CANNOT_CONNECT);
        }
        match can_serve(source, &self.servers[id], link) {
            true => Receiver::Running {
                cursor: 0,
                heard_at: self.now,
                source_starts: source.starts,
            },
            false => Receiver::Stopped {
                errno: CANNOT_SERVE,
            },
        }
    }

    fn lost_source(&self) -> Receiver {
        Receiver::Connecting {
            errno: CANNOT_CONNECT,
            next_try: self.now + self.tuning.connect_retry,
        }
    }

    fn fetch(&mut self, id: ServerId, link: &mut Link, running: Receiver) -> Receiver {
        let Receiver::Running {
            cursor,
            heard_at,
            source_starts,
        } = running
        else {
            return running;
        };
        let talks = (self.network).talks(Place::Server(id), Place::Server(link.source));
        match self.servers[link.source].power {
            Power::Down { .. } if talks => return self.lost_source(),
            Power::Up if talks => {}
            _ if self.now - heard_at >= self.tuning.net_timeout => return self.lost_source(),
            _ => return running,
        }
        let heard_at = self.now;
        let (count, last) = link.heartbeats;
        if self.now - last >= self.tuning.heartbeat_period() {
            link.heartbeats = (count + 1, self.now);
        }
        let at = |cursor| Receiver::Running {
            cursor,
            heard_at,
            source_starts,
        };
        if self.now < self.next_fetch[id] {
            return at(cursor);
        }
        let source = &self.servers[link.source];
        let end = source.log.len().min(cursor + FETCH_MAX);
        let offered: Vec<Txn> = source.log[cursor..end].to_vec();
        if !offered.is_empty() {
            self.next_fetch[id] = self.now + self.draw_length(self.tuning.fetch_lag);
        }
        for txn in offered {
            self.take(id, link, txn);
        }
        at(end)
    }

    /// Writes one transaction to the relay log, and acknowledges it.
    fn take(&mut self, id: ServerId, link: &mut Link, txn: Txn) {
        let is_there =
            self.servers[id].have.contains(txn) || link.relay.iter().any(|one| one.txn == txn);
        if !is_there {
            let last_due = link.relay.back().map_or(self.now, |one| one.due);
            let due =
                last_due.max(self.now + link.delay) + self.draw_length(self.tuning.apply_time);
            link.relay.push_back(Relayed { txn, due });
            link.retrieved.add(txn);
        }
        if self.servers[id].acknowledges {
            let source = &mut self.servers[link.source];
            let waiting = source.waiting.iter_mut().find(|one| one.txn == txn);
            if let Some(waiting) = waiting {
                waiting.acknowledged_by.insert(id);
            }
        }
    }

    /// Lets the applier of a server apply what is due.
    pub(super) fn apply(&mut self, id: ServerId) {
        let now = self.now;
        let server = &mut self.servers[id];
        if !server.is_up() {
            return;
        }
        let Some(mut link) = server.link.take() else {
            return;
        };
        while link.applies() && link.relay.front().is_some_and(|one| one.due <= now) {
            if link.breaks_next {
                link.applier = Applier::Stopped {
                    errno: DUPLICATE_KEY,
                };
                break;
            }
            let applied = link.relay.pop_front().expect("there is one");
            server.commit(applied.txn);
        }
        server.link = Some(link);
    }

    /// Replicas whose acknowledgements count at `source`.
    fn acknowledging(&self, source: ServerId) -> usize {
        let all = self.servers.iter().filter(|one| {
            let is_below = (one.link.as_ref()).is_some_and(|link| {
                link.source == source && matches!(link.receiver, Receiver::Running { .. })
            });
            one.is_up() && one.acknowledges && is_below
        });
        all.count()
    }

    /// Tells clients what is committed.
    pub(super) fn settle_commits(&mut self) {
        for id in 0..self.servers.len() {
            if !self.servers[id].is_up() || !self.servers[id].semi_sync.source {
                continue;
            }
            let wait_count = self.servers[id].semi_sync.wait_count as usize;
            if !self.servers[id].semi_sync_operates && self.acknowledging(id) >= wait_count {
                self.servers[id].semi_sync_operates = true;
            }
            while let Some(first) = self.servers[id].waiting.front() {
                let is_enough = first.acknowledged_by.len() >= wait_count;
                let is_over = self.now - first.since >= self.servers[id].semi_sync.timeout;
                if is_over && !is_enough {
                    self.servers[id].semi_sync_operates = false;
                }
                if !is_enough && self.servers[id].semi_sync_operates {
                    break;
                }
                let done = self.servers[id].waiting.pop_front();
                self.acknowledge(id, done.expect("there is one"));
            }
        }
    }

    pub(super) fn acknowledge(&mut self, id: ServerId, done: Waiting) {
        let is_heard = self.servers[id].sessions.contains_key(&done.session)
            && self.network.passes(Place::Server(id), Place::Clients);
        match is_heard {
            true => self.ledger.acknowledged.push(Acknowledged {
                txn: done.txn,
                server: id,
                at: self.now,
                by: done.acknowledged_by.into_iter().collect(),
            }),
            false => self.ledger.not_acknowledged += 1,
        }
    }
}

/// Whether a source has what a replica builds on.
fn can_serve(source: &Server, replica: &Server, link: &Link) -> bool {
    if !source.file.has_binlog || (source.link.is_some() && !source.file.logs_updates) {
        return false;
    }
    let received = replica.received();
    if !source.product.is_mariadb() {
        // A replica that has more of the source's own than the source itself is refused.
        let own = source.number();
        return received.last_of(own) <= source.have.last_of(own);
    }
    let last = match link.relay.back() {
        Some(one) => Some(one.txn),
        None => replica.log.iter().copied().max_by_key(|txn| txn.number),
    };
    last.is_none_or(|last| source.log.contains(&last))
}
