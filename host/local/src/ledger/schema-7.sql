-- Version 7: the span that made the request, as a traceparent.
ALTER TABLE requests ADD COLUMN trace TEXT;
