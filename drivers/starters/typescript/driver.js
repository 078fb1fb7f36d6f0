#!/usr/bin/env node
// @ts-check
// A starter driver for kdn. A workspace is processes in its source folder, under the user's own account: nothing is
// isolated, and the manifest says so. Ids such as WIRE-12 are sentences of SPEC.md, the kdn runtime protocol.
//
// From top to bottom: what the driver is, what it accepts, instances on disk, their processes, the methods, the wire.
// To make it a driver of your own, change `manifest`, and then begin with `create`.
'use strict'; // and CommonJS, for which Node takes an executable without an extension
const { spawn } = require('node:child_process');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs'), net = require('node:net'), os = require('node:os'), path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

/** @typedef {{id: string, workspaceId: string, name: string, state: string, reason?: string, info?: {source: string}}} Instance
 * @typedef {Instance & {environment: [string, string][]}} Saved what a file holds of an instance
 * @typedef {{id: any, params: any, signal: AbortSignal, stepped: boolean}} Request */
const type = /^kdn-runtime-([a-z][a-z0-9-]{0,62})$/.exec(path.basename(process.argv[1]))?.[1] ?? 'starter'; // MAN-01
const manifest = { type, displayName: type, version: '0.1.0', isolated: false, protocolVersions: [1],
  description: 'Runs agents as ordinary processes of the user in the source folder, without isolation',
  capabilities: { terminal: {}, cancellation: {} } };

// ---- Errors (section 14): what a method throws is answered.
const codes = { instance_not_found: 1001, invalid_workspace: 1002, already_exists: 1004, invalid_state: 1005,
  unsupported: 1006, busy: 1007, frame_too_large: 1008, backend_failed: 1009, version_mismatch: 1010,
  not_initialized: 1011, cancelled: 1012, parse_error: -32700, invalid_request: -32600, method_not_found: -32601,
  invalid_params: -32602, internal: -32603 };

/** Fails unless something holds; `data` is the rest of the error's.
 * @type {(holds: any, kind: keyof codes, message: string, data?: object) => void} */
const need = (holds, kind, message, data) => {
  if (!holds) throw Object.assign(new Error(message), { data: { kind, ...data } });
};

// ---- What it accepts: the params of each method by example. "?" ends what may be absent, a|b is one of the two, "*" any
// name, and the second item of a list is the field that no two entries share. What is gated is not looked into.
const network = { 'mode?': 'mode', 'hosts?': ['string'] };
const shapes = {
  type: {}, flags: {}, shutdown: {}, info: { id: 'string' }, remove: { id: 'string' },
  initialize: { protocolVersions: ['integer'], host: { name: 'string', version: 'string', pid: 'integer' },
    storageDir: 'absolute', 'limits?': { 'maxFrameBytes?': 'integer' }, 'capabilities?': {} },
  list: { 'workspaceIds?': ['string'], 'cursor?': 'unknown' }, // all is on one page (LIST-08)
  start: { id: 'string', network, 'secretValues?': { '*': 'string' } },
  stop: { id: 'string', 'graceSeconds?': 'integer' },
  terminal: { id: 'string', command: ['string'], 'tty?': 'boolean' },
  create: { workspaceId: 'id', name: 'name', sourcePath: 'path', 'projectId?': 'string', 'model?': 'string',
    agent: { name: 'text', 'command?': ['string'], 'install?': ['string'] },
    'environment?': [{ name: 'variable', 'value|secret': 'string' }, 'name'],
    'files?': [{ path: 'relative', 'source|contentBase64': 'string', 'source?': 'path', 'contentBase64?': 'base64',
      'mode?': 'permissions' }, 'path'],
    'network?': network, 'mounts?': [{}], 'ports?': [{}], 'secrets?': [{}], 'features?': [{}],
    'limits?': { 'memoryBytes?': 'number', 'cpus?': 'number', 'pids?': 'number' },
    'options?': { '*': 'unknown' } }, // there are no flags (CREATE-08)
};
const gated = { 'mounts?': ['never'], 'ports?': ['never'], 'secrets?': ['never'], 'features?': ['never'], // CAP-03
  'limits?': { 'memoryBytes?': 'never', 'cpus?': 'never', 'pids?': 'never' }, 'environment?': [{ 'secret?': 'never' }],
  'network?': { 'mode?': 'allow' } };
