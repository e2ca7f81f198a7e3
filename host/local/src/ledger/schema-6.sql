-- Version 6: ended requests in the order of their ends, for their deletion after the retention.
CREATE INDEX requests_finished ON requests (finished_at) WHERE finished_at IS NOT NULL;
