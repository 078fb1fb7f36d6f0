// The wire, which fits every driver: one JSON object a line, params that are checked before a method sees them, errors of
// the protocol, and the end of the process. To offer more, give its params in `shapes` a form other than "unsupported".
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

const maxFrame = 16 << 20

var (
	isOver    bool                      // there was a `shutdown`
	hostFrame = maxFrame                // the largest frame that the host takes
	request   any                       // the id of the request that is being carried out,
	hasStep   bool                      // and whether it has a step
	ending    = make(chan os.Signal, 2) // not empty when the driver is to end
)

// ---- 1. Params and errors. A shape is an object, where "?" ends what may be absent and "*" is any name; a list, perhaps
// with the field in which its items differ; or a form. What needs a capability that is not declared is "unsupported".

var shapes = decode(`{"type": {}, "flags": {}, "shutdown": {}, "info": {"id": "string"}, "remove": {"id": "string"},
	"initialize": {"protocolVersions": ["integer"], "host": {"name": "string", "version": "string", "pid": "integer"},
		"storageDir": "path", "limits?": {"maxFrameBytes?": "integer"}, "capabilities?": {}},
	"create": {"workspaceId": "workspace id", "name": "workspace name", "sourcePath": "absolute path", "projectId?": "string",
		"model?": "string", "agent": {"name": "string", "command?": ["string"], "install?": ["string"]},
		"environment?": [{"name": "variable", "value|secret": "string", "secret?": "unsupported string"}, "name"],
		"files?": [{"path": "relative path", "source|contentBase64": "string", "source?": "absolute path",
			"contentBase64?": "base64", "mode?": "mode"}, "path"],
		"network?": {"mode?": "network mode", "hosts?": ["string"]}, "mounts?": ["unsupported"], "ports?": ["unsupported"],
		"secrets?": ["unsupported"], "features?": ["unsupported"], "options?": {"*": "flag"},
		"limits?": {"memoryBytes?": "unsupported", "cpus?": "unsupported", "pids?": "unsupported"}},
	"start": {"id": "string", "network": {"mode?": "network mode", "hosts?": ["string"]}, "secretValues?": {"*": "string"}},
	"stop": {"id": "string", "graceSeconds?": "integer"}, "list": {"workspaceIds?": ["string"], "cursor?": "cursor"},
	"terminal": {"id": "string", "command": ["string"], "tty?": "boolean"}}`).(object)

const invalid, text, part, idForm = "invalid_workspace", `".*"`, `(\.?[^/.][^/]*|\.\.[^/]+)`, `[0-9a-f]{64}-\d+`

// Of each form, the pattern of all values of its type, that of the right ones, and the kind of error for the others.
var forms = map[string][3]string{"string": {text, text}, "integer": {`\d+`, `\d+`}, "boolean": {`true|false`, `.*`},
	"mode": {`[1-4]?\d?\d|50\d|51[01]`, `.*`}, "path": {`"/.*"`, text}, "cursor": {`"` + idForm + `"`, text},
	"workspace id": {text, `"[0-9a-f]{64}"`, invalid}, "workspace name": {text, `"[a-z0-9]([a-z0-9._-]*[a-z0-9])?"`, invalid},
	"absolute path": {text, `"(/+(\.|` + part + `)?)+"`, invalid}, "relative path": {text, `"` + part + `(/` + part + `)*"`, invalid},
	"variable": {text, `"[^=]+"`, invalid}, "base64": {text, `"[^\r\n]*"`, invalid}, "flag": {text, `-`, invalid},
	"network mode": {`"(allow|deny)"`, `"allow"`, "unsupported"}, "unsupported": {`.*`, `-`, "unsupported"},
	"unsupported string": {text, `-`, "unsupported"}}

// check fails where a value is not of a shape. Called for one kind of error after the other, it finds the worst first.
func check(kind string, shape, value any, at string) {
	must := func(holds bool, failure, what string) { // the value is not shown: it may be a secret (SEC-01)
		need(holds || failure != kind, kind, at+" must be "+what, "fieldPath", at)
	}
	switch shape := shape.(type) {
	case object:
		members, ok := value.(object)
		must(ok, "invalid_params", "an object")
		for name, inner := range shape {
			names, found := strings.Split(strings.TrimSuffix(name, "?"), "|"), 0
			for key, member := range members {
				if name == "*" || key == names[0] || key == names[len(names)-1] {
					check(kind, inner, member, strings.TrimPrefix(at+"."+key, "."))
					found++
				}
			}
			must(found == 1 || len(names) == 1, invalid, "given one of "+name) // CREATE-05
			at := strings.TrimPrefix(at+"."+name, ".")
			need(found > 0 || strings.ContainsAny(name, "?*|"), "invalid_params", at+" is missing", "fieldPath", at)
		}
	case []any:
		list, ok := value.([]any)
		must(ok, "invalid_params", "an array")
		seen := object{}
		for i, item := range list {
			check(kind, shape[0], item, fmt.Sprintf("%s[%d]", at, i))
			if len(shape) > 1 {
				seen[str(item, shape[1].(string))] = nil
				must(len(seen) > i, invalid, fmt.Sprintf("without the same %s twice", shape[1]))
			}
		}
	case string:
		written := fmt.Sprint(value)
		if _, ok := value.(string); ok {
			written = `"` + written + `"`
		}
		isTorn := strings.ContainsAny(written, "\x00\uFFFD") // SEC-09; Go reads the latter for what is no character
		must(fits(forms[shape][0], written) && !isTorn, "invalid_params", "of the form: "+shape)
		must(fits(forms[shape][1], written), forms[shape][2], "of the form: "+shape)
	}
}
func fits(pattern, text string) bool {
	return regexp.MustCompile(`^(?s:` + pattern + `)$`).MatchString(text)
}
func str(in any, field string) string  { value, _ := in.(object)[field].(string); return value }
func items(in any, field string) []any { value, _ := in.(object)[field].([]any); return value }
func number(in any, field string, absent int) int {
	if n, err := strconv.Atoi(fmt.Sprint(in.(object)[field])); err == nil {
		return n
	}
	return absent
}
func decode(text string) (value any) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	try(decoder.Decode(&value))
	return value
}

