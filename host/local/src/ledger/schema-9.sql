-- Version 9: a label is a column of its request, as `name=value`, with an index of its own: it is written, moved, erased and deleted with
-- its row. The column `labels`, a JSON object, becomes `label_1`.
DROP TABLE labels;
ALTER TABLE requests RENAME COLUMN labels TO label_1;
ALTER TABLE requests ADD COLUMN label_2 TEXT;
ALTER TABLE requests ADD COLUMN label_3 TEXT;
ALTER TABLE requests ADD COLUMN label_4 TEXT;
ALTER TABLE requests ADD COLUMN label_5 TEXT;
UPDATE requests SET (label_1, label_2, label_3, label_4, label_5) = (
  SELECT max(label) FILTER (WHERE n = 1), max(label) FILTER (WHERE n = 2), max(label) FILTER (WHERE n = 3),
    max(label) FILTER (WHERE n = 4), max(label) FILTER (WHERE n = 5)
  FROM (SELECT key || '=' || value AS label, row_number() OVER (ORDER BY key) AS n FROM json_each(label_1))
) WHERE label_1 IS NOT NULL;
CREATE INDEX requests_by_label_1 ON requests (label_1, trigger_at) WHERE label_1 IS NOT NULL;
CREATE INDEX requests_by_label_2 ON requests (label_2, trigger_at) WHERE label_2 IS NOT NULL;
CREATE INDEX requests_by_label_3 ON requests (label_3, trigger_at) WHERE label_3 IS NOT NULL;
CREATE INDEX requests_by_label_4 ON requests (label_4, trigger_at) WHERE label_4 IS NOT NULL;
CREATE INDEX requests_by_label_5 ON requests (label_5, trigger_at) WHERE label_5 IS NOT NULL;
