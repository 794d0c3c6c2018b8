//! A group of which tests say how it is, and what becomes of requests that are passed on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{Command, GroupId};
use orchestrator_core::ports::{
    BoxFuture, ForwardError, ForwardHandler, ForwardedRequest, ForwardedResponse, Group,
    GroupError, GroupMember, GroupRole, GroupStatus, NodesChange, Successor,
};

/// What a request meets that is passed on.
pub(crate) enum Meets {
    /// It is not carried out, or so it seems.
    Error(ForwardError),
    /// It is carried out, and the answer is lost.
    LostAnswer,
    /// Nothing, ever.
    Silence,
}

pub(crate) struct FakeGroup {
    pub(crate) status: Mutex<GroupStatus>,
    pub(crate) is_serving: Mutex<bool>,
    /// What the next requests meet; those after them meet the leader.
    pub(crate) script: Mutex<VecDeque<Meets>>,
    pub(crate) leader: Mutex<Option<Arc<dyn ForwardHandler>>>,
    pub(crate) forwarded: Mutex<Vec<(ForwardedRequest, Duration)>>,
    pub(crate) handed_over: Mutex<Vec<Successor>>,
    pub(crate) refuses: Mutex<Option<GroupError>>,
}

pub(crate) fn member(id: u64) -> GroupMember {
    GroupMember {
        id,
        name: format!("orc{id}"),
        address: format!("10.0.0.{id}:10008"),
        http: Some(format!("http://10.0.0.{id}:3000")),
        is_voter: true,
        is_healthy: None,
        heard_ago: Some(Duration::from_millis(40)),
        certificate_expires_in_seconds: None,
        matched_index: None,
    }
}

impl FakeGroup {
    /// Node `me` of three, in this role, with this leader.
    fn new(me: u64, role: GroupRole, leader: Option<u64>) -> Arc<Self> {
        let status = GroupStatus {
            group: Some(GroupId::from_number(0xabc)),
            me: member(me),
            role,
            term: 7,
            leader,
            members: (1..=3).map(member).collect(),
            configured: (1..=3).map(|id| format!("orc{id}")).collect(),
            last_log_index: 45,
            committed_index: 44,
            desired: ["orc1:10008", "orc2:10008", "orc3:10008"]
                .map(str::to_owned)
                .to_vec(),
            applied_index: 43,
            age: Some(Duration::from_millis(120)),
            warnings: vec![],
        };
        Arc::new(Self {
            status: Mutex::new(status),
            is_serving: Mutex::new(role == GroupRole::Leader),
            script: Mutex::default(),
            leader: Mutex::default(),
            forwarded: Mutex::default(),
            handed_over: Mutex::default(),
            refuses: Mutex::default(),
        })
    }

    /// Node 1, which leads.
    pub(crate) fn leading() -> Arc<Self> {
        Self::new(1, GroupRole::Leader, Some(1))
    }

    /// Node 2, which follows node 1; requests go to this handler.
    pub(crate) fn following(leader: Option<Arc<dyn ForwardHandler>>) -> Arc<Self> {
        let group = Self::new(2, GroupRole::Follower, Some(1));
        *group.leader.lock().unwrap() = leader;
        group
    }

    /// Node 2, which last heard of node 1 ten seconds ago.
    pub(crate) fn cut_off() -> Arc<Self> {
        let group = Self::following(None);
        group.change(|status| status.age = Some(Duration::from_secs(10)));
        group
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut GroupStatus)) {
        change(&mut self.status.lock().unwrap());
    }

    pub(crate) fn meets(&self, next: impl IntoIterator<Item = Meets>) {
        self.script.lock().unwrap().extend(next);
    }

    pub(crate) fn passed_on(&self) -> usize {
        self.forwarded.lock().unwrap().len()
    }
}

pub(crate) fn not_sent() -> Meets {
    Meets::Error(ForwardError::NotSent {
        reason: "connection refused".into(),
    })
}

pub(crate) fn unknown() -> Meets {
    Meets::Error(ForwardError::Unknown {
        reason: "connection reset".into(),
    })
}

impl Group for FakeGroup {
    fn status(&self) -> Arc<GroupStatus> {
        Arc::new(self.status.lock().unwrap().clone())
    }

    fn is_serving_leader(&self) -> bool {
        *self.is_serving.lock().unwrap()
    }

    fn hand_over(&self, to: Successor) -> BoxFuture<'_, Result<(), GroupError>> {
        let refusal = self.refuses.lock().unwrap().clone();
        let leads = self.status().role == GroupRole::Leader;
        let outcome = match refusal {
            _ if !leads => Err(GroupError::NotLeader),
            Some(error) => Err(error),
            None => {
                self.handed_over.lock().unwrap().push(to);
                Ok(())
            }
        };
        Box::pin(std::future::ready(outcome))
    }

    fn change_nodes(&self, change: &NodesChange) -> Result<(String, Command), GroupError> {
        let refusal = self.refuses.lock().unwrap().clone();
        refusal.map_or(Ok(()), Err)?;
        let old = self.status().desired.clone();
        let name = |text: &String| format!("{text}:10008");
        let (name, new) = match change {
            NodesChange::Add(text) => (name(text), [&old[..], &[name(text)]].concat()),
            NodesChange::Remove(text) => {
                let left = old.iter().filter(|one| **one != name(text));
                (name(text), left.cloned().collect())
            }
            NodesChange::Replace { old: gone, new } => {
                let left = old.iter().filter(|one| **one != name(gone)).cloned();
                (name(new), left.chain([name(new)]).collect())
            }
        };
        let reported = vec![];
        Ok((name, Command::SetGroupNodes { old, new, reported }))
    }

    fn take_snapshot(&self) -> BoxFuture<'_, Result<(), GroupError>> {
        let refusal = self.refuses.lock().unwrap().clone();
        Box::pin(std::future::ready(refusal.map_or(Ok(()), Err)))
    }

    fn forward(
        &self,
        request: ForwardedRequest,
        within: Duration,
    ) -> BoxFuture<'_, Result<ForwardedResponse, ForwardError>> {
        let sent = (request.clone(), within);
        self.forwarded.lock().unwrap().push(sent);
        let meets = self.script.lock().unwrap().pop_front();
        let leader = self.leader.lock().unwrap().clone();
        Box::pin(async move {
            match (meets, leader) {
                (Some(Meets::Error(error)), _) => Err(error),
                (Some(Meets::LostAnswer), Some(leader)) => {
                    leader.handle(request).await;
                    Err(ForwardError::Unknown {
                        reason: "the connection broke".into(),
                    })
                }
                (Some(Meets::Silence), _) => {
                    tokio::time::sleep(within).await;
                    Err(ForwardError::Unknown {
                        reason: "no answer in time".into(),
                    })
                }
                (_, Some(leader)) => Ok(leader.handle(request).await),
                (_, None) => Err(ForwardError::NoLeader),
            }
        })
    }
}
