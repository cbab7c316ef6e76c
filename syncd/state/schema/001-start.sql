-- Times are ISO 8601 text in UTC with microseconds, so that they sort as text. JSON is text.

CREATE TABLE runs (
    id         TEXT NOT NULL PRIMARY KEY,
    job        TEXT NOT NULL,
    status     TEXT NOT NULL,
    "trigger"  TEXT NOT NULL,
    created    TEXT NOT NULL,
    started    TEXT,
    ended      TEXT,
    due        TEXT,
    attempt    INTEGER NOT NULL,
    retry_of   TEXT,
    generation INTEGER NOT NULL,
    "full"     INTEGER NOT NULL,
    queries    TEXT NOT NULL,
    failure    TEXT
) STRICT;

CREATE INDEX runs_of_job ON runs (job, created);
CREATE INDEX runs_by_time ON runs (created);
CREATE INDEX runs_unfinished ON runs (status) WHERE status IN ('queued', 'running', 'cancelling');

CREATE TABLE steps (
    run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    step          TEXT NOT NULL,
    status        TEXT NOT NULL,
    "read"        INTEGER NOT NULL,
    inserted      INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    unchanged     INTEGER NOT NULL,
    rejected      INTEGER NOT NULL,
    mark_from     TEXT,
    mark_to       TEXT,
    nothing_to_do INTEGER NOT NULL,
    rows_known    INTEGER,
    seconds       REAL NOT NULL,
    warnings      TEXT NOT NULL,
    failure       TEXT,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id    INTEGER PRIMARY KEY,
    at    TEXT NOT NULL,
    name  TEXT NOT NULL,
    run   TEXT REFERENCES runs (id) ON DELETE CASCADE,
    job   TEXT,
    facts TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_run ON events (run);
CREATE INDEX events_of_job ON events (job, at);
CREATE INDEX events_by_time ON events (at) WHERE run IS NULL;

-- A mirror for people; the cursor that counts lives in the destination, beside the rows.
CREATE TABLE cursors (
    job     TEXT NOT NULL,
    step    TEXT NOT NULL,
    mark    TEXT,
    "rows"  INTEGER,
    updated TEXT NOT NULL,
    PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
    job      TEXT NOT NULL PRIMARY KEY,
    anchor   TEXT,
    last_due TEXT,
    fired    INTEGER NOT NULL,
    timeline TEXT NOT NULL,
    paused   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per running job: the run that may touch its destination, and the process that answers for it.
CREATE TABLE leases (
    job   TEXT NOT NULL PRIMARY KEY,
    run   TEXT NOT NULL,
    pid   INTEGER NOT NULL,
    taken TEXT NOT NULL
) STRICT, WITHOUT ROWID;
