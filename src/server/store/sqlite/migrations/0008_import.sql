-- How far the import of what the predecessor decided is; one row, once there is an import.
CREATE TABLE decided_import (
    anchor INTEGER NOT NULL PRIMARY KEY CHECK (anchor = 1),
    source TEXT NOT NULL,          -- the file or database that is read
    node TEXT NOT NULL,            -- name of the node that reads it
    begun_at_micros INTEGER NOT NULL,
    through_kind INTEGER,          -- the last row that was taken or passed over; NULL before the first
    through_key TEXT,
    taken INTEGER NOT NULL,
    kept INTEGER NOT NULL,         -- rows passed over: the same was decided here already
    ended_at_micros INTEGER,       -- NULL while it is not complete
    CHECK ((through_kind IS NULL) = (through_key IS NULL))
) STRICT;
