-- Nodes that the group is to have.
CREATE TABLE decided_group_node (
    name TEXT NOT NULL PRIMARY KEY, -- as in RaftNodes, normalised
    reported TEXT NOT NULL          -- RaftNodes as that node last had it, separated by commas
) STRICT, WITHOUT ROWID;
