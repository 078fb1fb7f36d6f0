#!/usr/bin/env node
// @ts-check
// A whole runtime driver for kdn: a workspace is a home folder and ordinary processes of your own account.
// kdn starts this file as `kdn-runtime-<type>` and calls it over stdin and stdout, one JSON object a line. Ids such as
// WIRE-02 are sentences of SPEC.md. To make a driver of your own, change `manifest` and parts 3 and 4. Node 20+, Linux.
const { spawn, spawnSync } = require('node:child_process'), { setTimeout: sleep } = require('node:timers/promises');
const crypto = require('node:crypto'), fs = require('node:fs'), os = require('node:os'), path = require('node:path');
const type = path.basename(process.argv[1]).replace('kdn-runtime-', ''); // MAN-01
const manifest = { type, displayName: type, version: '0.1.0', isolated: false, protocolVersions: [1],
  description: 'Ordinary processes of your own account, without isolation', capabilities: { terminal: {} } };
const MAX_FRAME = 16 * 1024 * 1024;
const session = { storage: '', isOver: false, isEnding: false, isBusy: false, maxFrame: MAX_FRAME };
let request = { id: /** @type {any} */ (null), hasStep: false, locks: /** @type {number[]} */ ([]) }; // the present one

// ---- 1. Errors. What a method throws becomes its answer.
const codes = { instance_not_found: 1001, invalid_workspace: 1002, already_exists: 1004, invalid_state: 1005,
  unsupported: 1006, frame_too_large: 1008, version_mismatch: 1010, not_initialized: 1011, parse_error: -32700,
  invalid_request: -32600, method_not_found: -32601, invalid_params: -32602, internal: -32603 };
/** @type {(holds: any, kind: keyof typeof codes, message: string, data?: object) => void} */
const need = (holds, kind, message, data) => {
  if (!holds) throw Object.assign(new Error(message), { data: { kind, ...data } });
};

// ---- 2. Params. A shape is the name of a type, [shape], { field: shape } where "?" ends the name of a field that may
// be absent, { '*': shape } for a map, or a rule, which a value of another shape must fulfil.
const WRONG = 'invalid_params'; // the kind of error for what has not the right type, other than for what is not usable
const rule = (shape, test, what, kind = 'invalid_workspace') => ({ shape, test, what, kind });
const form = (pattern, what, kind) => rule('string', (text) => pattern.test(text), what, kind);
const gated = (shape) => rule(shape, (value) => value !== '' && value.length === 0, 'absent here', 'unsupported');
const either = (a, b, shape) => rule(shape, (item) => a in item !== b in item, `given ${a} or ${b}`); // CREATE-05
const once = (name, shape) =>
  rule([shape], (list) => new Set(list.map((item) => item[name])).size === list.length, `without a ${name} twice`);
