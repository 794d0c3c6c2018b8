use std::time::Duration;

use orchestrator_core::decided::Decided;
use orchestrator_core::decided::codec::decode;
use orchestrator_core::domain::{
    DataLoss, InstanceKey, Phase, RecordedStep, Recovery, RecoveryEnd, RecoveryId, RecoveryKind,
    TimeSplit, Timestamp,
};
use orchestrator_core::legacy::codes::finding_code;
use orchestrator_core::recovery::plan::{Plan, Step, StepState};
use serde::Serialize;

use super::Fractional;
use super::recovery::{outcome, phase};

/// One recovery with all that is decided about it, for the second API.
#[derive(Debug, Serialize)]
pub struct WholeRecoveryDto<'a> {
    number: u64,
    uid: String,
    kind: &'static str,
    code: &'static str,
    subject: Server<'a>,
    cluster: &'a str,
    cluster_alias: &'a str,
    requested_by: Option<&'a str>,
    detection: Option<DetectionPart<'a>>,
    registered_at: Fractional,
    phase: &'static str,
    entered: Vec<Entered>,
    node: &'a str,
    fence: u64,
    attempt: u32,
    replicas: Vec<Server<'a>>,
    servers: Vec<Touched<'a>>,
    plan: PlanPart,
    steps: Vec<StepPart>,
    sessions: usize,
    stale_sessions: usize,
    notes: Vec<Note<'a>>,
    end: Option<End<'a>>,
    acknowledgement: Option<Noted<'a>>,
    blocks_until: Option<Fractional>,
}

#[derive(Debug, Serialize)]
struct Server<'a> {
    hostname: &'a str,
    port: u16,
}

impl<'a> From<&'a InstanceKey> for Server<'a> {
    fn from(key: &'a InstanceKey) -> Self {
        Self {
            hostname: key.host().as_str(),
            port: key.port(),
        }
    }
}

#[derive(Debug, Serialize)]
struct DetectionPart<'a> {
    number: u64,
    detected_at: Fractional,
    description: &'a str,
}

#[derive(Debug, Serialize)]
struct Entered {
    phase: &'static str,
    at: Fractional,
}

#[derive(Debug, Serialize)]
struct Touched<'a> {
    hostname: &'a str,
    port: u16,
    uuid: &'a str,
}

#[derive(Debug, Serialize)]
struct PlanPart {
    /// A line for each step, then one for each replica that is left as it is.
    text: Vec<String>,
    /// Who is promoted.
    promotes: Option<String>,
    /// Why it cannot be read.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct StepPart {
    number: u32,
    phase: Option<&'static str>,
    server: Option<String>,
    action: Option<String>,
    state: &'static str,
    at: Option<Fractional>,
    reason: Option<String>,
    is_required: Option<bool>,
    after: Vec<usize>,
    deadline_seconds: Option<f64>,
    fence: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Note<'a> {
    number: u64,
    at: Fractional,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct End<'a> {
    at: Fractional,
    outcome: &'static str,
    successor: Option<Server<'a>>,
    successor_alias: &'a str,
    lost: Vec<Server<'a>>,
    participants: Vec<Server<'a>>,
    errors: &'a [String],
    data_loss: Option<Loss<'a>>,
    time_split: Split,
}

#[derive(Debug, Serialize)]
struct Loss<'a> {
    kind: &'static str,
    text: String,
    at_most_since: Option<Fractional>,
    at_least: Vec<LossAt<'a>>,
    set: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct LossAt<'a> {
    server: Server<'a>,
    set: &'a str,
}

#[derive(Debug, Serialize)]
struct Split {
    detect_seconds: Option<f64>,
    decide_seconds: Option<f64>,
    close_seconds: Option<f64>,
    promote_seconds: Option<f64>,
    publish_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Noted<'a> {
    at: Fractional,
    by: &'a str,
    comment: &'a str,
}

impl<'a> WholeRecoveryDto<'a> {
    /// All that is decided about a recovery. `block_period` is the one in force.
    pub fn new(
        decided: &'a Decided,
        id: RecoveryId,
        recovery: &'a Recovery,
        block_period: Duration,
    ) -> Self {
        let plan = decode::<Plan>(&recovery.plan);
        let detection = decided.detections.get(&recovery.detection);
        let requested_by = recovery.requested_by.as_str();
        Self {
            number: recovery.number,
            uid: id.to_string(),
            kind: kind(recovery.kind),
            code: finding_code(recovery.code),
            subject: (&recovery.subject).into(),
            cluster: &recovery.cluster,
            cluster_alias: &recovery.cluster_alias,
            requested_by: Some(requested_by).filter(|by| !by.is_empty()),
            detection: detection.map(|known| DetectionPart {
                number: recovery.detection,
                detected_at: Fractional(known.detected_at),
                description: &known.description,
            }),
            registered_at: Fractional(recovery.registered_at),
            phase: phase(recovery.phase),
            entered: recovery.entered.iter().map(entered).collect(),
            node: &recovery.node,
            fence: recovery.fence.number(),
            attempt: recovery.attempt,
            replicas: servers(&recovery.replicas),
            servers: touched(recovery),
            steps: steps(decided, id, plan.as_ref().ok()),
            plan: plan_part(
                plan.as_ref()
                    .map_err(|why| match recovery.is_the_predecessors() {
                        true => "the predecessor carried it out; its plans are not kept".to_owned(),
                        false => why.to_string(),
                    }),
            ),
            sessions: recovery.sessions.len(),
            stale_sessions: recovery.stale_sessions.len(),
            notes: notes(decided, id),
            end: recovery.end.as_ref().map(ended),
            acknowledgement: recovery.acknowledgement.as_ref().map(|noted| Noted {
                at: Fractional(noted.at),
                by: &noted.by,
                comment: &noted.comment,
            }),
            blocks_until: recovery.blocks_until(block_period).map(Fractional),
        }
    }
}