// The words: forms of texts, which have a quote before them here, and of other values as JSON. No `part` is "..".
const part = '(\\.?[^/.][^/]*|\\.\\.[^/]+)';
const forms = { string: /^"/, text: /^"[^]/, boolean: /^(true|false)$/, number: /^[\d.]+(e.*)?$/, integer: /^\d+$/,
  permissions: /^([1-4]?\d?\d|50\d|51[01])$/, id: /^"[0-9a-f]{64}$/, name: /^"[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/,
  variable: /^"[^=]+$/, mode: /^"(allow|deny)$/, allow: /^"allow$/, unknown: /^"\b\B/, never: /^\b\B/, absolute: /^"\//,
  path: new RegExp(`^"(/+(\\.|${part})?)+$`), relative: new RegExp(`^"${part}(/${part})*$`),
  base64: /^"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/ };
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compares a value with its example. `wrong` is for a text that is not of its form, and invalid_params for all else.
 * @type {(example: any, value: any, at: string, wrong: keyof codes) => void} */
function check(example, value, at, wrong) {
  const must = (holds, kind, what, fieldPath = at) => need(holds, kind, `${fieldPath} ${what}`, { fieldPath });
  if (typeof example === 'string') {
    const written = typeof value === 'string' ? `"${value}` : JSON.stringify(value);
    const isItsType = wrong === 'unsupported' || written[0] === '"' && forms[example].source[1] === '"';
    const isUsable = !/\0|\p{Surrogate}/u.test(written); // as an argument of a program, say (SEC-09)
    must(isUsable && forms[example].test(written), isItsType ? wrong : 'invalid_params', `is not a usable ${example}`);
  } else if (Array.isArray(example)) {
    must(Array.isArray(value), 'invalid_params', 'is not an array');
    value.forEach((item, i) => check(example[0], item, `${at}[${i}]`, wrong));
    const names = new Set(value.map((item) => item[example[1]]));
    must(!example[1] || names.size === value.length, wrong, `has a ${example[1]} twice`);
  } else {
    must(isObject(value), 'invalid_params', 'is not an object');
    for (const [key, inner] of Object.entries(example)) {
      const names = key === '*' ? Object.keys(value) : key.replace('?', '').split('|');
      const there = names.filter((name) => Object.hasOwn(value, name)), field = (name) => at ? `${at}.${name}` : name;
      if (names.length === 1) must(there.length || /[?*]/.test(key), 'invalid_params', 'is missing', field(key));
      else must(there.length === 1 || key === '*', wrong, `needs one of ${key}`); // CREATE-05
      for (const name of there) check(inner, value[name], field(name), wrong);
    }
  }
}

// ---- Instances on disk: a folder each, with the file `instance` and the folder `home`. Its name is the id, which begins
// with that of the workspace, to be known even if the file is not.
let storage = '';
const folder = (...names) => path.join(storage, ...names);
const isId = (name) => /^[0-9a-f]{64}-[0-9a-f]{8}$/.test(name);
const ids = () => fs.existsSync(storage) ? fs.readdirSync(storage).filter(isId) : [];

/** Locks a folder, or gives undefined while somebody else does. Node has no flock; but only one socket can listen at an
 * abstract address of Linux, and the kernel frees that when its process ends, in any way (CONC-04, LIFE-33).
 * @type {(place: string) => Promise<net.Server | undefined>} */
const tryLock = (place) => new Promise((resolve) => {
  const lock = net.createServer().on('error', () => resolve(undefined));
  lock.listen('\0kdn-' + createHash('sha256').update(place).digest('hex'), () => resolve(lock));
});
const lockStorage = async () => { for (let lock; ; await sleep(5)) if ((lock = await tryLock(storage))) return lock; };

/** @type {(saved: Saved) => Instance} */
function save(saved) { // under another name first, so that nobody reads half of it (CONC-06)
  fs.writeFileSync(folder(saved.id, 'instance.new'), JSON.stringify(saved), { mode: 0o600 });
  fs.renameSync(folder(saved.id, 'instance.new'), folder(saved.id, 'instance'));
  return shown(saved);
}
const shown = ({ environment, ...instance }) => instance;

/** Gives undefined where there is no folder. What can't be read or is cut short is an `error` (LIST-05, LIST-06).
 * @type {(id: string) => Saved | undefined} */
function read(id) {
  const broken = { id, workspaceId: id.slice(0, 64), name: id, state: 'error', reason: 'it is damaged or cut short', environment: [] };
  try {
    const saved = JSON.parse(fs.readFileSync(folder(id, 'instance'), 'utf8'));
    if (saved.id === id && /^(running|stopped)$/.test(saved.state) && saved.environment) return saved;
    broken.name = `${saved.name}`;
  } catch {}
  return fs.existsSync(folder(id)) ? broken : undefined;
}

/** Reads instances without waiting for changes (CONC-02). What is cut short comes or goes while somebody locks it. */
async function look(ids) {
  const found = ids.filter(isId).map(read);
  for (const [i, saved] of found.entries()) {
    if (saved?.state !== 'error') continue;
    const all = await lockStorage(), own = await tryLock(folder(saved.id)); // without `all`, `create` may be about to
    found[i] = own && read(saved.id);
    own?.close(), all.close();
  }
  return found.filter((saved) => saved);
}

/** Removes all of an instance, which counts as cut short until then. */
async function discard(id) {
  await end(id, 0);
  fs.rmSync(folder(id, 'instance'), { force: true });
  await once(spawn('chmod', ['-R', 'u+rwX', folder(id)]), 'exit'); // a folder may forbid even its owner to empty it
  await fs.promises.rm(folder(id), { recursive: true, force: true });
}

// ---- Processes: those of an instance have its folder in their environment.
const environment = (saved) => Object.fromEntries([
  ...Object.entries(process.env).filter(([name]) => /^(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ)$/.test(name)), // TERM-16
  ['PATH', `${folder(saved.id, 'home/.local/bin')}:${process.env.PATH}`], ...saved.environment,
  ['HOME', folder(saved.id, 'home')], ['KDN_INSTANCE', folder(saved.id)]]);
const attempt = (action) => { try { return action(); } catch {} };

function processes(id) {
  const mark = Buffer.from(`\0KDN_INSTANCE=${folder(id)}\0`), before = Buffer.of(0);
  return fs.readdirSync('/proc').filter((name) => Number(name) // those that have ended and those of others can't be read
    && attempt(() => Buffer.concat([before, fs.readFileSync(`/proc/${name}/environ`)]).includes(mark))).map(Number);
}

/** Asks all processes of an instance to end, and kills them after the grace, in seconds (STOP-01, STOP-03).
 * @param {string} id @param {number} grace @param {AbortSignal} [signal] */
async function end(id, grace, signal) {
  const asked = new Set(), killAt = Date.now() + grace * 1000;
  for (let pids; (pids = processes(id)).length; await sleep(20)) {
    checkCancelled(signal);
    const late = Date.now() >= killAt;
    for (const pid of pids) if (late || !asked.has(pid)) attempt(() => process.kill(pid, late ? 'SIGKILL' : 'SIGTERM'));
    pids.forEach((pid) => asked.add(pid));
  }
}
const checkCancelled = (signal) => need(!signal?.aborted, 'cancelled', 'cancelled');

/** What the plan of `terminal` runs. It has the mark of the instance by now: either it sees that `stop` is done, or
 * `stop` sees it. */
function attach(id, [program, ...args]) {
  const saved = read(id), leave = (status, message) => (console.error(message), process.exit(status));
  if (saved?.state !== 'running') return leave(125, `the instance is not running: ${id}`);
  const child = spawn(program, args, { env: environment(saved), stdio: 'inherit' });
  child.on('error', (error) => leave(error['code'] === 'ENOENT' ? 127 : 126, error.message)); // TERM-09
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal])); // TERM-08
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {}); // a terminal sends them to both (TERM-14)
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
}

