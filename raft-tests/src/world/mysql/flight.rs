//! Statements on their way to servers, and answers on their way back.

use std::time::Duration;

use orchestrator_core::ports::{Change, OnBehalfOf};
use tokio::sync::oneshot;

use super::{Fleet, Landed, Place, Power, ServerId, SessionOwner};

/// What a server says to a statement: its error number, or that it is done.
pub(super) type Said = Result<(), u16>;

/// A statement that was sent and has not landed.
#[derive(Debug)]
pub(super) struct Flight {
    number: u64,
    land_at: Duration,
    sent_at: Duration,
    deadline_at: Duration,
    out_of_reach_until: Option<Duration>,
    is_answer_lost: bool,
    is_refused: bool,
    node: usize,
    server: ServerId,
    connection: u64,
    on_behalf_of: OnBehalfOf,
    change: Change,
    reply: oneshot::Sender<Said>,
}

/// An answer that has not arrived.
#[derive(Debug)]
pub(super) struct Answer {
    due: Duration,
    from: ServerId,
    to: usize,
    said: Said,
    reply: oneshot::Sender<Said>,
}

/// Error of a statement that a server refuses for no reason of ours, such as a lock that it could not get.
const LOCK_WAIT: u16 = 1205;
/// In place of an error number: the statement was not sent, because what was read just before said that it would discard something.
pub(super) const WITHHELD: u16 = u16::MAX;
/// How late a statement lands at most whose answer is lost: longer than any client waits.
const LATE_MAX: Duration = Duration::from_secs(14);

impl Fleet {
    /// Sends a statement. The receiver gets what the server says, or is dropped when the connection is.
    pub(super) fn send(
        &mut self,
        now: Duration,
        from: (usize, OnBehalfOf),
        to: (ServerId, u64),
        change: &Change,
        deadline: Duration,
    ) -> oneshot::Receiver<Said> {
        let (reply, receiver) = oneshot::channel();
        let is_answer_lost = self.draw_chance(self.tuning.lost_answers_per_mille);
        let is_refused = self.draw_chance(self.tuning.refused_per_mille);
        let takes = match is_answer_lost {
            true => self.draw_length(LATE_MAX),
            false => self.statement_time(),
        };
        self.flights_so_far += 1;
        self.flights.push(Flight {
            number: self.flights_so_far,
            land_at: now + self.network.delay + takes,
            sent_at: now,
            deadline_at: now + deadline,
            out_of_reach_until: None,
            is_answer_lost,
            is_refused,
            node: from.0,
            server: to.0,
            connection: to.1,
            on_behalf_of: from.1,
            change: change.clone(),
            reply,
        });
        receiver
    }

    /// How long a server takes over a statement or probe.
    pub(super) fn statement_time(&self) -> Duration {
        match self.draw_chance(self.tuning.slow_per_mille) {
            true => self.draw_length(self.tuning.slow_max),
            false => self.draw_length(Duration::from_millis(8)),
        }
    }

    /// Opens a session for changes, in the place of one that is fleeting.
    pub(super) fn open_to_change(
        &mut self,
        server: ServerId,
        owner: SessionOwner,
        is_fleeting: bool,
    ) -> u64 {
        if let Some(earlier) = self.servers[server].fleeting.take() {
            self.end_sessions_now(server, &[earlier]);
        }
        let id = self.servers[server].open_session(owner);
        self.servers[server].fleeting = is_fleeting.then_some(id);
        id
    }

    /// Ends sessions; whether all are gone: one that is ending a receiver goes on with that.
    pub(super) fn end_sessions(&mut self, server: ServerId, connections: &[u64]) -> bool {
        let is_over = |id: &u64| !self.is_ending(server, *id);
        let over: Vec<u64> = connections.iter().copied().filter(is_over).collect();
        self.end_sessions_now(server, &over);
        over.len() == connections.len()
    }

    /// Ends sessions on a server, with what is under way on them.
    pub(super) fn end_sessions_now(&mut self, server: ServerId, connections: &[u64]) {
        for connection in connections {
            self.servers[server].sessions.remove(connection);
        }
        let is_ended = |one: &Flight| one.server == server && connections.contains(&one.connection);
        self.flights.retain(|one| !is_ended(one));
    }

    /// Lets statements take effect that are due.
    pub(super) fn land_flights(&mut self) {
        self.flights.sort_by_key(|one| (one.land_at, one.number));
        let mut left = Vec::with_capacity(self.flights.len());
        for mut flight in std::mem::take(&mut self.flights) {
            let (node, at) = (Place::Node(flight.node), Place::Server(flight.server));
            let passes = self.network.passes(node, at);
            let server = &self.servers[flight.server];
            if server.power != Power::Up || !passes || !self.network.passes(at, node) {
                flight.out_of_reach_until = Some(self.now);
            }
            if flight.land_at > self.now {
                left.push(flight);
                continue;
            }
            match server.power {
                // The connection is gone with the process, and so is whoever sent this.
                Power::Down { .. } => continue,
                _ if !server.sessions.contains_key(&flight.connection) => continue,
                Power::Up if passes && self.waits_for_receiver(flight.server, &flight.change) => {
                    left.push(flight);
                }
                Power::Up if passes => self.land(flight),
                // It waits in a buffer of the server, or is sent again and again.
                _ => left.push(flight),
            }
        }
        self.flights.append(&mut left);
    }

    fn land(&mut self, flight: Flight) {
        let (to, change) = (flight.server, &flight.change);
        let slow = match flight.is_refused {
            true => None,
            false => self.begin_to_stop(to, flight.connection, change),
        };
        let (said, discarded) = if flight.is_refused {
            (Err(LOCK_WAIT), 0)
        } else if self.is_withheld(flight.server, &flight.change) {
            (Err(WITHHELD), 0)
        } else if slow.is_some() {
            (Ok(()), 0)
        } else {
            self.execute(flight.server, &flight.change)
        };
        let landed = Landed {
            at: self.now,
            sent_at: flight.sent_at,
            deadline_at: flight.deadline_at,
            out_of_reach_until: flight.out_of_reach_until,
            server: flight.server,
            node: flight.node,
            on_behalf_of: flight.on_behalf_of,
            connection: flight.connection,
            change: flight.change,
            discarded,
            errno: said.err().unwrap_or(0),
        };
        self.trace.line(
            self.now,
            &format!(
                "db{} node{} fence {} {:?} errno {} discards {}",
                landed.server,
                landed.node,
                landed.on_behalf_of.fence,
                landed.change,
                landed.errno,
                landed.discarded
            ),
        );
        self.ledger.landed.push(landed);
        let due = match flight.is_answer_lost {
            true => Duration::MAX,
            false => slow.unwrap_or(self.now) + self.network.delay,
        };
        self.answers.push(Answer {
            due,
            from: flight.server,
            to: flight.node,
            said,
            reply: flight.reply,
        });
    }

    /// Lets answers arrive that are due. Whoever asked may be gone.
    pub(super) fn answer(&mut self) {
        for answer in std::mem::take(&mut self.answers) {
            let passes = (self.network).passes(Place::Server(answer.from), Place::Node(answer.to));
            if answer.reply.is_closed() {
                continue;
            }
            if answer.due <= self.now && passes {
                // Closed a moment ago: nobody waits for it.
                let _ = answer.reply.send(answer.said);
            } else {
                self.answers.push(answer);
            }
        }
    }
}