var codes = map[string]int{"instance_not_found": 1001, "invalid_workspace": 1002, "already_exists": 1004,
	"invalid_state": 1005, "unsupported": 1006, "frame_too_large": 1008, "version_mismatch": 1010, "not_initialized": 1011,
	"parse_error": -32700, "invalid_request": -32600, "method_not_found": -32601, "invalid_params": -32602, "internal": -32603}

// need panics with an error, which becomes the answer, unless something holds. `data` is the name and value of its data.
func need(holds bool, kind, message string, data ...any) {
	if data = append(data, "hints", []string{}); !holds {
		panic(object{"code": codes[kind], "message": message, "data": object{"kind": kind, data[0].(string): data[1]}})
	}
}
func try(err error) { need(err == nil, "internal", fmt.Sprint(err)) }

// ---- 2. Lines

func send(frame object) bool {
	frame["jsonrpc"] = "2.0"
	line, _ := json.Marshal(frame)
	if len(line) <= hostFrame { // WIRE-08
		os.Stdout.Write(append(line, '\n'))
	}
	return len(line) <= hostFrame
}

// tell tells the user how a change goes, if the id of the request is a number.
func tell(event object) {
	if _, isNumber := request.(json.Number); isNumber && hasStep {
		event["requestId"] = request
		send(object{"method": "$/step", "params": event})
	}
}
func step(inProgress, completed string) {
	hasStep = true
	tell(object{"event": "start", "inProgress": inProgress, "completed": completed})
}

// carryOut does what a line asks for. A notification gets no answer (WIRE-23 to WIRE-34).
func carryOut(line []byte) (answer object) {
	defer func() {
		if problem := recover(); problem != nil {
			fault, ok := problem.(object)
			if !ok { // ERR-08
				fault = object{"code": -32603, "message": fmt.Sprint(problem), "data": object{"kind": "internal"}}
			}
			answer = object{"error": fault}
		}
	}()
	need(utf8.Valid(line) && json.Valid(line), "parse_error", "the line is not JSON in UTF-8")
	frame, _ := decode(string(line)).(object)
	id, isRequest := frame["id"]
	_, isText := id.(string)
	if isText || fits(`\d{1,16}`, fmt.Sprint(id)) && number(frame, "id", 1<<53) < 1<<53 {
		request = id
	}
	method, isCall := frame["method"].(string)
	isCall = isCall && frame["jsonrpc"] == "2.0" && (request != nil || !isRequest)
	need(isCall, "invalid_request", "the line is not a request of JSON-RPC 2.0 with a usable id")
	params, isGiven := frame["params"]
	if !isRequest {
		return object{}
	} else if !isGiven {
		params = object{}
	}
	need(shapes[method] != nil, "method_not_found", fmt.Sprintf("no method %q", method))
	isRight := method == "type" || method == "flags" || !isOver && (storage == "") == (method == "initialize")
	need(isRight, "not_initialized", method+" is not possible before initialize, after it, or after shutdown")
	_, isObject := params.(object)
	need(isObject, "invalid_params", "the params must be an object")
	for _, kind := range []string{"invalid_params", invalid, "unsupported"} {
		check(kind, shapes[method], params, "")
	}
	return object{"result": call(method, str(params, "id"), params.(object))}
}

// take carries out a line and answers it.
func take(line []byte) {
	request, hasStep, locks = nil, false, nil
	answer, event := carryOut(line), object{"event": "complete"}
	if fault, ok := answer["error"].(object); ok {
		event = object{"event": "fail", "error": fault["message"]}
	}
	for _, file := range locks {
		file.Close()
	}
	tell(event)                                                   // STEP-04
	if answer["id"] = request; len(answer) > 1 && !send(answer) { // WIRE-09
		data := object{"kind": "frame_too_large"}
		send(object{"id": request, "error": object{"code": 1008, "message": "the answer is too large", "data": data}})
	}
}

// serve answers line after line. A SIGTERM, or an answer that nobody reads, ends it once what is running is rolled back.
func serve() int {
	var busy sync.Mutex
	syscall.Umask(0o077)
	signal.Notify(ending, syscall.SIGTERM, syscall.SIGPIPE)
	go func() {
		ending <- <-ending                      // for others to see
		go func() { busy.Lock(); os.Exit(0) }() // once what is running is rolled back
		for i := 0; i < 90; i++ {               // or soon (LIFE-25), not counting the time that the machine stands still
			time.Sleep(20 * time.Millisecond)
		}
		os.Exit(0)
	}()
	for stdin := bufio.NewReaderSize(os.Stdin, maxFrame+2); ; {
		line, err := stdin.ReadSlice('\n')
		if err == io.EOF { // a last line without a newline is not carried out (WIRE-12)
			return 0
		} else if line = bytes.TrimRight(line, "\r\n"); err != nil || len(line) > maxFrame {
			return 1 // WIRE-11
		} else if len(bytes.TrimSpace(line)) > 0 {
			busy.Lock()
			take(line)
			busy.Unlock()
		}
	}
}