// ---- Methods
/** @param {Request} request */
async function create(request) {
  const { params, signal } = request, { workspaceId, name, sourcePath: source, agent, files = [] } = params;
  check(gated, params, '', 'unsupported');
  /** @type {Saved} */
  const saved = { id: '', workspaceId, name, state: 'creating', info: { source },
    environment: (params.environment ?? []).map(({ name, value }) => [name, value]) };
  const invalid = (holds, fieldPath, what) => need(holds, 'invalid_workspace', `${fieldPath} ${what}`, { fieldPath });
  const program = agent.command?.[0] ?? (agent.name === 'shell' ? 'sh' : ''), stat = (file) => attempt(() => fs.statSync(file));
  const canRun = async () => (await once(spawn('/bin/sh', ['-c', 'command -v "$1"', 'sh', program],
    { env: environment(saved), cwd: source, stdio: 'ignore' }), 'exit'))[0] === 0;
  const all = await lockStorage();
  let own;
  try {
    for (const other of ids().map(read)) {
      if (other?.workspaceId === workspaceId) {
        if (other.state !== 'error') return shown(other); // IDEM-01
        await change(other.id, () => discard(other.id)); // what a killed driver left (CREATE-10)
      } else need(other?.name !== name, 'already_exists', `there is an instance with the name "${name}"`);
    }
    invalid(stat(source)?.isDirectory(), 'sourcePath', 'is not a folder'); // CREATE-04
    files.forEach((file, i) => invalid(!file.source || stat(file.source)?.isFile(), `files[${i}].source`, 'is not a file'));
    invalid(agent.install?.length || await canRun(), 'agent.name', `needs the command "${program}"`); // AGENT-02
    saved.id = `${workspaceId}-${randomBytes(4).toString('hex')}`; // never the same again (INST-05)
    fs.mkdirSync(folder(saved.id, 'home'), { recursive: true, mode: 0o700 });
    fs.chmodSync(storage, 0o700); // SEC-07
    own = await tryLock(folder(saved.id));
    save(saved);
  } finally {
    all.close();
  }
  try {
    step(request, 'Writing files', 'Files written');
    for (const { path: name, source, contentBase64, mode = 0o600 } of files) { // no symbolic link is there yet (WORK-08)
      checkCancelled(signal);
      const file = folder(saved.id, 'home', name);
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      if (source) await fs.promises.copyFile(source, file, fs.constants.COPYFILE_EXCL);
      else fs.writeFileSync(file, contentBase64, { encoding: 'base64', flag: 'wx' });
      fs.chmodSync(file, mode);
    }
    if (agent.install?.length && !await canRun()) await install(request, saved);
    checkCancelled(signal);
    return save({ ...saved, state: 'stopped' });
  } catch (error) {
    await discard(saved.id); // CREATE-02
    throw error;
  } finally {
    own.close();
  }
}

