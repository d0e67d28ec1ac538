-- distrack: cancel_pending
UPDATE tasks SET state = 5, finished_at = now(), cancel_requested_at = now()
WHERE id = $1 AND state + 0 = 0
