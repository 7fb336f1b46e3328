package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// What a task may do, as clients and hosts can see it. One task a partition: all that carries its key.
//
// The model says what was promised, nothing about when control gets round to things: an attempt may be given up at any
// time, a cancellation may be forgotten by a crash. But a task is made once, it ends once, by one attempt, the newest that
// was given out, and from then on everybody sees that end.

type phase uint8

const (
	absent phase = iota
	live
	final
)

type token struct {
	epoch   uint64
	attempt uint32
}

func (t token) before(other token) bool {
	return t.epoch < other.epoch || t.epoch == other.epoch && t.attempt < other.attempt
}

type task struct {
	phase  phase
	id     string // "": no answer has named it yet
	body   int
	asked  bool  // somebody has asked for its end
	newest token // attempt that was given out last, as far as hosts have heard
	over   bool  // that one cannot end the task any more
	until  int64 // nor can what was said of it from this moment on, as a word after it was refused; 0: none was
	end    string
	result string
}

var kinds = map[string]func(task, *line) []task{
	"submit": submit, "read": read, "cancel": cancel, "start": start, "complete": complete,
}

// The same body under the same key is the same task; another body is refused.
func submit(t task, l *line) []task {
	if t.phase == absent {
		if l.Outcome == "conflict" {
			return nil
		}
		return []task{{phase: live, id: l.ID, body: l.Body}}
	}
	same := l.Body == t.body
	switch {
	case l.Outcome == "unknown" || l.Outcome == "conflict" && !same:
		return []task{t}
	case !same || l.Outcome == "conflict" || t.id != "" && l.ID != t.id:
		return nil
	}
	t.id = l.ID
	return []task{t}
}

func isFinal(state string) bool {
	switch state {
	case "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "DEAD":
		return true
	}
	return false
}

// A task has ten attempts (history.py). Hosts do not hear of each, as some die with the control that gave them out.
const heardOf = 5

// Kills and lost leases may have used up its attempts.
func mayDie(t task) bool {
	return t.newest.attempt >= heardOf
}

// A state is shown: it must be the one there is. The end of a task that was asked for comes by itself, and that of one whose
// attempts are used up.
func show(t task, state string) []task {
	switch {
	case t.phase == final:
		if state != t.end {
			return nil
		}
	case isFinal(state):
		if !(state == "CANCELLED" && t.asked || state == "DEAD" && mayDie(t)) {
			return nil
		}
		t.phase, t.end, t.result = final, state, ""
	}
	return []task{t}
}

func read(t task, l *line) []task {
	if l.Outcome == "absent" {
		if t.phase != absent {
			return nil
		}
		return []task{t}
	}
	if t.phase == absent {
		return nil
	}
	if t.phase == final && l.Whole && l.Result != t.result {
		return nil
	}
	return show(t, l.State)
}

// The end is asked for; when it comes is another matter.
func cancel(t task, l *line) []task {
	if (l.Outcome == "absent") != (t.phase == absent) && l.Outcome != "unknown" {
		return nil
	}
	if t.phase == live && l.Outcome != "absent" {
		t.asked = true
	}
	return []task{t}
}

// An attempt is given to a host: a newer one than all before, of a task that goes on.
func start(t task, l *line) []task {
	given := token{l.Epoch, l.Attempt}
	if t.phase != live || !t.newest.before(given) {
		return nil
	}
	t.newest, t.over, t.until = given, false, 0
	return []task{t}
}

func ended(t task, end, result string) task {
	t.phase, t.end, t.result = final, end, result
	return t
}

// What the end of an attempt makes of its task.
func after(t task, l *line) []task {
	again := t
	again.over = true
	switch {
	case l.Kind == "success":
		return []task{ended(t, "SUCCEEDED", l.Result)}
	case t.asked && l.Kind == "again":
		return []task{ended(t, "CANCELLED", ""), again}
	case t.asked:
		return []task{ended(t, "CANCELLED", ""), ended(t, "FAILED", "")}
	case l.Kind == "again":
		return []task{again}
	}
	return []task{ended(t, "FAILED", "")}
}

// An end that is refused is not the first of its attempt, or that attempt is given up: then only what was said before, and
// may be on its way to the disk still, can count.
func complete(t task, l *line) []task {
	current := t.phase == live && t.newest == token{l.Epoch, l.Attempt} && !t.over && (t.until == 0 || l.Call < t.until)
	switch l.Outcome {
	case "accepted":
		if !current {
			return nil
		}
		return after(t, l)
	case "refused":
		if current {
			t.until = l.Call
		}
		return []task{t}
	}
	if !current {
		return []task{t}
	}
	return after(t, l)
}

func step(state, input, _ interface{}) []interface{} {
	l := input.(*line)
	var next []interface{}
	for _, t := range kinds[l.Op](state.(task), l) {
		next = append(next, t)
	}
	return next
}

func describe(input, _ interface{}) string {
	l := input.(*line)
	switch l.Op {
	case "submit":
		return fmt.Sprintf("submit(body %d) -> %s %s", l.Body, l.Outcome, l.ID)
	case "start":
		return fmt.Sprintf("start(%d.%d) at %s", l.Epoch, l.Attempt, l.Host)
	case "complete":
		return fmt.Sprintf("complete(%d.%d, %s %s) -> %s", l.Epoch, l.Attempt, l.Kind, l.Result, l.Outcome)
	}
	return fmt.Sprintf("%s -> %s %s %s", l.Op, l.Outcome, l.State, l.Result)
}

func describeState(state interface{}) string {
	return fmt.Sprintf("%+v", state)
}

func model() porcupine.Model {
	described := porcupine.NondeterministicModel{
		Init:              func() []interface{} { return []interface{}{task{}} },
		Step:              step,
		DescribeOperation: describe,
		DescribeState:     describeState,
	}
	return described.ToModel()
}