/** Runs the agent's lines in the new home. What they leave running ends with them. */
async function install(request, saved) {
  step(request, 'Installing agent', 'Agent installed');
  for (const line of request.params.agent.install) {
    const file = folder(saved.id, 'log'), log = fs.openSync(file, 'w'), argv = ['/bin/sh', '-c', line];
    const shell = spawn(argv[0], argv.slice(1), { env: environment(saved), cwd: folder(saved.id, 'home'), stdio: ['ignore', log, log] });
    request.signal.addEventListener('abort', () => shell.kill('SIGKILL'));
    const [status, signal] = await once(shell, 'exit'), stderrTail = fs.readFileSync(file).subarray(-8192).toString('latin1');
    fs.closeSync(log);
    checkCancelled(request.signal);
    const command = { argv, stderrTail: stderrTail.slice(-4096), ...signal ? {} : { exitCode: status } };
    need(status === 0, 'backend_failed', `can't install the agent: ${line}`, { command });
  }
  await end(saved.id, 0, request.signal);
}

/** Does something to an instance while nobody else does (CONC-03). */
async function change(id, action) {
  need(isId(id) && read(id), 'instance_not_found', `instance not found: "${id}"`);
  const own = await tryLock(folder(id));
  need(own, 'busy', `another change of the instance ${id} is under way`);
  try {
    need(read(id), 'instance_not_found', `instance not found: "${id}"`);
    return await action(read(id));
  } finally {
    own.close();
  }
}

