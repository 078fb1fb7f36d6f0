// A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
// kdn starts it as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line. Ids such as WIRE-02
// are sentences of SPEC.md. To make a driver of your own, change `manifest` and parts 3 and 4. Go 1.19+, Linux.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

type object = map[string]any

const version, about, maxFrame = "0.1.0", "Ordinary processes of your own account, without isolation", 16 << 20

var (
	kind     = strings.TrimPrefix(filepath.Base(os.Args[0]), "kdn-runtime-") // MAN-01
	manifest = object{"type": kind, "displayName": kind, "description": about, "version": version, "isolated": false,
		"protocolVersions": []int{1}, "capabilities": object{"terminal": object{}}}
	storage   string                    // the storage folder, once there was an `initialize`
	isOver    bool                      // there was a `shutdown`
	hostFrame = maxFrame                // the largest frame that the host takes
	request   any                       // the id of the request that is being carried out,
	hasStep   bool                      // whether it has a step,
	locks     []*os.File                // and what it has locked
	ending    = make(chan os.Signal, 2) // is not empty when the driver is to end
)

// ---- 1. Errors: a method panics with one, and that becomes its answer

var codes = map[string]int{"instance_not_found": 1001, "invalid_workspace": 1002, "already_exists": 1004,
	"invalid_state": 1005, "unsupported": 1006, "frame_too_large": 1008, "version_mismatch": 1010, "not_initialized": 1011,
	"parse_error": -32700, "invalid_request": -32600, "method_not_found": -32601, "invalid_params": -32602, "internal": -32603}

// need fails unless something holds. `data` is the name and the value of what else to tell.
func need(holds bool, kind, message string, data ...any) {
	if !holds {
		data = append(data, "hints", []string{})
		panic(object{"code": codes[kind], "message": message, "data": object{"kind": kind, data[0].(string): data[1]}})
	}
}
func try(err error) { need(err == nil, "internal", fmt.Sprint(err)) }

// ---- 2. Params. A shape is an object, where "?" ends what may be absent and "*" is any name; a list, perhaps with the
// field in which its items differ; or a form. What needs a capability that this driver does not have is "unsupported".

var shapes = decode(`{"type": {}, "flags": {}, "shutdown": {}, "info": {"id": "string"}, "remove": {"id": "string"},
	"initialize": {"protocolVersions": ["integer"], "host": {"name": "string", "version": "string", "pid": "integer"},
		"storageDir": "path", "limits?": {"maxFrameBytes?": "integer"}, "capabilities?": {}},
	"create": {"workspaceId": "workspace id", "name": "workspace name", "sourcePath": "absolute path", "projectId?": "string",
		"model?": "string", "agent": {"name": "string", "command?": ["string"], "install?": ["string"]},
		"environment?": [{"name": "variable name", "value|secret": "string", "secret?": "unsupported string"}, "name"],
		"files?": [{"path": "relative path", "source|contentBase64": "string", "source?": "absolute path", "mode?": "mode"}, "path"],
		"network?": {"mode?": "network mode", "hosts?": ["string"]}, "mounts?": ["unsupported"], "ports?": ["unsupported"],
		"secrets?": ["unsupported"], "features?": ["unsupported"], "options?": {"*": "flag"},
		"limits?": {"memoryBytes?": "unsupported", "cpus?": "unsupported", "pids?": "unsupported"}},
	"start": {"id": "string", "network": {"mode?": "network mode", "hosts?": ["string"]}, "secretValues?": {"*": "string"}},
	"stop": {"id": "string", "graceSeconds?": "integer"}, "list": {"workspaceIds?": ["string"], "cursor?": "cursor"},
	"terminal": {"id": "string", "command": ["string"], "tty?": "boolean"}}`).(object)

const text, part = `".*"`, `(\.?[^/.][^/]*|\.\.[^/]+)` // a part of a path is not ".."

