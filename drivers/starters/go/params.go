// What params look like. Only `gated` depends on what the driver can do.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// The params of each method by example: "?" ends what may be absent, a|b is one of the two, "*" any name, and the second
// item of a list is the field that no two entries share. What is gated is not looked into.
var examples = decode([]byte(`{"type": {}, "flags": {}, "shutdown": {}, "info": {"id": "string"}, "remove": {"id": "string"},
	"initialize": {"protocolVersions": ["integer"], "host": {"name": "string", "version": "string", "pid": "integer"},
		"storageDir": "absolute", "limits?": {"maxFrameBytes?": "integer"}, "capabilities?": {}},
	"list": {"workspaceIds?": ["string"], "cursor?": "unknown"},
	"start": {"id": "string", "network": {"mode?": "mode", "hosts?": ["string"]}, "secretValues?": {"*": "string"}},
	"stop": {"id": "string", "graceSeconds?": "integer"},
	"terminal": {"id": "string", "command": ["string"], "tty?": "boolean"},
	"create": {"workspaceId": "id", "name": "name", "sourcePath": "path", "projectId?": "string", "model?": "string",
		"agent": {"name": "text", "command?": ["string"], "install?": ["string"]},
		"environment?": [{"name": "variable", "value|secret": "string"}, "name"],
		"files?": [{"path": "relative", "source|contentBase64": "string", "source?": "path", "contentBase64?": "base64",
			"mode?": "permissions"}, "path"],
		"network?": {"mode?": "mode", "hosts?": ["string"]}, "mounts?": [{}], "ports?": [{}], "secrets?": [{}],
		"features?": [{}], "limits?": {"memoryBytes?": "number", "cpus?": "number", "pids?": "number"},
		"options?": {"*": "unknown"}}}`)).(object)

// What needs a capability that is not declared, in the same way (CAP-03).
var gated = decode([]byte(`{"mounts?": ["never"], "ports?": ["never"], "secrets?": ["never"], "features?": ["never"],
	"limits?": {"memoryBytes?": "never", "cpus?": "never", "pids?": "never"}, "environment?": [{"secret?": "never"}],
	"network?": {"mode?": "allow"}}`)).(object)

// The words: forms of texts, which have a quote before them here, and of other values as JSON. No part of a path is "..".
const part = `(\.?[^/.][^/]*|\.\.[^/]+)`

var forms = map[string]string{"string": `^"`, "text": `^"(?s:.)`, "boolean": `^(true|false)$`, "integer": `^\d+$`,
	"number": `^[\d.]+([eE].*)?$`, "permissions": `^([1-4]?\d?\d|50\d|51[01])$`, "id": `^"[0-9a-f]{64}$`,
	"name": `^"[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`, "variable": `^"[^=]+$`, "mode": `^"(allow|deny)$`, "allow": `^"allow$`,
	"unknown": `^"\b\B`, "never": `^\b\B`, "absolute": `^"/`, "path": `^"(/+(\.|` + part + `)?)+$`,
	"relative": `^"` + part + `(/` + part + `)*$`, "base64": `^"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`}

// decode reads JSON and keeps numbers as they are written.
func decode(text []byte) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	try(decoder.Decode(&value))
	return value
}

// check compares a value with its example. `wrong` is for a text that is not of its form, -32602 for all else (WIRE-32).
func check(example, value any, at, wrong string) {
	switch example := example.(type) {
	case object:
		fields, ok := value.(object)
		need(ok, "invalid_params", at, "is not an object")
		for key, example := range example {
			names, found := strings.Split(strings.TrimSuffix(key, "?"), "|"), 0
			for name, v := range fields {
				if key == "*" || name == names[0] || name == names[len(names)-1] {
					found++
					check(example, v, strings.TrimPrefix(at+"."+name, "."), wrong)
				}
			}
			isOptional := key == "*" || strings.HasSuffix(key, "?")
			need(found > 0 || isOptional || len(names) > 1, "invalid_params", strings.TrimPrefix(at+"."+key, "."), "is missing")
			need(found == 1 || len(names) == 1, wrong, at, "needs one of "+key) // CREATE-05
		}
	case []any:
		list, ok := value.([]any)
		need(ok, "invalid_params", at, "is not an array")
		seen := object{}
		for i, v := range list {
			check(example[0], v, fmt.Sprintf("%s[%d]", at, i), wrong)
			if len(example) > 1 {
				seen[text(v, example[1].(string))] = nil
				need(len(seen) > i, wrong, at, fmt.Sprintf("has a %s twice", example[1]))
			}
		}
	case string:
		text, isText := value.(string)
		written := map[bool]string{true: `"` + text, false: fmt.Sprint(value)}[isText]
		if wrong != "unsupported" && !(isText && forms[example][1] == '"') {
			wrong = "invalid_params"
		}
		fits := regexp.MustCompile(forms[example]).MatchString(written) && !strings.Contains(text, "\x00")
		need(fits, wrong, at, "is not a usable "+example)
	}
}

func items(in any, field string) []any { list, _ := in.(object)[field].([]any); return list }

func text(in any, field string) string { value, _ := in.(object)[field].(string); return value }