const methods = {
  create, type: () => manifest, flags: () => ({ flags: [] }), shutdown: () => (session = 'shut down', {}),
  initialize({ params }) {
    const message = 'no protocol version in common: this driver speaks 1';
    need(params.protocolVersions.includes(1), 'version_mismatch', message, { supported: [1] }); // INIT-02
    storage = path.resolve(params.storageDir), session = 'open', maxFrame = params.limits?.maxFrameBytes ?? maxFrame;
    return { protocolVersion: 1, manifest };
  },
  start: (request) => change(request.params.id, (saved) => {
    check(gated, request.params, '', 'unsupported');
    need(saved.state !== 'error', 'invalid_state', `the instance can only be removed: ${saved.reason}`);
    if (saved.state === 'running') return shown(saved); // IDEM-03
    step(request, 'Starting instance', 'Instance started'); // its processes come with terminals
    return save({ ...saved, state: 'running' });
  }),
  stop: (request) => change(request.params.id, async (saved) => {
    need(saved.state !== 'error', 'invalid_state', `the instance can only be removed: ${saved.reason}`);
    if (saved.state === 'stopped') return shown(saved); // IDEM-04
    step(request, 'Ending processes', 'Processes ended');
    await end(saved.id, request.params.graceSeconds ?? 10, request.signal);
    save({ ...saved, state: 'stopped' });
    await end(saved.id, 0); // what a terminal began before it could see that
    return shown(read(saved.id));
  }),
  remove: (request) => !isId(request.params.id) || !read(request.params.id) ? {} : change(request.params.id, async (saved) => {
    need(saved.state !== 'running', 'invalid_state', 'the instance is running, stop it first');
    step(request, 'Removing instance', 'Instance removed');
    await discard(saved.id); // to its end, even if it is cancelled (section 12)
    return {};
  }),
  async info({ params: { id } }) {
    const [saved] = await look([id]);
    need(saved, 'instance_not_found', `instance not found: "${id}"`);
    return shown(saved);
  },
  list: async ({ params: { workspaceIds } }) => ({
    instances: (await look(ids())).map(shown).filter((instance) => workspaceIds?.includes(instance.workspaceId) ?? true) }),
  async terminal({ params: { id, command } }) { // a plan for this executable (section 13), see `attach`
    need(command.length, 'invalid_params', 'the command is empty');
    const { state, info } = await methods.info({ params: { id } });
    need(state === 'running', 'invalid_state', `the instance ${id} is not running`);
    return { args: ['terminal', storage, id, ...command], cwd: info.source, env: { KDN_INSTANCE: folder(id) } };
  },
};

// ---- The wire
let session = 'closed', maxFrame = 16 << 20, exiting = false, pieces = [], size = 0;
const running = new Map(); // the requests that run, and how to cancel each

/** Writes a frame, unless the host does not take one so large (WIRE-08). Writing to a pipe waits until it is done. */
function send(frame) {
  const line = JSON.stringify({ jsonrpc: '2.0', ...frame });
  return Buffer.byteLength(line) <= maxFrame && (process.stdout.write(`${line}\n`), true);
}

/** Begins a step of a request, which completes the one before. One whose id is a text has none (section 3.2). */
function step(request, inProgress, completed) {
  request.stepped = typeof request.id === 'number';
  if (request.stepped) send({ method: '$/step', params: { requestId: request.id, event: 'start', inProgress, completed } });
}

