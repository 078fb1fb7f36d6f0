#!/usr/bin/env node
// @ts-check
'use strict'; // and CommonJS, for which Node takes an executable without an extension

// A starter driver for kdn. A workspace is processes in its source folder, under the user's own account: nothing is
// isolated, and the manifest says so. Ids such as WIRE-12 are sentences of SPEC.md, the kdn runtime protocol.
//
// From top to bottom: what the driver is, what it accepts, instances on disk, their processes, the methods, the wire.
// To make it a driver of your own, change `manifest`, and then begin with `create`. `npx tsc` checks the types.
const { execFile, spawn } = require('node:child_process');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

/** @typedef {{id: string, workspaceId: string, name: string, state: string, reason?: string, info?: Record<string, string>}} Instance
 * @typedef {Instance & {environment: [string, string][]}} Saved what a file holds of an instance
 * @typedef {{id: any, params: any, signal: AbortSignal, stepped: boolean}} Request */

const type = /^kdn-runtime-([a-z][a-z0-9-]{0,62})$/.exec(path.basename(process.argv[1]))?.[1] ?? 'starter'; // MAN-01
const manifest = { type, displayName: type, version: '0.1.0', isolated: false, protocolVersions: [1],
  description: 'Runs agents as ordinary processes of the user in the source folder, without isolation',
  capabilities: { terminal: {}, cancellation: {} } };

// ---- Errors (section 14): what a method throws is answered. An error that is no Failure is `internal` (ERR-08).
const codes = { instance_not_found: 1001, invalid_workspace: 1002, already_exists: 1004, invalid_state: 1005,
  unsupported: 1006, busy: 1007, frame_too_large: 1008, backend_failed: 1009, version_mismatch: 1010,
  not_initialized: 1011, cancelled: 1012, parse_error: -32700, invalid_request: -32600, method_not_found: -32601,
  invalid_params: -32602, internal: -32603 };

class Failure extends Error {
  /** @param {keyof codes} kind @param {string} message @param {object} [more] the rest of `data`, such as `command` */
  constructor(kind, message, more) {
    super(message.slice(0, 1000)); // a value in it may be as long as a frame
    this.data = { kind, ...more };
  }
}

/** Fails unless something holds, with the field of the params that is wrong, if there is one.
 * @type {(holds: any, kind: keyof codes, message: string, field?: string) => void} */
