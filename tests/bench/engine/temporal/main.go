// A workflow of one no-op activity through Temporal: start, run, its result.
//
//	temporal load ADDRESS BYTES CONCURRENCY SECONDS   the load; starts "temporal work" as a process of its own
//	temporal work ADDRESS                             the worker
//
// The load keeps CONCURRENCY workflows under way. After two seconds of warming up it prints "begin PID" (of the worker), waits
// for a line, measures, and prints figures.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const (
	queue  = "noop"
	warmUp = 2 * time.Second
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

func noop(_ context.Context, text string) (string, error) {
	return text, nil
}

func oneActivity(ctx workflow.Context, text string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var result string
	err := workflow.ExecuteActivity(ctx, noop, text).Get(ctx, &result)
	return result, err
}

func dial(address string) client.Client {
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	c, err := client.Dial(client.Options{HostPort: address, Logger: log.NewStructuredLogger(quiet)})
	check(err)
	return c
}

func work(address string) {
	w := worker.New(dial(address), queue, worker.Options{})
	w.RegisterWorkflow(oneActivity)
	w.RegisterActivity(noop)
	check(w.Run(nil))
}

type tally struct {
	sync.Mutex
	took     []time.Duration
	failures int
}

func run(one func() bool, concurrency int, lasting time.Duration) *tally {
	var all sync.WaitGroup
	sum := &tally{}
	until := time.Now().Add(lasting)
	for i := 0; i < concurrency; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(until) {
				began := time.Now()
				good := one()
				sum.Lock()
				sum.took = append(sum.took, time.Since(began))
				if !good {
					sum.failures++
				}
				sum.Unlock()
			}
		}()
	}
	all.Wait()
	return sum
}

func report(sum *tally, lasted time.Duration) {
	sort.Slice(sum.took, func(i, k int) bool { return sum.took[i] < sum.took[k] })
	n := len(sum.took)
	fmt.Printf("tasks %d failures %d rate %.0f p50_us %d p99_us %d\n", n, sum.failures, float64(n)/lasted.Seconds(),
		sum.took[n/2].Microseconds(), sum.took[n*99/100].Microseconds())
}

func load(address string, bytes, concurrency int, seconds float64) {
	c := dial(address)
	engine := exec.Command(os.Args[0], "work", address)
	engine.Stderr = os.Stderr
	check(engine.Start())
	text := strings.Repeat("x", bytes)
	one := func() bool {
		ctx := context.Background()
		started, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, oneActivity, text)
		check(err)
		var result string
		return started.Get(ctx, &result) == nil && result == text
	}
	run(one, concurrency, warmUp)
	fmt.Printf("begin %d\n", engine.Process.Pid)
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	began := time.Now()
	sum := run(one, concurrency, time.Duration(seconds*float64(time.Second)))
	report(sum, time.Since(began))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the caller reads CPU times: the worker lives until it has
	_ = engine.Process.Kill()
	_ = engine.Wait()
	if sum.failures > 0 {
		os.Exit(1)
	}
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "work":
		work(os.Args[2])
	case len(os.Args) == 6 && os.Args[1] == "load":
		seconds, err := strconv.ParseFloat(os.Args[5], 64)
		check(err)
		bytes, err := strconv.Atoi(os.Args[3])
		check(err)
		concurrency, err := strconv.Atoi(os.Args[4])
		check(err)
		load(os.Args[2], bytes, concurrency, seconds)
	default:
		fmt.Fprintln(os.Stderr, "usage: temporal load ADDRESS BYTES CONCURRENCY SECONDS | temporal work ADDRESS")
		os.Exit(2)
	}
}