/** Does what a line asks for, and answers it. */
async function take(line) {
  const request = { id: null, params: {}, signal: undefined, stepped: false };
  let last = { event: 'complete' }, answer;
  try {
    answer = { result: await carryOut(line, request) };
  } catch ({ message, data = { kind: 'internal' } }) { // any other error is a fault of the driver (ERR-08)
    answer = { error: { code: codes[data.kind], message: message.slice(0, 1000) || 'it failed', data } };
    last = { event: 'fail', ['error']: answer.error.message };
  }
  if (request.stepped) send({ method: '$/step', params: { requestId: request.id, ...last } }); // STEP-04
  running.delete(request.id);
  if (request.id === undefined || send({ id: request.id, ...answer })) return; // a notification has no answer
  const message = 'the answer is larger than a frame'; // WIRE-09
  send({ id: request.id, error: { code: codes.frame_too_large, message, data: { kind: 'frame_too_large' } } });
}

function carryOut(line, request) { // WIRE-23 to WIRE-34
  const text = attempt(() => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line));
  if (text?.trim() === '') return request.id = undefined;
  const frame = attempt(() => JSON.parse(text));
  need(frame !== undefined, 'parse_error', 'the line is not JSON in UTF-8');
  need(isObject(frame), 'invalid_request', 'the line is not an object');
  const { jsonrpc, id, method, params = {} } = frame, isCall = jsonrpc === '2.0' && typeof method === 'string';
  const isUsable = typeof id === 'string' || Number.isSafeInteger(id) && id >= 0;
  if (isUsable || isCall && id === undefined) request.id = id;
  need(isCall && request.id !== null, 'invalid_request', 'the line is not a request of JSON-RPC 2.0 with a usable id');
  if (id === undefined) return method === '$/cancelRequest' && running.get(params?.id)?.abort();
  const isAlways = method === 'type' || method === 'flags', controller = new AbortController();
  need(Object.hasOwn(methods, method), 'method_not_found', `method not found: "${method}"`);
  need(isAlways || session === (method === 'initialize' ? 'closed' : 'open'), 'not_initialized', `the session is ${session}`);
  need(isObject(params), 'invalid_params', 'the params are not an object');
  check(shapes[method], params, '', method === 'create' ? 'invalid_workspace' : 'invalid_params');
  running.set(id, controller);
  return methods[method](Object.assign(request, { params, signal: controller.signal }));
}

/** Cancels what is running, waits until it is rolled back, and exits (LIFE-21 to LIFE-26). */
async function finish(status) {
  if (exiting) return;
  exiting = true;
  for (const controller of running.values()) controller.abort();
  for (let patience = 180; running.size && patience; patience--) await sleep(10); // LIFE-25
  process.exit(status);
}

function read_(data) { // pieces of lines; a last one without a newline is not carried out (WIRE-12)
  for (let end; !exiting && (end = data.indexOf('\n')) >= 0; data = data.subarray(end + 1)) {
    const line = Buffer.concat([...pieces, data.subarray(0, end)]);
    pieces = [], size = 0;
    if (line.length - Number(line.at(-1) === 13) > 16 << 20) return finish(1); // WIRE-10, WIRE-11
    take(line);
  }
  if (pieces.push(data) && (size += data.length) > (16 << 20) + 1) finish(1);
}

const [command, ...rest] = process.argv.slice(2), name = `kdn-runtime-${type}`;
const about = `${name} ${manifest.version}: ${manifest.description}.\n\nIt is a driver: kdn starts it, without arguments.`;
if (command === '--version') console.log(name, manifest.version); // LIFE-09
else if (command === '--help') console.log(about);
else if (command === 'terminal' && rest.length > 2) storage = rest[0], attach(rest[1], rest.slice(2));
else if (command !== undefined || process.env.KDN_RUNTIME_PROTOCOL === undefined || process.stdin.isTTY) {
  console.error(about); // LIFE-07, LIFE-08
  process.exitCode = 64;
} else {
  process.on('SIGTERM', () => finish(0));
  process.stdout.on('error', () => finish(0)); // nobody reads it any more (LIFE-26)
  process.stdin.on('end', () => finish(0)).on('data', read_);
}
