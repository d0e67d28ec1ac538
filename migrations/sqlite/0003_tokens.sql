-- Who may call the scheduler. A token is dt_<id>_<secret>; of the secret only its SHA-256 is kept.
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY NOT NULL,
    name         TEXT NOT NULL,
    secret_hash  BLOB NOT NULL,
    -- Scopes by name, with commas between.
    scopes       TEXT NOT NULL,
    -- The queues whose tasks it may see and touch; NULL for all.
    queues       TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
