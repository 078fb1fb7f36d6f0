#!/usr/bin/env python3
"""A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.

kdn starts this file as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line [WIRE-02: ids in
brackets are sentences of SPEC.md]. For a driver of your own, change MANIFEST and sections 3 and 4. Python 3.9+, Linux.
"""
import atexit, base64, contextlib, fcntl, json, os, re, shutil, signal, subprocess, sys, time, traceback, types

TYPE = os.path.basename(sys.argv[0]).replace("kdn-runtime-", "")  # [MAN-01]
MANIFEST = {"type": TYPE, "displayName": TYPE, "version": "0.1.0", "isolated": False, "protocolVersions": [1],
            "description": "Ordinary processes of your own account, without isolation",
            "capabilities": {"terminal": {}}}
USAGE = f"kdn-runtime-{TYPE}: {MANIFEST['description']}\nIt is a runtime driver: put it on PATH, and kdn starts it."
MAX_FRAME = 16 * 1024 * 1024
session = types.SimpleNamespace(storage=None, over=False, max_frame=MAX_FRAME, lock=None, request=None, step=False)

# 1. Errors. What a method raises as a Fault becomes its answer.
CODES = {"instance_not_found": 1001, "invalid_workspace": 1002, "unavailable": 1003, "already_exists": 1004,
         "invalid_state": 1005, "unsupported": 1006, "frame_too_large": 1008, "version_mismatch": 1010,
         "not_initialized": 1011, "parse_error": -32700, "invalid_request": -32600, "method_not_found": -32601,
         "invalid_params": -32602, "internal": -32603}

class Fault(Exception):
    def __init__(self, kind, message, field=None, **data):
        super().__init__(message[:500])
        self.kind, self.data = kind, {"kind": kind, **({"fieldPath": field[:500]} if field else {}), **data}

# 2. Params. A shape is a type, [shape], {field: shape} where "?" ends the name of a field that may be absent,
# {"*": shape} for a map, or (shape, test, what the value must be[, kind of error]).
def once(name): return lambda items: len({item[name] for item in items}) == len(items), f"without the same {name} twice"
def one_of(a, b): return lambda item: (a in item) != (b in item), f"given one of {a} and {b}"
def words(*all): return str, all.__contains__, " or ".join(all), "invalid_params"
def gated(shape): return shape, lambda value: value == [], "absent: this driver can't do it", "unsupported"  # [CAP-03]
IS_ID = re.compile("[0-9a-f]{64}-[0-9a-f]{8}").fullmatch  # of an instance
PATH = str, lambda path: path.startswith("/") and ".." not in path.split("/"), "an absolute path without .."
BELOW = str, lambda path: not {"", ".", ".."} & set(path.split("/")), "a relative path without .."
NETWORK = {"mode?": (words("allow", "deny"), "allow".__eq__, "allow", "unsupported"), "hosts?": [str]}
VARIABLE = {"name": (str, lambda name: name and "=" not in name, "a name"), "value?": str, "secret?": gated(str)}
ENVIRONMENT = [(VARIABLE, *one_of("value", "secret"))], *once("name")
MODE = int, lambda mode: mode <= 0o777, "from 0 to 511"
FILE = {"path": BELOW, "source?": PATH, "contentBase64?": str, "mode?": MODE}, *one_of("source", "contentBase64")
SHAPES = {
    "type": {}, "flags": {}, "shutdown": {}, "info": {"id": str}, "remove": {"id": str},
    "initialize": {"protocolVersions": [int], "host": {"name": str, "version": str, "pid": int}, "capabilities?": {},
        "storageDir": (str, os.path.isabs, "an absolute path", "invalid_params"),
        "limits?": {"maxFrameBytes?": (int, lambda n: 2**20 <= n <= MAX_FRAME, "1 to 16 MiB", "invalid_params")}},
    "create": {  # section 7.2 of the SPEC. What this driver does not offer is not looked into: it is refused.
        "workspaceId": (str, re.compile("[0-9a-f]{64}").fullmatch, "64 lower-case hexadecimal digits"),
        "name": (str, re.compile("[a-z0-9]([a-z0-9._-]*[a-z0-9])?").fullmatch, "a-z and 0-9, with . _ - between"),
        "sourcePath": PATH, "projectId?": str, "model?": str,
        "agent": {"name": (str, bool, "a name"), "command?": [str], "install?": [str]},
        "environment?": ENVIRONMENT, "files?": ([FILE], *once("path")),
        "network?": NETWORK, "mounts?": gated([{}]), "ports?": gated([{}]), "secrets?": gated([{}]),
        "features?": gated([{}]), "limits?": {"memoryBytes?": gated(int), "cpus?": gated(float), "pids?": gated(int)},
        "options?": {"*": (str, lambda _: False, "absent: this driver has no flags")}},  # [CREATE-08]
    "start": {"id": str, "network": NETWORK, "secretValues?": {"*": str}}, "stop": {"id": str, "graceSeconds?": int},
    "list": {"workspaceIds?": [str], "cursor?": (str, IS_ID, "one of ours", "invalid_params")},  # [LIST-08]
    "terminal": {"id": str, "command": ([str], bool, "a command", "invalid_params"), "tty?": bool},
}
RECORD = {"name": str, "sourcePath": str, "environment?": ENVIRONMENT, "state": words("creating", "stopped", "running")}

