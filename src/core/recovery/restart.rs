use super::{Ground, Holdings, Unapplied};
use crate::domain::{InstanceKey, Observation, ThreadState};

/// How a replica stands whose receiver was stopped by a recovery that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Its receiver runs, or tries to connect.
    Runs,
    /// It is told to replicate from none of the servers that the recovery knew: it is somebody else's by now.
    Elsewhere,
    /// Its applier stands still with something left to apply: starting it may discard that, or would start an applier that somebody has
    /// stopped.
    MayLose,
    /// It is to be started.
    Start,
}

/// How a replica stands, compared by `ground`. `is_known` says whether a server is one that the recovery has left as a source.
pub fn restart(
    seen: &Observation,
    ground: Ground,
    is_known: impl Fn(&InstanceKey) -> bool,
) -> Restart {
    let Some(link) = seen.replication.as_ref() else {
        return Restart::Elsewhere;
    };
    let unapplied = || Holdings::read(seen, ground).map(|own| own.unapplied());
    if link.receiver != ThreadState::Stopped {
        Restart::Runs
    } else if !link.source.attached().is_some_and(is_known) {
        Restart::Elsewhere
    } else if link.applier.is_running() || unapplied() == Some(Unapplied::Nothing) {
        Restart::Start
    } else {
        Restart::MayLose
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::testing::{Stage, key};

    fn of(b: &str) -> Restart {
        let stage = Stage::of(&format!("a [unreachable]\n+ b [{b}]"));
        let scene = stage.scene();
        let seen = scene.picture.observation(&key("b")).expect("it was seen");
        restart(seen, Ground::of(seen), |source| *source == key("a"))
    }

    #[test]
    fn a_stopped_receiver_is_started_where_nothing_can_be_lost_by_it() {
        let cases = [
            ("io=yes", Restart::Runs),
            ("io=connecting", Restart::Runs),
            ("io=no", Restart::Start),
            ("io=no gtid=..1-90 received=..1-100", Restart::Start),
            ("io=no sql=no gtid=..1-100 received=..1-100", Restart::Start),
            (
                "io=no sql=no gtid=..1-90 received=..1-100",
                Restart::MayLose,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn one_that_follows_somebody_else_or_nobody_is_left_alone() {
        let stage = Stage::of("a [unreachable]\n+ b [io=no]");
        let scene = stage.scene();
        let nobody_known = |seen: &Observation| restart(seen, Ground::of(seen), |_| false);
        for name in ["a", "b"] {
            let seen = scene.picture.observation(&key(name)).expect("it was seen");
            assert_eq!(nobody_known(seen), Restart::Elsewhere, "{name}");
        }
    }
}
