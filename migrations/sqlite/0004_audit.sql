-- Who asked for what: written in the transaction of what was done, never changed, removed only by its own retention.
-- action: 1 submit, 2 cancel, 3 retry, 4 token_create, 5 token_revoke.
CREATE TABLE audit (
    -- Never given twice, also when all before it are gone.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    action        INTEGER NOT NULL,
    -- The task that was made or cancelled; the first one of a batch.
    task_id       BLOB,
    -- The last task of a batch, or the one that a retry repeats.
    other_task_id BLOB,
    count         INTEGER NOT NULL DEFAULT 1,
    token_id      TEXT,
    token_name    TEXT,
    address       TEXT,
    queue         TEXT,
    command_hash  BLOB,
    trace_id      TEXT NOT NULL
) STRICT;

CREATE INDEX audit_task ON audit (task_id);
-- The few that name another task than their own.
CREATE INDEX audit_retried ON audit (other_task_id) WHERE action = 3;

CREATE TRIGGER audit_append_only BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END;