// How a value of each form is written if it is of the type, how if it is right, and the kind of error if it is not.
var forms = map[string][3]string{"string": {text, text}, "integer": {`\d+`, `\d+`}, "boolean": {`true|false`, `.*`},
	"mode": {`[1-4]?\d?\d|50\d|51[01]`, `.*`}, "path": {`"/.*"`, text}, "cursor": {`-`, `-`}, "flag": {text, `-`, invalid},
	"workspace id": {text, `"[0-9a-f]{64}"`, invalid}, "workspace name": {text, `"[a-z0-9]([a-z0-9._-]*[a-z0-9])?"`, invalid},
	"absolute path": {text, `"(/+(\.|` + part + `)?)+"`, invalid}, "relative path": {text, `"` + part + `(/` + part + `)*"`, invalid},
	"variable name": {text, `"[^=]+"`, invalid}, "network mode": {`"(allow|deny)"`, `"allow"`, "unsupported"},
	"unsupported": {`.*`, `-`, "unsupported"}, "unsupported string": {text, `-`, "unsupported"}}

const invalid = "invalid_workspace"

// check fails where a value is not of a shape. Called for one kind of error after the other, it finds the worst first.
func check(kind string, shape, value any, at string) {
	must := func(holds bool, failure, what string) { // not what it is: that may be a secret (SEC-01)
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
					found++
					check(kind, inner, member, strings.TrimPrefix(at+"."+key, "."))
				}
			}
			must(found > 0 || strings.ContainsAny(name, "?*|"), "invalid_params", "given its "+name)
			must(found == 1 || len(names) == 1, invalid, "given one of "+name) // CREATE-05
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
		form, isTorn := forms[shape], strings.ContainsAny(written, "\x00\uFFFD") // SEC-09; Go reads half a pair as the latter
		must(fits(form[0], written) && !isTorn, "invalid_params", "of the form: "+shape)
		must(fits(form[1], written), form[2], "of the form: "+shape)
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

// ---- 3. Instances. Each is a folder <storage>/<workspaceId>-<number>, whose name says whose it is, whatever is in it:
// home, workspace.json, `ready` once it is complete, and `running`. Its processes have KDN_INSTANCE=<id> as a variable.

func folder(id string, more ...string) string {
	return filepath.Join(storage, id, filepath.Join(more...))
}
func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// lock locks a folder until the answer. The kernel unlocks it when this process ends, in any way (LIFE-33).
func lock(folder string, how int) bool {
	file, err := os.Open(folder)
	locks = append(locks, file)
	return err == nil && syscall.Flock(int(file.Fd()), how) == nil
}

// find gives the workspace of an instance, and its state: "" if there is none, "error" if it is cut short or can't be read.
func find(id string) (workspace object, state string) {
	content, _ := os.ReadFile(folder(id, "workspace.json"))
	err := json.Unmarshal(content, &workspace)
	if !fits(`[0-9a-f]{64}-\d+`, id) || !exists(folder(id)) {
		return workspace, ""
	} else if err != nil || !exists(folder(id, "ready")) || str(workspace, "name") == "" {
		return object{"name": "unknown"}, "error"
	} else if exists(folder(id, "running")) {
		return workspace, "running"
	}
	return workspace, "stopped"
}

// look does the same without a lock: what somebody is just making or removing is not there (CONC-06).
func look(id string) (workspace object, state string) {
	if workspace, state = find(id); state != "error" {
		return workspace, state
	} else if lock(storage, syscall.LOCK_SH); !lock(folder(id), syscall.LOCK_SH|syscall.LOCK_NB) {
		return workspace, ""
	}
	return find(id)
}
func ids() (ids []string) {
	folders, _ := filepath.Glob(folder("*-*"))
	for _, folder := range folders {
		ids = append(ids, filepath.Base(folder))
	}
	return ids
}
func show(id string, workspace object, state string) object {
	shown := object{"id": id, "workspaceId": id[:64], "name": workspace["name"], "state": state}
	if state == "error" {
		shown["reason"] = "its making or removal was cut short, or it can't be read"
	}
	return shown
}

