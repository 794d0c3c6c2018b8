-- Recoveries and what was found before them. Records are a format byte and an encoded value; the columns beside them are
-- for people who look with sqlite3, and are never read back.
CREATE TABLE decided_detection (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    recovery_id TEXT NOT NULL CHECK (length(recovery_id) = 32),
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    detected_at_micros INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;

CREATE TABLE decided_recovery (
    recovery_id TEXT NOT NULL CHECK (length(recovery_id) = 32),
    number INTEGER NOT NULL CHECK (number > 0),
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    registered_at_micros INTEGER NOT NULL,
    -- NULL while it is under way.
    ended_at_micros INTEGER,
    record BLOB NOT NULL,
    PRIMARY KEY (recovery_id)
) STRICT, WITHOUT ROWID;

-- What came of the steps of a recovery's plan.
CREATE TABLE decided_recovery_step (
    recovery_id TEXT NOT NULL CHECK (length(recovery_id) = 32),
    number INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    recorded_at_micros INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (recovery_id, number)
) STRICT, WITHOUT ROWID;

-- Its record for people.
CREATE TABLE decided_recovery_note (
    recovery_id TEXT NOT NULL CHECK (length(recovery_id) = 32),
    number INTEGER NOT NULL,
    written_at_micros INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (recovery_id, number)
) STRICT, WITHOUT ROWID;

-- A row while automatic recoveries are switched off.
CREATE TABLE decided_recoveries_disabled (
    anchor INTEGER PRIMARY KEY CHECK (anchor = 1),
    disabled_by TEXT NOT NULL,
    disabled_at_micros INTEGER NOT NULL
) STRICT;
