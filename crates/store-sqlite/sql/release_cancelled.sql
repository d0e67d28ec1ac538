-- distrack: release_cancelled
-- Nobody runs it and a user cancelled it: it is not given back but ends.
UPDATE tasks SET state = 5, attempt = attempt - 1, session_id = NULL, worker = NULL, picked_at = NULL, finished_at = $2
FROM (SELECT unhex(value ->> 0, '-') AS task_id, value ->> 1 AS task_epoch FROM json_each($1)) AS u
WHERE id = task_id AND epoch = task_epoch AND state = 1 AND cancel_requested_at IS NOT NULL
RETURNING queue AS "queue!"
