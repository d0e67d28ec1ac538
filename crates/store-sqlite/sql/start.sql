-- distrack: start
UPDATE tasks SET state = 2, started_at = max(picked_at, $2 - ago_us)
FROM (
    SELECT unhex(value ->> 0, '-') AS task_id, value ->> 1 AS task_epoch, value ->> 2 AS ago_us FROM json_each($1)
) AS u
WHERE id = task_id AND epoch = task_epoch AND state = 1