const isId = (id) => /^[0-9a-f]{64}-[0-9a-f]{8}$/.test(id);
const PATH = form(/^(?!.*\/\.\.(\/|$))\//s, 'an absolute path without ..');
const FILE = { path: form(/^(?!\.{0,2}(\/|$))(?!.*\/\.{0,2}(\/|$))/s, 'a relative path without ..'), 'source?': PATH,
  'contentBase64?': rule('string', (text) => Buffer.from(text, 'base64').toString('base64') === text, 'base64'),
  'mode?': rule('integer', (mode) => mode <= 0o777, 'from 0 to 511') };
const VARIABLE = { name: form(/^[^=]+$/, 'a name'), 'value?': 'string', 'secret?': gated('string') };
const MODE = form(/^(allow|deny)$/, 'allow or deny', WRONG);
const NETWORK = { 'mode?': rule(MODE, (mode) => mode === 'allow', 'allow', 'unsupported'), 'hosts?': ['string'] };
const shapes = {
  type: {}, flags: {}, shutdown: {}, info: { id: 'string' }, remove: { id: 'string' },
  initialize: { protocolVersions: ['integer'], host: { name: 'string', version: 'string', pid: 'integer' },
    storageDir: form(/^\//, 'absolute', WRONG), 'capabilities?': {},
    'limits?': { 'maxFrameBytes?': rule('integer', (size) => size >= 2 ** 20, 'at least 1 MiB', WRONG) } },
  create: { // what this driver does not offer is not looked into: it is refused
    workspaceId: form(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits'),
    name: form(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'a-z and 0-9, with . _ - between'),
    sourcePath: PATH, 'projectId?': 'string', 'model?': 'string',
    agent: { name: form(/./, 'a name'), 'command?': ['string'], 'install?': ['string'] },
    'environment?': once('name', either('value', 'secret', VARIABLE)),
    'files?': once('path', either('source', 'contentBase64', FILE)),
    'mounts?': gated([{}]), 'ports?': gated([{}]), 'secrets?': gated([{}]), 'features?': gated([{}]), // CAP-03
    'limits?': { 'memoryBytes?': gated('number'), 'cpus?': gated('number'), 'pids?': gated('number') },
    'network?': NETWORK, 'options?': { '*': rule('string', () => false, 'absent: there are no flags') } }, // CREATE-08
  start: { id: 'string', network: NETWORK, 'secretValues?': { '*': 'string' } },
  stop: { id: 'string', 'graceSeconds?': 'integer' },
  list: { 'workspaceIds?': ['string'], 'cursor?': rule('string', isId, 'one of ours', WRONG) }, // LIST-08
  terminal: { id: 'string', 'tty?': 'boolean',
    command: rule(['string'], (words) => words.length > 0, 'not empty', WRONG) },
};
/** Fails with one kind of error where a value does not have a shape. It does not show the value: it may be secret. */
function check(kind, shape, value, field) {
  const must = (holds, failure, what) =>
    need(holds || failure !== kind, kind, `${field || 'params'} must be ${what}`, field && { fieldPath: field });
  if (shape.test) {
    check(kind, shape.shape, value, field);
    if (kind === shape.kind) must(shape.test(value), kind, shape.what);
  } else if (typeof shape === 'string') {
    const fits = shape === 'integer' ? Number.isInteger(value) && value >= 0 : typeof value === shape;
    must(fits && !/\0|\p{Surrogate}/u.test(value), WRONG, `a usable ${shape}`); // SEC-09
  } else if (Array.isArray(shape)) {
    must(Array.isArray(value), WRONG, 'an array');
    value.forEach((item, i) => check(kind, shape[0], item, `${field}[${i}]`));
  } else {
    must(typeof value === 'object' && value !== null && !Array.isArray(value), WRONG, 'an object');
    for (const [key, inner] of Object.entries(shape)) {
      for (const name of key === '*' ? Object.keys(value) : [key.replace('?', '')]) {
        const fieldPath = field ? `${field}.${name}` : name;
        if (Object.hasOwn(value, name)) check(kind, inner, value[name], fieldPath);
        else need(key.endsWith('?'), WRONG, `${fieldPath} is missing`, { fieldPath });
      }
    }
  }
}

// ---- 3. Instances. Each is a folder <storage>/<workspaceId>-<random> with instance.json and home in it. Its name says
// whose it is, whatever became of the file. Its processes have KDN_INSTANCE=<id> in their environment.
const folder = (id, ...names) => path.join(session.storage, id, ...names);
const ids = () => (fs.existsSync(session.storage) ? fs.readdirSync(session.storage).filter(isId).sort() : []);
const attempt = (action) => { try { return action(); } catch {} }; // to read what may be gone or damaged
const pause = (milliseconds) => sleep(milliseconds).then(() => need(!session.isEnding, 'internal', 'interrupted'));
/** Locks a folder until the answer. Node has no flock, but how a child locks an open file holds here, too. The kernel
 * unlocks it when this process ends, in any way (LIFE-33). */
async function lock(place, how, isPatient = true) {
  const file = attempt(() => fs.openSync(place, 'r'));
  if (file === undefined) return false;
  request.locks.push(file);
  const flock = () => spawnSync('flock', [how, '-n', '3'], { stdio: ['ignore', 'ignore', 'inherit', file] });
  let result = flock();
  for (; result.status === 1 && isPatient; result = flock()) await pause(50);
  need(!result.error, 'internal', `flock can't be run: ${result.error}`);
  return result.status === 0;
}
/** Gives undefined if there is none. What can't be read or was cut short is an `error` (LIST-05, LIST-06). */
function read(id) {
  const instance = attempt(() => JSON.parse(fs.readFileSync(folder(id, 'instance.json'), 'utf8')));
  if (!isId(id) || !fs.existsSync(folder(id))) return undefined;
  if (/^(running|stopped)$/.test(instance?.state) && instance.name && instance.environment) return instance;
  return { name: 'unknown', state: 'error', reason: "its making or removal was cut short, or it can't be read" };
}
/** Reads without a lock: what somebody is just making or removing is not there (CONC-06). */
async function look(id) {
  if (read(id)?.state !== 'error') return read(id);
  return await lock(session.storage, '-s') && await lock(folder(id), '-s', false) ? read(id) : undefined;
}
const show = (id, { name, state, reason = undefined }) =>
  ({ id, workspaceId: id.slice(0, 64), name, state, ...(reason && { reason }), info: { home: folder(id, 'home') } });
function save(id, instance) {
  fs.writeFileSync(folder(id, 'new'), JSON.stringify(instance));
  fs.renameSync(folder(id, 'new'), folder(id, 'instance.json')); // so that nobody reads half of it (CONC-06)
  return show(id, instance);
}
/** Asks all processes of an instance to end, and kills what is left after the grace (STOP-01, STOP-03). */
async function end(id, grace) {
  const told = new Set(), killAt = Date.now() + grace * 1000;
  const variables = (pid) => attempt(() => fs.readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')) ?? [];
  const isMarked = (name) => Number(name) && variables(name).includes(`KDN_INSTANCE=${id}`);
  const marked = () => fs.readdirSync('/proc').filter(isMarked);
  for (let pids; (pids = marked()).length > 0; await (grace ? pause(20) : sleep(20))) {
    const signal = Date.now() < killAt ? 'SIGTERM' : 'SIGKILL', due = pids.filter((pid) => !told.has(signal + pid));
    due.forEach((pid) => told.add(signal + pid) && attempt(() => process.kill(Number(pid), signal)));
  }
}
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
    const other = read(id), isSame = id.startsWith(workspaceId);
    if (isSame && other && other.state !== 'error') return show(id, other); // IDEM-01
    if (isSame) await lock(folder(id), '-x').then(() => destroy(id)); // what a killed driver left (CREATE-10)
    need(other?.name !== name, 'already_exists', `there is an instance named ${name}`, { fieldPath: 'name' });
  }
  const isFolder = attempt(() => fs.statSync(sourcePath).isDirectory());
  need(isFolder, 'invalid_workspace', `${sourcePath} is not a folder`, { fieldPath: 'sourcePath' });
  const id = `${workspaceId}-${crypto.randomBytes(4).toString('hex')}`;
  try {
    fs.mkdirSync(folder(id, 'home'), { recursive: true });
    await lock(folder(id), '-x');
    for (const [i, file] of files.entries()) {
      await pause(0);
      write(folder(id, 'home', file.path), file, `files[${i}]${file.source ? '.source' : ''}`);
    }
    return save(id, { name, state: 'stopped', sourcePath, environment });
  } catch (error) {
    await destroy(id); // CREATE-02
    throw error;
  }
}
function write(file, { source, contentBase64, mode = 0o600 }, fieldPath) {
  try {
    if (source && !fs.statSync(source).isFile()) throw new Error(`${source} is not a regular file`);
    fs.mkdirSync(path.dirname(file), { recursive: true }); // in a new home, no link can lead out (WORK-08)
    fs.writeFileSync(file, source ? fs.readFileSync(source) : Buffer.from(contentBase64, 'base64'));
    fs.chmodSync(file, mode);
  } catch (error) {
    need(false, 'invalid_workspace', `${fieldPath} can't be written: ${error.message}`, { fieldPath });
  }
}
async function list({ workspaceIds, cursor = '' }) {
  let size = 100, instances = [];
  for (const id of ids().filter((id) => id >= cursor && (workspaceIds?.includes(id.slice(0, 64)) ?? true))) {
    const instance = await look(id);
    size += JSON.stringify(instance ?? '').length + 300;
    if (size > session.maxFrame && instances.length > 0) return { instances, nextCursor: id };
    if (instance) instances.push(show(id, instance));
  }
  return { instances };
}
/** What a plan runs: the command, with the mark of the instance. It ends as the command does (TERM-05 to TERM-18). */
async function enter(/** @type {string[]} */ [storage, id, program, ...args]) {
  session.storage = storage;
  await lock(folder(id), '-s'); // until the command is there, so that a `stop` either finds it or is over
  const instance = read(id), leave = (status, message) => (console.error(message), process.exit(status));
  if (instance?.state !== 'running') return leave(126, `the instance ${id} is not running`);
  const isKept = (name) => /^(TERM|COLORTERM|NO_COLOR|LANG|LC_\w+|TZ|PATH)$/.test(name); // TERM-16
  const kept = Object.entries(process.env).filter(([name, _]) => isKept(name));
  const variables = kept.concat(instance.environment.map(({ name, value }) => [name, value]));
  const env = { ...Object.fromEntries(variables), HOME: folder(id, 'home'), KDN_INSTANCE: id };
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {}); // a terminal sends them to both (TERM-14)
  const child = spawn(program, args, { cwd: instance.sourcePath, env, stdio: 'inherit' });
  request.locks.forEach((file) => fs.closeSync(file));
  child.on('error', (error) => leave(error['code'] === 'ENOENT' ? 127 : 126, error.message)); // TERM-09
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal ?? 'SIGKILL'])); // TERM-08
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
}

