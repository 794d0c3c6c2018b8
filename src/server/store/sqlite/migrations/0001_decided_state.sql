-- Decided state and the log it came from. Times are microseconds since 1970-01-01 UTC. Text compares byte by byte
-- (SQLite's BINARY collation), as apply does. The names meet none of the predecessor's tables, which may be in this file too.

-- Who this store is, and how far it is. One row.
CREATE TABLE store_meta (
    anchor INTEGER PRIMARY KEY CHECK (anchor = 1),
    store_id BLOB NOT NULL CHECK (length(store_id) = 16),
    group_id BLOB NOT NULL CHECK (length(group_id) = 16),
    applied_index INTEGER NOT NULL CHECK (applied_index >= 0),
    decided_at_micros INTEGER NOT NULL,
    -- Effects of entries up to this one were performed.
    performed_index INTEGER NOT NULL CHECK (performed_index >= 0),
    beats INTEGER NOT NULL,
    beat_at_micros INTEGER NOT NULL
) STRICT;

CREATE TABLE decided_downtime (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    begins_at_micros INTEGER NOT NULL,
    ends_at_micros INTEGER NOT NULL,
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;

CREATE TABLE decided_candidate (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    promotion_rule TEXT NOT NULL,
    registered_at_micros INTEGER NOT NULL,
    expires_at_micros INTEGER NOT NULL,
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;

CREATE TABLE decided_forgotten (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    forgotten_at_micros INTEGER NOT NULL,
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;

-- The last entries, as they were committed, with what came of them.
CREATE TABLE decision_log (
    entry_index INTEGER PRIMARY KEY CHECK (entry_index > 0),
    envelope BLOB NOT NULL,
    reply BLOB NOT NULL,
    -- Encoded list of effects; NULL when the entry owes none.
    effects BLOB,
    decided_at_micros INTEGER NOT NULL
) STRICT;
