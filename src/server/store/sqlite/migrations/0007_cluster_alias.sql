-- Aliases of clusters that were decided: set by hand, or brought along by a recovery.
CREATE TABLE decided_cluster_alias (
    cluster_name TEXT NOT NULL PRIMARY KEY,
    alias TEXT NOT NULL,
    set_by TEXT,                       -- NULL for one that nobody has set: what the cluster went by
    decided_at_micros INTEGER NOT NULL,
    moved_from TEXT,                   -- name of the cluster that had it; NULL when it was not moved
    moved_by TEXT CHECK (length(moved_by) = 32), -- the recovery that moved it
    CHECK ((moved_from IS NULL) = (moved_by IS NULL))
) STRICT, WITHOUT ROWID;