// ---- 5. The wire
function send(message) {
  const { id } = request, frame = JSON.stringify({ jsonrpc: '2.0', ...message });
  if (Buffer.byteLength(frame) <= session.maxFrame) return process.stdout.write(`${frame}\n`);
  send({ id, error: { code: 1008, message: 'the answer is too large', data: { kind: 'frame_too_large' } } }); // WIRE-09
}
const step = (event) => request.hasStep && send({ method: '$/step', params: { requestId: request.id, ...event } });
const steps = { create: ['Creating instance', 'Instance created'], start: ['Starting instance', 'Instance started'],
  stop: ['Ending processes', 'Processes ended'], remove: ['Removing instance', 'Instance removed'] };
async function call(method, params) {
  const { id } = params, [inProgress, completed] = steps[method] ?? [];
  if (method === 'type') return manifest;
  if (method === 'flags') return { flags: [] };
  if (method === 'shutdown') return (session.isOver = true, {});
  if (method === 'list') return list(params);
  if (method === 'initialize') {
    need(params.protocolVersions.includes(1), 'version_mismatch', 'this driver speaks version 1', { supported: [1] });
    session.storage = path.resolve(params.storageDir);
    session.maxFrame = params.limits?.maxFrameBytes ?? MAX_FRAME;
    return { protocolVersion: 1, manifest };
  }
  request.hasStep = inProgress !== undefined && typeof request.id === 'number'; // with a string as its id it has none
  step({ event: 'start', inProgress, completed });
  if (method === 'create') return create(params);
  if (inProgress && isId(id)) await lock(folder(id), '-x');
  const instance = inProgress ? read(id) : await look(id);
  if (!instance && method === 'remove') return {}; // IDEM-05
  need(instance, 'instance_not_found', `no instance ${id}`);
  if (method === 'info') return show(id, instance);
  const isRunning = instance.state === 'running';
  need(method !== 'remove' || !isRunning, 'invalid_state', 'the instance is running: stop it first');
  if (method === 'remove') return destroy(id).then(() => ({}));
  need(instance.state !== 'error', 'invalid_state', 'the instance is broken: remove it');
  if (method === 'start') return save(id, { ...instance, state: 'running' }); // its processes come with terminals
  if (method === 'stop' && isRunning) await end(id, params.graceSeconds ?? 10);
  if (method === 'stop') return save(id, { ...instance, state: 'stopped' });
  need(isRunning, 'invalid_state', 'the instance is not running: start it first');
  return { args: ['exec', session.storage, id, ...params.command], env: { KDN_INSTANCE: id } };
}
/** Carries out a line and gives its answer, or undefined for a notification (WIRE-23 to WIRE-34). */
async function carryOut(line) {
  const frame = attempt(() => JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line)));
  need(frame !== undefined, 'parse_error', 'the line is not JSON in UTF-8');
  const { jsonrpc, id, method, params = {} } = Array.isArray(frame) ? {} : Object(frame);
  if (typeof id === 'string' || (Number.isSafeInteger(id) && id >= 0)) request.id = id;
  const isRequest = jsonrpc === '2.0' && typeof method === 'string' && (id === undefined || request.id !== null);
  need(isRequest, 'invalid_request', 'the line is not a request with a usable id');
  if (id === undefined) return undefined;
  need(Object.hasOwn(shapes, method), 'method_not_found', `no method ${method}`);
  const isRight = !session.isOver && (method === 'initialize') === (session.storage === '');
  need(isRight || method === 'type' || method === 'flags', 'not_initialized', `${method} can't be called now`);
  for (const kind of [WRONG, 'invalid_workspace', 'unsupported']) check(kind, shapes[method], params, '');
  return { result: await call(method, params) };
}
async function take(line) {
  session.isBusy = true;
  request = { id: null, hasStep: false, locks: [] };
  const failed = ({ message, data = { kind: 'internal' } }) => ({ error: { code: codes[data.kind], message, data } });
  const answer = await carryOut(line).catch(failed);
  request.locks.forEach((file) => fs.closeSync(file));
  step('error' in (answer ?? {}) ? { event: 'fail', error: answer.error.message } : { event: 'complete' }); // STEP-04
  if (answer) send({ id: request.id, ...answer });
  if (session.isEnding) process.exit(0);
  session.isBusy = false;
}
async function serve() {
  const finish = () => { // once what is running is rolled back, or soon (LIFE-25)
    session.isEnding = true;
    let ticks = 90; // which do not count the time that the machine stands still
    session.isBusy ? setInterval(() => --ticks || process.exit(0), 20) : process.exit(0);
  };
  process.umask(0o077);
  process.on('SIGTERM', finish);
  process.stdout.on('error', finish); // nobody reads it any more (LIFE-26)
  process.stdin.setEncoding('latin1'); // byte by byte
  let held = '';
  for await (const chunk of process.stdin) {
    const lines = chunk.includes('\n') ? (held + chunk).split('\n') : [held + chunk];
    held = lines.pop();
    for (const line of lines) {
      if (line.replace(/\r$/, '').length > MAX_FRAME) process.exit(1); // WIRE-11
      if (/[^ \t\r]/.test(line)) await take(Buffer.from(line, 'latin1')); // WIRE-06
    }
    if (held.length > MAX_FRAME + 1) process.exit(1);
  }
  process.exit(0); // a last line without a newline is not carried out (WIRE-12)
}

const [command, ...rest] = process.argv.slice(2), name = `kdn-runtime-${type}`;
const usage = `${name}: ${manifest.description}\nIt is a runtime driver: put it on PATH, and kdn starts it.`;
if (command === '--version') console.log(name, manifest.version); // LIFE-09
else if (command === '--help') console.log(usage);
else if (command === 'exec' && rest.length > 2) enter(rest);
else if (command === undefined && 'KDN_RUNTIME_PROTOCOL' in process.env && !process.stdin.isTTY) serve();
else process.exitCode = (console.error(usage), 64); // LIFE-07, LIFE-08
