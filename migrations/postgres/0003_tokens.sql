-- Who may call the scheduler. A token is dt_<id>_<secret>; of the secret only its SHA-256 is kept.
CREATE TABLE tokens (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    secret_hash  bytea NOT NULL,
    -- Scopes by name, with commas between.
    scopes       text NOT NULL,
    -- The queues whose tasks it may see and touch; NULL for all.
    queues       jsonb,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