def fit(value, shape, path=""):
    """The Faults of a JSON value: what keeps it from having a shape. A string has no U+0000 or half a pair [SEC-09]."""
    if isinstance(shape, tuple):
        inner, test, what, kind = (*shape, "invalid_workspace")[:4]
        faults = fit(value, inner, path)
        if not any(fault.kind == "invalid_params" for fault in faults) and not test(value):
            faults.append(Fault(kind, f"{path} must be {what}, not {str(value)[:200]!r}", path))
        return faults
    kind, faults = shape if isinstance(shape, type) else type(shape), []
    fits = type(value) is kind or kind is float and type(value) is int  # not isinstance: True is no number
    torn = fits and kind is str and ("\0" in value or value != value.encode("utf-8", "ignore").decode())
    if not fits or torn or kind is int and value < 0:  # the value is not shown, it may be a secret [SEC-01]
        return [Fault("invalid_params", f"{path or 'params'} is not of the right type", path)]
    for i, item in enumerate(value if kind is list else ()):
        faults += fit(item, shape[0], f"{path}[{i}]")
    for name, inner in shape.items() if kind is dict else ():
        for key in value if name == "*" else [name.rstrip("?")]:
            field = f"{path}.{key}" if path else key
            if key in value:
                faults += fit(value[key], inner, field)
            elif not name.endswith("?"):
                faults.append(Fault("invalid_params", f"{field} is missing", field))
    return faults

