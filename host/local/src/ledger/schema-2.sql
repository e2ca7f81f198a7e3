-- Version 2: attempts that were deferred because the host could not start them. A claim's number is attempts + deferrals.
ALTER TABLE requests ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN waits_for TEXT;
ALTER TABLE requests ADD COLUMN waits_since INTEGER;
