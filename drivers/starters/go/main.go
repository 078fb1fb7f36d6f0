// A starter driver for kdn. A workspace is processes in its source folder, under the user's own account: nothing
// is isolated, and the manifest says so. The ids in comments are those of SPEC.md, the kdn runtime protocol.
//
// This file says what the driver is, and what each method does. instance.go knows files and processes, params.go what
// requests look like, and protocol.go the wire. To make it a driver of your own, change `manifest`, and then `create`.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const version = "0.1.0"

func manifest() object {
	name := "starter" // unless the executable's name says more (MAN-01)
	if m := regexp.MustCompile(`^kdn-runtime-([a-z][a-z0-9-]{0,62})$`).FindStringSubmatch(filepath.Base(os.Args[0])); m != nil {
		name = m[1]
	}
	return object{"type": name, "displayName": name, "version": version, "isolated": false, "protocolVersions": []int{1},
		"description":  "Runs agents as ordinary processes of the user in the source folder, without isolation",
		"capabilities": object{"terminal": object{}, "cancellation": object{}}}
}

var handlers = map[string]func(*request) any{"initialize": initialize, "create": create, "start": start, "stop": stop,
	"remove": remove, "info": info, "list": list, "terminal": terminal,
	"type":     func(*request) any { return manifest() },
	"flags":    func(*request) any { return object{"flags": []object{}} },
	"shutdown": func(*request) any { session = "shut down"; return object{} }}

func main() {
	name := fmt.Sprint("kdn-runtime-", manifest()["type"])
	about := fmt.Sprintf("%s %s: %s.\n\nIt is a driver: kdn starts it, without arguments.\n", name, version, manifest()["description"])
	var size [4]uint16
	_, _, notTerminal := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	_, started := os.LookupEnv("KDN_RUNTIME_PROTOCOL")
	switch argument := append(os.Args, "")[1]; {
	case argument == "--version": // LIFE-09
		fmt.Println(name, version)
	case argument == "--help":
		fmt.Print(about)
	case argument == "terminal" && len(os.Args) > 4:
		os.Exit(attach(os.Args[2], os.Args[3], os.Args[4:]))
	case argument != "" || !started || notTerminal == 0: // LIFE-07
		fmt.Fprint(os.Stderr, about)
		os.Exit(64)
	default:
		os.Exit(serve())
	}
}

// ---- Methods

func initialize(r *request) any {
	speaks := false
	for _, version := range r.params["protocolVersions"].([]any) {
		speaks = speaks || version == json.Number("1")
	}
	if !speaks { // INIT-02
		panic(fail("version_mismatch", "no protocol version in common: this driver speaks 1", "supported", []int{1}))
	}
	limits, _ := r.params["limits"].(object)
	if limit, ok := limits["maxFrameBytes"].(json.Number); ok {
		hostLimit, _ = strconv.Atoi(string(limit))
	}
	storage, session = filepath.Clean(r.params["storageDir"].(string)), "open"
	return object{"protocolVersion": 1, "manifest": manifest()}
}

// create makes an instance of a workspace; until its state is "stopped" it counts as cut short (CREATE-10).
func create(r *request) any {
	check(gated, r.params, "", "unsupported")
	i := instance{State: "creating", WorkspaceID: text(r.params, "workspaceId"), Name: text(r.params, "name"),
		Info: map[string]string{"source": text(r.params, "sourcePath")}, Environment: map[string]string{}}
	for _, v := range items(r.params, "environment") {
		i.Environment[text(v, "name")] = text(v, "value")
	}
	known, own := i.reserve(r.params)
	if known != nil {
		return known.shown() // IDEM-01
	}
	defer own.Close()
	defer func() {
		if problem := recover(); problem != nil {
			discard(i.ID) // CREATE-02
			panic(problem)
		}
	}()
	r.step("Writing files", "Files written")
	for _, file := range items(r.params, "files") {
		checkCancelled(r.ctx)
		writeFile(folder(i.ID, "home", text(file, "path")), file.(object))
	}
	if command, install := agent(r.params); len(install) > 0 && !i.runs(command) {
		r.step("Installing agent", "Agent installed")
		for _, line := range install {
			i.install(r, line.(string))
		}
		end(r.ctx, i.ID, 0) // what the lines left running
	}
	checkCancelled(r.ctx)
	i.State = "stopped"
	return i.save()
}

// reserve gives the instance that the workspace has, or makes the folder of a new one and locks it.
func (i *instance) reserve(w object) (known *instance, own *os.File) {
	try(os.MkdirAll(storage, 0o700))
	try(os.Chmod(storage, 0o700)) // LIFE-17, SEC-07
	defer lock(storage, 0).Close()
	for _, id := range ids() {
		other := read(id)
		if other == nil { // it has just been removed
			continue
		} else if strings.HasPrefix(id, i.WorkspaceID) && other.State != "error" {
			return other, nil
		} else if strings.HasPrefix(id, i.WorkspaceID) {
			left := lock(folder(id), syscall.LOCK_NB)
			need(left != nil, "busy", "", "the instance "+id+" is being made or removed")
			discard(id) // what a killed driver left
			left.Close()
		} else {
			need(other.Name != i.Name, "already_exists", "", fmt.Sprintf("there is an instance with the name %q", i.Name)) // IDEM-02
		}
	}
	i.checkHost(w)
	unique := make([]byte, 4) // INST-05
	must(rand.Read(unique))
	i.ID = fmt.Sprintf("%s-%x", i.WorkspaceID, unique)
	try(os.MkdirAll(folder(i.ID, "home"), 0o700))
	own = lock(folder(i.ID), syscall.LOCK_NB)
	i.save()
	return nil, own
}

