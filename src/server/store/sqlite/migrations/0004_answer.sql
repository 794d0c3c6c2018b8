-- Answers to the latest requests, so that a repeated one takes effect once.
CREATE TABLE decided_answer (
    request BLOB NOT NULL PRIMARY KEY, -- 16 bytes, big endian
    entry_index INTEGER NOT NULL,      -- the entry that took effect
    reply BLOB NOT NULL,               -- as the core encodes it
    decided_at_micros INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
