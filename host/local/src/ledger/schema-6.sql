-- Version 6: a list of every status merges the indexes of single statuses, so that accepting a request writes one index less.
DROP INDEX requests_by_time;
-- Requests that expire if their first attempt does not begin in time.
ALTER TABLE requests ADD COLUMN expire_after_ms INTEGER;
-- For the timer. Partial, so that requests that do not expire take no space in it.
CREATE INDEX requests_expiring ON requests (trigger_at + expire_after_ms)
  WHERE status = 'scheduled' AND attempts = 0 AND expire_after_ms IS NOT NULL;
-- Ended requests in the order of their ends, for their deletion after the retention.
CREATE INDEX requests_finished ON requests (finished_at) WHERE finished_at IS NOT NULL;
