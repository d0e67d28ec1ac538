-- Writes down every step of every task that was committed, in the order in which they were made.
CREATE SCHEMA chaos;
CREATE TABLE chaos.steps (
    seq         bigserial PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id     uuid NOT NULL,
    old_state   smallint,
    new_state   smallint NOT NULL,
    old_epoch   bigint,
    new_epoch   bigint NOT NULL,
    old_attempt integer,
    new_attempt integer NOT NULL,
    due_at      timestamptz NOT NULL,
    worker      text,
    cause       smallint,
    exit_code   integer
);
CREATE FUNCTION chaos.step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chaos.steps (task_id, new_state, new_epoch, new_attempt, due_at)
        VALUES (NEW.id, NEW.state, NEW.epoch, NEW.attempt, NEW.due_at);
    ELSE
        -- What was due, who held it: of the row before where the step takes it away.
        INSERT INTO chaos.steps (
            task_id, old_state, new_state, old_epoch, new_epoch, old_attempt, new_attempt, due_at, worker, cause, exit_code
        ) VALUES (
            NEW.id, OLD.state, NEW.state, OLD.epoch, NEW.epoch, OLD.attempt, NEW.attempt, OLD.due_at,
            COALESCE(NEW.worker, OLD.worker), NEW.cause, NEW.exit_code
        );
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_insert AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION chaos.step();
CREATE TRIGGER chaos_update AFTER UPDATE ON tasks FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.epoch <> NEW.epoch OR OLD.attempt <> NEW.attempt)
EXECUTE FUNCTION chaos.step();
