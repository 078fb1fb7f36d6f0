// The protocol around the driver: errors, what params look like, requests, frames. Only `gated` depends on what the
// driver can do.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

type object = map[string]any

// ---- Errors (section 14). A handler panics with one, and `run` answers it.

type failure object

var codes = map[string]int{"instance_not_found": 1001, "invalid_workspace": 1002, "already_exists": 1004,
	"invalid_state": 1005, "unsupported": 1006, "frame_too_large": 1008, "backend_failed": 1009, "version_mismatch": 1010,
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

// ---- Params

// The params of each method by example: "!" is required, a|b is one of the two, "*" is any name, and the second item
// of a list is the field of which no two entries have the same.
var examples = decode([]byte(`{"type": {}, "flags": {}, "shutdown": {}, "info": {"id!": "string"}, "remove": {"id!": "string"},
	"initialize": {"protocolVersions!": ["integer"], "host!": {"name!": "string", "version!": "string", "pid!": "integer"},
		"storageDir!": "absolute", "limits": {"maxFrameBytes": "integer"}, "capabilities": {}},
	"list": {"workspaceIds": ["string"], "cursor": "unknown"},
	"start": {"id!": "string", "network!": {"mode": "mode", "hosts": ["host"]}, "secretValues": {"*": "string"}},
	"stop": {"id!": "string", "graceSeconds": "integer"},
	"terminal": {"id!": "string", "command!": ["string"], "tty": "boolean"},
	"create": {"workspaceId!": "id", "name!": "name", "sourcePath!": "path", "projectId": "string", "model": "string",
		"agent!": {"name!": "text", "command": ["string"], "install": ["string"]},
		"environment": [{"name!": "variable", "value|secret!": "string"}, "name"],
		"mounts": [{"host!": "path", "target!": "target", "readOnly": "boolean"}, "target"],
		"ports": [{"target!": "port", "host": "port", "bind": "ip", "protocol": "string"}, "target"],
		"network": {"mode": "mode", "hosts": ["host"]},
		"secrets": [{"name!": "string", "hosts": ["host"], "path": "string", "header!": "string", "headerTemplate": "string",
			"envNames": ["variable"]}, "name"],
		"files": [{"path!": "relative", "source|contentBase64!": "string", "source": "path", "contentBase64": "base64",
			"mode": "permissions"}, "path"],
		"features": [{"id!": "string", "directory!": "path", "options": {"*": "string"}, "containerEnv": {"*": "string"}}],
		"limits": {"memoryBytes": "positive", "cpus": "cpus", "pids": "positive"}, "options": {"*": "unknown"}}}`)).(object)

// What needs a capability that is not declared, by example, too (section 6): then the error is `unsupported` (CAP-03).
var gated = decode([]byte(`{"mounts": ["never"], "ports": ["never"], "features": ["never"], "secrets": ["never"],
	"limits": {"memoryBytes": "never", "cpus": "never", "pids": "never"}, "environment": [{"secret": "never"}],
	"network": {"mode": "allow"}}`))

const part, ipv6 = `(\.?[^/.][^/]*|\.\.[^/]+)`, `[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*` // a part of a path is never ".."

// What the words mean: forms of texts, which begin with a quote here, and of other values as JSON.
var forms = map[string]string{"string": `^"`, "text": `^"(?s:.)`, "boolean": `^(true|false)$`, "integer": `^\d+$`,
	"positive": `^[1-9]\d*$`, "permissions": `^([1-4]?\d?\d|50\d|51[01])$`, "cpus": `^[\d.]*[1-9][\d.]*([eE].*)?$`,
	"port": `^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$`, "unknown": `^"\b\B`, "never": `^"\b\B`, "allow": `^"allow$`,
	"id": `^"[0-9a-f]{64}$`, "name": `^"[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`, "variable": `^"[^=]+$`, "mode": `^"(allow|deny)$`,
	"absolute": `^"/`, "path": `^"(/+(\.|` + part + `)?)+$`, "target": `^"(/+(\./+)*` + part + `)+/*$`,
	"relative": `^"` + part + `(/` + part + `)*$`, "base64": `^"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`,
	"host": `^"((\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|` + ipv6 + `)$`, "ip": `^"(\d{1,3}(\.\d{1,3}){3}|` + ipv6 + `)$`}

// decode reads JSON and keeps numbers as they are written.
func decode(text []byte) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	try(decoder.Decode(&value))
	return value
}