const need = (holds, kind, message, field) => {
  if (!holds) throw new Failure(kind, field ? `${field} ${message}` : message, field ? { fieldPath: field } : {});
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

/** Compares a value with its example. `wrong` is for a text that is not of its form, and invalid_params for all else.
 * @type {(example: any, value: any, at: string, wrong: keyof codes) => void} */
function check(example, value, at, wrong) {
  if (typeof example === 'string') {
    const written = typeof value === 'string' ? `"${value}` : JSON.stringify(value);
    // Neither U+0000 nor half a surrogate pair can be passed on to a program (SEC-09).
    const isUsable = forms[example].test(written) && !/\0|\p{Surrogate}/u.test(written);
    const isWrong = wrong === 'unsupported' || written[0] === '"' && `${forms[example]}`[2] === '"';
    need(isUsable, isWrong ? wrong : 'invalid_params', `is not a usable ${example}`, at);
  } else if (Array.isArray(example)) {
    need(Array.isArray(value), 'invalid_params', 'is not an array', at);
    value.forEach((item, i) => check(example[0], item, `${at}[${i}]`, wrong));
    need(!example[1] || new Set(value.map((item) => item[example[1]])).size === value.length, wrong, `has a ${example[1]} twice`, at);
  } else {
    need(value && typeof value === 'object' && !Array.isArray(value), 'invalid_params', 'is not an object', at);
    for (const key of Object.keys(example)) {
      const names = key === '*' ? Object.keys(value) : key.replace('?', '').split('|');
      const there = names.filter((name) => Object.hasOwn(value, name)), field = (name) => at ? `${at}.${name}` : name;
      need(there.length === 1 || /[?*]/.test(key), names[1] ? wrong : 'invalid_params', `needs ${key}`, names[1] ? at : field(key));
      for (const name of there) check(example[key], value[name], field(name), wrong);
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
const lockStorage = async () => {
  for (let lock; ; await sleep(5)) if ((lock = await tryLock(storage))) return lock;
};

/** @type {(saved: Saved) => Instance} */
function save(saved) { // so that nobody ever reads half of it (CONC-06)
  fs.writeFileSync(folder(saved.id, 'instance.new'), JSON.stringify(saved), { mode: 0o600 });
  fs.renameSync(folder(saved.id, 'instance.new'), folder(saved.id, 'instance'));
  return shown(saved);
}
const shown = ({ environment, ...instance }) => instance;

/** Gives undefined where there is no folder. What can't be read or is cut short is an `error` (LIST-05, LIST-06).
 * @type {(id: string) => Saved | undefined} */
function read(id) {
  let name = id;
  try {
    const saved = JSON.parse(fs.readFileSync(folder(id, 'instance'), 'utf8'));
    if (saved.id === id && /^(running|stopped)$/.test(saved.state) && saved.environment) return saved;
    name = `${saved.name}`;
  } catch {}
  const reason = 'it was cut short, or its file is damaged', workspaceId = id.slice(0, 64);
  return fs.existsSync(folder(id)) ? { id, workspaceId, name, state: 'error', reason, environment: [] } : undefined;
}

/** Reads instances without waiting for changes (CONC-02). What is cut short comes or goes while somebody locks it. */
async function look(ids) {
  const found = [];
  for (const id of ids.filter(isId)) {
    let saved = read(id);
    if (saved?.state === 'error') {
      const all = await lockStorage(), own = await tryLock(folder(id)); // without the first, `create` may be about to
      saved = own && read(id);
      own?.close(), all.close();
    }
    if (saved) found.push(saved);
  }
  return found;
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

function processes(id) {
  const mark = Buffer.from(`\0KDN_INSTANCE=${folder(id)}\0`);
  return fs.readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && Buffer.concat([Buffer.of(0), fs.readFileSync(`/proc/${name}/environ`)]).includes(mark);
    } catch {} // it has ended, or is another user's
  }).map(Number);
}

/** Asks all processes of an instance to end, and kills them after the grace, in seconds (STOP-01, STOP-03).
 * @param {string} id @param {number} grace @param {AbortSignal} [signal] */
async function end(id, grace, signal) {
  const asked = new Set(), killAt = Date.now() + grace * 1000;
  for (let pids; (pids = processes(id)).length; await sleep(20)) {
    checkCancelled(signal);
    const late = Date.now() >= killAt;
    for (const pid of pids.filter((pid) => late || !asked.has(pid))) {
      try {
        process.kill(asked.add(pid) && pid, late ? 'SIGKILL' : 'SIGTERM');
      } catch {} // it has ended
    }
  }
}
const checkCancelled = (signal) => need(!signal?.aborted, 'cancelled', 'cancelled');

/** What the plan of `terminal` runs. It has the mark of the instance by now: either it sees that `stop` is done, or
 * `stop` sees it. */
function attach(id, [program, ...args]) {
  const saved = read(id), leave = (status, message) => (console.error(message), process.exit(status));
  if (saved?.state !== 'running') return leave(125, `the instance is not running: ${id}`);
  const child = spawn(program, args, { env: environment(saved), stdio: 'inherit' });
  child.on('error', (error) => leave(/** @type {any} */ (error).code === 'ENOENT' ? 127 : 126, error.message)); // TERM-09
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal])); // TERM-08
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {}); // a terminal sends them to both (TERM-14)
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(/** @type {any} */ (signal)));
}

// ---- Methods
/** @param {Request} request */
async function create(request) {
  const { params, signal } = request, { workspaceId, name, sourcePath: source, agent, files = [] } = params;
  check(gated, params, '', 'unsupported');
  const saved = { id: '', workspaceId, name, state: 'creating', info: { source },
    environment: (params.environment ?? []).map(({ name, value }) => [name, value]) };
  const program = agent.command?.[0] ?? (agent.name === 'shell' ? 'sh' : '');
  const isThere = async () => await once(spawn('/bin/sh', ['-c', 'command -v "$1" >&2', 'sh', program],
    { env: environment(saved), cwd: source, stdio: 'ignore' }), 'exit').then(([code]) => code === 0);
  const all = await lockStorage();
  let own;
  try {
    for (const id of ids()) {
      const other = read(id);
      if (id.startsWith(workspaceId)) { // IDEM-01
        if (other?.state !== 'error') return shown(other);
        await change(id, () => discard(id)); // a killed driver left it (CREATE-10)
      } else need(other?.name !== name, 'already_exists', `there is an instance with the name "${name}"`); // IDEM-02
    }
    const stat = (file) => fs.statSync(file, { throwIfNoEntry: false }); // CREATE-04
    need(stat(source)?.isDirectory(), 'invalid_workspace', 'is not a folder', 'sourcePath');
    files.forEach((file, i) => need(!file.source || stat(file.source)?.isFile(), 'invalid_workspace', 'is not a file', `files[${i}].source`));
    need(agent.install?.length || await isThere(), 'invalid_workspace', `needs the command "${program}"`, 'agent.name'); // AGENT-02
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
      else fs.writeFileSync(file, Buffer.from(contentBase64, 'base64'), { flag: 'wx' });
      fs.chmodSync(file, mode);
    }
    if (agent.install?.length && !await isThere()) await install(request, saved);
    checkCancelled(signal);
    return save({ ...saved, state: 'stopped' });
  } catch (error) {
    await discard(saved.id); // CREATE-02
    throw error;
  } finally {
    own.close();
  }
}

