#!/usr/bin/env node
// @ts-check
// A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
//
// kdn starts this file as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line. Ids such as
// WIRE-02 are sentences of SPEC.md. To make a driver of your own, change `manifest` and parts 3 and 4. Node 20+, Linux.
'use strict';
const { spawn, spawnSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const type = path.basename(process.argv[1]).replace('kdn-runtime-', ''); // MAN-01
const description = 'Ordinary processes of your own account, without isolation';
const manifest = { type, displayName: type, description, version: '0.1.0', isolated: false, protocolVersions: [1],
  capabilities: { terminal: {} } };
const MAX_FRAME = 16 * 1024 * 1024;
const session = { storage: '', isOver: false, isEnding: false, isBusy: false, maxFrame: MAX_FRAME };
/** What is being carried out: the id of the request, whether it has a step, and the files that it has locked.
 * @type {{ id: any, hasStep: boolean, locks: number[] }} */
let request = { id: null, hasStep: false, locks: [] };

// ---- 1. Errors. A Fault that a method throws becomes its answer.

const codes = { instance_not_found: 1001, invalid_workspace: 1002, already_exists: 1004, invalid_state: 1005,
  unsupported: 1006, frame_too_large: 1008, version_mismatch: 1010, not_initialized: 1011, parse_error: -32700,
  invalid_request: -32600, method_not_found: -32601, invalid_params: -32602, internal: -32603 };
class Fault extends Error {
  /** @param {keyof typeof codes} kind @param {string} message @param {object} data what else there is to tell */
  constructor(kind, message, data = {}) {
    super(message);
    this.data = { kind, ...data };
  }
}
/** @type {(holds: any, kind: keyof typeof codes, message: string, data?: object) => void} */
const need = (holds, kind, message, data) => {
  if (!holds) throw new Fault(kind, message, data);
};

// ---- 2. Params. A shape is the name of a type, [shape], { field: shape } where "?" ends the name of a field that may be
// absent, { '*': shape } for a map, or a rule, which a value of another shape must fulfil.

const rule = (shape, test, what, kind = 'invalid_workspace') => ({ shape, test, what, kind });
const form = (pattern, what, kind) => rule('string', (text) => pattern.test(text), what, kind);
const gated = (shape) => rule(shape, (value) => typeof value === 'object' && !value.length, 'absent here', 'unsupported');
const either = (a, b, shape) => rule(shape, (item) => a in item !== b in item, `given ${a} or ${b}`); // CREATE-05
const once = (name, item) =>
  rule([item], (list) => new Set(list.map((item) => item[name])).size === list.length, `without the same ${name} twice`);
const isId = (id) => /^[0-9a-f]{64}-[0-9a-f]{8}$/.test(id);
const PATH = rule('string', (file) => file[0] === '/' && !file.split('/').includes('..'), 'an absolute path without ..');
const BELOW = rule('string', (file) => !/^\.{0,2}$/m.test(file.replaceAll('/', '\n')), 'a relative path without . and ..');
const MODE = rule('integer', (mode) => mode <= 0o777, 'from 0 to 511');
const BASE64 = rule('string', (text) => Buffer.from(text, 'base64').toString('base64') === text, 'base64');
const VARIABLE = { name: form(/^[^=]+$/, 'a name'), 'value?': 'string', 'secret?': gated('string') };
const FILE = { path: BELOW, 'source?': PATH, 'contentBase64?': BASE64, 'mode?': MODE };
const KNOWN_MODE = form(/^(allow|deny)$/, 'allow or deny', 'invalid_params');
const NETWORK = { 'mode?': rule(KNOWN_MODE, (mode) => mode === 'allow', 'allow', 'unsupported'), 'hosts?': ['string'] };
const shapes = {
  type: {}, flags: {}, shutdown: {}, info: { id: 'string' }, remove: { id: 'string' },
  initialize: { protocolVersions: ['integer'], host: { name: 'string', version: 'string', pid: 'integer' },
    storageDir: form(/^\//, 'absolute', 'invalid_params'), 'limits?': { 'maxFrameBytes?': 'integer' }, 'capabilities?': {} },
  create: { // what this driver does not offer is not looked into: it is refused
    workspaceId: form(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits'),
    name: form(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'a-z and 0-9, with . _ - between'),
    sourcePath: PATH, 'projectId?': 'string', 'model?': 'string',
    agent: { name: form(/./, 'a name'), 'command?': ['string'], 'install?': ['string'] },
    'environment?': once('name', either('value', 'secret', VARIABLE)),
    'files?': once('path', either('source', 'contentBase64', FILE)),
    'network?': NETWORK, 'mounts?': gated([{}]), 'ports?': gated([{}]), 'secrets?': gated([{}]), 'features?': gated([{}]),
    'limits?': { 'memoryBytes?': gated('number'), 'cpus?': gated('number'), 'pids?': gated('number') },
    'options?': { '*': rule('string', () => false, 'absent: this driver has no flags') } }, // CREATE-08
  start: { id: 'string', network: NETWORK, 'secretValues?': { '*': 'string' } },
  stop: { id: 'string', 'graceSeconds?': 'integer' },
  list: { 'workspaceIds?': ['string'], 'cursor?': rule('string', isId, 'one of ours', 'invalid_params') }, // LIST-08
  terminal: { id: 'string', command: rule(['string'], (words) => words.length, 'not empty', 'invalid_params'), 'tty?': 'boolean' },
};

/** What keeps a value from having a shape, as Faults. They do not show the value: it may be a secret (SEC-01). */
function faults(shape, value, at = '') {
  const fault = (kind, what) => [new Fault(kind, `${at || 'params'} must be ${what}`, at ? { fieldPath: at } : {})];
  if (shape.test) {
    const found = faults(shape.shape, value, at);
    return found.length > 0 || shape.test(value) ? found : fault(shape.kind, shape.what);
  }
  if (typeof shape === 'string') {
    const isWhole = typeof value !== 'string' || value.isWellFormed() && !value.includes('\0'); // SEC-09
    const fits = shape === 'integer' ? Number.isInteger(value) && value >= 0 : typeof value === shape;
    return fits && isWhole ? [] : fault('invalid_params', `of the type ${shape}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value) !== Array.isArray(shape))
    return fault('invalid_params', Array.isArray(shape) ? 'an array' : 'an object');
  if (Array.isArray(shape)) return value.flatMap((item, i) => faults(shape[0], item, `${at}[${i}]`));
  return Object.entries(shape).flatMap(([key, inner]) =>
    (key === '*' ? Object.keys(value) : [key.replace('?', '')]).flatMap((name) => {
      const field = at ? `${at}.${name}` : name;
      if (Object.hasOwn(value, name)) return faults(inner, value[name], field);
      return key.endsWith('?') ? [] : [new Fault('invalid_params', `${field} is missing`, { fieldPath: field })];
    }));
}

// ---- 3. Instances. Each is a folder <storage>/<workspaceId>-<random> with instance.json and home in it. Its name says
// whose it is, whatever became of the file. Its processes have KDN_INSTANCE=<id> in their environment.

/** @typedef {{ name: string, state: string, sourcePath?: string, environment?: any[], reason?: string }} Instance */
const folder = (id, ...names) => path.join(session.storage, id, ...names);
const ids = () => (fs.existsSync(session.storage) ? fs.readdirSync(session.storage).filter(isId).sort() : []);

/** Waits, unless the driver is to end. */
async function pause(milliseconds) {
  await sleep(milliseconds);
  need(!session.isEnding, 'internal', 'interrupted');
}

/** Locks a folder until the answer, or gives false. Node has no flock, but what a child does to the lock of an open file
 * holds here, too. The kernel unlocks it when this process ends, in any way (LIFE-33). */
function tryLock(place, how) {
  if (!fs.existsSync(place)) return false;
  const file = fs.openSync(place, 'r');
  request.locks.push(file);
  return spawnSync('flock', [how, '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] }).status === 0;
}
async function lock(place, how) {
  while (fs.existsSync(place) && !tryLock(place, how)) await pause(50);
}

/** Gives undefined if there is none. What can't be read or was cut short has the state `error` (LIST-05, LIST-06).
 * @returns {Instance | undefined} */
function read(id) {
  let reason = 'its creation or removal was cut short';
  try {
    const instance = JSON.parse(fs.readFileSync(folder(id, 'instance.json'), 'utf8'));
    if (/^(running|stopped)$/.test(instance.state) && instance.environment && isId(id)) return instance;
  } catch (error) {
    reason = `it can't be read: ${error.message}`;
  }
  return isId(id) && fs.existsSync(folder(id)) ? { name: 'unknown', state: 'error', reason } : undefined;
}

/** Reads without a lock: what somebody is just making or removing is not there (CONC-06). */
async function look(id) {
  const instance = read(id);
  if (instance?.state !== 'error') return instance;
  await lock(session.storage, '-s');
  return tryLock(folder(id), '-s') ? read(id) : undefined;
}

/** @param {Instance} instance */
const show = (id, { name, state, reason }) =>
  ({ id, workspaceId: id.slice(0, 64), name, state, ...(reason && { reason }), info: { home: folder(id, 'home') } });

/** @param {Instance} instance */
function save(id, instance) {
  fs.writeFileSync(folder(id, 'new'), JSON.stringify(instance));
  fs.renameSync(folder(id, 'new'), folder(id, 'instance.json')); // so that nobody reads half of it (CONC-06)
  return show(id, instance);
}

/** Asks all processes of an instance to end, and kills what is left after the grace (STOP-01, STOP-03). */
async function end(id, grace) {
  const mark = Buffer.from(`\0KDN_INSTANCE=${id}\0`);
  const told = new Set();
  const isMarked = (pid) => Buffer.from(`\0${fs.readFileSync(`/proc/${pid}/environ`, 'latin1')}`, 'latin1').includes(mark);
  for (const killAt = Date.now() + grace * 1000, isLate = () => Date.now() >= killAt; ; await (grace ? pause : sleep)(20)) {
    const pids = fs.readdirSync('/proc').filter((pid) => Number(pid) && attempt(() => isMarked(pid)));
    if (pids.length === 0) return;
    for (const pid of pids) if (isLate() || !told.has(pid)) attempt(() => process.kill(Number(pid), isLate() ? 'SIGKILL' : 'SIGTERM'));
    pids.forEach((pid) => told.add(pid));
  }
}
/** Does what fails if a process has ended. */
const attempt = (action) => { try { return action(); } catch {} };

async function destroy(id) {
  await end(id, 0);
  fs.rmSync(folder(id, 'instance.json'), { force: true }); // what is half removed is an `error`
  spawnSync('chmod', ['-R', 'u+rwX', folder(id)]); // a folder may forbid even its owner to empty it
  fs.rmSync(folder(id), { recursive: true, force: true });
}

// ---- 4. Methods. Changes lock what they change, among processes too (CONC-03, CONC-04).

async function create({ workspaceId, name, sourcePath, environment = [], files = [] }) {
  fs.mkdirSync(session.storage, { recursive: true }); // LIFE-17; the umask is 077
  await lock(session.storage, '-x');
  for (const id of ids()) {
    const other = read(id);
    if (id.startsWith(workspaceId) && other && other.state !== 'error') return show(id, other); // IDEM-01
    if (id.startsWith(workspaceId)) {
      await lock(folder(id), '-x');
      await destroy(id); // what a killed driver left (CREATE-10)
    }
    need(other?.name !== name, 'already_exists', `there is an instance named ${name}`, { fieldPath: 'name' });
  }
  const isFolder = fs.statSync(sourcePath, { throwIfNoEntry: false })?.isDirectory();
  need(isFolder, 'invalid_workspace', `${sourcePath} is not a folder`, { fieldPath: 'sourcePath' });
  const id = `${workspaceId}-${randomBytes(4).toString('hex')}`;
  try {
    fs.mkdirSync(folder(id));
    await lock(folder(id), '-x');
    for (const [i, file] of files.entries()) {
      await pause(0);
      write(folder(id, 'home', file.path), file, `files[${i}]${file.source ? '.source' : ''}`);
    }
    fs.mkdirSync(folder(id, 'home'), { recursive: true });
    return save(id, { name, state: 'stopped', sourcePath, environment });
  } catch (error) {
    await destroy(id); // CREATE-02
    throw error;
  }
}

/** Writes one of `files`. In a new home, no symbolic link can lead it out (WORK-08). */
function write(file, { source, contentBase64, mode = 0o600 }, fieldPath) {
  try {
    if (source && !fs.statSync(source).isFile()) throw new Error(`${source} is not a regular file`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, source ? fs.readFileSync(source) : Buffer.from(contentBase64, 'base64'));
    fs.chmodSync(file, mode);
  } catch (error) {
    throw new Fault('invalid_workspace', `${fieldPath} can't be written: ${error.message}`, { fieldPath });
  }
}

/** @param {string} method @param {Instance} instance */
async function change(method, id, instance, { graceSeconds = 10 }) {
  const { state } = instance;
  if (method === 'remove') {
    need(state !== 'running', 'invalid_state', 'the instance is running: stop it first');
    await destroy(id);
    return {};
  }
  need(state !== 'error', 'invalid_state', 'the instance is broken: remove it');
  if (method === 'start') return save(id, { ...instance, state: 'running' }); // its processes come with terminals
  if (state === 'running') await end(id, graceSeconds);
  return save(id, { ...instance, state: 'stopped' });
}

async function list({ workspaceIds, cursor = '' }) {
  const instances = [];
  let size = 0;
  for (const id of ids().filter((id) => id >= cursor && (workspaceIds?.includes(id.slice(0, 64)) ?? true))) {
    const instance = await look(id);
    if (!instance) continue;
    size += JSON.stringify(show(id, instance)).length + 100;
    if (size > session.maxFrame && instances.length > 0) return { instances, nextCursor: id };
    instances.push(show(id, instance));
  }
  return { instances };
}

/** What a plan runs: a command with the mark of the instance, which has this process's own end (TERM-05 to TERM-18). */
async function enter(storage, id, program, ...args) {
  session.storage = storage;
  await lock(folder(id), '-s'); // until the command is there, so that a `stop` either finds it or is over
  const instance = read(id);
  const leave = (status, message) => { console.error(message); process.exit(status); };
  if (instance?.state !== 'running') return leave(126, `the instance ${id} is not running`);
  const kept = Object.entries(process.env).filter(([name]) => /^(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ|PATH)$/.test(name));
  const given = instance.environment?.map(({ name, value }) => [name, value]) ?? [];
  const env = { ...Object.fromEntries([...kept, ...given]), HOME: folder(id, 'home'), KDN_INSTANCE: id }; // TERM-16
  const child = spawn(program, args, { cwd: instance.sourcePath, env, stdio: 'inherit' });
  request.locks.forEach((file) => fs.closeSync(file));
  child.on('error', (error) => leave(error['code'] === 'ENOENT' ? 127 : 126, error.message)); // TERM-09
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal ?? 'SIGKILL'])); // TERM-08
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {}); // a terminal sends them to both (TERM-14)
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
}

// ---- 5. The wire

function send(message) {
  const frame = JSON.stringify({ jsonrpc: '2.0', ...message });
  if (Buffer.byteLength(frame) <= session.maxFrame) return process.stdout.write(`${frame}\n`);
  const { id } = request; // WIRE-09
  send({ id, error: { code: codes.frame_too_large, message: 'the answer is too large', data: { kind: 'frame_too_large' } } });
}

/** Tells the user what a change does. A request with a string as its id has no steps. */
function step(event) {
  if (request.hasStep) send({ method: '$/step', params: { requestId: request.id, ...event } });
}
const steps = { create: ['Creating instance', 'Instance created'], start: ['Starting instance', 'Instance started'],
  stop: ['Ending processes', 'Processes ended'], remove: ['Removing instance', 'Instance removed'] };

async function call(method, params) {
  const { id } = params;
  if (method === 'type') return manifest;
  if (method === 'flags') return { flags: [] };
  if (method === 'shutdown') return (session.isOver = true), {};
  if (method === 'initialize') {
    const supported = [1];
    need(params.protocolVersions.includes(1), 'version_mismatch', 'this driver speaks version 1', { supported });
    session.storage = path.resolve(params.storageDir);
    session.maxFrame = params.limits?.maxFrameBytes ?? MAX_FRAME;
    return { protocolVersion: 1, manifest };
  }
  if (method === 'list') return list(params);
  const [inProgress, completed] = steps[method] ?? [];
  request.hasStep = inProgress && typeof request.id === 'number';
  step({ event: 'start', inProgress, completed });
  if (method === 'create') return create(params);
  if (inProgress) await lock(folder(id), '-x');
  const instance = inProgress ? read(id) : await look(id);
  if (!instance && method === 'remove') return {}; // IDEM-05
  if (!instance) throw new Fault('instance_not_found', `no instance ${id}`);
  if (inProgress) return change(method, id, instance, params);
  if (method === 'info') return show(id, instance);
  need(instance.state === 'running', 'invalid_state', 'the instance is not running: start it first');
  return { args: ['exec', session.storage, id, ...params.command], env: { KDN_INSTANCE: id } };
}

/** Carries out a line and gives its answer, or undefined for a notification (WIRE-23 to WIRE-34). */
async function carryOut(line) {
  const text = attempt(() => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line));
  const frame = attempt(() => JSON.parse(text ?? ''));
  need(frame !== undefined, 'parse_error', 'the line is not JSON in UTF-8');
  const { jsonrpc, id, method, params = {} } = Array.isArray(frame) ? {} : Object(frame);
  if (typeof id === 'string' || (Number.isSafeInteger(id) && id >= 0)) request.id = id;
  const isRequest = jsonrpc === '2.0' && typeof method === 'string' && (id === undefined || request.id !== null);
  need(isRequest, 'invalid_request', 'the line is not a request with a usable id');
  if (id === undefined) return undefined;
  need(Object.hasOwn(shapes, method), 'method_not_found', `no method ${method}`);
  const isRight = session.isOver ? false : (method === 'initialize') === (session.storage === '');
  need(isRight || method === 'type' || method === 'flags', 'not_initialized', `${method} can't be called now`);
  const rank = (fault) => codes[fault.data.kind]; // the worst first
  for (const fault of faults(shapes[method], params).sort((a, b) => rank(a) - rank(b))) throw fault;
  return { result: await call(method, params) };
}

