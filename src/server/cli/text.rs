//! The texts that the command line prints.

use std::fmt::Write as _;

use super::flags::{FLAGS, Takes};
use crate::config::reference;

/// Version and commit, a line each.
pub(super) fn version() -> String {
    // The commit is known when whoever builds passes it on; a source archive has none.
    format!(
        "{}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("ORCHESTRATOR_GIT_COMMIT").unwrap_or("unknown")
    )
}

/// What stands on stdout when nothing was asked for.
pub(super) const OVERVIEW: &str = "\
orchestrator watches fleets of MySQL and MariaDB servers and knows their replication topologies.

Run it as a service:

    orchestrator http

It reads /etc/orchestrator.conf.json, conf/orchestrator.conf.json and orchestrator.conf.json, those that are there, or
the one file of -config FILE. Without any file it is a single node on port 3000 that keeps its state in SQLite.

Ask it and tell it things with the client:

    orchestrator-client -c discover -i db1.example.com:3306
    orchestrator-client -c topology -i db1.example.com:3306

More:

    orchestrator -help          all flags
    orchestrator help KEY       what a configuration key does
    orchestrator -version       version and commit
";

/// What `help` says, in the place where the predecessor listed its commands.
pub(super) const HELP: &str = "\
Modes:
    http                        run the service
    raft-recover                when the majority of a raft group is lost for good: begin a new group with this node, which
                                must not run; without -lose-the-others it only says what it would do
    raft-adopt-store            give up what was decided in the store of another group, and keep the instances it knows; without
                                -of-group it only says what it would do
    help [KEY]                  this text; what a configuration key does
Commands (-c COMMAND) are not there in this release; orchestrator-client does the same over HTTP:
    orchestrator-client -help   all commands
Flags: orchestrator -help
";

/// The three ways to call it, for a first word that is none of them.
pub(super) fn usage(word: &str) -> String {
    format!(
        "orchestrator: '{}' is not a mode; there are three ways to call it:\n\
         \x20   orchestrator [flags] http               run the service\n\
         \x20   orchestrator help [KEY]                 get help\n\
         \x20   orchestrator-client -c COMMAND …        do one thing, through a running service\n",
        word.escape_debug()
    )
}

/// Why `-c` does nothing here.
pub(super) fn no_commands(command: &str) -> String {
    format!(
        "orchestrator: commands are not there in this release; call the running service instead: orchestrator-client -c {} …\n",
        command.escape_debug()
    )
}

/// All flags, as Go prints them.
pub(super) fn flags() -> String {
    let mut page = "Usage of orchestrator: orchestrator [flags] http\n".to_owned();
    for flag in FLAGS {
        let (kind, default) = match flag.takes {
            Takes::Text("") => (" string", String::new()),
            Takes::Text(default) => (" string", format!(" (default \"{default}\")")),
            Takes::Boolean(false) => ("", String::new()),
            Takes::Boolean(true) => ("", " (default true)".to_owned()),
        };
        writeln!(
            page,
            "  -{}{kind}\n    \t{}{default}",
            flag.name, flag.meaning
        )
        .expect("writing to a String does not fail");
    }
    page
}

/// A topic: the name, a colon, and what is known about it.
pub(super) fn topic(name: &str) -> String {
    let text = reference::describe(name)
        .map(|text| format!("{text}\n"))
        .unwrap_or_default();
    format!("{}:\n{text}", name.escape_debug())
}
