-- Tasks, with their current or last attempt inline: the common case writes no second row.
-- state: 0 pending, 1 dispatched, 2 running, 3 completed, 4 failed, 5 cancelled, 6 expired.
CREATE TABLE tasks (
    id                  uuid PRIMARY KEY,
    state               smallint NOT NULL DEFAULT 0,
    queue               text COLLATE "C" NOT NULL,
    priority            smallint NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    scheduled_at        timestamptz NOT NULL,
    due_at              timestamptz NOT NULL,
    expires_at          timestamptz,
    epoch               bigint NOT NULL DEFAULT 0,
    attempt             integer NOT NULL DEFAULT 0,
    failures            integer NOT NULL DEFAULT 0,
    losses              integer NOT NULL DEFAULT 0,
    max_attempts        integer NOT NULL,
    backoff_initial_ms  bigint NOT NULL,
    backoff_max_ms      bigint NOT NULL,
    on_lost             smallint NOT NULL,
    spec                text NOT NULL,
    labels              jsonb,
    requires            jsonb,
    traceparent         text NOT NULL,
    tracestate          text NOT NULL DEFAULT '',
    retry_of            uuid,
    session_id          uuid,
    worker              text,
    picked_at           timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz,
    cancel_requested_at timestamptz,
    cause               smallint,
    exit_code           integer,
    signal              integer,
    error               text,
    max_rss_bytes       bigint,
    cpu_user_us         bigint,
    cpu_system_us       bigint,
    attempt_trace_id    text,
    attempt_span_id     text
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- What may be claimed next. The rank is negated so that one direction orders the whole index, which lets
-- a claim step from one (queue, priority) to the next without reading what lies between.
CREATE INDEX tasks_due ON tasks (queue, (-priority), due_at, id) WHERE state = 0;
-- What a session holds.
CREATE INDEX tasks_session ON tasks (session_id) WHERE state IN (1, 2);
-- Only tasks with a deadline are in this one: the others do not pay for it.
CREATE INDEX tasks_expires ON tasks (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;

-- Attempts that another one superseded. The last one is in its task's row.
CREATE TABLE attempts (
    task_id       uuid NOT NULL,
    epoch         bigint NOT NULL,
    attempt       integer NOT NULL,
    worker        text,
    picked_at     timestamptz,
    started_at    timestamptz,
    finished_at   timestamptz,
    cause         smallint,
    exit_code     integer,
    signal        integer,
    error         text,
    max_rss_bytes bigint,
    cpu_user_us   bigint,
    cpu_system_us bigint,
    trace_id      text,
    span_id       text,
    PRIMARY KEY (task_id, epoch)
);

-- Both ends of what an attempt printed. An attempt that printed nothing has no row.
CREATE TABLE task_output (
    task_id      uuid NOT NULL,
    attempt      integer NOT NULL,
    stdout_head  bytea NOT NULL,
    stdout_tail  bytea NOT NULL,
    stdout_bytes bigint NOT NULL,
    stderr_head  bytea NOT NULL,
    stderr_tail  bytea NOT NULL,
    stderr_bytes bigint NOT NULL,
    PRIMARY KEY (task_id, attempt)
);

-- Workers' sessions. No index on the lease, so that a heartbeat rewrites the row in place.
CREATE TABLE sessions (
    id                uuid PRIMARY KEY,
    worker_id         uuid NOT NULL,
    instance_id       uuid NOT NULL,
    host              text NOT NULL,
    name              text NOT NULL,
    address           text NOT NULL,
    version           text NOT NULL,
    coordinator_id    uuid NOT NULL,
    attach            bigint NOT NULL DEFAULT 1,
    -- The process's own count of its registrations.
    sequence          bigint NOT NULL,
    slots             integer NOT NULL,
    busy              integer NOT NULL DEFAULT 0,
    draining          boolean NOT NULL DEFAULT false,
    queues            jsonb,
    labels            jsonb NOT NULL,
    registered_at     timestamptz NOT NULL DEFAULT now(),
    last_heartbeat_at timestamptz NOT NULL DEFAULT now(),
    lease_expires_at  timestamptz NOT NULL,
    ended_at          timestamptz,
    lost              boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- A worker has one session at a time.
CREATE UNIQUE INDEX sessions_worker ON sessions (worker_id) WHERE ended_at IS NULL;

-- Clients' names for submissions, off the hot table.
CREATE TABLE idempotency_keys (
    key          text COLLATE "C" PRIMARY KEY,
    request_hash bytea NOT NULL,
    task_id      uuid NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);
