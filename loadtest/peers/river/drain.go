package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// How many tasks run at a time unless told otherwise: the best of what was tried on 2 cores.
const (
	shellWorkers = 100
	noopWorkers  = 1000
)

// Tasks inserted by one COPY.
const chunk = 5000

// patience is how long a drain may make no progress before it is given up.
const patience = 30 * time.Second

// drain lets a client complete tasks that all wait already, and times it from the client's start to the commit of
// the last completion.
func drain(ctx context.Context, url string, task river.JobArgs, tasks, atATime int) (result, error) {
	pool, err := open(ctx, url, connections)
	if err != nil {
		return result{}, err
	}
	defer pool.Close()
	if err := fill(ctx, pool, task, tasks); err != nil {
		return result{}, err
	}

	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(runShell))
	river.AddWorker(workers, river.WorkFunc(runNoop))
	client, err := worker(pool, workers, atATime)
	if err != nil {
		return result{}, err
	}
	// River tells of an ended task after its commit. The channel holds all of them, since a full one drops some.
	ended, unsubscribe := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: tasks,
		Kinds:    []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed},
	})
	defer unsubscribe()

	began := time.Now()
	if err := client.Start(ctx); err != nil {
		return result{}, err
	}
	defer stop(client)
	waiting := time.NewTimer(patience)
	for done := 0; done < tasks; done++ {
		select {
		case event := <-ended:
			if event.Kind == river.EventKindJobFailed {
				return result{}, fmt.Errorf("task %d failed: %v", event.Job.ID, event.Job.Errors)
			}
			waiting.Reset(patience)
		case <-waiting.C:
			return result{}, fmt.Errorf("%d of %d tasks completed, and no more for %s", done, tasks, patience)
		}
	}
	took := time.Since(began).Seconds()

	var completed int
	query := "SELECT count(*) FROM " + schema + ".river_job WHERE state = 'completed'"
	if err := pool.QueryRow(ctx, query).Scan(&completed); err != nil {
		return result{}, err
	}
	if completed != tasks {
		return result{}, fmt.Errorf("%d of %d tasks are completed in the database", completed, tasks)
	}
	return result{N: tasks, Workers: atATime, Seconds: took, Rate: float64(tasks) / took}, nil
}

// fill inserts the tasks and lets PostgreSQL know the size of the table, as it would in time.
func fill(ctx context.Context, pool *pgxpool.Pool, task river.JobArgs, tasks int) error {
	client, err := inserter(pool)
	if err != nil {
		return err
	}
	for left := tasks; left > 0; left -= chunk {
		batch := make([]river.InsertManyParams, min(left, chunk))
		for i := range batch {
			batch[i].Args = task
		}
		if _, err := client.InsertManyFast(ctx, batch); err != nil {
			return err
		}
	}
	for _, statement := range []string{"VACUUM ANALYZE " + schema + ".river_job", "CHECKPOINT"} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
