// What the peers' load generators share: built into each of them (engine.py copies it beside their main.go).
//
//	NAME load PLACE BYTES CONCURRENCY SECONDS   keeps CONCURRENCY under way; starts "NAME work PLACE" as a process of its own
//	NAME work PLACE                             the engine, or its worker
//
// After two seconds of warming up "begin PID" (of the engine) is printed, a line awaited, then measured; the figures follow.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"time"
)

const warmUp = 2 * time.Second

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, filepath.Base(os.Args[0])+":", err)
		os.Exit(1)
	}
}

// The engine as a process of its own, not yet started.
func engineAt(place string) *exec.Cmd {
	engine := exec.Command(os.Args[0], "work", place)
	engine.Stderr = os.Stderr
	return engine
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

// Warms up, measures, reports, and ends the engine. The caller reads CPU times around the measured seconds: the engine lives until
// it has.
func measure(engine *exec.Cmd, one func() bool, concurrency int, seconds float64) {
	caller := bufio.NewReader(os.Stdin)
	run(one, concurrency, warmUp)
	fmt.Printf("begin %d\n", engine.Process.Pid)
	_, err := caller.ReadString('\n')
	check(err)
	began := time.Now()
	sum := run(one, concurrency, time.Duration(seconds*float64(time.Second)))
	report(sum, time.Since(began))
	_, _ = caller.ReadString('\n')
	_ = engine.Process.Kill()
	_ = engine.Wait()
	if sum.failures > 0 {
		os.Exit(1)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
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
		name := filepath.Base(os.Args[0])
		fmt.Fprintf(os.Stderr, "usage: %s load PLACE BYTES CONCURRENCY SECONDS | %s work PLACE\n", name, name)
		os.Exit(2)
	}
}