async function take(line) {
  request = { id: null, hasStep: false, locks: [] };
  let answer, event;
  try {
    answer = await carryOut(line);
    event = { event: 'complete' };
  } catch ({ message, data = { kind: 'internal' } }) { // any other error is a fault of the driver itself (ERR-08)
    answer = { error: { code: codes[data.kind], message, data } };
    event = { event: 'fail', error: message };
  }
  request.locks.forEach((file) => fs.closeSync(file));
  step(event); // STEP-04
  if (answer) send({ id: request.id, ...answer });
}

/** Ends the driver once what is running is rolled back, or soon (LIFE-25). */
function finish() {
  session.isEnding = true;
  if (!session.isBusy) process.exit(0);
  setTimeout(() => process.exit(0), 1800);
}

async function serve() {
  process.umask(0o077);
  process.on('SIGTERM', finish);
  process.stdout.on('error', finish); // nobody reads it any more (LIFE-26)
  let pieces = [];
  for await (const chunk of process.stdin) {
    let rest = chunk;
    for (let at; (at = rest.indexOf('\n')) >= 0; rest = rest.subarray(at + 1)) {
      const line = Buffer.concat([...pieces, rest.subarray(0, at)]);
      pieces = [];
      if (line.length - Number(line.at(-1) === 13) > MAX_FRAME) process.exit(1); // WIRE-10, WIRE-11
      if (/^[ \t\r]*$/.test(line.toString('latin1', 0, 100)) && line.length < 100) continue; // WIRE-06
      session.isBusy = true;
      await take(line);
      session.isBusy = false;
      if (session.isEnding) process.exit(0);
    }
    pieces.push(rest);
    if (pieces.reduce((sum, piece) => sum + piece.length, 0) > MAX_FRAME + 1) process.exit(1);
  }
  process.exit(0); // a last line without a newline is not carried out (WIRE-12)
}

const [command, ...rest] = process.argv.slice(2);
const usage = `kdn-runtime-${type}: ${description}\nIt is a runtime driver: put it on PATH, and kdn starts it.`;
if (command === '--version') console.log(`kdn-runtime-${type} ${manifest.version}`); // LIFE-09
else if (command === '--help') console.log(usage);
else if (command === 'exec' && rest.length > 2) enter(...rest);
else if (command !== undefined || process.env.KDN_RUNTIME_PROTOCOL === undefined || process.stdin.isTTY) {
  console.error(usage);
  process.exitCode = 64; // LIFE-07, LIFE-08
} else serve();
