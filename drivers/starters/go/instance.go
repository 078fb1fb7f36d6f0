// What instances are: on disk a folder each, with the file `instance` and the folder `home`, and processes that have
// that folder in their environment.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An instance, as a host sees it. Its id begins with that of its workspace, to be known even without the file.
type instance struct {
	ID          string            `json:"id"`
	WorkspaceID string            `json:"workspaceId"`
	Name        string            `json:"name"`
	State       string            `json:"state"`
	Reason      string            `json:"reason,omitempty"`
	Info        map[string]string `json:"info,omitempty"`
	Environment map[string]string `json:"environment,omitempty"` // in the file only
}

var storage string // the storage folder

func folder(id string, more ...string) string {
	return filepath.Join(storage, id, filepath.Join(more...))
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func isID(id string) bool { return regexp.MustCompile(`^[0-9a-f]{64}-[0-9a-f]{8}$`).MatchString(id) }

func ids() (found []string) {
	entries, _ := os.ReadDir(storage)
	for _, entry := range entries {
		if isID(entry.Name()) {
			found = append(found, entry.Name())
		}
	}
	return found
}

// lock locks a folder. With LOCK_NB it gives nil if somebody else has locked it; and always, if there is none. The kernel
// unlocks it when this process ends, in any way (LIFE-33).
func lock(folder string, how int) *os.File {
	file, err := os.Open(folder)
	if err == nil && syscall.Flock(int(file.Fd()), syscall.LOCK_EX|how) == nil && exists(folder) {
		return file
	}
	file.Close()
	return nil
}

// read reads an instance, or nil where there is no folder. What can't be read or is cut short is an `error` (LIST-05,
// LIST-06).
func read(id string) *instance {
	var i instance
	if !isID(id) || !exists(folder(id)) {
		return nil
	}
	content, _ := os.ReadFile(folder(id, "instance"))
	err := json.Unmarshal(content, &i)
	if err == nil && i.ID == id && (i.State == "running" || i.State == "stopped") {
		return &i
	} else if i.Name == "" {
		i.Name = id
	}
	return &instance{ID: id, WorkspaceID: id[:64], Name: i.Name, State: "error", Reason: "it is damaged or cut short"}
}

// look reads instances without waiting for changes (CONC-02). What is cut short comes or goes while somebody locks it.
func look(ids ...string) (found []instance) {
	for _, id := range ids {
		i := read(id)
		if i != nil && i.State == "error" {
			all := lock(storage, 0) // or else `create` might be about to lock what it has made
			own := lock(folder(id), syscall.LOCK_NB)
			if i = nil; own != nil {
				i = read(id)
			}
			own.Close()
			all.Close()
		}
		if i != nil {
			found = append(found, *i)
		}
	}
	return found
}

// save writes an instance, under another name first, so that nobody reads half of it (CONC-06), and gives what a host sees.
func (i instance) save() instance {
	file := folder(i.ID, "instance")
	try(os.WriteFile(file+".new", must(json.Marshal(i)), 0o600))
	try(os.Rename(file+".new", file))
	return i.shown()
}

func (i instance) shown() instance { i.Environment = nil; return i }

// discard removes all of an instance, which counts as cut short until then.
func discard(id string) {
	end(context.Background(), id, 0)
	os.Remove(folder(id, "instance"))
	exec.Command("chmod", "-R", "u+rwX", folder(id)).Run() // some package managers leave folders that can't be emptied
	try(os.RemoveAll(folder(id)))
}

// ---- Processes: those of an instance have its folder in their environment

func (i instance) environment() []string {
	home := folder(i.ID, "home")
	variables := []string{"PATH=" + home + "/.local/bin:" + os.Getenv("PATH")}
	for _, variable := range os.Environ() { // of the user's own no more than this (TERM-16, LIFE-20)
		if regexp.MustCompile(`^(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ)=`).MatchString(variable) {
			variables = append(variables, variable)
		}
	}
	for name, value := range i.Environment {
		variables = append(variables, name+"="+value)
	}
	command := exec.Cmd{Env: append(variables, "HOME="+home, "KDN_INSTANCE="+folder(i.ID))}
	return command.Environ() // of each name the last
}

func processes(id string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, _ := os.ReadFile(file) // empty, if the process has ended or is another user's
		if strings.Contains("\x00"+string(environ), "\x00KDN_INSTANCE="+folder(id)+"\x00") {
			pids = append(pids, must(strconv.Atoi(strings.Split(file, "/")[2])))
		}
	}
	return pids
}

// end ends the processes of an instance: it asks each once, and kills after the grace (STOP-01, STOP-03).
func end(ctx context.Context, id string, grace time.Duration) {
	asked := map[int]bool{}
	for killAt := time.Now().Add(grace); ; time.Sleep(20 * time.Millisecond) {
		pids := processes(id)
		if len(pids) == 0 {
			return
		}
		checkCancelled(ctx)
		for _, pid := range pids {
			if !time.Now().Before(killAt) {
				syscall.Kill(pid, syscall.SIGKILL)
			} else if !asked[pid] {
				syscall.Kill(pid, syscall.SIGTERM)
			}
			asked[pid] = true
		}
	}
}

// runs tells whether there is such a command for the instance.
func (i instance) runs(command string) bool {
	shell := exec.Command("/bin/sh", "-c", `command -v "$1"`, "sh", command)
	shell.Env, shell.Dir = i.environment(), i.Info["source"]
	return shell.Run() == nil
}

// attach is what the plan of `terminal` runs: it becomes the command, so that stdin, signals and the exit status are
// the command's own. As it has the mark of the instance by now, either it sees that `stop` is done, or `stop` sees it.
func attach(folder, id string, command []string) int {
	storage = folder
	i := read(id)
	if i == nil || i.State != "running" {
		fmt.Fprintln(os.Stderr, "the instance is not running:", id)
		return 125
	}
	environment := i.environment()
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value) // PATH, for LookPath
	}
	file, err := exec.LookPath(command[0])
	if err == nil {
		err = syscall.Exec(file, command, environment)
	}
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) { // TERM-09
		return 127
	}
	return 126
}
