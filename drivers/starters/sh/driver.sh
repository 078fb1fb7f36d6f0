#!/bin/sh
# A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
#
# kdn starts this file as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line [WIRE-02: ids
# in brackets are sentences of SPEC.md]. jq reads the lines, refuses what is wrong, and writes a shell command for each
# request that is right (section 1); the shell runs these one by one, and tells what came of them (sections 2 to 4).
# For a driver of your own, change `manifest` and `shapes` in section 1, and section 3. It needs jq 1.6 or later, GNU
# coreutils, sed and grep, and flock of util-linux.
type=${0##*/} && type=${type#kdn-runtime-} version=0.1.0 max=16777216 # [MAN-01]
about="Ordinary processes of your own account, without isolation"
nl='
'

# 1. What jq does. There is no apostrophe in it, for the shell quotes it with them.
library='
def codes: {instance_not_found: 1001, invalid_workspace: 1002, unavailable: 1003, already_exists: 1004,
  invalid_state: 1005, unsupported: 1006, frame_too_large: 1008, version_mismatch: 1010, not_initialized: 1011,
  parse_error: -32700, invalid_request: -32600, method_not_found: -32601, invalid_params: -32602, internal: -32603};
def error($id; $kind; $message; $data): {jsonrpc: "2.0", id: $id,
  error: {code: codes[$kind], message: $message[:300], data: ({kind: $kind} + $data)}};

# A shape is the name of a type, [shape], {field: shape} where "?" ends the name of a field that may be absent, or
# {"*": shape} for a map. "either" stands for two fields of which one is there; "no" begins what can not be given.
def network: {"mode?": "mode", "hosts?": ["string"]};
def variable: {name: "variable", "value?": "string", "secret?": "no string", either: ["value", "secret"]};
def file: {path: "below", "source?": "path", "contentBase64?": "base64", "mode?": "bits",
  either: ["source", "contentBase64"]};
def record: {name: "name", sourcePath: "path", environment: [variable], state: "state"};
def shapes: {
  type: {}, flags: {}, shutdown: {}, info: {id: "string"}, remove: {id: "string"},
  initialize: {protocolVersions: ["integer"], host: {name: "string", version: "string", pid: "integer"},
    storageDir: "storage", "limits?": {"maxFrameBytes?": "frame"}, "capabilities?": {}},
  create: {workspaceId: "key", name: "name", sourcePath: "path", "projectId?": "string", "model?": "string",
    agent: {name: "some", "command?": ["string"], "install?": ["string"]}, "environment?": [variable],
    "files?": [file], "network?": network, "mounts?": "no array", "ports?": "no array", "secrets?": "no array",
    "features?": "no array", "options?": {"*": "option"},
    "limits?": {"memoryBytes?": "no integer", "cpus?": "no number", "pids?": "no integer"}},
  start: {id: "string", network: network, "secretValues?": {"*": "string"}},
  stop: {id: "string", "graceSeconds?": "integer"}, list: {"workspaceIds?": ["string"], "cursor?": "cursor"},
  terminal: {id: "string", command: ["string"], "tty?": "boolean"}};
# A type of our own is one of JSON, with a rule (a range or a pattern), what that means, and the error if it is broken.
def types: {key: ["string", "\\A[0-9a-f]{64}\\z", "64 lower-case hexadecimal digits"],
  name: ["string", "\\A[a-z0-9]([a-z0-9._-]*[a-z0-9])?\\z", "a-z and 0-9, with . _ - between"],
  path: ["string", "(?s)\\A/(?!(.*/)?[.]{2}(/|\\z))", "an absolute path without .."],
  below: ["string", "(?s)\\A(?!(.*/)?[.]{0,2}(/|\\z))", "a relative path without .."],
  variable: ["string", "\\A[^=]+\\z", "a name without ="], some: ["string", "(?s).", "a name"],
  base64: ["string", "\\A[A-Za-z0-9+/]*+={0,2}\\z", "base64"], bits: ["integer", [0, 511], "from 0 to 511"],
  mode: ["string", "\\Aallow\\z", "allow", "unsupported"], option: ["string", "(?!)", "absent: there are no flags"],
  storage: ["string", "\\A/", "an absolute path", "invalid_params"],
  cursor: ["string", "\\A[0-9a-f]{64}-[0-9a-f]{8}\\z", "one of ours", "invalid_params"],
  frame: ["integer", [1048576, 16777216], "from 1 to 16 MiB", "invalid_params"],
  state: ["string", "\\A(creating|stopped|running)\\z", "a state"]};
# All that keeps a value from having a shape. A value of the wrong type may be a secret, and is not shown [SEC-01].
def faults($shape; $path):
  def fault($kind; $path; $what): $path[1:] | {kind: $kind, message: "\(.[:99]) \($what)",
    data: ({fieldPath: select(. != "" and length < 1000)} // {})};
  def mistyped: fault("invalid_params"; $path; "is not of the right type");
  def broken($rule): if $rule == [] then . != [] elif $rule | type == "array" then . < $rule[0] or . > $rule[1]
    else test($rule) | not end;
  if $shape | type == "string" then
    (types[$shape] // [$shape] | if .[0] | startswith("no ") then [.[0][3:], [], "absent: not supported", "unsupported"]
      else . end) as [$json, $rule, $what, $kind]
    | if (if $json == "integer" then type == "number" and . >= 0 and . == floor else type == $json end | not)
        or (type == "string" and index("\u0000") != null) then mistyped
      else select($rule and broken($rule)) | tojson[:200] as $value
        | fault($kind // "invalid_workspace"; $path; "must be \($what), not \($value)") end
  elif type != ($shape | type) then mistyped
  elif type == "array" then range(length) as $i | .[$i] | faults($shape[0]; "\($path)[\($i)]")
  else . as $value | $shape | to_entries[] | .value as $inner | .key as $name | ($name | rtrimstr("?")) as $key
    | if $name == "*" then $value | to_entries[] | .key as $key | .value | faults($inner; "\($path).\($key)")
      elif $name == "either" then select(($value | has($inner[0])) == ($value | has($inner[1])))
        | fault("invalid_workspace"; $path; "must have one of \($inner | join(" and "))")
      elif $value | has($key) then $value[$key] | faults($inner; "\($path).\($key)")
      else select($name == $key) | fault("invalid_params"; "\($path).\($key)"; "is missing") end
  end;'

requests=$library'
def manifest: {type: $type, displayName: $type, version: $version, description: $about, isolated: false,
  protocolVersions: [1], capabilities: {terminal: {}}};
def word: @sh | split("\n") | join("\u0027\"$nl\"\u0027"); # a text as a word of a shell command, on one line
def say: "say " + (tojson | word);
def octal: [. / 64, . / 8 % 8, . % 8] | map(floor | tostring) | join("");
def write($i): ["file", "files[\($i)]", .path, (.mode // 384 | octal), .source // "", .contentBase64 // ""]
  | map(word) | join(" ");
def arguments($method; $storage):
  if $method == "create" then .workspaceId, .name, .sourcePath,
    ({name, sourcePath, environment: (.environment // []), state: "creating"} | tojson),
    ([":", (.files // [] | to_entries[] | .key as $i | .value | write($i))] | join(" && "))
  elif $method == "list" then (if .workspaceIds then " \(.workspaceIds | join(" ")) " else "*" end), .cursor // ""
  elif $method == "terminal" then .id, ({args: (["exec", $storage, .id] + .command), env: {KDN_INSTANCE: .id}} | tojson)
  elif $method == "stop" then .id, ([.graceSeconds // 10, 1000000] | min | tostring)
  else .id end;
def more_faults: objects | (select(.command == []) | {kind: "invalid_params", message: "command is empty", data: {}}),
  ([.environment, "name"], [.files, "path"] | . as [$list, $field] | [$list | arrays[] | objects[$field]]
    | select(length > (unique | length)) | {kind: "invalid_workspace", message: "the same \($field) twice", data: {}});
# From a session to the session with the command for a line in it. jq puts U+FFFD for what is not UTF-8.
def take($line):
  def refuse($id; $kind; $message; $data): .command = (error($id; $kind; $message; $data) | say);
  def answer($id; $result): .command = ({jsonrpc: "2.0", id: $id, result: $result} | say);
  (try ($line | [fromjson]) catch null) as $json | ($json[0]? | objects // {}) as $request | $request.method as $method
  | ([$request.id | strings, (numbers | select(. < 9007199254740992 and (tojson | test("^[0-9]+$"))))][0]) as $id
  | ($request | if has("params") then .params else {} end) as $params | .command = null
  | if $line | utf8bytelength > 16777216 then refuse(null; "frame_too_large"; "too big"; {}) | .command += "; finish 1"
    elif $line | test("\\A[ \t\r]*\\z") then .
    elif $json == null or ($line | index("\ufffd") // index("\u0000")) then refuse(null; "parse_error"; "no JSON"; {})
    elif $request.jsonrpc != "2.0" or ($method | type != "string") or ($id == null and ($request | has("id"))) then
      refuse($id; "invalid_request"; "the line is not a request"; {})
    elif $id == null then . # a notification; there is none that this driver needs [WIRE-34]
    elif shapes[$method] == null then refuse($id; "method_not_found"; "no method \($method)"; {})
    elif (IN($method; "type", "flags") | not) and (.over or ($method == "initialize") != (.storage == null)) then
      refuse($id; "not_initialized"; "\($method) is not possible before initialize, after it, or after shutdown"; {})
    else ([$params | faults(shapes[$method]; ""), more_faults] | sort_by(codes[.kind])[0]) as $fault
      | if $fault then refuse($id; $fault.kind; $fault.message; $fault.data)
        elif $method == "type" then answer($id; manifest)
        elif $method == "flags" then answer($id; {flags: []})
        elif $method == "shutdown" then .over = true | answer($id; {})
        elif $method == "initialize" and ($params.protocolVersions | index(1)) == null then
          refuse($id; "version_mismatch"; "the host speaks \($params.protocolVersions), we 1"; {supported: [1]})
        elif $method == "initialize" then
          .storage = $params.storageDir | answer($id; {protocolVersion: 1, manifest: manifest})
          | .command |= "storage=\($params.storageDir | word) max=\($params.limits.maxFrameBytes // 16777216); " + .
        elif $params.id and ($params.id | test("\\A[0-9a-f]{64}-[0-9a-f]{8}\\z") | not) then
          if $method == "remove" then answer($id; {})
          else refuse($id; "instance_not_found"; "no instance \($params.id)"; {}) end
        else .storage as $storage | [$id | tojson, $method, ($params | arguments($method; $storage))] as $words
          | .command = "request " + ($words | map(word) | join(" ")) end
    end;
# Lines come in pieces of 3000 bytes, since jq breaks characters in long ones; \u0001 ends a piece that goes on in the
# next. What ends without a newline is no line [WIRE-12]: then jq counts one line less than pieces.
def lines: input_line_number as $before
  | [label $out | inputs | if endswith("\u0001") then rtrimstr("\u0001") else ., break $out end]
  | if length > 0 and input_line_number - $before == length then add, lines else empty end;
foreach lines as $line ({over: false}; take($line); .command // empty)'

# 2. Instances. Each is a folder <storage>/<workspaceId>-<random> with instance.json and home in it. Its name says whose
# it is even when a killed driver left no record [LIST-05]. Its processes have KDN_INSTANCE=<id> in their environment.
ids() { { ls "$storage" | grep -xE '[0-9a-f]{64}-[0-9a-f]{8}'; echo "$1"; } 2>/dev/null | sort -u | sed "0,/^$1\$/d"; }
# Prints a line for each of some instances: id, state, whether it has a name, and what `info` shows. What can't be read
# or was never finished is an `error` [LIST-06], unless another process is making or removing it just now.
instances() { # <ids> [<name>]
  ids=$1 name=$2 mine=true
  [ ! -d "$storage" ] || flock -n 9 || mine=false
  set -- && for i in $ids; do [ ! -f "$storage/$i/instance.json" ] || set -- "$@" "$storage/$i/instance.json"; done
  printf '%s\n' "$name" | jq -nRr --arg ids "$ids" --arg storage "$storage" --argjson mine "$mine" "$library"'
    input as $name | [inputs | {id: (input_filename | split("/")[-2]), text: .}] as $lines
    | $ids | splits("\\s+") | select(. != "") as $id
    | (try ([$lines[] | select(.id == $id).text] | join("\n") | fromjson) catch null) as $record
    | ([$record | faults(record; "")] == []) as $whole | ($whole and $record.state != "creating") as $finished
    | {id: $id, workspaceId: $id[:64], name: (if $whole then $record.name else "unreadable" end),
       state: (if $finished then $record.state else "error" end), info: {home: "\($storage)/\($id)/home"}}
      + if $finished then {} elif $whole then {reason: "its creation was cut short"} else {reason: "unreadable"} end
    | select($mine or $finished) | "\(.id) \(.state) \(.name == $name) \(tojson)"' - "$@"
}
save() { # <id> <state> [<record>]: under another name first, so that nobody ever reads half a record [CONC-06]
  path=$storage/$1/instance.json record=${3:-$(cat "$storage/$1/instance.json")}
  printf '%s:"%s"}\n' "${record%:*}" "$2" >"$path.new" && mv "$path.new" "$path" # the state comes last
}
# Returns when all processes of an instance are gone [STOP-01]; kills what is left after the grace [STOP-03].
end_processes() { # <id> <seconds>
  deadline=$(($(date +%s%3N) + $2 * 1000)) told=' '
  while pids=$(grep -lzxF "KDN_INSTANCE=$1" /proc/[0-9]*/environ | cut -d/ -f3) && [ -n "$pids" ]; do
    late=$(($(date +%s%3N) >= deadline))
    for pid in $pids; do
      case $late$told in 1*) kill -KILL "$pid" ;; *" $pid "*) ;; *) kill -TERM "$pid" && told="$told$pid " ;; esac
    done
    sleep 0.05
  done 2>/dev/null
}
destroy() { # A folder may forbid even its owner to empty it.
  end_processes "$1" 0; chmod -R u+rwX "$storage/$1"; rm -rf "${storage:?}/${1:?}"
}
lock() { # until the answer. The kernel frees it when its holder dies [LIFE-33].
  flock -n 9 || { step "Waiting for another change" "No other change under way"; until flock -w 1 9; do :; done; }
}

# 3. Methods. The changes hold the lock: they happen one after the other, among processes too [CONC-03, CONC-04].
of_instance() { # <id> <argument>
  found=
  [ ! -d "$storage/$1" ] || found=$(instances "$1")
  shown=${found#* * * } state=${found#* } state=${state%% *}
  case $method:$state in
    remove:) answer "{}" ;; # [IDEM-05]
    *:) fail instance_not_found "no instance $1" ;;
    info:* | start:running | stop:stopped) answer "$shown" ;;
    terminal:running) answer "$2" ;; # a plan for `enter`; it bears the mark from the beginning, so `stop` finds it
    remove:running) fail invalid_state "instance $1 is running" "" "stop it first" ;;
    remove:*) step "Removing instance" "Instance removed"
      if destroy "$1"; then answer "{}"; else fail internal "$storage/$1 can't be removed"; fi ;;
    *:error) fail invalid_state "instance $1 is broken" "" "remove it" ;;
    terminal:*) fail invalid_state "instance $1 is not running" "" "start it first" ;;
    start:*) step "Starting instance" "Instance started" && save "$1" running && show "$1" ;;
    stop:*) step "Ending processes" "Processes ended" && end_processes "$1" "$2" && save "$1" stopped && show "$1" ;;
  esac
}
create() { # <workspaceId> <name> <sourcePath> <record> <commands that write the files>
  mkdir -p "$storage" && exec 9<"$storage" && lock # [LIFE-17]
  while read -r other state same shown; do
    case $other:$state:$same in
      "$1"-*:error:*) destroy "$other" ;; # a killed driver left it [CREATE-10]
      "$1"-*) answer "$shown" && return ;; # [IDEM-01]
      *:true) fail already_exists "instance $other has this name" name && return ;;
    esac
  done <<END
$(instances "$(ids)" "$2")
END
  [ -d "$3" ] || { fail invalid_workspace "$3 is not a folder" sourcePath && return; }
  step "Writing files" "Files written"
  making=$1-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n') field='' why="$storage can't be written"
  home=$storage/$making/home made=$making
  mkdir -p "$home" && save "$making" creating "$4" && eval "$5" && save "$making" stopped || destroy "$making"
  making=
  if [ -d "$home" ]; then show "$made"
  elif [ -n "$field" ]; then fail invalid_workspace "$why" "$field"; else fail internal "$why"; fi
}
file() { # <field> <path> <mode> <source, or nothing> <base64>
  field=$1 why="$2 can't be written" target=$home/$2
  mkdir -p "${target%/*}" && [ ! -e "$target" ] || return
  if [ -n "$4" ]; then
    field=$1.source why="$4 is not a regular file that can be read"
    [ -f "$4" ] && { cp "$4" "$target" 9<&- & job=$!; wait "$job" && job='' || ! job=''; } || return # SIGTERM ends `wait`
  else printf %s "$5" | base64 -d >"$target" || return; fi
  chmod "$3" "$target"
}
list() { # <workspaceIds, each between spaces, or *> <cursor>
  list=
  while read -r other state same shown; do
    case $1 in "*" | *" ${other%-*} "*) ;; *) continue ;; esac
    [ -n "$list" ] && [ $((${#list} + ${#shown})) -gt $((max - 1000)) ] && next=",\"nextCursor\":\"$last\"" && break
    list=$list${list:+,}$shown last=$other
  done <<END
$(instances "$(ids "$2")")
END
  answer "{\"instances\":[$list]$next}"
}
# Becomes the command, so that its exit status, signals and terminal need no care [TERM-05 to TERM-18].
enter() { # <storage> <id> <command>...
  { [ -f "$1/$2/instance.json" ] && exec 9<"$1" && flock 9; } || exit 126 # a `stop` is over by now, or will end this
  become=$(jq -er --arg home "$1/$2/home" --arg id "$2" 'select(.state == "running") | "cd \(.sourcePath | @sh)",
    ([{key: "KDN_INSTANCE", value: $id}] # of the environment of the user, only what follows is passed on [TERM-16]
     + [env | to_entries[] | select(.key | test("\\A(TERM|COLORTERM|NO_COLOR|LANG|LC_[A-Z]+|TZ|PATH)\\z"))]
     + (.environment | map({key: .name, value})) + [{key: "KDN_INSTANCE", value: $id}, {key: "HOME", value: $home}]
     | "set -- env -i \(map("\(.key)=\(.value)") | @sh) \"$@\"")' "$1/$2/instance.json") || exit 126
  shift 2
  case $1 in *=*) set -- nice -n 0 "$@" ;; esac # or env would take it for a variable
  eval "$become" && exec "$@" 9<&-
  exit 126
}

# 4. The wire.
show() { answer "$(instances "$1" | cut -d' ' -f4-)"; }
say() { printf '%s\n' "$1" || finish; }
note() { say "{\"jsonrpc\":\"2.0\",\"method\":\"\$/step\",\"params\":{\"requestId\":$id,$1}}"; }
# Tells the user what a change does [11.1]; a request with a string as id has no steps.
step() { case $id in [0-9]*) open=1 && note "\"event\":\"start\",\"inProgress\":\"$1\",\"completed\":\"$2\"" ;; esac; }
answer() { # <result>
  set -- "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$1}"
  [ ${#1} -le "$max" ] || { fail frame_too_large "the answer is too large" && return; } # [WIRE-09]
  [ -z "$open" ] || note '"event":"complete"' # [STEP-04]
  say "$1"
}
fail() { # <kind> <message> [<fieldPath> [<hint>]]
  printf '%s\n' "$id" | jq -c --arg open "$open" --args "$library"'
    . as $id | $ARGS.positional as [$kind, $message, $field, $hint]
    | (select($open > "") | {jsonrpc: "2.0", method: "$/step", params: {requestId: ., event: "fail", error: $message}}),
      error($id; $kind; $message; {fieldPath: $field, hints: [$hint // empty]} | map_values(select(length > 0)))
    ' "$1" "$(printf %.300s "$2")" "$3" ${4:+"$4"} || finish
}
request() { # <id> <method> <arguments>...
  trap finish TERM && id=$1 method=$2 open='' next='' && shift 2
  [ ! -d "$storage" ] || exec 9<"$storage"
  case $method in start | stop | remove) [ ! -d "$storage" ] || lock ;; esac
  case $method in create | list) "$method" "$@" ;; *) of_instance "$@" ;; esac
  exec 9<&- && trap - TERM # a trap may miss a signal that comes just before `read`; the end of the shell can't
}
finish() { # [<status>]: rolls back what is under way [LIFE-25], and ends the readers
  trap '' TERM
  [ -z "$making" ] || { kill "$job"; destroy "$making"; }
  kill "$sed" "$jq"; exit "${1:-0}"
} 2>/dev/null

usage() { echo "kdn-runtime-$type: $about. It is a runtime driver: put it on PATH, and kdn starts it."; }
case $1 in
  exec) [ $# -lt 4 ] || { shift && enter "$@"; } ;;
  --version) echo "kdn-runtime-$type $version" && exit ;;
  --help) usage && exit ;;
esac
[ $# -eq 0 ] && [ -n "${KDN_RUNTIME_PROTOCOL+x}" ] && [ ! -t 0 ] || { usage >&2 && exit 64; } # [LIFE-07]
[ -z "${KDN_INSTANCE+x}" ] || exec env -u KDN_INSTANCE "$0" # started inside an instance, it is no part of it
export LC_ALL=C && umask 077 # a character is a byte
pipes=$(mktemp -d) && mkfifo "$pipes/pieces" "$pipes/commands" || exit
exec 5<>"$pipes/pieces" 6<>"$pipes/commands" # so that no opening waits for the other end
exec 3<"$pipes/commands" 4<&0 7<"$pipes/pieces" </dev/null && rm -r "$pipes"
stdbuf -oL sed 's/.\{3000\}[\x80-\xbf]*/&\x01\n/g' <&4 >&5 3<&- 6<&- 7<&- & sed=$!
jq -nRr --unbuffered --arg type "$type" --arg version "$version" --arg about "$about" "$requests" \
  <&7 >&6 3<&- 4<&- 5<&- & jq=$!
exec 4<&- 5<&- 6<&- 7<&-
storage='' making='' job='' id=null
trap '' PIPE # so that printf fails when nobody reads on [LIFE-26]
while IFS= read -r command <&3; do eval "$command"; done; finish
