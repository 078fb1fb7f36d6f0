#!/usr/bin/env node
// @ts-check
// A starter driver for kdn. A workspace is processes in its source folder, under the user's own account: nothing is
// isolated, and the manifest says so. Ids such as WIRE-12 are sentences of SPEC.md, the kdn runtime protocol.
//
// From top to bottom: what the driver is, instances on disk, their processes, the methods. protocol.cjs does the rest.
// To make it a driver of your own, change `manifest`, and then begin with `create`.
'use strict';
const { spawn } = require('node:child_process');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs'), net = require('node:net'), os = require('node:os'), path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { attempt, check, checkCancelled, connection, gated, need, send, serve, step } = require('./protocol.cjs');

/** @typedef {{id: string, workspaceId: string, name: string, state: string, reason?: string, info?: {source: string}}} Instance
 * @typedef {Instance & {environment: [string, string][]}} Saved what a file holds of an instance
 * @typedef {import('./protocol.cjs').Request} Request */
const type = /^kdn-runtime-([a-z][a-z0-9-]{0,62})$/.exec(path.basename(process.argv[1]))?.[1] ?? 'starter'; // MAN-01
const manifest = { type, displayName: type, version: '0.1.0', isolated: false, protocolVersions: [1],
  description: 'Runs agents as ordinary processes of the user in the source folder, without isolation',
  capabilities: { terminal: {}, cancellation: {} } };

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
  const file = folder(saved.id, 'instance');
  fs.writeFileSync(`${file}.new`, JSON.stringify(saved), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
  return shown(saved);
}
/** @type {(saved: Saved) => Instance} */
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
  let own, all = await lockStorage();
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
      else await fs.promises.writeFile(file, contentBase64, { encoding: 'base64', flag: 'wx' });
      fs.chmodSync(file, mode);
    }
    if (agent.install?.length && !await canRun()) {
      step(request, 'Installing agent', 'Agent installed');
      for (const line of agent.install) await install(request, saved, ['/bin/sh', '-c', line]);
      await end(saved.id, 0, signal); // what the lines left running
    }
    checkCancelled(signal);
    return save({ ...saved, state: 'stopped' });
  } catch (error) {
    await discard(saved.id); // CREATE-02
    throw error;
  } finally {
    own.close();
  }
}

/** Runs a command in the new home. */
async function install({ id, signal }, saved, argv) {
  const file = folder(saved.id, 'log'), log = fs.openSync(file, 'w'), cwd = folder(saved.id, 'home');
  const child = spawn(argv[0], argv.slice(1), { env: environment(saved), cwd, stdio: ['ignore', log, log] });
  signal.addEventListener('abort', () => child.kill('SIGKILL'));
  const [exitCode = undefined, killed] = await once(child, 'exit');
  fs.closeSync(log);
  const stderrTail = fs.readFileSync(file).subarray(-8000).toString().replace(/\uFFFD/g, '?'); // ERR-07
  if (typeof id === 'number') send({ method: '$/log', params: { requestId: id, text: stderrTail } });
  checkCancelled(signal);
  const command = { argv, stderrTail, ...killed ? {} : { exitCode } };
  need(exitCode === 0, 'backend_failed', `can't install the agent: ${argv.at(-1)}`, { command });
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
  create, type: () => manifest, flags: () => ({ flags: [] }), shutdown: () => (connection.session = 'shut down', {}),
  initialize({ params }) {
    const message = 'no protocol version in common: this driver speaks 1';
    need(params.protocolVersions.includes(1), 'version_mismatch', message, { supported: [1] }); // INIT-02
    storage = path.resolve(params.storageDir);
    connection.session = 'open';
    connection.maxFrame = params.limits?.maxFrameBytes ?? connection.maxFrame;
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

const [command, ...rest] = process.argv.slice(2), name = `kdn-runtime-${type}`;
const about = `${name} ${manifest.version}: ${manifest.description}.\n\nIt is a driver: kdn starts it, without arguments.`;
if (command === '--version') console.log(name, manifest.version); // LIFE-09
else if (command === '--help') console.log(about);
else if (command === 'terminal' && rest.length > 2) storage = rest[0], attach(rest[1], /** @type {[string]} */ (rest.slice(2)));
else if (command !== undefined || process.env.KDN_RUNTIME_PROTOCOL === undefined || process.stdin.isTTY) {
  console.error(about); // LIFE-07, LIFE-08
  process.exitCode = 64;
} else {
  serve(methods);
}
