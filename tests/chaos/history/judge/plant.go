package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A way to spoil the history of one task. It is given a copy of the lines and says whether this task is one that it can
// be done to.
type spoil struct {
	name string
	do   func(lines []*line) ([]*line, bool)
}

func find(lines []*line, wanted func(*line) bool) *line {
	for _, l := range lines {
		if wanted(l) {
			return l
		}
	}
	return nil
}

func last(lines []*line) int64 {
	var latest int64
	for _, l := range lines {
		latest = max(latest, l.Call, l.Return)
	}
	return latest
}

func isSuccess(l *line) bool {
	return l.Op == "complete" && l.Outcome == "accepted" && l.Kind == "success"
}

func isWholeEnd(l *line) bool {
	return l.Op == "read" && l.Whole && l.State == "SUCCEEDED"
}

var spoils = []spoil{
	{"an acknowledged task is not found", func(lines []*line) ([]*line, bool) {
		made := find(lines, func(l *line) bool { return l.Op == "submit" && l.Outcome == "ok" })
		if made == nil {
			return nil, false
		}
		at := last(lines) + 1
		return append(lines, &line{Call: at, Return: at, Task: made.Task, Op: "read", Outcome: "absent"}), true
	}},
	{"a repeat of a key gives a second task", func(lines []*line) ([]*line, bool) {
		made := find(lines, func(l *line) bool { return l.Op == "submit" && l.Outcome == "ok" })
		if made == nil {
			return nil, false
		}
		second := *made
		second.Call, second.Return, second.ID = last(lines)+1, last(lines)+2, "another"
		return append(lines, &second), true
	}},
	{"a second attempt's result is committed as well", func(lines []*line) ([]*line, bool) {
		first := find(lines, isSuccess)
		if first == nil {
			return nil, false
		}
		begun, second := *first, *first
		begun.Op, begun.Outcome, begun.Attempt = "start", "", first.Attempt+1
		begun.Call, begun.Return = first.Call, first.Return+1
		second.Attempt, second.Result = first.Attempt+1, "forged"
		second.Call, second.Return = first.Return+2, first.Return+3
		return append(lines, &begun, &second), true
	}},
	{"the result of a stale attempt is committed", func(lines []*line) ([]*line, bool) {
		first := find(lines, isSuccess)
		if first == nil {
			return nil, false
		}
		newer := *first
		newer.Op, newer.Outcome, newer.Attempt = "start", "", first.Attempt+1
		newer.Call, newer.Return = first.Call-2, first.Call-1
		return append(lines, &newer), true
	}},
	{"the result changes after it was seen", func(lines []*line) ([]*line, bool) {
		seen := find(lines, isWholeEnd)
		if seen == nil {
			return nil, false
		}
		changed := *seen
		changed.Call, changed.Return, changed.Result = last(lines)+1, last(lines)+2, "forged"
		return append(lines, &changed), true
	}},
	{"a task succeeds and nobody has done it", func(lines []*line) ([]*line, bool) {
		if find(lines, isWholeEnd) == nil {
			return nil, false
		}
		var left []*line
		for _, l := range lines {
			if l.Op != "complete" {
				left = append(left, l)
			}
		}
		return left, true
	}},
	{"a finished task runs again", func(lines []*line) ([]*line, bool) {
		seen := find(lines, isWholeEnd)
		if seen == nil {
			return nil, false
		}
		again := *seen
		again.Call, again.Return, again.State, again.Whole = last(lines)+1, last(lines)+2, "RUNNING", false
		return append(lines, &again), true
	}},
	{"a task is cancelled that nobody wanted cancelled", func(lines []*line) ([]*line, bool) {
		seen := find(lines, isWholeEnd)
		if seen == nil || find(lines, func(l *line) bool { return l.Op == "cancel" }) != nil {
			return nil, false
		}
		var left []*line
		for _, l := range lines {
			if l.Op == "read" && isFinal(l.State) {
				continue
			}
			if !isSuccess(l) {
				left = append(left, l)
			}
		}
		cancelled := *seen
		cancelled.State, cancelled.Result = "CANCELLED", ""
		return append(left, &cancelled), true
	}},
	{"another body passes under the same key", func(lines []*line) ([]*line, bool) {
		made := find(lines, func(l *line) bool { return l.Op == "submit" && l.Outcome == "ok" })
		if made == nil {
			return nil, false
		}
		other := *made
		other.Call, other.Return, other.Body = last(lines)+1, last(lines)+2, made.Body+1000
		return append(lines, &other), true
	}},
}

const plantsEach = 20

func (h *history) plantInto(way spoil) (done, unnoticed int) {
	for _, key := range h.keys {
		copied := append([]*line(nil), h.tasks[key]...)
		spoiled, can := way.do(copied)
		if !can {
			continue
		}
		if result, _ := judge(spoiled); result != porcupine.Illegal {
			fmt.Printf("UNNOTICED in task %s: %s\n", key, way.name)
			unnoticed++
		}
		if done++; done == plantsEach {
			break
		}
	}
	return done, unnoticed
}

func (h *history) plantAll() bool {
	good := true
	for _, way := range spoils {
		done, unnoticed := h.plantInto(way)
		fmt.Printf("  %-50s planted %d times, noticed %d\n", way.name, done, done-unnoticed)
		good = good && done > 0 && unnoticed == 0
	}
	return good
}
