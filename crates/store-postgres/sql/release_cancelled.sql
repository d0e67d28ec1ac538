-- distrack: release_cancelled
-- Nobody runs it and a user cancelled it: it is not given back but ends.
UPDATE tasks SET state = 5, attempt = attempt - 1, session_id = NULL, worker = NULL, picked_at = NULL, finished_at = now()
FROM unnest($1::uuid[], $2::bigint[]) AS u (task_id, task_epoch)
WHERE id = task_id AND epoch = task_epoch AND state + 0 = 1 AND cancel_requested_at IS NOT NULL
RETURNING queue
