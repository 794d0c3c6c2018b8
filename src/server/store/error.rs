use orchestrator_core::decided::GroupId;
use orchestrator_core::ports;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing was written; trying again may help.
    Retryable,
    /// It was written, or not; reading back tells, now or after a restart.
    OutcomeUnknown,
    /// Nothing was written; the request itself cannot be carried out by this store.
    Invalid,
    /// Nothing was written, and trying again will not help before an operator did something.
    Fatal,
}

/// Why a store cannot be opened, read or written. `store` is its place, as operators know it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error(
        "the store {store} is in use by {holder}; stop that one first, or give this one a store of its own (SQLite3DataFile)"
    )]
    InUse {
        /// The store.
        store: String,
        /// The process, as far as it is known.
        holder: String,
    },
    /// Its directory cannot be created, read or written.
    #[error(
        "the directory of the store {store} cannot be used: {detail}; \
         make it writable for this user, or set SQLite3DataFile to a file elsewhere"
    )]
    Directory {
        /// The store.
        store: String,
        /// What the system said.
        detail: String,
    },
    /// Its file cannot be opened or created.
    #[error(
        "the store {store} cannot be opened: {detail}; \
         make it readable and writable for this user, or set SQLite3DataFile to another file"
    )]
    CannotOpen {
        /// The store.
        store: String,
        /// What the system said.
        detail: String,
    },
    /// Others may have written it.
    #[error(
        "{path} can be changed by every user of this machine (mode {mode:04o}), so what it holds cannot be trusted; \
         check it, then take that right away: chmod o-w '{path}'"
    )]
    Exposed {
        /// The file or directory.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// Another kind of file.
    #[error(
        "{store} is not a SQLite database; move it away, or set SQLite3DataFile to another file"
    )]
    NotADatabase {
        /// The store.
        store: String,
    },
    /// What it holds makes no sense.
    #[error(
        "the store {store} is damaged: {detail}; keep a copy of it, then restore a backup, or move it away to begin with an empty store"
    )]
    Damaged {
        /// The store.
        store: String,
        /// Where and how.
        detail: String,
    },
    /// What the log of a node of a group holds makes no sense.
    #[error(
        "the log {store} of this node is damaged: {detail}; what it has forgotten may be a vote or a change that others count on, so it is \
         not mended: keep a copy, empty the directory (RaftDataDir), and start this node again, which joins the group anew from the other \
         nodes; never put a backup of the log in its place"
    )]
    DamagedLog {
        /// The log.
        store: String,
        /// Where and how.
        detail: String,
    },
    /// What a store holds that is written again from the log of its node makes no sense.
    #[error(
        "the store {store} is damaged: {detail}; keep a copy of it, move it away, and start again: this node writes it anew from its log and \
         the other nodes"
    )]
    DamagedCopy {
        /// The store.
        store: String,
        /// Where and how.
        detail: String,
    },
    /// Written by a release with a later schema.
    #[error(
        "the store {store} was written by a newer release (its schema is {found}, this release knows {known}); \
         use that release, or a newer one"
    )]
    Newer {
        /// The store.
        store: String,
        /// Its last migration.
        found: u32,
        /// Our last migration.
        known: u32,
    },
    /// Its schema came about in another way.
    #[error(
        "the store {store} was made by a different build (migration {number} is not the one of this release); \
         use the build that made it, or a new file"
    )]
    ForeignMigration {
        /// The store.
        store: String,
        /// The first migration that differs.
        number: u32,
    },
    /// No space left.
    #[error(
        "the store {store} cannot grow: its disk is full; free some space, nothing was changed"
    )]
    Full {
        /// The store.
        store: String,
    },
    /// Another program holds SQLite's lock.
    #[error(
        "the store {store} is held by another program that writes to it; end that program (a sqlite3 shell?), nothing was changed"
    )]
    Busy {
        /// The store.
        store: String,
    },
    /// The server that has it does not answer.
    #[error("the store {store} cannot be reached: {detail}; nothing was changed")]
    Unreachable {
        /// The store.
        store: String,
        /// What was tried, and what came of it.
        detail: String,
    },
    /// The server that has it does not let this node in, or not do what it must.
    #[error(
        "the store {store} is closed to this node: {detail}; grant its account (MySQLOrchestratorUser) all rights on that database"
    )]
    Denied {
        /// The store.
        store: String,
        /// What the server said.
        detail: String,
    },
    /// The server that has it takes no writes.
    #[error(
        "the store {store} takes no writes: {detail}; make its server writable, nothing was changed"
    )]
    ReadOnly {
        /// The store.
        store: String,
        /// What the server said.
        detail: String,
    },
    /// Somebody holds locks in its database.
    #[error("the store {store} is held: {detail}; nothing was changed")]
    Held {
        /// The store.
        store: String,
        /// By what.
        detail: String,
    },
    /// Another node has its database.
    #[error(
        "the store {store} is in use by {holder}; give each node a database of its own (MySQLOrchestratorDatabase)"
    )]
    Shared {
        /// The store.
        store: String,
        /// The node.
        holder: String,
    },
    /// Another node has taken its database.
    #[error(
        "the store {store} was taken over by {holder}, which found no sign of life of this process; \
         give each node a database of its own (MySQLOrchestratorDatabase)"
    )]
    Taken {
        /// The store.
        store: String,
        /// The node.
        holder: String,
    },
    /// Its server cannot keep it.
    #[error("the store {store} cannot be kept there: {detail}")]
    Unsuited {
        /// The store.
        store: String,
        /// Why.
        detail: String,
    },
    /// The system refused a read or write.
    #[error("the store {store} cannot be read or written: {detail}")]
    Io {
        /// The store.
        store: String,
        /// What the database said.
        detail: String,
    },
    /// A commit began, and whether it ended is not known.
    #[error("it is not known whether the change reached the store {store}: {detail}")]
    OutcomeUnknown {
        /// The store.
        store: String,
        /// What the database said.
        detail: String,
    },
    /// A sync to disk failed earlier. What the system still has in memory may not be what the disk has, so only a
    /// restart, which reads the disk, may go on.
    #[error(
        "the store {store} takes no changes since a write to its disk failed ({detail}); check the disk, then restart orchestrator"
    )]
    Failed {
        /// The store.
        store: String,
        /// What the database said.
        detail: String,
    },
    /// An entry that is not the next one.
    #[error("entry {found} cannot be stored: the store is at entry {applied}")]
    Gap {
        /// The last applied index.
        applied: u64,
        /// The index that came.
        found: u64,
    },
    /// A snapshot of another group.
    #[error("the snapshot belongs to group {theirs}, and the store to group {ours}")]
    OtherGroup {
        /// Group of the store.
        ours: GroupId,
        /// Group of the snapshot.
        theirs: GroupId,
    },
    /// A snapshot from before what the store holds.
    #[error("the snapshot ends at entry {found}, and the store is at entry {applied} already")]
    Older {
        /// The last applied index.
        applied: u64,
        /// The index of the snapshot.
        found: u64,
    },
    /// A value that has no stored form.
    #[error("the change cannot be stored: {detail}")]
    Unstorable {
        /// Why.
        detail: String,
    },
    /// It was closed.
    #[error("the store {store} is closed")]
    Closed {
        /// The store.
        store: String,
    },
}

