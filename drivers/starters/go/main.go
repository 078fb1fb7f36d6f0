// A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
// kdn starts it as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line. Ids such as WIRE-02
// are sentences of SPEC.md. To make a driver of your own, change `manifest` and parts 2 and 3. Go 1.19+, Linux.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// ---- 2. Instances. Each is a folder <storage>/<workspaceId>-<number>, whose name says whose it is, whatever is in it:
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

// find gives the workspace of an instance and its state: "" if there is none, "error" if it can't be read or was cut short.
func find(id string) (workspace object, state string) {
	content, _ := os.ReadFile(folder(id, "workspace.json"))
	err := json.Unmarshal(content, &workspace)
	if !fits(idForm, id) || !exists(folder(id)) {
		return workspace, ""
	} else if err != nil || !exists(folder(id, "ready")) || str(workspace, "name") == "" {
		return object{"name": "unknown"}, "error"
	}
	return workspace, map[bool]string{true: "running", false: "stopped"}[exists(folder(id, "running"))]
}

// look does the same with the lock for a change, or without: then what is just being made or removed is not there.
func look(id string, isChange bool) (workspace object, state string) {
	if workspace, state = find(id); state == "" || state != "error" && !isChange {
		return workspace, state
	} else if isChange {
		lock(folder(id), syscall.LOCK_EX)
	} else if lock(storage, syscall.LOCK_SH); !lock(folder(id), syscall.LOCK_SH|syscall.LOCK_NB) {
		return workspace, ""
	}
	return find(id)
}
func show(id string, workspace object, state string) object {
	shown := object{"id": id, "workspaceId": id[:64], "name": workspace["name"], "state": state}
	if state == "error" {
		shown["reason"] = "its making or removal was cut short, or it can't be read"
	}
	return shown
}
func ids() (ids []string) {
	folders, _ := filepath.Glob(folder("*-*"))
	for _, folder := range folders {
		ids = append(ids, filepath.Base(folder))
	}
	return ids
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
			if !strings.Contains("\x00"+string(environ), "\x00KDN_INSTANCE="+id+"\x00") {
				continue
			}
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			if time.Now().After(killAt) {
				syscall.Kill(pid, syscall.SIGKILL)
			} else if told[file] == nil {
				syscall.Kill(pid, syscall.SIGTERM)
			}
			found, told[file] = true, true
		}
	}
}
func destroy(id string) {
	end(id, 0)
	os.Remove(folder(id, "ready"))                         // what is half removed is an "error"
	exec.Command("chmod", "-R", "u+rwX", folder(id)).Run() // a folder may forbid even its owner to empty it
	try(os.RemoveAll(folder(id)))
}

// ---- 3. Methods. Changes lock what they change, among processes too (CONC-03, CONC-04).

func create(workspace object) object {
	try(os.MkdirAll(storage, 0o700)) // LIFE-17
	lock(storage, syscall.LOCK_EX)
	for _, id := range ids() {
		other, state := find(id)
		if isSame := id[:64] == workspace["workspaceId"]; isSame && state == "error" {
			lock(folder(id), syscall.LOCK_EX)
			destroy(id) // what a killed driver left (CREATE-10)
		} else if isSame && state != "" {
			return show(id, other, state) // IDEM-01
		}
		need(other["name"] != workspace["name"], "already_exists", "there is an instance of this name", "fieldPath", "name")
	}
	info, err := os.Stat(str(workspace, "sourcePath"))
	need(err == nil && info.IsDir(), invalid, "sourcePath is not a folder", "fieldPath", "sourcePath")
	place, err := os.MkdirTemp(storage, str(workspace, "workspaceId")+"-*")
	try(err)
	defer func() {
		if problem := recover(); problem != nil {
			destroy(filepath.Base(place)) // CREATE-02
			panic(problem)
		}
	}()
	lock(place, syscall.LOCK_EX)
	try(os.Mkdir(place+"/home", 0o700))
	for i, file := range items(workspace, "files") {
		need(len(ending) == 0, "internal", "interrupted")
		write(place+"/home/"+str(file, "path"), file, fmt.Sprintf("files[%d]", i))
	}
	delete(workspace, "files")
	content, _ := json.Marshal(workspace)
	try(os.WriteFile(place+"/workspace.json", content, 0o600))
	try(os.WriteFile(place+"/ready", nil, 0o600))
	return show(filepath.Base(place), workspace, "stopped")
}

// write writes one of `files`. In a new home, no symbolic link can lead it out (WORK-08).
func write(path string, file any, field string) {
	must := func(err error) { need(err == nil, invalid, fmt.Sprint(err), "fieldPath", field) }
	content, err := base64.StdEncoding.DecodeString(str(file, "contentBase64"))
	if source := str(file, "source"); source != "" {
		field += ".source"
		info, problem := os.Stat(source)
		need(problem == nil && info.Mode().IsRegular(), invalid, field+" is not a regular file", "fieldPath", field)
		content, err = os.ReadFile(source)
	}
	must(err)
	must(os.MkdirAll(filepath.Dir(path), 0o700))
	must(os.WriteFile(path, content, 0o600))
	must(os.Chmod(path, os.FileMode(number(file, "mode", 0o600))))
}

