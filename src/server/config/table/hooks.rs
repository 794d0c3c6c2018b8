use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Hooks",
    about: "Commands run at moments of a recovery.",
    keys: &[
        Key::text(
            "ProcessesShellCommand",
            "bash",
            "Shell that runs the commands: a name or path, no arguments.",
        ),
        Key::integer(
            "ProcessesTimeoutSeconds",
            600,
            0..=86_400,
            "seconds",
            "How long a command may take before it and everything that it has started are ended; 0 for as long as it likes.",
        )
        .ours(),
        Key::texts(
            "ProcessesEnvironmentVariables",
            "Variables of the service's environment that the commands get beside PATH, HOME and the like.",
        )
        .ours(),
        Key::texts(
            "OnFailureDetectionProcesses",
            "Run when a failure is detected.",
        ),
        Key::texts(
            "PreGracefulTakeoverProcesses",
            "Run before a planned takeover.",
        )
        .not_yet(),
        Key::texts(
            "PreFailoverProcesses",
            "Run before a recovery touches any server; a failing one ends it.",
        ),
        Key::texts(
            "PostFailoverProcesses",
            "Run after any successful recovery.",
        ),
        Key::texts(
            "PostUnsuccessfulFailoverProcesses",
            "Run after a recovery that failed.",
        ),
        Key::texts(
            "PostMasterFailoverProcesses",
            "Run after a primary was recovered.",
        ),
        Key::texts(
            "PostIntermediateMasterFailoverProcesses",
            "Run after an intermediate source was recovered.",
        )
        .not_yet(),
        Key::texts(
            "PostGracefulTakeoverProcesses",
            "Run after a planned takeover.",
        )
        .not_yet(),
        Key::texts(
            "PostTakeMasterProcesses",
            "Run after a replica took the place of its source.",
        ),
    ],
};
