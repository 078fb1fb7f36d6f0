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

// tryLock locks a folder, or gives nil. The kernel unlocks it when this process ends, however it ends (LIFE-33).
func tryLock(folder string) *os.File {
	file, err := os.Open(folder)
	if err == nil && syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && exists(folder) {
		return file
	}
	file.Close()
	return nil
}

// lock waits for a folder; it gives nil if there is none. Each change of an instance locks it (CONC-03, CONC-04).
func lock(ctx context.Context, folder string) *os.File {
	for ; exists(folder); time.Sleep(10 * time.Millisecond) {
		if file := tryLock(folder); file != nil {
			return file
		}
		checkCancelled(ctx)
	}
	return nil
}

// read reads an instance. Without a good file it is cut short or damaged (LIST-05, LIST-06).
func read(id string) (i instance) {
	content, err := os.ReadFile(folder(id, "instance"))
	if err != nil || json.Unmarshal(content, &i) != nil || i.ID != id || i.Info["source"] == "" {
		return instance{ID: id, WorkspaceID: id[:64], Name: id, State: "error", Reason: "cut short or damaged"}
	}
	return i
}

// look reads instances without waiting for changes (CONC-02). One without a file comes or goes while somebody has locked
// it; the lock of the storage folder keeps `create` from being about to.
func look(ids ...string) (found []instance) {
	for _, id := range ids {
		if isID(id) && exists(folder(id)) && !exists(folder(id, "instance")) {
			all := lock(context.Background(), storage)
			own := tryLock(folder(id))
			if own != nil {
				found = append(found, read(id))
			}
			own.Close()
			all.Close()
		} else if isID(id) && exists(folder(id)) {
			found = append(found, read(id))
		}
	}
	return found
}

func (i instance) save() {
	file := folder(i.ID, "instance")
	try(os.WriteFile(file+".new", must(json.Marshal(i)), 0o600))
	try(os.Rename(file+".new", file))
}

// discard removes all of an instance, the file first: from then on it counts as cut short.
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
	if i.State != "running" {
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

// shown is what a host sees.
func (i instance) shown() instance { i.Environment = nil; return i }
