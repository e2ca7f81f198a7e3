-- Version 2: attempts that the host could not begin. The number of a claim is attempts + deferrals.
ALTER TABLE requests ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN waits_for TEXT;
ALTER TABLE requests ADD COLUMN waits_since INTEGER;
