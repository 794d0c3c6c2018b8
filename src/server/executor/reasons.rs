use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::NothingDone;

/// Why nothing is done, by server: what the API shows.
#[derive(Default)]
pub(super) struct Reasons(Mutex<BTreeMap<InstanceKey, NothingDone>>);

impl Reasons {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceKey, NothingDone>> {
        // What it guards is changed in whole steps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a reason; said in the log when it is new.
    pub fn keep(&self, reason: NothingDone) {
        let mut all = self.lock();
        let known = all.get(&reason.subject);
        let is_same =
            known.is_some_and(|known| known.code == reason.code && known.why == reason.why);
        if is_same {
            return;
        }
        tracing::info!(server = %reason.subject, code = ?reason.code, why = %reason.why, "nothing is done");
        all.insert(reason.subject.clone(), reason);
    }

    /// Whether a reason is known for a server.
    pub fn has(&self, subject: &InstanceKey) -> bool {
        self.lock().contains_key(subject)
    }

    /// Forgets servers about which nothing is found any more, or something is done.
    pub fn retain(&self, is_found: impl Fn(&InstanceKey) -> bool) {
        self.lock().retain(|subject, _| is_found(subject));
    }

    /// Forgets one server: something is done about it.
    pub fn forget(&self, subject: &InstanceKey) {
        self.lock().remove(subject);
    }

    /// All, by server.
    pub fn all(&self) -> Arc<Vec<NothingDone>> {
        Arc::new(self.lock().values().cloned().collect())
    }
}

/// A reason, as it is shown.
pub(super) fn nothing_done(
    finding: &orchestrator_core::analysis::Finding,
    why: &super::WhyNot,
    since: Timestamp,
) -> NothingDone {
    NothingDone {
        code: finding.code,
        subject: finding.subject.clone(),
        cluster: finding.cluster.to_string(),
        why: why.to_string(),
        blocked_by: why.blocked_by(),
        since,
    }
}
