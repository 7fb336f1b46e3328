// A no-op job through River on PostgreSQL: insert, run, its output committed.
//
//	river load URL BYTES CONCURRENCY SECONDS   the load; starts "river work" as a process of its own
//	river work URL                             the engine: fetches, runs, completes
//
// The load keeps CONCURRENCY jobs under way. After two seconds of warming up it prints "begin PID" (of the engine), waits for
// a line, measures, and prints figures. The engine tells each committed completion through a pipe.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sort"
	"strconv"
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
	warmUp   = 2 * time.Second
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

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
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

type tally struct {
	sync.Mutex
	took     []time.Duration
	failures int
}

// Keeps `concurrency` jobs under way for a while.
func run(ctx context.Context, one func() bool, concurrency int, lasting time.Duration) *tally {
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

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func load(url string, bytes, concurrency int, seconds float64) {
	ctx := context.Background()
	db := pool(ctx, url)
	migrate(ctx, db)
	client, err := river.NewClient(riverpgxv5.New(db), &river.Config{})
	check(err)
	engine := exec.Command(os.Args[0], "work", url)
	engine.Stderr = os.Stderr
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
	run(ctx, one, concurrency, warmUp)
	fmt.Printf("begin %d\n", engine.Process.Pid)
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	began := time.Now()
	sum := run(ctx, one, concurrency, time.Duration(seconds*float64(time.Second)))
	report(sum, time.Since(began))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the caller reads CPU times: the engine lives until it has
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
		load(os.Args[2], number(os.Args[3]), number(os.Args[4]), seconds)
	default:
		fmt.Fprintln(os.Stderr, "usage: river load URL BYTES CONCURRENCY SECONDS | river work URL")
		os.Exit(2)
	}
}
