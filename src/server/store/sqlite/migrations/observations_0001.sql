-- What this node observed of each instance. It may be lost without harm: it is probed again.
CREATE TABLE observed_instance (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    known_since_micros INTEGER NOT NULL,
    last_seen_at_micros INTEGER,
    -- Format byte and encoded record.
    record BLOB NOT NULL,
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;
