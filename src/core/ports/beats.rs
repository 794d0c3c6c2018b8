use std::sync::Arc;
use std::time::Duration;

use super::BoxFuture;
use crate::beats::{Beats, Farewell, VigilEnd};
use crate::domain::InstanceKey;

/// Why no connection for beats came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLine {
    /// Refused, or closed before anything was said over it.
    Refused,
    /// No packet came within the time.
    Silent,
    /// The server said something and there is no connection all the same: it refuses us, or does not go on.
    Answered {
        /// The number of its error; `None` where it sent none.
        refusal: Option<u16>,
    },
    /// It could not be tried for a reason of our own: no address for the name, no route, no more sockets.
    NotTried {
        /// The reason.
        why: String,
    },
}

/// A connection for beats, logged in. Dropping it closes it.
pub trait BeatLine: Send {
    /// Asks something that a server answers at once, with one packet. Whether that was possible shows in [`BeatLine::hear`].
    /// At most one is to be under way.
    fn ask(&mut self) -> BoxFuture<'_, ()>;

    /// Completes with the next packet (the number of the error, where it is one), or when the other side has closed the
    /// connection, whether something was asked or not. Cancel-safe.
    ///
    /// # Errors
    /// What the server said before it closed the connection; nothing more can be heard then.
    fn hear(&mut self) -> BoxFuture<'_, Result<Option<u16>, Farewell>>;
}

/// A connection that waits at the server, and completes with how it ended. Dropping it closes it.
pub type Vigil = BoxFuture<'static, VigilEnd>;

/// Opens connections for beats.
pub trait Beater: Send + Sync {
    /// Connects and logs in. The first packet is waited for at most `within`, the login after it as long again. Dropping the
    /// future closes what was opened.
    ///
    /// # Errors
    /// [`NoLine`].
    fn connect<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn BeatLine>, NoLine>>;

    /// Opens a connection whose end tells a server that goes down in order from one that crashes. Deadlines are those of
    /// [`Beater::connect`].
    ///
    /// # Errors
    /// [`NoLine`]; `NotTried` also where such a connection is not possible (a login that is not spoken).
    fn vigil<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Vigil, NoLine>>;
}

/// What came of a beat that was sent because somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A packet came, be it an error packet: the server is up.
    Yes,
    /// Nobody listens there, or nothing came in time.
    No,
}

/// Sends a beat when another node of the group asks for it.
pub trait BeatsOnRequest: Send + Sync {
    /// Sends a beat to `primary` at once, over a connection that is kept for the next request, or a new one. What came is younger than
    /// the request. Takes no longer than a beat may take.
    ///
    /// # Errors
    /// One sentence why none was sent: nobody knows such an instance here, or a reason of our own.
    fn beat<'a>(&'a self, primary: &'a InstanceKey) -> BoxFuture<'a, Result<Answered, String>>;
}

/// The other nodes of the group, one of which may hear a primary that this one does not.
pub trait OtherNodes: Send + Sync {
    /// Names of those that can be asked now; none where there is no group, or this node does not lead it.
    fn to_ask(&self) -> Vec<String>;

    /// How long an answer may be waited for by a recovery that is due: a node that hears the primary says so within that.
    fn answer_within(&self) -> Duration;

    /// Lets `node` send a beat to `primary` now. `None` where it does not answer within the time, or could not send one. One that
    /// hears nothing says so only when its beat has taken as long as a beat may. Dropping the future gives the question up.
    fn ask(
        &self,
        node: &str,
        primary: &InstanceKey,
        within: Duration,
    ) -> BoxFuture<'static, Option<Answered>>;

    /// Lets `node` lead in the place of this one. Completes when it does; bounded by the time that an election may take. It goes on when
    /// the future is dropped.
    ///
    /// # Errors
    /// One sentence why it does not lead, as far as is known.
    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>>;
}

/// There are no other nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOtherNodes;

impl OtherNodes for NoOtherNodes {
    fn to_ask(&self) -> Vec<String> {
        Vec::new()
    }

    fn answer_within(&self) -> Duration {
        Duration::ZERO
    }

    fn ask(&self, _: &str, _: &InstanceKey, _: Duration) -> BoxFuture<'static, Option<Answered>> {
        Box::pin(std::future::ready(None))
    }

    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>> {
        let why = format!("there is no other node, and none that is called {node}");
        Box::pin(std::future::ready(Err(why)))
    }
}

/// What came of a replica that was told to reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnected {
    /// Nothing that speaks against its source: it could, or it is not known.
    Perhaps,
    /// It could not: nobody answered it.
    No,
}

/// What is known by beats.
pub trait BeatReader: Send + Sync {
    /// As of now; never waits.
    fn beats(&self) -> Arc<Beats>;

    /// Grows by one with every change that somebody has to look at.
    fn version(&self) -> u64;

    /// Completes when the version is another one. Cancel-safe.
    fn changed(&self, since: u64) -> BoxFuture<'static, ()>;

    /// Tells that other nodes do not hear these primaries either: that they are silent is not our own link, until they say something.
    fn silent_for_others_too(&self, primaries: &[InstanceKey]);

    /// Tells that a replica of a silent primary is being told to reconnect. Until it is told what came of that, it counts as
    /// connected.
    fn reconnecting(&self, primary: &InstanceKey, replica: &InstanceKey);

    /// Tells what came of it. That it could not counts until the primary says something.
    fn reconnected(&self, primary: &InstanceKey, replica: &InstanceKey, came: Reconnected);
}

/// Nothing is known by beats.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBeats;

impl BeatReader for NoBeats {
    fn beats(&self) -> Arc<Beats> {
        Arc::default()
    }

    fn version(&self) -> u64 {
        0
    }

    fn changed(&self, _: u64) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn silent_for_others_too(&self, _: &[InstanceKey]) {}

    fn reconnecting(&self, _: &InstanceKey, _: &InstanceKey) {}

    fn reconnected(&self, _: &InstanceKey, _: &InstanceKey, _: Reconnected) {}
}
