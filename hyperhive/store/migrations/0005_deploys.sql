ALTER TABLE agents ADD COLUMN bundle TEXT;      -- what the next start is from
ALTER TABLE agents ADD COLUMN deploy INTEGER;   -- row of deploys that this bundle is of
ALTER TABLE agents ADD COLUMN declared TEXT NOT NULL DEFAULT '[]';  -- JSON array

CREATE TABLE deploys (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    agent_id INTEGER NOT NULL,
    agent TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    queued_at REAL NOT NULL,
    approval_id INTEGER,
    built TEXT,                     -- JSON array
    previous INTEGER,               -- the deploy whose place it takes
    operation_id INTEGER,           -- the start or restart that it is tried with
    error TEXT NOT NULL,
    begun_at REAL,
    ended_at REAL
) STRICT;
CREATE INDEX deploys_open ON deploys (id)
    WHERE state IN ('queued', 'evaluating', 'building', 'starting');
CREATE INDEX deploys_agent ON deploys (agent_id, id)
