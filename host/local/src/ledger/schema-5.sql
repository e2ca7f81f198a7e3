-- Version 5: lists of one status. A request changes its status a few times, so the indexes hold no running requests, and no notices,
-- which lists omit. Running requests are few, and `requests_leased` has them.
CREATE INDEX requests_scheduled ON requests (trigger_at, id) WHERE status = 'scheduled' AND notice_of IS NULL;
CREATE INDEX requests_ended ON requests (status, trigger_at, id) WHERE finished_at IS NOT NULL AND notice_of IS NULL;
