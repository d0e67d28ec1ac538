-- distrack: cancel_pending
UPDATE tasks SET state = 5, finished_at = $2, cancel_requested_at = $2
WHERE id = $1 AND state = 0