// end asks the processes of an instance to end, and kills what is left after the grace (STOP-01, STOP-03).
func end(id string, grace int) {
	told, killAt := object{}, time.Now().Add(time.Duration(grace)*time.Second)
	for found := true; found; time.Sleep(20 * time.Millisecond) {
		need(grace == 0 || len(ending) == 0, "internal", "interrupted")
		found = false
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range files {
			environ, _ := os.ReadFile(file)
			if strings.Contains("\x00"+string(environ), "\x00KDN_INSTANCE="+id+"\x00") {
				pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
				if time.Now().After(killAt) {
					syscall.Kill(pid, syscall.SIGKILL)
				} else if told[file] == nil {
					syscall.Kill(pid, syscall.SIGTERM)
				}
				found, told[file] = true, pid
			}
		}
	}
}
func destroy(id string) {
	end(id, 0)
	os.Remove(folder(id, "ready"))                         // what is half removed is an "error"
	exec.Command("chmod", "-R", "u+rwX", folder(id)).Run() // a folder may forbid even its owner to empty it
	try(os.RemoveAll(folder(id)))
}

// ---- 4. Methods. Changes lock what they change, among processes too (CONC-03, CONC-04).

func create(workspace object) object {
	try(os.MkdirAll(storage, 0o700)) // LIFE-17
	lock(storage, syscall.LOCK_EX)
	for _, id := range ids() {
		other, state := find(id)
		if id[:64] == workspace["workspaceId"] && state == "error" {
			lock(folder(id), syscall.LOCK_EX)
			destroy(id) // what a killed driver left (CREATE-10)
		} else if id[:64] == workspace["workspaceId"] && state != "" {
			return show(id, other, state) // IDEM-01
		} else if state != "" {
			need(other["name"] != workspace["name"], "already_exists", "there is an instance of this name", "fieldPath", "name")
		}
	}
	info, err := os.Stat(str(workspace, "sourcePath"))
	need(err == nil && info.IsDir(), invalid, "sourcePath is not a folder", "fieldPath", "sourcePath")
	place, err := os.MkdirTemp(storage, str(workspace, "workspaceId")+"-*")
	try(err)
	id := filepath.Base(place)
	defer func() {
		if problem := recover(); problem != nil {
			destroy(id) // CREATE-02
			panic(problem)
		}
	}()
	lock(folder(id), syscall.LOCK_EX)
	step("Writing files", "Files written")
	try(os.Mkdir(folder(id, "home"), 0o700))
	for n, file := range items(workspace, "files") {
		need(len(ending) == 0, "internal", "interrupted")
		field, err := write(folder(id, "home", str(file, "path")), file)
		need(err == nil, invalid, fmt.Sprint(err), "fieldPath", fmt.Sprintf("files[%d].%s", n, field))
	}
	delete(workspace, "files")
	content, _ := json.Marshal(workspace)
	try(os.WriteFile(folder(id, "workspace.json"), content, 0o600))
	try(os.WriteFile(folder(id, "ready"), nil, 0o600))
	return show(id, workspace, "stopped")
}

