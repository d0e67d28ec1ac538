-- Tasks, with their current or last attempt inline: the common case writes no second row.
-- state: 0 pending, 1 dispatched, 2 running, 3 completed, 4 failed, 5 cancelled, 6 expired.
--
-- Differs from postgres: ids are 16 bytes, instants whole microseconds since the epoch, booleans 0 and 1,
-- documents text. Each key is the table itself (WITHOUT ROWID), except where rows are long.
CREATE TABLE tasks (
    id                  BLOB PRIMARY KEY NOT NULL,
    state               INTEGER NOT NULL DEFAULT 0,
    queue               TEXT NOT NULL,
    priority            INTEGER NOT NULL,
    -- Differs from postgres: only a column, not an expression, can be stepped over by an index.
    rank                INTEGER NOT NULL GENERATED ALWAYS AS (-priority) VIRTUAL,
    created_at          INTEGER NOT NULL,
    scheduled_at        INTEGER NOT NULL,
    due_at              INTEGER NOT NULL,
    expires_at          INTEGER,
    epoch               INTEGER NOT NULL DEFAULT 0,
    attempt             INTEGER NOT NULL DEFAULT 0,
    failures            INTEGER NOT NULL DEFAULT 0,
    losses              INTEGER NOT NULL DEFAULT 0,
    max_attempts        INTEGER NOT NULL,
    backoff_initial_ms  INTEGER NOT NULL,
    backoff_max_ms      INTEGER NOT NULL,
    on_lost             INTEGER NOT NULL,
    spec                TEXT NOT NULL,
    labels              TEXT,
    requires            TEXT,
    traceparent         TEXT NOT NULL,
    tracestate          TEXT NOT NULL DEFAULT '',
    retry_of            BLOB,
    session_id          BLOB,
    worker              TEXT,
    picked_at           INTEGER,
    started_at          INTEGER,
    finished_at         INTEGER,
    cancel_requested_at INTEGER,
    cause               INTEGER,
    exit_code           INTEGER,
    signal              INTEGER,
    error               TEXT,
    max_rss_bytes       INTEGER,
    cpu_user_us         INTEGER,
    cpu_system_us       INTEGER,
    attempt_trace_id    TEXT,
    attempt_span_id     TEXT
) STRICT, WITHOUT ROWID;

-- What may be claimed next. One direction orders the whole index, which lets a claim step from one
-- (queue, rank) to the next without reading what lies between.
CREATE INDEX tasks_due ON tasks (queue, rank, due_at, id) WHERE state = 0;
-- What a session holds.
CREATE INDEX tasks_session ON tasks (session_id) WHERE state IN (1, 2);
-- Only tasks with a deadline are in this one: the others do not pay for it.
CREATE INDEX tasks_expires ON tasks (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;

-- Attempts that another one superseded. The last one is in its task's row.
CREATE TABLE attempts (
    task_id       BLOB NOT NULL,
    epoch         INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    worker        TEXT,
    picked_at     INTEGER,
    started_at    INTEGER,
    finished_at   INTEGER,
    cause         INTEGER,
    exit_code     INTEGER,
    signal        INTEGER,
    error         TEXT,
    max_rss_bytes INTEGER,
    cpu_user_us   INTEGER,
    cpu_system_us INTEGER,
    trace_id      TEXT,
    span_id       TEXT,
    PRIMARY KEY (task_id, epoch)
) STRICT, WITHOUT ROWID;

-- Both ends of what an attempt printed. An attempt that printed nothing has no row.
CREATE TABLE task_output (
    task_id      BLOB NOT NULL,
    attempt      INTEGER NOT NULL,
    stdout_head  BLOB NOT NULL,
    stdout_tail  BLOB NOT NULL,
    stdout_bytes INTEGER NOT NULL,
    stderr_head  BLOB NOT NULL,
    stderr_tail  BLOB NOT NULL,
    stderr_bytes INTEGER NOT NULL,
    PRIMARY KEY (task_id, attempt)
) STRICT;

-- Differs from postgres: a WITH cannot delete here, so what belongs to a task goes with it by a trigger.
CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks BEGIN
    DELETE FROM attempts WHERE task_id = OLD.id;
    DELETE FROM task_output WHERE task_id = OLD.id;
END;

-- Workers' sessions.
CREATE TABLE sessions (
    id                BLOB PRIMARY KEY NOT NULL,
    worker_id         BLOB NOT NULL,
    instance_id       BLOB NOT NULL,
    host              TEXT NOT NULL,
    name              TEXT NOT NULL,
    address           TEXT NOT NULL,
    version           TEXT NOT NULL,
    coordinator_id    BLOB NOT NULL,
    attach            INTEGER NOT NULL DEFAULT 1,
    sequence          INTEGER NOT NULL,
    slots             INTEGER NOT NULL,
    busy              INTEGER NOT NULL DEFAULT 0,
    draining          INTEGER NOT NULL DEFAULT 0,
    queues            TEXT,
    labels            TEXT NOT NULL,
    registered_at     INTEGER NOT NULL,
    last_heartbeat_at INTEGER NOT NULL,
    lease_expires_at  INTEGER NOT NULL,
    ended_at          INTEGER,
    lost              INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A worker has one session at a time.
CREATE UNIQUE INDEX sessions_worker ON sessions (worker_id) WHERE ended_at IS NULL;

-- Clients' names for submissions, off the hot table.
CREATE TABLE idempotency_keys (
    key          TEXT PRIMARY KEY NOT NULL,
    request_hash BLOB NOT NULL,
    task_id      BLOB NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);
