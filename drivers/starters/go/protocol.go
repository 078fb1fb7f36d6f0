// The wire: errors, requests and frames. Nothing here depends on what the driver does.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

type object = map[string]any

// ---- Errors (section 14). A handler panics with one, and `run` answers it.

type failure object

var codes = map[string]int{"instance_not_found": 1001, "invalid_workspace": 1002, "already_exists": 1004,
	"invalid_state": 1005, "unsupported": 1006, "busy": 1007, "frame_too_large": 1008, "backend_failed": 1009, "version_mismatch": 1010,
	"not_initialized": 1011, "cancelled": 1012, "parse_error": -32700, "invalid_request": -32600,
	"method_not_found": -32601, "invalid_params": -32602, "internal": -32603}

// fail makes an error with a further member of `data`. What the message quotes may be as large as a frame.
func fail(kind, message, member string, value any) failure {
	return failure{"code": codes[kind], "message": fmt.Sprintf("%.1000s", message), "data": object{"kind": kind, member: value}}
}

// need fails with a wrong field of the params, which may be "", unless a condition holds.
func need(holds bool, kind, field, message string) {
	if !holds && field == "" {
		panic(fail(kind, message, "hints", []string{}))
	} else if !holds {
		panic(fail(kind, field+" "+message, "fieldPath", field))
	}
}

func try(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T { try(err); return value }

// ---- Requests

type request struct {
	id      json.RawMessage
	params  object
	ctx     context.Context
	stepped bool // there is an open step
}

var (
	session   = "closed"     // then "open", then "shut down"
	hostLimit = 16 << 20     // the largest frame that the host takes
	requests  sync.WaitGroup // those that run, and how to cancel them
	cancels   = map[string]context.CancelFunc{}
	mutex     sync.Mutex // over stdout and cancels
)

// send writes one frame, unless it is too large (WIRE-08). Stdout has no buffer (WIRE-03).
func send(frame object) bool {
	frame["jsonrpc"] = "2.0"
	line := must(json.Marshal(frame))
	mutex.Lock()
	defer mutex.Unlock()
	if len(line) <= hostLimit {
		os.Stdout.Write(append(line, '\n')) // when nobody reads there is a SIGPIPE, which ends `serve`
	}
	return len(line) <= hostLimit
}

// notify tells the host about a request, if its id is a number (section 3.2).
func (r *request) notify(method string, params object) {
	if params["requestId"] = r.id; r.id[0] != '"' {
		send(object{"method": method, "params": params})
	}
}

// step begins a step, which completes the one before. The last is closed by `run` (STEP-04).
func (r *request) step(inProgress, completed string) {
	r.stepped = true
	r.notify("$/step", object{"event": "start", "inProgress": inProgress, "completed": completed})
}

func checkCancelled(ctx context.Context) { need(ctx.Err() == nil, "cancelled", "", "cancelled") }

// run carries out a request and answers it.
func (r *request) run(handler func(*request) any) {
	answer, last := object{"id": r.id}, object{"event": "complete"}
	func() {
		defer func() {
			problem := recover()
			failed, ok := problem.(failure)
			if problem != nil && !ok { // a fault of the driver itself (ERR-08)
				failed = fail("internal", fmt.Sprint(problem), "hints", []string{})
			}
			if failed != nil {
				answer["error"], last = failed, object{"event": "fail", "error": failed["message"]}
			}
		}()
		answer["result"] = handler(r)
	}()
	if r.stepped {
		r.notify("$/step", last)
	}
	mutex.Lock()
	delete(cancels, string(r.id))
	mutex.Unlock()
	if !send(answer) { // WIRE-09
		send(object{"id": r.id, "error": fail("frame_too_large", "the answer is larger than a frame", "hints", []string{})})
	}
}

func textOf(member json.RawMessage) (text string, ok bool) {
	ok = len(member) > 0 && member[0] == '"' && json.Unmarshal(member, &text) == nil
	return text, ok
}

// take takes a line: a request, a notification, or what is neither (WIRE-23 to WIRE-34).
func take(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	r := &request{id: json.RawMessage("null"), params: object{}}
	isJSON, isObject, wrong := utf8.Valid(line) && json.Valid(line), true, "invalid_params"
	var frame map[string]json.RawMessage
	if isJSON {
		json.Unmarshal(line, &frame) // leaves nil of what is not an object
	}
	id, isRequest := frame["id"]
	number, err := strconv.ParseUint(string(id), 10, 64)
	if _, isText := textOf(id); isText || err == nil && number < 1<<53 {
		r.id = id
	}
	version, _ := textOf(frame["jsonrpc"])
	method, isCall := textOf(frame["method"])
	isCall = isJSON && isCall && version == "2.0" && (!isRequest || r.id[0] != 'n')
	if params := frame["params"]; isJSON && params != nil {
		r.params, isObject = decode(params).(object)
	}
	if isCall && !isRequest { // there is one notification; all others are ignored
		mutex.Lock()
		defer mutex.Unlock()
		id, _ := r.params["id"].(json.Number)
		if cancel := cancels[string(id)]; method == "$/cancelRequest" && cancel != nil {
			cancel()
		}
		return
	}
	if method == "create" {
		wrong = "invalid_workspace"
	}
	now, example, isAlways, opens := session, examples[method], method == "type" || method == "flags", method == "initialize"
	handler := func(r *request) any {
		need(isJSON, "parse_error", "", "the line is not JSON in UTF-8")
		need(isCall, "invalid_request", "", "the line is not a request of JSON-RPC 2.0 with a usable id")
		need(example != nil, "method_not_found", "", fmt.Sprintf("method not found: %q", method))
		need(isAlways || now == "open" && !opens || now == "closed" && opens, "not_initialized", "", "the session is "+now)
		need(isObject, "invalid_params", "", "the params are not an object")
		check(example, r.params, "", wrong)
		return handlers[method](r)
	}
	if !isCall || opens || method == "shutdown" { // what changes the session is done before the next line is read
		r.run(handler)
		return
	}
	var cancel context.CancelFunc // all else runs side by side, so that reading goes on (CONC-02)
	r.ctx, cancel = context.WithCancel(context.Background())
	mutex.Lock()
	cancels[string(id)] = cancel
	mutex.Unlock()
	requests.Add(1)
	go func() { defer requests.Done(); r.run(handler) }()
}

// ---- Frames

// readLines passes lines on until stdin ends, without a last line that has no newline (WIRE-12), or until one is too large.
func readLines(lines chan<- []byte, status *int) {
	defer close(lines)
	stdin := bufio.NewReaderSize(os.Stdin, 1<<16)
	for line := []byte(nil); *status == 0; {
		piece, err := stdin.ReadSlice('\n')
		line = append(line, piece...)
		if len(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))) > 16<<20 {
			*status = 1 // WIRE-11
		} else if err == nil {
			lines <- line
			line = nil
		} else if err != bufio.ErrBufferFull {
			return
		}
	}
}

// serve works until stdin ends, SIGTERM comes or nobody reads stdout, and then rolls back what is running (LIFE-21 to -26).
func serve() (status int) {
	lines, ended, done := make(chan []byte), make(chan os.Signal, 2), make(chan bool)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGPIPE)
	go readLines(lines, &status)
	for open := true; open; {
		select {
		case <-ended:
			open = false
		case line, more := <-lines:
			if open = more; more {
				take(line)
			}
		}
	}
	mutex.Lock()
	for _, cancel := range cancels {
		cancel()
	}
	mutex.Unlock()
	go func() { requests.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(1800 * time.Millisecond): // LIFE-25; a `remove` that is cut short can be repeated
	}
	return status
}
