-- distrack: clock
-- Only here: for SQLite, the process that owns the file is the clock.
SELECT now() AS "now!"