impl Error {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Full { .. }
            | Self::Busy { .. }
            | Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::ReadOnly { .. }
            | Self::Held { .. }
            | Self::Io { .. } => ErrorKind::Retryable,
            Self::OutcomeUnknown { .. } => ErrorKind::OutcomeUnknown,
            Self::Gap { .. }
            | Self::OtherGroup { .. }
            | Self::Older { .. }
            | Self::Unstorable { .. } => ErrorKind::Invalid,
            Self::InUse { .. }
            | Self::Shared { .. }
            | Self::Taken { .. }
            | Self::Unsuited { .. }
            | Self::Directory { .. }
            | Self::CannotOpen { .. }
            | Self::Exposed { .. }
            | Self::NotADatabase { .. }
            | Self::Damaged { .. }
            | Self::DamagedLog { .. }
            | Self::DamagedCopy { .. }
            | Self::Newer { .. }
            | Self::ForeignMigration { .. }
            | Self::Failed { .. }
            | Self::Closed { .. } => ErrorKind::Fatal,
        }
    }

    /// Of the log of a node of a group, for which other advice holds than for a store.
    pub(super) fn of_log(self) -> Self {
        match self {
            Self::Damaged { store, detail } => Self::DamagedLog { store, detail },
            Self::NotADatabase { store } => Self::DamagedLog {
                store,
                detail: "it is not a SQLite database any more".to_owned(),
            },
            other => other,
        }
    }

    /// Of a store that is written again from a log, for which other advice holds than for one that is all there is.
    pub(super) fn of_copy(self) -> Self {
        match self {
            Self::Damaged { store, detail } => Self::DamagedCopy { store, detail },
            Self::NotADatabase { store } => Self::DamagedCopy {
                store,
                detail: "it is not a SQLite database any more".to_owned(),
            },
            other => other,
        }
    }

    /// As the ports of the core name it; `operation` says what was tried.
    pub fn into_port(self, operation: &str) -> ports::StoreError {
        ports::StoreError {
            operation: operation.to_owned(),
            reason: self.to_string(),
            is_retryable: self.kind() == ErrorKind::Retryable,
        }
    }
}
