// Judges a recorded history of tasks: history [-html FILE] [-plant] HISTORY
//
// Every operation of clients and hosts, with the times of its call and its return, is one line of JSON. Porcupine looks
// for an order of them that the model (model.go) allows, task by task. Where there is none, the page that shows it is
// written and named, and the exit is 1.
//
// With -plant the history is not judged but spoiled, in one way after another, and each must be found illegal.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// One operation.
type line struct {
	Call    int64  `json:"call"`   // µs
	Return  int64  `json:"return"` // 0: never heard of again
	Client  int    `json:"client"`
	Task    string `json:"task"` // its key
	Op      string `json:"op"`
	Outcome string `json:"outcome"`
	Body    int    `json:"body"`
	ID      string `json:"id"`
	State   string `json:"state"`
	Whole   bool   `json:"whole"` // the read gave the result, too
	Result  string `json:"result"`
	Kind    string `json:"kind"`
	Host    string `json:"host"`
	Epoch   uint64 `json:"epoch"`
	Attempt uint32 `json:"attempt"`
}

// A history by task, in the order of the tasks' first lines.
type history struct {
	tasks map[string][]*line
	keys  []string
	count int
}

func (h *history) add(l *line) {
	if _, known := h.tasks[l.Task]; !known {
		h.keys = append(h.keys, l.Task)
	}
	h.tasks[l.Task] = append(h.tasks[l.Task], l)
	h.count++
}

func load(path string) (*history, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h := &history{tasks: map[string][]*line{}}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		l := &line{}
		if err := json.Unmarshal(scanner.Bytes(), l); err != nil {
			return nil, fmt.Errorf("line %d: %w", h.count+1, err)
		}
		if kinds[l.Op] == nil {
			return nil, fmt.Errorf("line %d: no operation %q", h.count+1, l.Op)
		}
		h.add(l)
	}
	return h, scanner.Err()
}

// Of submissions and cancellations without an answer the earliest of a kind stands for all: what any of them may have done,
// it may have done, as it may take effect at any time from its call on, and repeats of what was done do nothing. Without
// this a long absence of the mesh would make the search grow without bound.
func reduced(lines []*line) []*line {
	type same struct {
		op   string
		body int
	}
	earliest := map[same]*line{}
	isOpen := func(l *line) bool {
		return l.Return == 0 && (l.Op == "submit" || l.Op == "cancel")
	}
	for _, l := range lines {
		kept := earliest[same{l.Op, l.Body}]
		if isOpen(l) && (kept == nil || l.Call < kept.Call) {
			earliest[same{l.Op, l.Body}] = l
		}
	}
	var left []*line
	for _, l := range lines {
		if !isOpen(l) || earliest[same{l.Op, l.Body}] == l {
			left = append(left, l)
		}
	}
	return left
}

func operations(lines []*line) []porcupine.Operation {
	var all []porcupine.Operation
	for _, l := range reduced(lines) {
		returned := l.Return
		if returned == 0 {
			returned = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: l.Client, Input: l, Call: l.Call, Output: l, Return: returned})
	}
	return all
}

func judge(lines []*line) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(model(), operations(lines), time.Minute)
}

// Every task that a client was promised has an end that was seen.
func unfinished(lines []*line) bool {
	promised, seen := false, false
	for _, l := range lines {
		promised = promised || l.Op == "submit" && l.Outcome == "ok"
		seen = seen || isFinal(l.State)
	}
	return promised && !seen
}

func (h *history) doubles() (string, string, bool) {
	owners := map[string]string{}
	for _, key := range h.keys {
		for _, l := range h.tasks[key] {
			if l.Op != "submit" || l.Outcome != "ok" {
				continue
			}
			if owner, known := owners[l.ID]; known && owner != key {
				return owner, key, true
			}
			owners[l.ID] = key
		}
	}
	return "", "", false
}

func (h *history) report() {
	counts := map[string]int{}
	for _, lines := range h.tasks {
		for _, l := range lines {
			counts[l.Op+" "+l.Outcome]++
			if l.Op == "start" && l.Attempt > 1 {
				counts["start again"]++
			}
		}
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("  %-20s %d\n", name, counts[name])
	}
}

func fault(key, what string, lines []*line, info porcupine.LinearizationInfo, page string) {
	fmt.Printf("FAULT: task %s: %s\n", key, what)
	for _, l := range lines {
		fmt.Printf("  %10d %10d  %s\n", l.Call, l.Return, describe(l, nil))
	}
	if page == "" {
		return
	}
	if err := porcupine.VisualizePath(model(), info, page); err != nil {
		fmt.Println("no page:", err)
		return
	}
	fmt.Println("shown at", page)
}

func (h *history) check(page string) bool {
	if one, other, any := h.doubles(); any {
		fmt.Printf("FAULT: tasks %s and %s have one id\n", one, other)
		return false
	}
	for _, key := range h.keys {
		lines := h.tasks[key]
		result, info := judge(lines)
		if result != porcupine.Ok {
			fault(key, "no order of its operations is allowed: "+string(result), lines, info, page)
			return false
		}
		if unfinished(lines) {
			fault(key, "promised, and no end was ever seen", lines, info, "")
			return false
		}
	}
	return true
}

func main() {
	page := flag.String("html", "", "where to show a history that is illegal")
	plant := flag.Bool("plant", false, "spoil the history: each way must be found")
	flag.Parse()
	h, err := load(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	began := time.Now()
	good := false
	if *plant {
		good = h.plantAll()
	} else {
		h.report()
		good = h.check(*page)
	}
	if !good {
		os.Exit(1)
	}
	fmt.Printf("%d operations on %d tasks, judged in %.1f s\n", h.count, len(h.keys), time.Since(began).Seconds())
}
