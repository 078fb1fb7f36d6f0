// @ts-check
// The protocol around the driver: errors, what params look like, requests, frames. Only `gated` depends on what the
// driver can do. Ids such as WIRE-12 are sentences of SPEC.md.
'use strict';
const { setTimeout: sleep } = require('node:timers/promises');

/** @typedef {{id: any, params: any, signal: AbortSignal, stepped: boolean}} Request */

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

/** @type {(signal?: AbortSignal) => void} */
const checkCancelled = (signal) => need(!signal?.aborted, 'cancelled', 'cancelled');

/** Does something that may fail, and gives undefined then. */
const attempt = (action) => { try { return action(); } catch {} };

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

// ---- The wire
const connection = { session: 'closed', maxFrame: 16 << 20 };
let methods, exiting = false;
const running = new Map(); // the requests that run, and how to cancel each

/** Writes a frame, unless the host does not take one so large (WIRE-08). Writing to a pipe waits until it is done. */
function send(frame) {
  const line = JSON.stringify({ jsonrpc: '2.0', ...frame });
  return Buffer.byteLength(line) <= connection.maxFrame && (process.stdout.write(`${line}\n`), true);
}

/** Begins a step of a request, which completes the one before. One whose id is a text has none (section 3.2). */
function step(request, inProgress, completed) {
  request.stepped = typeof request.id === 'number';
  if (request.stepped) send({ method: '$/step', params: { requestId: request.id, event: 'start', inProgress, completed } });
}

/** Does what a line asks for, and answers it. */
async function take(line) {
  const request = { id: null, params: {}, signal: undefined, stepped: false };
  /** @type {any} */
  let last = { event: 'complete' }, answer;
  try {
    answer = { result: await carryOut(line, request) };
  } catch ({ message, data = { kind: 'internal' } }) { // any other error is a fault of the driver (ERR-08)
    answer = { error: { code: codes[data.kind], message: message.slice(0, 1000) || 'it failed', data } };
    last = { event: 'fail', error: answer.error.message };
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
  need(isAlways || connection.session === (method === 'initialize' ? 'closed' : 'open'), 'not_initialized', `the session is ${connection.session}`);
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

let pieces = [], size = 0;
function readLines(data) { // pieces of lines; a last one without a newline is not carried out (WIRE-12)
  for (let end; !exiting && (end = data.indexOf('\n')) >= 0; data = data.subarray(end + 1)) {
    const line = Buffer.concat([...pieces, data.subarray(0, end)]);
    pieces = [], size = 0;
    if (line.length - Number(line.at(-1) === 13) > 16 << 20) return finish(1); // WIRE-10, WIRE-11
    take(line);
  }
  if (pieces.push(data) && (size += data.length) > (16 << 20) + 1) finish(1);
}

/** Answers requests with these methods until the host ends the session.
 * @param {Record<string, (request: any) => any>} offered */
function serve(offered) {
  methods = offered;
  process.on('SIGTERM', () => finish(0));
  process.stdout.on('error', () => finish(0)); // nobody reads it any more (LIFE-26)
  process.stdin.on('end', () => finish(0)).on('data', readLines);
}

module.exports = { attempt, check, checkCancelled, connection, gated, need, send, serve, step };
