// A no-op job through River on PostgreSQL: insert, run, its output committed. PLACE is the database's URL; see ../load/load.go. The
// engine tells each committed completion through a pipe.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	workers  = 100
	cooldown = 5 * time.Millisecond // between fetches; River's default of 100 ms would be its latency
	poll     = 100 * time.Millisecond
)

type noopArgs struct {
	Text string `json:"text"`
}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
}

func (noopWorker) Work(ctx context.Context, job *river.Job[noopArgs]) error {
	return river.RecordOutput(ctx, job.Args.Text)
}

func pool(ctx context.Context, url string) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	check(err)
	config.MaxConns = 16
	opened, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	return opened
}

func migrate(ctx context.Context, db *pgxpool.Pool) {
	migrator, err := rivermigrate.New(riverpgxv5.New(db), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
}

func work(url string) {
	ctx := context.Background()
	kinds := river.NewWorkers()
	river.AddWorker(kinds, &noopWorker{})
	client, err := river.NewClient(riverpgxv5.New(pool(ctx, url)), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:           kinds,
		FetchCooldown:     cooldown,
		FetchPollInterval: poll,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	check(err)
	ended, _ := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: 100000, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed}})
	check(client.Start(ctx))
	out := bufio.NewWriter(os.Stdout)
	for event := range ended {
		id := event.Job.ID
		if event.Kind != river.EventKindJobCompleted {
			id = -id
		}
		check(binary.Write(out, binary.LittleEndian, id))
		if len(ended) == 0 {
			check(out.Flush())
		}
	}
}

// What is under way: completions may come before the insert's own answer.
type table struct {
	sync.Mutex
	waiting map[int64]chan bool
	early   map[int64]bool
}

func (t *table) await(id int64) bool {
	t.Lock()
	if good, known := t.early[id]; known {
		delete(t.early, id)
		t.Unlock()
		return good
	}
	told := make(chan bool, 1)
	t.waiting[id] = told
	t.Unlock()
	return <-told
}

func (t *table) tell(id int64, good bool) {
	t.Lock()
	defer t.Unlock()
	if told, known := t.waiting[id]; known {
		delete(t.waiting, id)
		told <- good
		return
	}
	t.early[id] = good
}

func listen(from io.Reader, t *table) {
	in := bufio.NewReader(from)
	for {
		var id int64
		if binary.Read(in, binary.LittleEndian, &id) != nil {
			return
		}
		t.tell(max(id, -id), id > 0)
	}
}

func load(url string, bytes, concurrency int, seconds float64) {
	ctx := context.Background()
	db := pool(ctx, url)
	migrate(ctx, db)
	client, err := river.NewClient(riverpgxv5.New(db), &river.Config{})
	check(err)
	engine := engineAt(url)
	told, err := engine.StdoutPipe()
	check(err)
	check(engine.Start())
	t := &table{waiting: map[int64]chan bool{}, early: map[int64]bool{}}
	go listen(told, t)
	args := noopArgs{Text: strings.Repeat("x", bytes)}
	one := func() bool {
		inserted, err := client.Insert(ctx, args, nil)
		check(err)
		return t.await(inserted.Job.ID)
	}
	measure(engine, one, concurrency, seconds)
}
