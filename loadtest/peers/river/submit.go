package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"
)

// insert adds one task at a time from each client, which has a connection of its own, each with a commit of its own.
func insert(ctx context.Context, url string, clients int, lasting time.Duration) (result, error) {
	pool, err := open(ctx, url, clients)
	if err != nil {
		return result{}, err
	}
	defer pool.Close()
	client, err := inserter(pool)
	if err != nil {
		return result{}, err
	}

	var inserted atomic.Int64
	began := time.Now()
	var group errgroup.Group
	for range clients {
		group.Go(func() error {
			for time.Since(began) < lasting {
				if _, err := client.Insert(ctx, noopArgs{}, nil); err != nil {
					return err
				}
				inserted.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return result{}, err
	}
	took := time.Since(began).Seconds()
	n := int(inserted.Load())
	return result{N: n, Clients: clients, Seconds: took, Rate: float64(n) / took}, nil
}

// times are when River called the work function of a task, and when its command ran.
type times struct {
	started, spawned time.Time
	err              error
}

// latency inserts tasks one after the other into a client with nothing else to do.
func latency(ctx context.Context, url string, tasks, atATime int) (result, error) {
	pool, err := open(ctx, url, connections)
	if err != nil {
		return result{}, err
	}
	defer pool.Close()
	ran := make(chan times)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[shellArgs]) error {
		started := time.Now()
		command := exec.Command("/bin/sh", "-c", "echo hello")
		err := command.Start() // returns when the child has become /bin/sh
		ran <- times{started, time.Now(), err}
		if err != nil {
			return err
		}
		return command.Wait()
	}))
	client, err := worker(pool, workers, atATime)
	if err != nil {
		return result{}, err
	}
	if err := client.Start(ctx); err != nil {
		return result{}, err
	}
	defer stop(client)

	var started, spawned []float64
	// The first ones warm up what a running service has warm: connections, prepared statements.
	for i := -10; i < tasks; i++ {
		pause(20, 60)
		asked := time.Now()
		if _, err := client.Insert(ctx, shellArgs{}, nil); err != nil {
			return result{}, err
		}
		select {
		case at := <-ran:
			if at.err != nil {
				return result{}, at.err
			}
			if i >= 0 {
				started = append(started, milliseconds(at.started.Sub(asked)))
				spawned = append(spawned, milliseconds(at.spawned.Sub(asked)))
			}
		case <-time.After(patience):
			return result{}, fmt.Errorf("a task did not start in %s", patience)
		}
	}
	return result{N: tasks, Workers: atATime, delays: &delays{
		P50: percentile(started, 50), P99: percentile(started, 99),
		SpawnedP50: percentile(spawned, 50), SpawnedP99: percentile(spawned, 99),
	}}, nil
}

// pause lets everything come to rest, for a time that keeps no step with any timer of River's.
func pause(atLeast, below int) {
	time.Sleep(time.Duration(atLeast)*time.Millisecond + rand.N(time.Duration(below-atLeast)*time.Millisecond))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// percentile is the smallest value that at least p of a hundred do not exceed.
func percentile(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[int(math.Ceil(p/100*float64(len(values))))-1]
}