// check compares a value with its example. A text of a wrong form is `invalid`, and all else -32602 (WIRE-32).
func check(invalid, at string, example, value any) {
	switch example := example.(type) {
	case object:
		fields, ok := value.(object)
		need(ok, "invalid_params", at, "is not an object")
		for key, example := range example {
			names, found := strings.Split(strings.TrimSuffix(key, "!"), "|"), 0
			for name, v := range fields {
				if key == "*" || name == names[0] || name == names[len(names)-1] {
					found++
					check(invalid, strings.TrimPrefix(at+"."+name, "."), example, v)
				}
			}
			need(found > 0 || key == names[0] || len(names) > 1, "invalid_params", strings.TrimPrefix(at+"."+names[0], "."), "is missing")
			need(found == 1 || len(names) == 1, invalid, at, "does not have one of "+key) // CREATE-05
		}
	case []any:
		list, ok := value.([]any)
		need(ok, "invalid_params", at, "is not an array")
		for i, seen := 0, (object{}); i < len(list); i++ {
			check(invalid, fmt.Sprintf("%s[%d]", at, i), example[0], list[i])
			if len(example) > 1 {
				seen[fmt.Sprint(list[i].(object)[example[1].(string)])] = nil
				need(len(seen) == i+1, invalid, fmt.Sprintf("%s[%d].%s", at, i, example[1]), "is there twice")
			}
		}
	case string:
		text, isText := value.(string)
		written, kind := fmt.Sprint(value), "invalid_params"
		if isText {
			written = `"` + text
		}
		if isText && forms[example][1] == '"' && !strings.Contains(text, "\x00") || invalid == "unsupported" {
			kind = invalid
		}
		need(regexp.MustCompile(forms[example]).MatchString(written) && !strings.Contains(text, "\x00"), kind, at, "is not a usable "+example)
	}
}

func items(in any, field string) []any { list, _ := in.(object)[field].([]any); return list }

func text(in any, field string) string { value, _ := in.(object)[field].(string); return value }

// ---- Requests

type request struct {
	id      json.RawMessage
	params  object
	ctx     context.Context
	stepped bool // there is an open step
}

var (
	session   = "not initialized" // then "open", then "shut down"
	hostLimit = 16 << 20          // the largest frame that the host takes
	requests  sync.WaitGroup      // those that run, and how to cancel them
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
	var frame map[string]json.RawMessage
	r := &request{id: json.RawMessage("null"), params: object{}}
	if len(bytes.TrimSpace(line)) == 0 {
		return
	} else if !utf8.Valid(line) || !json.Valid(line) {
		r.run(func(*request) any { panic(fail("parse_error", "the line is not JSON in UTF-8", "hints", []string{})) })
		return
	}
	json.Unmarshal(line, &frame) // leaves nil of what is not an object
	id, isRequest := frame["id"]
	number, err := strconv.ParseUint(string(id), 10, 64)
	if _, isText := textOf(id); isText || err == nil && number < 1<<53 {
		r.id = id
	}
	version, _ := textOf(frame["jsonrpc"])
	method, isMethod := textOf(frame["method"])
	isObject := true
	if frame["params"] != nil {
		r.params, isObject = decode(frame["params"]).(object)
	}
	isCall := version == "2.0" && isMethod && (!isRequest || r.id[0] != 'n')
	if isCall && !isRequest { // there is one notification; all others are ignored
		id, _ := r.params["id"].(json.Number)
		mutex.Lock()
		defer mutex.Unlock()
		if cancel := cancels[string(id)]; method == "$/cancelRequest" && cancel != nil {
			cancel()
		}
		return
	}
	now, example := session, examples[method]
	handler := func(r *request) any {
		always := method == "type" || method == "flags"
		needed := map[bool]string{true: "not initialized", false: "open"}[method == "initialize"]
		need(isCall, "invalid_request", "", "the line is not a request of JSON-RPC 2.0 with a usable id")
		need(example != nil, "method_not_found", "", fmt.Sprintf("method not found: %q", method))
		need(always || now == needed, "not_initialized", "", "the session is "+now) // LIFE-12 to LIFE-14
		need(isObject, "invalid_params", "", "the params are not an object")
		check(map[bool]string{true: "invalid_workspace", false: "invalid_params"}[method == "create"], "", example, r.params)
		return handlers[method](r)
	}
	if !isCall || example == nil || method == "initialize" || method == "shutdown" {
		r.run(handler)
		return
	}
	var cancel context.CancelFunc // all others run side by side, so that reading goes on (CONC-02)
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
