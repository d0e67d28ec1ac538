-- distrack: start
UPDATE tasks SET state = 2, started_at = GREATEST(picked_at, now() - ago_us * interval '1 microsecond')
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS u (task_id, task_epoch, ago_us)
WHERE id = task_id AND epoch = task_epoch AND state + 0 = 1
