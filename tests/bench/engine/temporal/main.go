// A workflow of one no-op activity through Temporal: start, run, its result. PLACE is the server's address; see ../load/load.go.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const queue = "noop"

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

func load(address string, bytes, concurrency int, seconds float64) {
	c := dial(address)
	engine := engineAt(address)
	check(engine.Start())
	text := strings.Repeat("x", bytes)
	one := func() bool {
		ctx := context.Background()
		started, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, oneActivity, text)
		check(err)
		var result string
		return started.Get(ctx, &result) == nil && result == text
	}
	measure(engine, one, concurrency, seconds)
}
