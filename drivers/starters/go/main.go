// A starter driver for kdn. A workspace is processes in its source folder, under the user's own account: nothing
// is isolated, and the manifest says so. The ids in comments are those of SPEC.md, the kdn runtime protocol.
//
// This file says what the driver is and what it does for each method; instance.go knows files and processes, and
// protocol.go the wire. To make it a driver of your own, change `manifest`, and then begin with `create`.
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

// create makes an instance of a workspace. Until its file is there, at the very end, it is not one (CREATE-10).
func create(r *request) any {
	check("unsupported", "", gated, r.params)
	i := instance{State: "stopped", WorkspaceID: text(r.params, "workspaceId"), Name: text(r.params, "name"),
		Info: map[string]string{"source": text(r.params, "sourcePath")}, Environment: map[string]string{}}
	for _, v := range items(r.params, "environment") {
		i.Environment[text(v, "name")] = text(v, "value")
	}
	var own *os.File
	for own == nil {
		if i.ID = find(i.WorkspaceID); i.ID != "" {
			if made := settle(r.ctx, i.ID); made != nil { // IDEM-01
				return made
			}
			continue
		}
		i.checkHost(r.params)
		own = i.reserve(r.ctx)
	}
	defer own.Close()
	defer func() {
		if problem := recover(); problem != nil {
			discard(i.ID) // CREATE-02
			panic(problem)
		}
	}()
	r.step("Writing files", "Files written")
	try(os.Mkdir(folder(i.ID, "home"), 0o700))
	for n, file := range items(r.params, "files") {
		checkCancelled(r.ctx)
		err := writeFile(folder(i.ID, "home", text(file, "path")), file.(object))
		need(err == nil, "invalid_workspace", fmt.Sprintf("files[%d]", n), fmt.Sprint("can't be written: ", err))
	}
	i.install(r)
	defer lock(r.ctx, storage).Close()
	checkName(i)
	checkCancelled(r.ctx)
	i.save()
	return i.shown()
}

// settle waits until nobody works on an instance and gives it, or nil if it is gone. What was cut short goes, too.
func settle(ctx context.Context, id string) any {
	own := lock(ctx, folder(id))
	defer own.Close()
	if own == nil {
		return nil
	} else if !exists(folder(id, "instance")) {
		discard(id)
		return nil
	}
	i := read(id)
	need(i.State != "error", "internal", "", "the instance of this workspace is "+i.Reason+", remove it first")
	return i.shown()
}

// reserve makes the folder of a new instance and locks it, unless another process was faster.
func (i *instance) reserve(ctx context.Context) *os.File {
	try(os.MkdirAll(storage, 0o700))
	try(os.Chmod(storage, 0o700)) // LIFE-17, SEC-07
	defer lock(ctx, storage).Close()
	checkName(*i)
	if find(i.WorkspaceID) != "" {
		return nil
	}
	unique := make([]byte, 4) // INST-05
	must(rand.Read(unique))
	i.ID = fmt.Sprintf("%s-%x", i.WorkspaceID, unique)
	try(os.Mkdir(folder(i.ID), 0o700))
	return tryLock(folder(i.ID))
}

func checkName(i instance) { // IDEM-02
	for _, id := range ids() {
		need(read(id).Name != i.Name || id == i.ID, "already_exists", "", fmt.Sprintf("there is an instance with the name %q", i.Name))
	}
}

func find(workspaceID string) string {
	for _, id := range ids() {
		if strings.HasPrefix(id, workspaceID) {
			return id
		}
	}
	return ""
}

// checkHost looks for what the workspace names of this machine (CREATE-04, AGENT-02).
func (i instance) checkHost(w object) {
	info, err := os.Stat(i.Info["source"])
	need(err == nil && info.IsDir(), "invalid_workspace", "sourcePath", fmt.Sprintf("is not a folder: %q", i.Info["source"]))
	for n, file := range items(w, "files") {
		if source := text(file, "source"); source != "" {
			info, err := os.Stat(source)
			need(err == nil && info.Mode().IsRegular(), "invalid_workspace", fmt.Sprintf("files[%d].source", n), fmt.Sprintf("is not a file: %q", source))
		}
	}
	command, install := agent(w)
	need(len(install) > 0 || i.runs(command), "invalid_workspace", "agent.name", fmt.Sprintf("needs the command %q, which is not found", command))
}

