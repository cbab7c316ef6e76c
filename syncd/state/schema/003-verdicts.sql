-- The last verdict about each step, and how its rows that are gone are treated, outlive the runs that told them.

CREATE TABLE verdicts (
    job     TEXT NOT NULL,
    step    TEXT NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;

INSERT OR REPLACE INTO verdicts
    SELECT r.job, s.step, s.verdict FROM steps s JOIN runs r ON r.id = s.run
    WHERE s.verdict IS NOT NULL ORDER BY r.created, r.rowid;

ALTER TABLE cursors ADD COLUMN deletes TEXT NOT NULL DEFAULT 'off';

UPDATE cursors SET deletes = coalesce(
    (SELECT s.deletes FROM steps s JOIN runs r ON r.id = s.run
     WHERE r.job = cursors.job AND s.step = cursors.step AND r.verify = ''
     ORDER BY r.created DESC, r.rowid DESC LIMIT 1),
    'off'
);
