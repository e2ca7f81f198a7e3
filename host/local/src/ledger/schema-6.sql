-- Version 6: a list of every status merges the indexes of single statuses, so that accepting a request writes one index less.
DROP INDEX requests_by_time;
