ALTER TABLE agents ADD COLUMN retired_by TEXT;  -- who destroyed it
ALTER TABLE agents ADD COLUMN last_end TEXT;    -- JSON array
