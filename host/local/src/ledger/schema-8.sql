-- Version 8: the indexes of lists begin with the use case, so that a list of one use case reads no requests of another, whose backlog may
-- be long. A list of every status merges those of single statuses, so accepting a request writes one index less.
DROP INDEX requests_by_use_case;
DROP INDEX requests_scheduled;
DROP INDEX requests_ended;
CREATE INDEX requests_scheduled ON requests (use_case, trigger_at, id) WHERE status = 'scheduled' AND notice_of IS NULL;
-- The status before the use case: a list of one status finds its use cases by one entry each.
CREATE INDEX requests_ended ON requests (status, use_case, trigger_at, id) WHERE finished_at IS NOT NULL AND notice_of IS NULL;
