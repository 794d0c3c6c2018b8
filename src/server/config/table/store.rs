use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Store",
    about: "Where decided state is kept. Without any of these keys it is an SQLite file, orchestrator.sqlite3, in \
            RaftDataDir, else in /var/lib/orchestrator if that is writable, else in the user's state directory; the path is printed at start.",
    keys: &[
        Key::word(
            "BackendDB",
            "",
            &["sqlite", "sqlite3", "mysql"],
            "sqlite or mysql. Empty: mysql when a MySQLOrchestrator key is set, else sqlite.",
        )
        .restart()
        .note("The predecessor's default was mysql."),
        Key::text("SQLite3DataFile", "", "Path of the SQLite file; :memory: keeps nothing over a restart.").restart(),
        Key::boolean("SkipOrchestratorDatabaseUpdate", false, "Do not create or alter tables. The flag -enable-database-update overrides it.")
            .restart()
            .restricts("This release always brings its own tables up to date; those of the predecessor are never altered."),
        Key::boolean("PanicIfDifferentDatabaseDeploy", false, "Refuse to run on tables that another version made.")
            .restart()
            .restricts("This release brings tables of an older version up to date, and refuses only those of a newer one."),
    ],
};