// agent gives the agent's program and what installs it. An agent without a command is only known if it is the shell.
func agent(w object) (command string, install []any) {
	if command = "sh"; text(w["agent"], "name") != "shell" {
		command = ""
	}
	for _, word := range append(items(w["agent"], "command"), command)[:1] {
		command = word.(string)
	}
	return command, items(w["agent"], "install")
}

// writeFile writes one of `files` into a home that is new, so that no symbolic link is on the way (WORK-06, WORK-08).
func writeFile(path string, file object) error {
	content := io.Reader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text(file, "contentBase64"))))
	if source := text(file, "source"); source != "" {
		opened, err := os.Open(source)
		if err != nil {
			return err
		}
		defer opened.Close()
		content = opened
	}
	mode, err := strconv.Atoi(fmt.Sprint(file["mode"]))
	if err != nil {
		mode = 0o600
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err = io.Copy(out, content); err == nil {
		err = out.Chmod(fs.FileMode(mode))
	}
	return err
}

// install runs the agent's lines, if its command is not there yet.
func (i instance) install(r *request) {
	command, lines := agent(r.params)
	if i.runs(command) {
		return
	}
	r.step("Installing agent", "Agent installed")
	for _, line := range lines {
		log := must(os.Create(folder(i.ID, "log")))
		defer log.Close()
		shell := exec.CommandContext(r.ctx, "/bin/sh", "-c", line.(string))
		shell.Env, shell.Dir, shell.Stdout, shell.Stderr = i.environment(), folder(i.ID, "home"), log, log
		err := shell.Run()
		checkCancelled(r.ctx)
		output := must(os.ReadFile(log.Name()))
		tail := strings.ToValidUTF8(string(output[int(math.Max(0, float64(len(output)-8192))):]), "?") // ERR-07
		r.notify("$/log", object{"text": tail})
		if err != nil {
			failed := object{"argv": shell.Args, "stderrTail": tail}
			if code := shell.ProcessState.ExitCode(); code >= 0 {
				failed["exitCode"] = code
			}
			panic(fail("backend_failed", fmt.Sprintf("can't install the agent: %v", err), "command", failed))
		}
	}
	end(r.ctx, i.ID, 0) // what the lines left running
	need(i.runs(command), "invalid_workspace", "agent.install", fmt.Sprintf("does not install the command %q", command))
}

// change does something to an instance that nobody else works on.
func change(r *request, do func(i *instance)) any {
	id := text(r.params, "id")
	var own *os.File
	if isID(id) {
		own = lock(r.ctx, folder(id))
	}
	need(own != nil, "instance_not_found", "", fmt.Sprintf("instance not found: %q", id))
	defer own.Close()
	i := read(id)
	need(i.State != "error", "invalid_state", "", "the instance is "+i.Reason+", and can only be removed")
	do(&i)
	return i.shown()
}

func start(r *request) any {
	check("unsupported", "", gated, r.params)
	return change(r, func(i *instance) {
		if i.State == "stopped" {
			r.step("Starting instance", "Instance started")
			checkCancelled(r.ctx)
			i.State = "running" // processes come with terminals
			i.save()
		}
	})
}

func stop(r *request) any {
	seconds, err := strconv.Atoi(fmt.Sprint(r.params["graceSeconds"]))
	if err != nil {
		seconds = 10
	}
	return change(r, func(i *instance) {
		if i.State == "running" {
			r.step("Ending processes", "Processes ended")
			end(r.ctx, i.ID, time.Duration(math.Min(float64(seconds), 1e9))*time.Second)
			i.State = "stopped"
			i.save()
			end(context.Background(), i.ID, 0) // what a terminal began before it could see that
		}
	})
}

func remove(r *request) any {
	id := text(r.params, "id")
	if !isID(id) {
		return object{} // IDEM-05
	}
	if own := lock(r.ctx, folder(id)); own != nil {
		defer own.Close()
		need(read(id).State != "running", "invalid_state", "", "the instance is running, stop it first")
		r.step("Removing instance", "Instance removed")
		discard(id) // to its end, even if it is cancelled (section 12)
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

// terminal answers with a plan for this executable (section 13); see `attach`.
func terminal(r *request) any {
	i := info(r).(instance)
	command := []string{"terminal", storage, i.ID}
	for _, argument := range items(r.params, "command") {
		command = append(command, argument.(string))
	}
	need(len(command) > 3, "invalid_params", "command", "is empty")
	need(i.State == "running", "invalid_state", "", "the instance is not running")
	return object{"args": command, "cwd": i.Info["source"], "env": object{"KDN_INSTANCE": folder(i.ID)}}
}
