ALTER TABLE agents ADD COLUMN run TEXT NOT NULL DEFAULT '';             -- an invocation
ALTER TABLE agents ADD COLUMN problem TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN crashes_from INTEGER NOT NULL DEFAULT 0;  -- number of an event