/** Runs the agent's lines in the new home. What they leave running does not outlive this. */
async function install(request, saved) {
  step(request, 'Installing agent', 'Agent installed');
  for (const line of request.params.agent.install) {
    const log = fs.openSync(folder(saved.id, 'log'), 'w+'), argv = ['/bin/sh', '-c', line];
    const shell = spawn(argv[0], argv.slice(1), { env: environment(saved), cwd: folder(saved.id, 'home'), stdio: ['ignore', log, log] });
    request.signal.addEventListener('abort', () => shell.kill('SIGKILL'));
    const [exitCode] = await once(shell, 'exit');
    const stderrTail = fs.readFileSync(log, 'latin1').slice(-4000); // (ERR-07)
    fs.closeSync(log);
    notify(request, '$/log', { text: stderrTail });
    checkCancelled(request.signal);
    if (exitCode !== 0) throw new Failure('backend_failed', `can't install the agent`, { command: { argv, exitCode: exitCode ?? undefined, stderrTail } });
  }
  await end(saved.id, 0, request.signal);
}

/** Does something to an instance while nobody else does (CONC-03). */
async function change(id, action) {
  need(isId(id) && read(id), 'instance_not_found', `instance not found: "${id}"`);
  const own = await tryLock(folder(id));
  need(own, 'busy', `another change of the instance ${id} is under way`);
  try {
    const saved = read(id);
    need(saved, 'instance_not_found', `instance not found: "${id}"`);
    return await action(saved);
  } finally {
    own.close();
  }
}

const methods = {
  type: () => manifest,
  flags: () => ({ flags: [] }),
  initialize({ params }) {
    need(params.protocolVersions.includes(1), 'version_mismatch', 'no protocol version in common: this driver speaks 1');
    storage = path.resolve(params.storageDir);
    session = 'open';
    maxFrame = params.limits?.maxFrameBytes ?? maxFrame;
    return { protocolVersion: 1, manifest };
  },
  shutdown: () => (session = 'shut down', {}),
  create,
  start: (request) => change(request.params.id, (saved) => {
    check(gated, request.params, '', 'unsupported');
    need(saved.state !== 'error', 'invalid_state', `the instance can only be removed: ${saved.reason}`);
    if (saved.state === 'running') return shown(saved); // IDEM-03
    step(request, 'Starting instance', 'Instance started'); // processes come with terminals only
    return save({ ...saved, state: 'running' });
  }),
  stop: (request) => change(request.params.id, async (saved) => {
    need(saved.state !== 'error', 'invalid_state', `the instance can only be removed: ${saved.reason}`);
    if (saved.state === 'stopped') return shown(saved); // IDEM-04
    step(request, 'Ending processes', 'Processes ended');
    await end(saved.id, request.params.graceSeconds ?? 10, request.signal);
    save({ ...saved, state: 'stopped' });
    await end(saved.id, 0); // what a terminal began before it could see that
    return shown({ ...saved, state: 'stopped' });
  }),
  remove: (request) => change(request.params.id, async (saved) => {
    need(saved.state !== 'running', 'invalid_state', 'the instance is running, stop it first');
    step(request, 'Removing instance', 'Instance removed');
    await discard(saved.id); // to its end, even if it is cancelled (section 12)
    return {};
  }).catch((error) => { // IDEM-05
    need(error.data?.kind === 'instance_not_found', error.data?.kind ?? 'internal', error.message);
    return {};
  }),
  async info({ params }) {
    const [saved] = await look([params.id]);
    need(saved, 'instance_not_found', `instance not found: "${params.id}"`);
    return shown(saved);
  },
  list: async ({ params }) => ({
    instances: (await look(ids())).map(shown).filter((instance) => params.workspaceIds?.includes(instance.workspaceId) ?? true) }),
  async terminal({ params: { id, command } }) { // a plan for this executable (section 13), see `attach`
    need(command.length, 'invalid_params', 'is empty', 'command');
    const { state, info } = await methods.info({ params: { id } });
    need(state === 'running', 'invalid_state', `the instance ${id} is not running`);
    return { args: ['terminal', storage, id, ...command], cwd: info.source, env: { KDN_INSTANCE: folder(id) } };
  },
};

// ---- The wire
let session = 'not initialized', maxFrame = 16 << 20, exiting = false, pieces = [], size = 0;
const running = new Map(); // the requests that run: how to cancel each, by id

