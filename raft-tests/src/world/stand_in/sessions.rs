use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::decided::{Command, RecoveryNews, RecoveryStepCommand};
use orchestrator_core::domain::{Fence, InstanceKey, Observation, RecoveryId, RecoverySessionId};
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::{
    Change, ChangeError, Leadership as _, OnBehalfOf, ServerSession, Servers as _,
};

use super::NodeDeps;

/// How long opening and ending connections may take.
const CONNECT_TIME: Duration = Duration::from_millis(500);

/// Why a recovery is not carried on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Another leader has it, or nobody can tell.
    Leadership,
    /// It has ended.
    Ended,
}

/// Connections of one recovery under one leadership. Each is written down before it is used.
pub(super) struct Sessions<'a> {
    deps: &'a NodeDeps,
    id: RecoveryId,
    fence: Fence,
    open: BTreeMap<InstanceKey, Box<dyn ServerSession>>,
    /// Connections of earlier leaderships, which are ended first.
    stale: BTreeMap<InstanceKey, Vec<u64>>,
}

impl<'a> Sessions<'a> {
    pub fn new(
        deps: &'a NodeDeps,
        id: RecoveryId,
        fence: Fence,
        stale: &[RecoverySessionId],
    ) -> Self {
        let mut by_server: BTreeMap<InstanceKey, Vec<u64>> = BTreeMap::new();
        for one in stale {
            let of_server = by_server.entry(one.server.clone()).or_default();
            of_server.push(one.connection_id);
        }
        Self {
            deps,
            id,
            fence,
            open: BTreeMap::new(),
            stale: by_server,
        }
    }

    /// Writes something down about the recovery.
    pub async fn record(&mut self, news: RecoveryNews) -> Result<(), Lost> {
        let step = RecoveryStepCommand::Record {
            fence: self.fence,
            news,
        };
        let command = Command::RecoveryStep {
            id: self.id,
            step: Box::new(step),
        };
        self.deps.decide(command).await
    }

    async fn confirm(&mut self) -> Result<(), Lost> {
        if is_planted(Bug::FenceNotRechecked) {
            return Ok(());
        }
        let confirmed = self.deps.member.confirm(self.fence).await;
        confirmed.map_err(|_| Lost::Leadership)?;
        self.deps.is_current(self.id, self.fence)
    }

    /// What is seen of a server over the recovery's own connection.
    pub async fn observe(&mut self, server: &InstanceKey) -> Result<Option<Observation>, Lost> {
        let Some(session) = self.to(server).await? else {
            return Ok(None);
        };
        match session.observe().await {
            Ok(seen) => Ok(Some(seen)),
            Err(_) => {
                self.open.remove(server);
                Ok(None)
            }
        }
    }

    /// Makes a change; `None`: the server cannot be reached, and nothing was sent.
    pub async fn make(
        &mut self,
        server: &InstanceKey,
        change: &Change,
        deadline: Duration,
    ) -> Result<Option<Result<(), ChangeError>>, Lost> {
        if self.to(server).await?.is_none() {
            return Ok(None);
        }
        self.confirm().await?;
        let session = self.open.get_mut(server).expect("it was opened above");
        let made = session.make(change, deadline).await;
        if matches!(made, Err(ChangeError::Unknown { .. })) {
            self.open.remove(server);
        }
        Ok(Some(made))
    }

    async fn to(
        &mut self,
        server: &InstanceKey,
    ) -> Result<Option<&mut Box<dyn ServerSession>>, Lost> {
        if !self.open.contains_key(server) && !self.connect(server).await? {
            return Ok(None);
        }
        Ok(self.open.get_mut(server))
    }

    async fn connect(&mut self, server: &InstanceKey) -> Result<bool, Lost> {
        let servers = &self.deps.servers;
        if let Some(stale) = self.stale.get(server) {
            let ended = servers.end_sessions(server, stale, CONNECT_TIME).await;
            if ended.is_err() {
                return Ok(false);
            }
            let stale = self.stale.remove(server).unwrap_or_default();
            let ended = stale.iter().map(|connection_id| RecoverySessionId {
                server: server.clone(),
                connection_id: *connection_id,
            });
            let news = RecoveryNews {
                ended: ended.collect(),
                ..RecoveryNews::default()
            };
            self.record(news).await?;
        }
        let on_behalf_of = OnBehalfOf {
            recovery: self.id,
            fence: self.fence,
        };
        let opened = servers.open(server, on_behalf_of, CONNECT_TIME).await;
        let Ok(session) = opened else {
            return Ok(false);
        };
        let news = RecoveryNews {
            opened: vec![RecoverySessionId {
                server: server.clone(),
                connection_id: session.connection_id(),
            }],
            ..RecoveryNews::default()
        };
        self.record(news).await?;
        self.open.insert(server.clone(), session);
        Ok(true)
    }
}
