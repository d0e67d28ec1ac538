-- distrack: held_by_session
SELECT id, epoch, state, (cancel_requested_at IS NOT NULL) AS "cancel_requested!"
FROM tasks WHERE session_id = $1 AND state IN (1, 2) ORDER BY id FOR UPDATE
