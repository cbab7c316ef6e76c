-- What came with deletes, cut texts and comparisons.

ALTER TABLE runs ADD COLUMN verify TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN truncated TEXT NOT NULL DEFAULT '[]';
ALTER TABLE steps ADD COLUMN verdict TEXT;
ALTER TABLE steps ADD COLUMN deletes TEXT NOT NULL DEFAULT 'off';
