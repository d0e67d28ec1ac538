-- How an attempt's trace belongs to its submission's: 0 in the same trace, 1 in one of its own, linked to it.
ALTER TABLE tasks ADD COLUMN attempt_trace_mode INTEGER;
ALTER TABLE attempts ADD COLUMN trace_mode INTEGER;