func list(params object) object {
	_, isChosen := params["workspaceIds"]
	instances, size, chosen := []object{}, 0, fmt.Sprint(params["workspaceIds"])
	for _, id := range ids() {
		workspace, state := look(id, false)
		if state == "" || id < str(params, "cursor") || isChosen && !fits(`.*[[ ]`+id[:64]+`[] ].*`, chosen) {
			continue
		}
		if size += len(str(workspace, "name")) + 500; size > hostFrame && len(instances) > 0 {
			return object{"instances": instances, "nextCursor": id}
		}
		instances = append(instances, show(id, workspace, state))
	}
	return object{"instances": instances}
}

// enter is what a plan runs. It becomes the command, so that no more care is needed (TERM-05 to TERM-18).
func enter(id string, command []string) int {
	lock(folder(id), syscall.LOCK_SH) // until then, so that a `stop` either finds this process or is over
	workspace, state := find(id)
	for _, variable := range os.Environ() { // TERM-16
		if !fits(`(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ|PATH)=.*`, variable) {
			os.Unsetenv(strings.Split(variable, "=")[0])
		}
	}
	variables := append(items(workspace, "environment"), object{"name": "HOME", "value": folder(id, "home")},
		object{"name": "KDN_INSTANCE", "value": id})
	for _, variable := range variables {
		os.Setenv(str(variable, "name"), str(variable, "value"))
	}
	program, err := exec.LookPath(command[0])
	if err == nil && state == "running" {
		err = syscall.Exec(program, command, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "%s: %v (the instance is %q)\n", command[0], err, state)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return 127 // TERM-09
	}
	return 126
}

// ---- 4. The wire

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

func call(method, id string, params object) any {
	switch method {
	case "type":
		return manifest
	case "flags":
		return object{"flags": []any{}}
	case "shutdown":
		isOver = true
		return object{}
	case "initialize":
		speaks := fits(`.*\b1\b.*`, fmt.Sprint(params["protocolVersions"]))
		need(speaks, "version_mismatch", "this driver speaks version 1", "supported", []int{1})
		if storage = filepath.Clean(str(params, "storageDir")); params["limits"] != nil {
			hostFrame = number(params["limits"], "maxFrameBytes", maxFrame)
		}
		return object{"protocolVersion": 1, "manifest": manifest}
	case "list":
		return list(params)
	case "create":
		step("Creating instance", "Instance created")
		return create(params)
	case "start":
		step("Starting instance", "Instance started")
	case "stop":
		step("Ending processes", "Processes ended")
	case "remove":
		step("Removing instance", "Instance removed")
	}
	isChange := method == "start" || method == "stop" || method == "remove"
	workspace, state := look(id, isChange)
	need(state != "" || method == "remove", "instance_not_found", fmt.Sprintf("no instance %q", id))
	need(state != "error" || method == "remove" || method == "info", "invalid_state", "the instance is broken: remove it")
	switch {
	case method == "terminal":
		need(state == "running", "invalid_state", "the instance is not running: start it first")
		need(len(items(params, "command")) > 0, "invalid_params", "the command is empty", "fieldPath", "command")
		args := append([]any{"exec", storage, id}, items(params, "command")...)
		return object{"args": args, "cwd": workspace["sourcePath"], "env": object{"KDN_INSTANCE": id}}
	case method == "remove" && state != "":
		need(state != "running", "invalid_state", "the instance is running: stop it first")
		destroy(id)
		fallthrough
	case method == "remove":
		return object{}
	case method == "stop" && state == "running":
		end(id, number(params, "graceSeconds", 10))
		try(os.Remove(folder(id, "running")))
		state = "stopped"
	case method == "start":
		try(os.WriteFile(folder(id, "running"), nil, 0o600)) // its processes come with terminals
		state = "running"
	}
	return show(id, workspace, state)
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
		ending <- <-ending                                           // for others to see
		time.AfterFunc(1800*time.Millisecond, func() { os.Exit(0) }) // LIFE-25
		busy.Lock()
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

func main() {
	usage := "kdn-runtime-" + kind + ": " + about + "\nIt is a runtime driver: put it on PATH, and kdn starts it."
	stdin, _ := os.Readlink("/proc/self/fd/0")
	_, isStarted := os.LookupEnv("KDN_RUNTIME_PROTOCOL")
	switch argument := append(os.Args, "")[1]; {
	case argument == "--version": // LIFE-09
		fmt.Println("kdn-runtime-"+kind, version)
	case argument == "--help":
		fmt.Println(usage)
	case argument == "exec" && len(os.Args) > 4:
		storage = os.Args[2]
		os.Exit(enter(os.Args[3], os.Args[4:]))
	case argument != "" || !isStarted || fits(`/dev/(pts/|tty|console).*`, stdin): // LIFE-07
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(64)
	default:
		os.Exit(serve())
	}
}
