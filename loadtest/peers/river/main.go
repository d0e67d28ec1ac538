// Command river measures River, a Go task queue over PostgreSQL, by the workloads that distrack is measured by.
//
// It prints one line of JSON a run. It works in a schema of its own, which each run drops and makes anew; nothing
// else in the database is touched. It is a yardstick: what it does not do is told in the README beside it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

const usage = `usage: river [--workers N] DATABASE_URL MODE

  drain-shell TASKS         runs sh -c 'echo hello' for each of TASKS waiting tasks
  drain-noop TASKS          completes TASKS waiting tasks that do nothing
  insert CLIENTS SECONDS    inserts one task at a time from each of CLIENTS
  latency TASKS             inserts TASKS tasks, one after the other, and times how soon each starts

  --workers N    tasks that run at a time; by default what was found to be best for the mode
`

// delays are times since just before the insert, in milliseconds: until River called the work function, and until
// /bin/sh, which that function spawns at once, was running.
type delays struct {
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	SpawnedP50 float64 `json:"spawned_p50_ms"`
	SpawnedP99 float64 `json:"spawned_p99_ms"`
}

// result is the line that a run prints. What a mode does not measure is left out.
type result struct {
	Peer    string  `json:"peer"`
	Version string  `json:"version"`
	Mode    string  `json:"mode"`
	N       int     `json:"n"`
	Workers int     `json:"workers,omitempty"`
	Clients int     `json:"clients,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	*delays
}

func main() {
	workers := flag.Int("workers", 0, "")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	if err := run(context.Background(), *workers, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, workers int, args []string) error {
	if len(args) < 3 {
		flag.Usage()
		os.Exit(2)
	}
	url, mode := args[0], args[1]
	numbers, err := positive(args[2:])
	if err != nil {
		return err
	}
	if wanted := map[bool]int{true: 2, false: 1}[mode == "insert"]; len(numbers) != wanted {
		return fmt.Errorf("%s takes %d number(s), not %d", mode, wanted, len(numbers))
	}

	var measured result
	switch mode {
	case "drain-shell":
		measured, err = drain(ctx, url, shellArgs{}, numbers[0], or(workers, shellWorkers))
	case "drain-noop":
		measured, err = drain(ctx, url, noopArgs{}, numbers[0], or(workers, noopWorkers))
	case "insert":
		measured, err = insert(ctx, url, numbers[0], time.Duration(numbers[1])*time.Second)
	case "latency":
		measured, err = latency(ctx, url, numbers[0], or(workers, shellWorkers))
	default:
		return fmt.Errorf("no mode %q", mode)
	}
	if err != nil {
		return err
	}
	measured.Peer, measured.Version, measured.Mode = "river", version(), mode
	measured.Seconds, measured.Rate = math.Round(measured.Seconds*1000)/1000, math.Round(measured.Rate*10)/10
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func positive(words []string) ([]int, error) {
	numbers := make([]int, 0, len(words))
	for _, word := range words {
		number, err := strconv.Atoi(word)
		if err != nil || number < 1 {
			return nil, fmt.Errorf("%q is not a number of 1 or more", word)
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

func or(given, otherwise int) int {
	if given > 0 {
		return given
	}
	return otherwise
}

// version is River's, as it was built in.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/riverqueue/river" {
				return module.Version
			}
		}
	}
	return "unknown"
}
