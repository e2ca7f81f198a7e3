-- Version 3: the callers that made a request and its changes.
ALTER TABLE requests ADD COLUMN owner TEXT;
ALTER TABLE history ADD COLUMN caller TEXT;
-- For lists of an owner's requests. Partial, so that a server without keys pays nothing for it.
CREATE INDEX requests_by_owner ON requests (owner, trigger_at, id) WHERE owner IS NOT NULL;
