-- Servers whose receiver a recovery has stopped and could not start again.
CREATE TABLE decided_left_stopped (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    recovery_id TEXT NOT NULL, -- which recovery
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;
