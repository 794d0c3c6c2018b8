use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Service and logging",
    about: "What the process itself does. See also the command line above.",
    keys: &[
        Key::boolean("Debug", false, "Log at level DEBUG. The flag -quiet wins over it."),
        Key::boolean("EnableSyslog", false, "Send log lines of level INFO and above to syslog too, tagged orchestrator.")
            .restart()
            .not_yet(),
        Key::texts(
            "ConfigReloadDirectories",
            "Directories from which a reload may take one further file, beside those that hold a file given at start.",
        )
        .ours(),
    ],
};
