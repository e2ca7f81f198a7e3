-- Version 7: labels and erasure. `labels` is a JSON object of names and values, for reading; the table is their index.
ALTER TABLE requests ADD COLUMN labels TEXT;
ALTER TABLE requests ADD COLUMN erased_at INTEGER;
-- The span that made the request, as a traceparent.
ALTER TABLE requests ADD COLUMN trace TEXT;
-- No foreign key: its check would cost more than the entry itself, in the transaction that accepts a request.
CREATE TABLE labels (
  name    TEXT    NOT NULL,
  value   TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  request INTEGER NOT NULL, -- requests.seq
  PRIMARY KEY (name, value, at, request)
) STRICT, WITHOUT ROWID;
-- For the erasure of what the notices of a request say about it.
CREATE INDEX requests_notices ON requests (notice_of) WHERE notice_of IS NOT NULL;
-- Pauses of a use case, with the empty target, and of single targets.
CREATE TABLE pauses (
  use_case TEXT    NOT NULL,
  target   TEXT    NOT NULL,
  since    INTEGER NOT NULL,
  until    INTEGER,
  caller   TEXT,
  PRIMARY KEY (use_case, target)
) STRICT, WITHOUT ROWID;
-- The next free slot of each target with a rate, so that a restart does not begin a window anew.
CREATE TABLE rates (
  use_case TEXT    NOT NULL,
  target   TEXT    NOT NULL,
  rate     TEXT    NOT NULL,
  free     INTEGER NOT NULL,
  PRIMARY KEY (use_case, target)
) STRICT, WITHOUT ROWID;