/** Writes one frame, unless the host does not take one so large (WIRE-08). Writing to a pipe waits until it is done. */
function send(frame) {
  const line = JSON.stringify({ jsonrpc: '2.0', ...frame });
  return Buffer.byteLength(line) <= maxFrame && (process.stdout.write(`${line}\n`), true);
}
const notify = ({ id }, method, params) => typeof id === 'number' && send({ method, params: { requestId: id, ...params } });

/** Begins a step, which completes the one before; `run` closes the last (STEP-04). */
const step = (request, inProgress, completed) =>
  notify(request, '$/step', { event: 'start', inProgress, completed }) && (request.stepped = true);

/** Carries out a request and answers it. */
async function run(request, work) {
  let outcome, last = {};
  try {
    outcome = { result: await work(request) };
    last = { event: 'complete' };
  } catch ({ message, data = { kind: 'internal' } }) {
    outcome = { error: { code: codes[data.kind], message: message || 'it failed', data } };
    last = { event: 'fail', error: outcome.error.message };
  }
  if (request.stepped) notify(request, '$/step', last);
  running.delete(request.id);
  if (!send({ id: request.id, ...outcome })) run({ id: request.id }, () => need(false, 'frame_too_large', 'the answer is larger than a frame')); // WIRE-09
}

/** Takes a line: a request, a notification, or what is neither (WIRE-23 to WIRE-34). */
function take(line) {
  let frame;
  const refuse = (kind, message, id = null) => void run({ id }, () => need(false, kind, message));
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
    if (!text.trim()) return;
    frame = JSON.parse(text);
  } catch {
    return refuse('parse_error', 'the line is not JSON in UTF-8');
  }
  const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(frame)) return refuse('invalid_request', 'the line is not an object');
  const { jsonrpc, id, method, params = {} } = frame;
  const isId = typeof id === 'string' || Number.isSafeInteger(id) && id >= 0;
  if (jsonrpc !== '2.0' || typeof method !== 'string' || id !== undefined && !isId) {
    return refuse('invalid_request', 'the line is not a request of JSON-RPC 2.0 with a usable id', isId ? id : null);
  }
  if (id === undefined) return method === '$/cancelRequest' ? running.get(params?.id)?.abort() : undefined;
  const controller = new AbortController(), now = session, request = { id, params, signal: controller.signal, stepped: false };
  running.set(id, controller);
  run(request, () => {
    const isDeclared = Object.hasOwn(methods, method), isAlways = method === 'type' || method === 'flags';
    need(isDeclared, 'method_not_found', `method not found: "${method}"`);
    need(isAlways || now === (method === 'initialize' ? 'not initialized' : 'open'), 'not_initialized', `the session is ${now}`);
    need(isObject(params), 'invalid_params', 'the params are not an object');
    check(shapes[method], params, '', method === 'create' ? 'invalid_workspace' : 'invalid_params');
    return methods[method](request);
  });
}

/** Cancels what is running, waits until it is rolled back, and exits (LIFE-21 to LIFE-26). */
async function finish(status) {
  if (exiting) return;
  exiting = true;
  process.stdin.pause();
  for (const controller of running.values()) controller.abort();
  for (let patience = 180; running.size && patience; patience--) await sleep(10); // LIFE-25
  process.exit(status);
}

function main([command, ...args]) {
  const name = `kdn-runtime-${type}`, about = `${name} ${manifest.version}: ${manifest.description}.\n\nIt is a driver: kdn starts it, without arguments.`;
  if (command === '--version') return console.log(name, manifest.version); // LIFE-09
  if (command === '--help') return console.log(about);
  if (command === 'terminal' && args.length > 2) return storage = args[0], attach(args[1], args.slice(2));
  if (command !== undefined || process.env.KDN_RUNTIME_PROTOCOL === undefined || process.stdin.isTTY) { // LIFE-07
    console.error(about);
    process.exit(64);
  }
  process.on('SIGTERM', () => finish(0));
  process.stdout.on('error', () => finish(0)); // nobody reads it any more (LIFE-26)
  process.stdin.on('end', () => finish(0)); // a line without an end is not carried out (WIRE-12)
  process.stdin.on('data', (data) => {
    for (let end; (end = data.indexOf('\n')) >= 0; data = data.subarray(end + 1)) {
      const line = Buffer.concat([...pieces, data.subarray(0, end)]);
      pieces = [], size = 0;
      if (line.length - Number(line.at(-1) === 13) > 16 << 20) return finish(1); // WIRE-10, WIRE-11
      take(line);
    }
    if (pieces.push(data) && (size += data.length) > (16 << 20) + 1) finish(1);
  });
}
main(process.argv.slice(2));
