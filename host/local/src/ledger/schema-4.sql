-- Version 4: the timer's queue has one lane for each use case and target, so that a backlog of one does not hide the others.
CREATE INDEX requests_due_by_lane ON requests (use_case, target, due_at) WHERE status = 'scheduled';
DROP INDEX requests_due;
