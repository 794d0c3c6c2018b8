use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Hooks",
    about: "Commands run at moments of a recovery. No recovery exists in this release, so none is run.",
    keys: &[
        Key::text(
            "ProcessesShellCommand",
            "bash",
            "Shell that runs the commands: a name or path, no arguments.",
        )
        .for_recoveries(),
        Key::integer(
            "ProcessesTimeoutSeconds",
            600,
            0..=86_400,
            "seconds",
            "How long a command may take before it and everything that it has started are ended; 0 for as long as it likes.",
        )
        .ours()
        .for_recoveries(),
        Key::texts(
            "ProcessesEnvironmentVariables",
            "Variables of the service's environment that the commands get beside PATH, HOME and the like.",
        )
        .ours()
        .for_recoveries(),
        Key::texts(
            "OnFailureDetectionProcesses",
            "Run when a failure is detected.",
        )
        .for_recoveries(),
        Key::texts(
            "PreGracefulTakeoverProcesses",
            "Run before a planned takeover.",
        )
        .for_recoveries(),
        Key::texts(
            "PreFailoverProcesses",
            "Run before a recovery touches any server; a failing one ends it.",
        )
        .for_recoveries(),
        Key::texts(
            "PostFailoverProcesses",
            "Run after any successful recovery.",
        )
        .for_recoveries(),
        Key::texts(
            "PostUnsuccessfulFailoverProcesses",
            "Run after a recovery that failed.",
        )
        .for_recoveries(),
        Key::texts(
            "PostMasterFailoverProcesses",
            "Run after a primary was recovered.",
        )
        .for_recoveries(),
        Key::texts(
            "PostIntermediateMasterFailoverProcesses",
            "Run after an intermediate source was recovered.",
        )
        .for_recoveries(),
        Key::texts(
            "PostGracefulTakeoverProcesses",
            "Run after a planned takeover.",
        )
        .for_recoveries(),
        Key::texts(
            "PostTakeMasterProcesses",
            "Run after a replica took the place of its source.",
        )
        .for_recoveries(),
    ],
};
