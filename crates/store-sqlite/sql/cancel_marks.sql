-- distrack: cancel_marks
SELECT t.id AS "id!: Uuid", t.epoch, t.session_id AS "session_id!: Uuid"
FROM sessions s JOIN tasks t ON t.session_id = s.id
WHERE s.coordinator_id = $1 AND s.ended_at IS NULL AND t.state IN (1, 2) AND t.cancel_requested_at IS NOT NULL
