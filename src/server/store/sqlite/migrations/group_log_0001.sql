-- The log of a node of a group, and small values beside it.
CREATE TABLE group_log (
    entry_index INTEGER NOT NULL PRIMARY KEY, -- the first is 1
    kind INTEGER NOT NULL,                    -- number of the envelope's kind, to find changes of the members
    envelope BLOB NOT NULL
) STRICT;
CREATE INDEX group_log_kind ON group_log (kind, entry_index) WHERE kind <> 2;
CREATE TABLE group_mark (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
