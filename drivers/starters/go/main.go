// A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
// kdn starts it as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line: wire.go does that.
// To make a driver of your own, change `manifest` and what is here. Ids such as WIRE-02 are sentences of the protocol;
// `kdn-conformance explain WIRE-02` shows them. Go 1.19+, Linux.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const version, about = "0.1.0", "Ordinary processes of your own account, without isolation"

var (
	kind     = strings.TrimPrefix(filepath.Base(os.Args[0]), "kdn-runtime-") // MAN-01
	manifest = object{"type": kind, "displayName": kind, "description": about, "version": version, "isolated": false,
		"protocolVersions": []int{1}, "capabilities": object{"terminal": object{}}}
	storage string     // the storage folder, once there was an `initialize`
	locks   []*os.File // what is locked until the answer
)

// ---- 1. Instances. Each is a folder <storage>/<workspaceId>-<number>, whose name says whose it is, whatever is in it:
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

// ---- 2. Methods. Changes lock what they change, among processes too (CONC-03, CONC-04).

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
