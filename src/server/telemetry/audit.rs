//! The audit file: one line for each request to change something, in the predecessor's form.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use orchestrator_core::domain::Timestamp;

/// Lines waiting to be written; more than a burst of requests makes, little enough to bound memory.
const WAITING: usize = 4_096;

/// One request to change something. Texts come from outside and are escaped by whoever makes the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it ended.
    pub at: Timestamp,
    /// What was asked for: the first segment of the path, for example `begin-downtime`.
    pub what: String,
    /// Host it was about; empty when about none.
    pub host: String,
    /// Port it was about; empty when about none.
    pub port: String,
    /// Who, whence, and what came of it.
    pub message: String,
}

impl AuditEntry {
    /// Tab separated: time, what, host, port, cluster in brackets, message, and a last tab.
    fn line(&self) -> String {
        let at = jiff::Timestamp::from_microsecond(self.at.as_micros()).unwrap_or_default();
        let at = at
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        format!(
            "{at}\t{}\t{}\t{}\t[]\t{}\t\n",
            self.what, self.host, self.port, self.message
        )
    }
}

/// Appends entries to `AuditLogFile`, on a thread of its own: a slow disk delays no request.
pub struct AuditFile {
    path: PathBuf,
    lines: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl AuditFile {
    /// Opens the file, and makes it, readable by its owner and group, when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened for appending.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = append(path)?;
        let (lines, incoming) = sync_channel::<String>(WAITING);
        let written = path.to_owned();
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || {
            let mut is_failing = false;
            for line in incoming {
                // Opened again after a failure: the file may have been moved away, or the disk been full.
                let outcome = file.write_all(line.as_bytes()).or_else(|_| {
                    file = append(&written)?;
                    file.write_all(line.as_bytes())
                });
                match outcome {
                    Err(error) if !is_failing => {
                        is_failing = true;
                        tracing::error!(path = %written.display(), %error, "AuditLogFile cannot be written");
                    }
                    Err(_) => {}
                    Ok(()) => is_failing = false,
                }
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            lines: Some(lines),
            thread: Some(thread),
        })
    }

    /// Queues an entry; never waits.
    pub fn record(&self, entry: &AuditEntry) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(line) | TrySendError::Disconnected(line)) =
            lines.try_send(entry.line())
        {
            tracing::error!(path = %self.path.display(), line = line.trim_end(), "AuditLogFile cannot keep up; this line is only here");
        }
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit thread panicked");
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(message: &str) -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_seconds(1_795_000_000),
            what: "begin-downtime".into(),
            host: "db1".into(),
            port: "3306".into(),
            message: message.into(),
        }
    }

    #[test]
    fn entries_become_tab_separated_lines_that_are_there_when_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        for round in ["first", "second"] {
            let file = AuditFile::open(&path).unwrap();
            file.record(&entry(round));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(lines.len(), 2, "it is appended to: {text}");
        assert_eq!(
            lines[1][1..],
            ["begin-downtime", "db1", "3306", "[]", "second", ""]
        );
        assert_eq!(lines[0][0].len(), "2026-11-18 00:00:00".len());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(AuditFile::open(&dir.path().join("no/such/dir/audit.log")).is_err());
    }
}
