-- Version 1. Times are milliseconds since 1970 in UTC; a user may open the file with any SQLite tool to read it.
CREATE TABLE requests (
  seq              INTEGER PRIMARY KEY,
  id               TEXT    NOT NULL UNIQUE,
  use_case         TEXT    NOT NULL,
  version          TEXT    NOT NULL,
  target           TEXT    NOT NULL,
  status           TEXT    NOT NULL,
  received_at      INTEGER NOT NULL,
  trigger_at       INTEGER NOT NULL,
  first_trigger_at INTEGER NOT NULL,
  due_at           INTEGER NOT NULL,
  attempts         INTEGER NOT NULL,
  failures         INTEGER NOT NULL,
  interruptions    INTEGER NOT NULL,
  lease_ms         INTEGER NOT NULL,
  lease_until      INTEGER,
  finished_at      INTEGER,
  result           TEXT,
  failure          TEXT,
  idempotency_key  TEXT,
  idempotency_hash TEXT,
  notice_of        TEXT,
  body             TEXT    NOT NULL
) STRICT;

-- For the timer: due requests in order. Partial, so that ended requests take no space in them.
CREATE INDEX requests_due ON requests (due_at) WHERE status = 'scheduled';
CREATE INDEX requests_leased ON requests (lease_until) WHERE status = 'running';
-- For lists of requests and look-ups by idempotency key.
CREATE INDEX requests_by_time ON requests (trigger_at, id);
CREATE INDEX requests_by_use_case ON requests (use_case, trigger_at, id);
CREATE UNIQUE INDEX requests_by_key ON requests (use_case, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE history (
  request INTEGER NOT NULL REFERENCES requests (seq),
  n       INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  event   TEXT    NOT NULL,
  status  TEXT    NOT NULL,
  attempt INTEGER NOT NULL,
  detail  TEXT,
  PRIMARY KEY (request, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