fn entered((entered, at): &(Phase, Timestamp)) -> Entered {
    Entered {
        phase: phase(*entered),
        at: Fractional(*at),
    }
}

fn servers(keys: &[InstanceKey]) -> Vec<Server<'_>> {
    keys.iter().map(Server::from).collect()
}

fn touched(recovery: &Recovery) -> Vec<Touched<'_>> {
    let all = recovery.servers.iter();
    all.map(|server| Touched {
        hostname: server.key.host().as_str(),
        port: server.key.port(),
        uuid: &server.uuid,
    })
    .collect()
}

fn plan_part(plan: Result<&Plan, String>) -> PlanPart {
    match plan {
        Ok(plan) => PlanPart {
            text: plan.to_string().lines().map(str::to_owned).collect(),
            promotes: Some(plan.choice.promoted.to_string()),
            error: None,
        },
        Err(error) => PlanPart {
            text: vec![],
            promotes: None,
            error: Some(error),
        },
    }
}

/// The steps of the plan with what came of each; where the plan cannot be read, those that something is recorded of.
fn steps(decided: &Decided, id: RecoveryId, plan: Option<&Plan>) -> Vec<StepPart> {
    let planned = plan.map_or(&[][..], |plan| &plan.steps);
    let recorded: std::collections::BTreeMap<u32, &RecordedStep> = decided.steps_of(id).collect();
    let count = u32::try_from(planned.len()).unwrap_or(u32::MAX);
    let beyond = recorded.keys().copied().filter(|number| *number >= count);
    let numbers: Vec<u32> = (0..count).chain(beyond).collect();
    let part = |number: u32| {
        let step = usize::try_from(number).ok().and_then(|at| planned.get(at));
        step_part(number, step, recorded.get(&number).copied())
    };
    numbers.into_iter().map(part).collect()
}

fn step_part(number: u32, step: Option<&Step>, recorded: Option<&RecordedStep>) -> StepPart {
    let (state, at, reason) = match recorded {
        None => ("waiting", None, None),
        Some(recorded) => match decode::<StepState>(&recorded.state) {
            Ok(StepState::Begun(at)) => ("begun", Some(at), None),
            Ok(StepState::Done(at)) => ("done", Some(at), None),
            Ok(StepState::Failed(why)) => ("failed", Some(recorded.at), Some(why.to_string())),
            Ok(StepState::GivenUp { at, unapplied }) => (
                "given-up",
                Some(at),
                Some(unapplied.map_or_else(
                    || "an unknown amount was received and not applied".to_owned(),
                    |amount| format!("received and not applied: {amount}"),
                )),
            ),
            Err(error) => ("unreadable", Some(recorded.at), Some(error.to_string())),
        },
    };
    StepPart {
        number,
        phase: step.map(|step| phase(step.phase)),
        server: step.map(|step| step.on.to_string()),
        action: step.map(|step| step.action.to_string()),
        state,
        at: at.map(Fractional),
        reason,
        is_required: step.map(|step| step.is_required),
        after: step.map_or_else(Vec::new, |step| step.after.clone()),
        deadline_seconds: step
            .and_then(|step| step.deadline)
            .map(|deadline| deadline.as_secs_f64()),
        fence: recorded.map(|recorded| recorded.fence.number()),
    }
}

fn notes(decided: &Decided, id: RecoveryId) -> Vec<Note<'_>> {
    let all = decided.notes_of(id);
    all.map(|note| Note {
        number: note.number,
        at: Fractional(note.at),
        text: &note.text,
    })
    .collect()
}

fn ended(end: &RecoveryEnd) -> End<'_> {
    End {
        at: Fractional(end.at),
        outcome: outcome(end.outcome),
        successor: end.successor.as_ref().map(Server::from),
        successor_alias: &end.successor_alias,
        lost: servers(&end.lost),
        participants: servers(&end.participants),
        errors: &end.errors,
        data_loss: end.data_loss.as_ref().map(loss),
        time_split: split(end.times),
    }
}

fn loss(loss: &DataLoss) -> Loss<'_> {
    let part = Loss {
        kind: "none-proven",
        text: loss.to_string(),
        at_most_since: None,
        at_least: vec![],
        set: None,
    };
    match loss {
        DataLoss::NoneProven => part,
        DataLoss::Exactly { set } => Loss {
            kind: "exactly",
            set: Some(set),
            ..part
        },
        DataLoss::Unknown {
            at_most_since,
            at_least,
        } => Loss {
            kind: "unknown",
            at_most_since: at_most_since.map(Fractional),
            at_least: at_least
                .iter()
                .map(|(key, set)| LossAt {
                    server: key.into(),
                    set,
                })
                .collect(),
            ..part
        },
    }
}

fn split(times: TimeSplit) -> Split {
    let seconds = |part: Option<Duration>| part.map(|part| part.as_secs_f64());
    Split {
        detect_seconds: seconds(times.detect),
        decide_seconds: seconds(times.decide),
        close_seconds: seconds(times.close),
        promote_seconds: seconds(times.promote),
        publish_seconds: seconds(times.publish),
    }
}

const fn kind(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::DeadPrimary => "dead-primary",
        RecoveryKind::DeadIntermediateSource => "dead-intermediate-source",
        RecoveryKind::DeadCoPrimary => "dead-co-primary",
        RecoveryKind::Takeover => "takeover",
        RecoveryKind::Settings => "settings",
    }
}