// write writes one of `files`. In a new home, no symbolic link can lead it out (WORK-08).
func write(path string, file any) (field string, err error) {
	field, encoded := "contentBase64", str(file, "contentBase64")
	content, err := base64.StdEncoding.DecodeString(encoded)
	if source := str(file, "source"); source != "" {
		info, problem := os.Stat(source)
		if problem != nil || !info.Mode().IsRegular() {
			return "source", fmt.Errorf("%q is not a regular file", source)
		}
		content, err = os.ReadFile(source)
	} else if err == nil && base64.StdEncoding.EncodeToString(content) != encoded {
		err = errors.New("the content is not base64")
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err == nil {
		err = os.Chmod(path, os.FileMode(number(file, "mode", 0o600)))
	}
	return field, err
}

// change does one of the methods for an instance.
func change(method, id string, params object) object {
	lock(folder(id), syscall.LOCK_EX)
	workspace, state := find(id)
	need(state != "" || method == "remove", "instance_not_found", fmt.Sprintf("no instance %q", id))
	need(state != "error" || method == "remove", "invalid_state", "the instance is broken: remove it")
	switch {
	case method == "remove" && state != "":
		need(state != "running", "invalid_state", "the instance is running: stop it first")
		step("Removing instance", "Instance removed")
		destroy(id)
	case method == "start" && state == "stopped":
		step("Starting instance", "Instance started") // its processes come with terminals
		try(os.WriteFile(folder(id, "running"), nil, 0o600))
	case method == "stop" && state == "running":
		step("Ending processes", "Processes ended")
		end(id, number(params, "graceSeconds", 10))
		try(os.Remove(folder(id, "running")))
	}
	if method == "remove" {
		return object{}
	}
	return show(id, workspace, map[string]string{"start": "running", "stop": "stopped"}[method])
}

// enter is what the plan of `terminal` runs: it becomes the command, so that all else needs no care (TERM-05 to TERM-18).
func enter(id string, command []string) int {
	lock(folder(id), syscall.LOCK_SH) // until then, so that a `stop` either finds this process or is over
	workspace, state := find(id)
	if state != "running" {
		fmt.Fprintln(os.Stderr, "the instance is not running")
		return 126
	}
	home, kept := folder(id, "home"), `(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ|PATH)=.*` // TERM-16
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !fits(kept, variable) {
			os.Unsetenv(name)
		}
	}
	os.Setenv("PATH", home+"/.local/bin:"+os.Getenv("PATH"))
	for _, variable := range items(workspace, "environment") {
		os.Setenv(str(variable, "name"), str(variable, "value"))
	}
	os.Setenv("HOME", home)
	os.Setenv("KDN_INSTANCE", id)
	err := os.Chdir(str(workspace, "sourcePath"))
	program, problem := exec.LookPath(command[0])
	if err == nil && problem == nil {
		err = syscall.Exec(program, command, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err, problem)
	if errors.Is(problem, exec.ErrNotFound) || errors.Is(problem, os.ErrNotExist) {
		return 127
	}
	return 126 // TERM-09
}

// ---- 5. The wire

func send(frame object) bool {
	frame["jsonrpc"] = "2.0"
	line, err := json.Marshal(frame)
	if len(line) <= hostFrame { // WIRE-08
		os.Stdout.Write(append(line, '\n'))
	}
	return err == nil && len(line) <= hostFrame
}
func tell(event object) {
	event["requestId"] = request
	send(object{"method": "$/step", "params": event})
}

// step tells the user what a change does. A request with a text as its id has no steps.
func step(inProgress, completed string) {
	if _, hasStep = request.(json.Number); hasStep {
		tell(object{"event": "start", "inProgress": inProgress, "completed": completed})
	}
}

func call(method string, params object) any {
	switch id := str(params, "id"); method {
	case "type":
		return manifest
	case "flags":
		return object{"flags": []any{}}
	case "initialize":
		need(strings.Contains(fmt.Sprint(" ", items(params, "protocolVersions"), " "), "1"), "version_mismatch", "", "supported", []int{1})
		storage = filepath.Clean(str(params, "storageDir"))
		if limits, ok := params["limits"]; ok {
			hostFrame = number(limits, "maxFrameBytes", maxFrame)
		}
		return object{"protocolVersion": 1, "manifest": manifest}
	case "create":
		return create(params)
	case "list":
		_, choosy := params["workspaceIds"]
		wanted, instances := fmt.Sprint(params["workspaceIds"]), []object{}
		for _, id := range ids() {
			if workspace, state := look(id); state != "" && (!choosy || strings.Contains(wanted, id[:64])) {
				instances = append(instances, show(id, workspace, state))
			}
		}
		return object{"instances": instances}
	case "info", "terminal":
		workspace, state := look(id)
		need(state != "", "instance_not_found", fmt.Sprintf("no instance %q", id))
		if method == "info" {
			return show(id, workspace, state)
		}
		need(state == "running", "invalid_state", "the instance is not running: start it first")
		need(len(items(params, "command")) > 0, "invalid_params", "the command is empty", "fieldPath", "command")
		args := append([]any{"exec", storage, id}, items(params, "command")...)
		return object{"args": args, "env": object{"KDN_INSTANCE": id}}
	case "shutdown":
		isOver = true
		return object{}
	default:
		return change(method, id, params)
	}
}

// carryOut does what a line asks for, and gives nil for a notification (WIRE-23 to WIRE-34).
func carryOut(line []byte) any {
	need(utf8.Valid(line) && json.Valid(line), "parse_error", "the line is not JSON in UTF-8")
	frame, _ := decode(string(line)).(object)
	id, isRequest := frame["id"]
	text, isText := id.(string)
	number, err := strconv.ParseUint(fmt.Sprint(id), 10, 53)
	if isText || err == nil {
		request = id
	}
	_, _ = text, number
	method, isCall := frame["method"].(string)
	isCall = isCall && frame["jsonrpc"] == "2.0" && (request != nil || !isRequest)
	need(isCall, "invalid_request", "the line is not a request of JSON-RPC 2.0 with a usable id")
	if !isRequest {
		return nil
	}
	params, isGiven := frame["params"]
	if !isGiven {
		params = object{}
	}
	need(shapes[method] != nil, "method_not_found", fmt.Sprintf("no method %q", method))
	isRight := method == "type" || method == "flags" || !isOver && (storage == "") == (method == "initialize")
	need(isRight, "not_initialized", method+" is not possible before initialize, after it, or after shutdown")
	for _, kind := range []string{"invalid_params", invalid, "unsupported"} {
		check(kind, shapes[method], params, "")
	}
	return call(method, params.(object))
}

// take carries out a line and answers it.
func take(line []byte) {
	answer, last := object{}, object{"event": "complete"}
	request, hasStep = nil, false
	func() {
		defer func() {
			if problem := recover(); problem != nil {
				fault, ok := problem.(object)
				if !ok { // ERR-08
					fault = object{"code": -32603, "message": fmt.Sprint(problem), "data": object{"kind": "internal"}}
				}
				answer["error"], last = fault, object{"event": "fail", "error": fault["message"]}
			}
		}()
		if result := carryOut(line); result != nil {
			answer["result"] = result
		}
	}()
	if hasStep { // STEP-04
		tell(last)
	}
	for _, file := range locks {
		file.Close()
	}
	locks = nil
	if answer["id"] = request; len(answer) > 1 && !send(answer) { // WIRE-09
		data := object{"kind": "frame_too_large"}
		send(object{"id": request, "error": object{"code": 1008, "message": "the answer is larger than a frame", "data": data}})
	}
}

// serve answers line after line. SIGTERM, or nobody who reads, ends it once what is running is done or rolled back.
func serve() int {
	var busy sync.Mutex
	syscall.Umask(0o077)
	signal.Notify(ending, syscall.SIGTERM, syscall.SIGPIPE)
	go func() {
		ending <- <-ending                                           // so that others see it, too
		time.AfterFunc(1800*time.Millisecond, func() { os.Exit(0) }) // LIFE-25
		busy.Lock()
		os.Exit(0)
	}()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxFrame+2)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) { // a last line without "\n" is not carried out
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil
	})
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) > maxFrame {
			return 1 // WIRE-11
		}
		if len(bytes.TrimSpace(line)) > 0 {
			busy.Lock()
			take(line)
			busy.Unlock()
		}
	}
	if lines.Err() != nil {
		return 1
	}
	return 0
}

func main() {
	name, tty := "kdn-runtime-"+kind, ""
	usage := name + ": " + about + "\nIt is a runtime driver: put it on PATH, and kdn starts it."
	tty, _ = os.Readlink("/proc/self/fd/0")
	_, isStarted := os.LookupEnv("KDN_RUNTIME_PROTOCOL")
	switch argument := append(os.Args, "")[1]; {
	case argument == "--version": // LIFE-09
		fmt.Println(name, version)
	case argument == "--help":
		fmt.Println(usage)
	case argument == "exec" && len(os.Args) > 4:
		storage = os.Args[2]
		os.Exit(enter(os.Args[3], os.Args[4:]))
	case argument != "" || !isStarted || fits(`/dev/(pts/|tty|console).*`, tty): // LIFE-07
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(64)
	default:
		os.Exit(serve())
	}
}