# 3. Instances. Each is a folder <storage>/<workspaceId>-<random> with instance.json and home in it. Its name says whose
# it is even when a killed driver left no record [LIST-05]. Its processes have KDN_INSTANCE=<id> in their environment.
def folder(id): return os.path.join(session.storage, id)
def lock(wait=True):
    """Takes the lock of the storage folder until the answer. The kernel frees it when its holder dies [LIFE-33]."""
    session.lock = session.lock or os.open(session.storage, os.O_RDONLY)
    with contextlib.suppress(BlockingIOError): return not fcntl.flock(session.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if wait: step("Waiting for another change", "No other change under way")
    return wait and not fcntl.flock(session.lock, fcntl.LOCK_EX)

def load(id):
    """The record of an instance. What can't be read or was never finished has the state `error` [LIST-06]."""
    if not IS_ID(id): raise Fault("instance_not_found", f"no instance {id[:200]!r}")
    reason = "its creation was cut short"
    try:
        with open(f"{folder(id)}/instance.json", encoding="utf-8") as file: record = json.load(file)
        for fault in fit(record, RECORD): raise fault
        if record["state"] != "creating": return record
    except (OSError, ValueError, RecursionError, Fault) as error:
        record, reason = {"name": "unreadable"}, f"its record can't be read: {error}"
    with contextlib.suppress(FileNotFoundError):
        if lock(wait=False) and os.stat(folder(id)):  # or another process is making or removing it just now
            return {**record, "state": "error", "reason": reason}
    raise Fault("instance_not_found", f"no instance {id}")
def records():
    for id in sorted(filter(IS_ID, os.listdir(session.storage))) if os.path.isdir(session.storage) else ():
        with contextlib.suppress(Fault): yield id, load(id)  # unless it is gone by now
def show(id, record):
    shown = {field: record[field] for field in ("name", "state", "reason") if field in record}
    return {"id": id, "workspaceId": id[:64], **shown, "info": {"home": f"{folder(id)}/home"}}
def save(id, record, state):
    path, record = f"{folder(id)}/instance.json", {**record, "state": state}
    with open(path + ".new", "w", encoding="utf-8") as file: json.dump(record, file)
    os.replace(path + ".new", path)  # so that nobody ever reads half a record [CONC-06]
    return show(id, record)

def end_processes(id, grace):
    """Returns when all processes of an instance are gone [STOP-01]; kills what is left after the grace [STOP-03]."""
    deadline, told, pids = time.monotonic() + grace, set(), True
    while pids:
        pids, late = [], time.monotonic() >= deadline
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
                if f"KDN_INSTANCE={id}".encode() in file.read().split(b"\0") and pid != os.getpid():
                    pids.append(pid)
                    if late or pid not in told: os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        told.update(pids)
        time.sleep(0.03 if pids else 0)
def destroy(id):
    end_processes(id, grace=0)
    subprocess.run(["chmod", "-R", "u+rwX", folder(id)])  # a folder may forbid even its owner to empty it
    shutil.rmtree(folder(id))

# 4. Methods. The changes hold the lock: they happen one after the other, among processes too [CONC-03, CONC-04].
def create(workspace):
    os.makedirs(session.storage, 0o700, exist_ok=True)  # [LIFE-17]
    lock()
    for id, other in records():
        if id[:64] == workspace["workspaceId"] and other["state"] != "error": return show(id, other)  # [IDEM-01]
        if id[:64] == workspace["workspaceId"]:
            destroy(id)  # a killed driver left it [CREATE-10]
        elif other["name"] == workspace["name"]:
            raise Fault("already_exists", f"instance {id} is named {other['name']!r}", "name")
    if not os.path.isdir(workspace["sourcePath"]):
        raise Fault("invalid_workspace", f"{workspace['sourcePath']!r} is not a folder", "sourcePath")
    id = f"{workspace['workspaceId']}-{os.urandom(4).hex()}"
    record = {field: workspace[field] for field in ("name", "sourcePath", "environment") if field in workspace}
    step("Writing files", "Files written")
    try:
        os.makedirs(f"{folder(id)}/home")
        save(id, record, "creating")
        for i, file in enumerate(workspace.get("files", [])):
            write(f"{folder(id)}/home/{file['path']}", file, f"files[{i}]")
        return save(id, record, "stopped")
    except BaseException:  # SIGTERM among them [LIFE-25]
        destroy(id)
        raise
def write(path, file, field):
    field += ".source" if "source" in file else ""
    try:
        if not os.path.isfile(file.get("source", __file__)): raise OSError(f"{file['source']!r} is not a regular file")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as target, open(file.get("source", os.devnull), "rb") as source:  # "x" is new [WORK-08]
            shutil.copyfileobj(source, target)
            target.write(base64.b64decode(file.get("contentBase64", ""), validate=True))
        os.chmod(path, file.get("mode", 0o600))
    except (OSError, ValueError) as error:
        raise Fault("invalid_workspace", f"{field} can't be written: {error}", field) from None
def start(id, record, _):
    if record["state"] == "running": return show(id, record)
    step("Starting instance", "Instance started")
    if not os.path.isdir(record["sourcePath"]):
        raise Fault("unavailable", f"{record['sourcePath']!r} is gone", hints=["bring it back, or remove this"])
    return save(id, record, "running")
def stop(id, record, params):
    if record["state"] == "stopped": return show(id, record)
    step("Ending processes", "Processes ended")
    end_processes(id, params.get("graceSeconds", 10))
    return save(id, record, "stopped")
def remove(id, record, _):
    if record["state"] == "running": raise Fault("invalid_state", f"instance {id} is running", hints=["stop it first"])
    step("Removing instance", "Instance removed")
    destroy(id)
    return {}

def list_page(wanted, cursor):
    page, size = [], 0
    for id, record in records():
        if id > cursor and (wanted is None or id[:64] in wanted):
            size += len(json.dumps(show(id, record))) + 2
            if page and size > session.max_frame - 1000: return {"instances": page, "nextCursor": page[-1]["id"]}
            page.append(show(id, record))
    return {"instances": page}
def terminal(id, record, params):
    """The plan: this file again, as `exec`. It bears the mark of the instance from the beginning; `stop` finds it."""
    if record["state"] != "running": raise Fault("invalid_state", f"instance {id} is not running", hints=["start it"])
    return {"args": ["exec", session.storage, id, *params["command"]], "env": {"KDN_INSTANCE": id}}
def enter(storage, id, *command):
    """Becomes the command, so that its exit status, signals and terminal need no care [TERM-05 to TERM-18]."""
    session.storage, kept = storage, re.compile("TERM|COLORTERM|NO_COLOR|LANG|LC_[A-Z]+|TZ|PATH").fullmatch
    env = {name: value for name, value in os.environ.items() if kept(name)}  # nothing else of the user's [TERM-16]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
    try:
        lock()  # until exec, so that a `stop` either finds this process or is over
        record = load(id)
        if record["state"] != "running": raise Fault("invalid_state", f"instance {id} is not running")
        env.update((variable["name"], variable["value"]) for variable in record.get("environment", []))
        os.chdir(record["sourcePath"])
        os.execvpe(command[0], command, {**env, "HOME": f"{folder(id)}/home", "KDN_INSTANCE": id})
    except (OSError, ValueError, Fault) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return 127 if isinstance(error, (FileNotFoundError, ValueError)) else 126  # [TERM-09]

# 5. The wire.
def send(**message):
    try:
        session.out.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        session.out.flush()
    except BrokenPipeError: raise KeyboardInterrupt from None  # nobody reads on: as with SIGTERM [LIFE-26]
def tell(**event): send(method="$/step", params={"requestId": session.request, **event})
def step(doing, done):
    """Tells the user what a change does [11.1]. A request with a string as id has no steps."""
    session.step = type(session.request) is int
    if session.step: tell(event="start", inProgress=doing, completed=done)
def answer(id, outcome):
    if not isinstance(outcome, Fault) and len(json.dumps([id, outcome])) > session.max_frame - 99:
        outcome = Fault("frame_too_large", "the answer is too large for the host")  # [WIRE-09]
    fault = isinstance(outcome, Fault) and {"code": CODES[outcome.kind], "message": str(outcome), "data": outcome.data}
    if session.step: session.step = tell(event="fail", error=str(outcome)) if fault else tell(event="complete")
    send(id=id, **({"error": fault} if fault else {"result": outcome}))

def call(method, params):
    if method not in SHAPES: raise Fault("method_not_found", f"no method {method!r}")
    if method not in ("type", "flags") and (session.over or (method == "initialize") == bool(session.storage)):
        raise Fault("not_initialized", f"{method} is not possible before initialize, after it, or after shutdown")
    for fault in sorted(fit(params, SHAPES[method]), key=lambda fault: CODES[fault.kind]): raise fault  # the worst
    if method == "type": return MANIFEST
    if method == "flags": return {"flags": []}
    if method == "shutdown": return vars(session).update(over=True) or {}
    if method == "initialize":
        if 1 not in params["protocolVersions"]:
            raise Fault("version_mismatch", f"the host speaks {params['protocolVersions']}, we 1", supported=[1])
        session.storage = params["storageDir"]
        session.max_frame = params.get("limits", {}).get("maxFrameBytes", MAX_FRAME)
        return {"protocolVersion": 1, "manifest": MANIFEST}
    if method == "list": return list_page(params.get("workspaceIds"), params.get("cursor", ""))
    if method == "create": return create(params)
    if method in ("start", "stop", "remove") and os.path.isdir(session.storage): lock()
    if method == "remove" and params["id"] not in dict(records()): return {}  # [IDEM-05]
    record = load(params["id"])
    if method == "info": return show(params["id"], record)
    if record["state"] == "error" and method != "remove":
        raise Fault("invalid_state", f"instance is broken: {record['reason']}", hints=["remove it"])
    return globals()[method](params["id"], record, params)

def take(line):
    try:
        request = json.loads(line.decode(), parse_constant=int)  # int("NaN") fails: it is no JSON
    except (ValueError, RecursionError) as error:
        return answer(None, Fault("parse_error", f"the line is not JSON: {error}"))
    fields = request if isinstance(request, dict) else {}
    id, method = fields.get("id"), fields.get("method")
    session.request = id if isinstance(id, str) or type(id) is int and 0 <= id < 2**53 else None
    if fields.get("jsonrpc") != "2.0" or not isinstance(method, str) or "id" in fields and session.request is None:
        return answer(session.request, Fault("invalid_request", "the line is not a request"))
    if "id" not in fields: return  # a notification; there is none that this driver needs [WIRE-34]
    try:
        outcome = call(method, fields.get("params", {}))
    except Fault as fault: outcome = fault
    except Exception as error:  # [ERR-08]
        traceback.print_exc()
        outcome = Fault("internal", f"{type(error).__name__}: {error}")
    if session.lock: fcntl.flock(session.lock, fcntl.LOCK_UN)
    answer(id, outcome)

def serve():
    session.out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed goes to stderr [WIRE-01]
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # raises KeyboardInterrupt
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, lambda *_: None)  # ends a wait that SIGTERM came just before: Python runs a
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)  # handler only between two steps of its own, or when a wait ends
    with contextlib.suppress(KeyboardInterrupt):
        while (line := sys.stdin.buffer.readline(MAX_FRAME + 1)).endswith(b"\n"):
            if line.strip(): take(line)
        if len(line) > MAX_FRAME: return answer(None, Fault("frame_too_large", "the line is larger than 16 MiB")) or 1

arguments = sys.argv[1:]
if arguments[:1] == ["exec"] and len(arguments) > 3: sys.exit(enter(*arguments[1:]))
if arguments == ["--version"]: sys.exit(print(f"kdn-runtime-{TYPE} {MANIFEST['version']}"))
if arguments == ["--help"]: sys.exit(print(USAGE))
by_hand = arguments or "KDN_RUNTIME_PROTOCOL" not in os.environ or sys.stdin.isatty()
sys.exit(print(USAGE, file=sys.stderr) or 64 if by_hand else serve())  # [LIFE-07, LIFE-08]
