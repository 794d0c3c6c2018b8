//! What a node sent to servers, by the servers' own logs.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use raft_tests::lab::Server;

/// The log of all statements, in the data directory.
pub const STATEMENTS_LOG: &str = "statements.log";

/// Words that a statement begins with which changes a server.
const CHANGING: [&str; 9] = [
    "SET GLOBAL",
    "STOP ",
    "START ",
    "CHANGE ",
    "RESET ",
    "KILL ",
    "FLUSH ",
    "INSERT ",
    "UPDATE ",
];

/// All statements of connections from `host` that change this server.
pub fn changes_by(server: &Server, host: Ipv4Addr) -> Result<Vec<String>> {
    let path = server.folder().join("data").join(STATEMENTS_LOG);
    let log = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(changes_in(&String::from_utf8_lossy(&log), host))
}

/// Each line of such a log is a time (not on each line), a connection with a command, and its argument, between tabs.
fn changes_in(log: &str, host: Ipv4Addr) -> Vec<String> {
    let from = format!("@{host}");
    let (mut own, mut changes) = (HashSet::new(), Vec::new());
    for line in log.lines() {
        let mut fields = line.rsplitn(2, '\t');
        let (argument, before) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let command = before.rsplit('\t').next().unwrap_or("").trim();
        let Some((connection, command)) = command.split_once(' ') else {
            continue;
        };
        match command.trim() {
            "Connect" if argument.split(' ').any(|word| word.ends_with(&from)) => {
                own.insert(connection.to_owned());
            }
            // Numbers begin anew when the server does.
            "Connect" => {
                own.remove(connection);
            }
            "Query" if own.contains(connection) && is_change(argument) => {
                changes.push(argument.to_owned());
            }
            _ => {}
        }
    }
    changes
}

fn is_change(statement: &str) -> bool {
    let text = match statement.trim().strip_prefix("/*") {
        Some(rest) => rest.split_once("*/").map_or(rest, |(_, after)| after),
        None => statement,
    };
    let text = text.trim().to_ascii_uppercase();
    CHANGING.iter().any(|word| text.starts_with(word))
}

#[test]
fn statements_are_told_apart_by_whose_connection_it_is() {
    let log = "/usr/sbin/mariadbd, Version: 10.11. started with:\n\
        Time\t\t    Id Command\tArgument\n\
        261128 10:00:00\t     5 Connect\torchestrator@198.18.0.14 on  using TCP/IP\n\
        \t\t     6 Connect\torchestrator@198.18.0.30 on  using TCP/IP\n\
        \t\t     5 Query\tSELECT 1\n\
        2026-11-28T10:00:00Z\t    5 Query\t/* orchestrator recovery=ab fence=7 */ SET GLOBAL read_only = 1\n\
        \t\t     6 Query\tSTOP SLAVE\n\
        \t\t     5 Connect\tapp@198.18.0.60 on lab using TCP/IP\n\
        \t\t     5 Query\tINSERT INTO lab.ledger VALUES (1)\n";
    let host = Ipv4Addr::new(198, 18, 0, 14);
    let changes = changes_in(log, host);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("read_only"));
    assert_eq!(
        changes_in(log, Ipv4Addr::new(198, 18, 0, 30)),
        ["STOP SLAVE"]
    );
}
