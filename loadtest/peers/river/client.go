package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// The schema that a run has for itself.
const schema = "distrack_peer_river"

// The connections that a client may hold to work. Completions go to the database in batches, whatever the workers.
const connections = 16

// shellArgs asks for `sh -c 'echo hello'`, whose output is read and dropped: River has no place for it.
type shellArgs struct{}

func (shellArgs) Kind() string { return "shell" }

func runShell(context.Context, *river.Job[shellArgs]) error {
	output, err := exec.Command("/bin/sh", "-c", "echo hello").Output()
	if err == nil && !bytes.Equal(output, []byte("hello\n")) {
		err = fmt.Errorf("printed %q", output)
	}
	return err
}

// noopArgs asks for nothing.
type noopArgs struct{}

func (noopArgs) Kind() string { return "noop" }

func runNoop(context.Context, *river.Job[noopArgs]) error { return nil }

// open connects and makes River's tables anew.
func open(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{"DROP SCHEMA IF EXISTS " + schema + " CASCADE", "CREATE SCHEMA " + schema} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: logger()})
	if err != nil {
		return nil, err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return pool, err
}

// inserter makes a client that inserts and never works.
func inserter(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: schema, Logger: logger()})
}

// worker makes a client that runs as many tasks at a time as said, and looks for more as often as River allows: it
// costs an idle client nothing, since River looks only when it is told of a task or once a second.
func worker(pool *pgxpool.Pool, workers *river.Workers, atATime int) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema:        schema,
		Logger:        logger(),
		Workers:       workers,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atATime}},
		FetchCooldown: river.FetchCooldownMin,
		// A run that fails is a broken measurement, told by the count of completions; do not try for hours.
		MaxAttempts: 1,
	})
}

func stop(client *river.Client[pgx.Tx]) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "river: at the stop:", err)
	}
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