// checkHost looks for what the workspace names of this machine (CREATE-04, AGENT-02).
func (i instance) checkHost(w object) {
	info, err := os.Stat(i.Info["source"])
	need(err == nil && info.IsDir(), "invalid_workspace", "sourcePath", "is not a folder")
	for n, file := range items(w, "files") {
		info, err := os.Stat(text(file, "source"))
		isFile := text(file, "source") == "" || err == nil && info.Mode().IsRegular()
		need(isFile, "invalid_workspace", fmt.Sprintf("files[%d].source", n), "is not a file")
	}
	command, install := agent(w)
	need(len(install) > 0 || i.runs(command), "invalid_workspace", "agent.name", fmt.Sprintf("needs the command %q", command))
}

// agent gives the agent's program, and the lines that install it. Only that of a shell goes without saying.
func agent(w object) (command string, install []any) {
	if text(w["agent"], "name") == "shell" {
		command = "sh"
	}
	for _, word := range append(items(w["agent"], "command"), command)[:1] {
		command = word.(string)
	}
	return command, items(w["agent"], "install")
}

// writeFile writes one of `files` into a new home, in which no symbolic link is yet (WORK-06, WORK-08).
func writeFile(path string, file object) {
	content := base64.NewDecoder(base64.StdEncoding, strings.NewReader(text(file, "contentBase64")))
	if source := text(file, "source"); source != "" {
		opened := must(os.Open(source))
		defer opened.Close()
		content = opened
	}
	try(os.MkdirAll(filepath.Dir(path), 0o700))
	out := must(os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600))
	defer out.Close()
	must(io.Copy(out, content))
	mode := fs.FileMode(0o600)
	if given, ok := file["mode"].(json.Number); ok {
		mode = fs.FileMode(must(given.Int64()))
	}
	try(out.Chmod(mode))
}

// install runs a line in the home.
func (i instance) install(r *request, line string) {
	log := must(os.Create(folder(i.ID, "log")))
	defer log.Close()
	shell := exec.CommandContext(r.ctx, "/bin/sh", "-c", line)
	shell.Env, shell.Dir, shell.Stdout, shell.Stderr = i.environment(), folder(i.ID, "home"), log, log
	err := shell.Run()
	checkCancelled(r.ctx)
	output := must(os.ReadFile(log.Name()))
	if len(output) > 8192 { // ERR-07
		output = output[len(output)-8192:]
	}
	tail := strings.ToValidUTF8(string(output), "?")
	r.notify("$/log", object{"text": tail})
	if err != nil {
		failed := object{"argv": shell.Args, "stderrTail": tail}
		if status := shell.ProcessState.ExitCode(); status >= 0 {
			failed["exitCode"] = status
		}
		panic(fail("backend_failed", fmt.Sprint("can't install the agent: ", err), "command", failed))
	}
}

// change does something to an instance while nobody else does (CONC-03).
func change(r *request, do func(i *instance)) any {
	id := text(r.params, "id")
	need(read(id) != nil, "instance_not_found", "", fmt.Sprintf("instance not found: %q", id))
	own := lock(folder(id), syscall.LOCK_NB)
	need(own != nil, "busy", "", "another change of the instance is under way: "+id)
	defer own.Close()
	i := read(id)
	do(i)
	return i.shown()
}

func start(r *request) any {
	check(gated, r.params, "", "unsupported")
	return change(r, func(i *instance) {
		need(i.State != "error", "invalid_state", "", "the instance can only be removed: "+i.Reason)
		if i.State == "stopped" { // IDEM-03
			r.step("Starting instance", "Instance started") // its processes come with terminals
			checkCancelled(r.ctx)
			i.State = "running"
			i.save()
		}
	})
}

func stop(r *request) any {
	grace := 10.0
	if given, ok := r.params["graceSeconds"].(json.Number); ok {
		grace = math.Min(must(given.Float64()), 1e9)
	}
	return change(r, func(i *instance) {
		need(i.State != "error", "invalid_state", "", "the instance can only be removed: "+i.Reason)
		if i.State == "running" { // IDEM-04
			r.step("Ending processes", "Processes ended")
			end(r.ctx, i.ID, time.Duration(grace)*time.Second)
			i.State = "stopped"
			i.save()
			end(context.Background(), i.ID, 0) // what a terminal began before it could see that
		}
	})
}

func remove(r *request) any {
	if read(text(r.params, "id")) != nil { // IDEM-05
		change(r, func(i *instance) {
			need(i.State != "running", "invalid_state", "", "the instance is running, stop it first")
			r.step("Removing instance", "Instance removed")
			discard(i.ID) // to its end, even if it is cancelled (section 12)
		})
	}
	return object{}
}

func info(r *request) any {
	found := look(text(r.params, "id"))
	need(len(found) == 1, "instance_not_found", "", fmt.Sprintf("instance not found: %q", text(r.params, "id")))
	return found[0].shown()
}

func list(r *request) any {
	wanted, chosen := fmt.Sprint(r.params["workspaceIds"]), []instance{}
	for _, i := range look(ids()...) {
		if r.params["workspaceIds"] == nil || strings.Contains(wanted, i.WorkspaceID) {
			chosen = append(chosen, i.shown())
		}
	}
	return object{"instances": chosen}
}

// terminal answers with a plan for this executable (section 13), see `attach`.
func terminal(r *request) any {
	need(len(items(r.params, "command")) > 0, "invalid_params", "command", "is empty")
	i := info(r).(instance)
	need(i.State == "running", "invalid_state", "", "the instance is not running: "+i.ID)
	arguments := append([]any{"terminal", storage, i.ID}, items(r.params, "command")...)
	return object{"args": arguments, "cwd": i.Info["source"], "env": object{"KDN_INSTANCE": folder(i.ID)}}
}
