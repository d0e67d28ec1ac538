-- What a worker's commands are held to, in a few words; null where it does not say.
ALTER TABLE sessions ADD COLUMN isolation TEXT;
