// A stand-in for the server, so that the console can be tested without one: the /v1 API as the console uses it over
// a registry in memory, the built files with the real Content-Security-Policy, and levers for what is hard to bring
// about in a real server (lost streams, self-preservation, lagging peers).
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { Change, Instance, Peer, Registry, Service, Status } from '../src/api.ts';
import { MockRegistry } from './registry.ts';
import { MockTransactions } from './transactions.ts';

const console_ = join(import.meta.dirname, '..');
const dist = join(console_, 'dist');
const csp = readFileSync(join(console_, 'csp.txt'), 'utf8').trim();

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface Asked {
  method: string;
  path: string;
}

export class Mock {
  readonly registry = new MockRegistry();
  readonly transactions = new MockTransactions();
  peers: Peer[] = [];
  facts: Partial<Registry> = {};
  preservation: Partial<Registry['self_preservation']> = {};
  /** False: the change stream answers 503, as behind a proxy that knows no streams. */
  streams = true;
  /** False: nothing under /v1 answers; connections are cut. */
  alive = true;
  /** Set: what an override, or an action on a transaction, is refused with. */
  refusal = '';
  /** Everything asked of /v1, for tests that say how much may be asked. */
  asked: Asked[] = [];
  readonly #server: Server;
  readonly #watchers = new Set<ServerResponse>();
  readonly #txnWatchers = new Map<ServerResponse, string | null>();
  readonly #waiting = new Set<() => void>();
  readonly #started = Date.now();

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.registry.onChange = (change) => {
      for (const watcher of this.#watchers) watcher.write(event('change', change.version, change));
      for (const wake of [...this.#waiting]) wake();
    };
    this.transactions.onChange = (row) => {
      for (const [watcher, only] of this.#txnWatchers) {
        if (only === null || only === row.xid || only === row.gid) watcher.write(`event: change\ndata: ${JSON.stringify(row)}\n\n`);
      }
    };
  }

  static async start(port = 0): Promise<Mock> {
    const mock = new Mock();
    await new Promise<void>((resolve) => mock.#server.listen(port, '127.0.0.1', resolve));
    return mock;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Cuts every stream and every waiting poll, as a restart or a broken network does. */
  cut(): void {
    for (const watcher of [...this.#watchers, ...this.#txnWatchers.keys()]) watcher.destroy();
    this.#watchers.clear();
    this.#txnWatchers.clear();
    for (const wake of [...this.#waiting]) wake();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://mock');
    if (!url.pathname.startsWith('/v1/')) return serveFile(url.pathname, response);
    if (!this.alive) return void request.socket.destroy();
    this.asked.push({ method: request.method ?? '', path: url.pathname + url.search });
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => this.#api(request, response, url, body ? JSON.parse(body) : undefined));
  }

  #api(request: IncomingMessage, response: ServerResponse, url: URL, body: unknown): void {
    const [, , root, name, second, id, verb] = url.pathname.split('/').map(decodeURIComponent);
    const ask = url.searchParams;
    if (root === 'registry' && name === 'self-preservation') {
      this.preservation.enabled = (body as { enabled: boolean }).enabled;
      if (!this.preservation.enabled) this.preservation = { ...this.preservation, active: false, protected: 0 };
      return json(response, this.#registryFacts().self_preservation);
    }
    if (root === 'registry') return json(response, this.#registryFacts());
    if (root === 'peers') return json(response, { peers: this.peers });
    if (root === 'recent') return json(response, this.registry.recent());
    if (root === 'watch') return this.#watch(request, response, ask);
    if (root === 'changes') return this.#changes(response, ask);
    if (root === 'instances') return json(response, this.registry.instances(null, ask));
    if (root === 'services' && name === undefined) return json(response, this.registry.services(ask));
    if (root === 'services' && name !== undefined && second === undefined) return found(response, this.registry.service(name));
    if (root === 'services' && name !== undefined && id === undefined) return found(response, this.registry.instances(name, ask));
    if (root === 'services' && name !== undefined && id !== undefined) return this.#instance(request, response, name, id, verb, body);
    if (root === 'topics') return json(response, { topics: this.transactions.topics, next: null });
    if (root === 'locks' && name === 'waits') return json(response, { waits: this.transactions.waits });
    if (root === 'locks') return json(response, this.transactions.held(ask));
    if (root === 'transactions') return this.#transactions(request, response, ask, name, second, body);
    problem(response, 404, 'No such resource');
  }

  #transactions(request: IncomingMessage, response: ServerResponse, ask: URLSearchParams, name: string | undefined, verb: string | undefined, body: unknown): void {
    if (name === undefined) return json(response, this.transactions.list(ask));
    if (name === 'summary') return json(response, this.transactions.summary());
    if (name === 'watch') {
      if (!this.streams) return problem(response, 503, 'No streams here');
      const id = ask.get('id');
      if (id !== null && !this.transactions.find(id)) return problem(response, 404, 'No such transaction', 'E2001');
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('event: reset\ndata: {}\n\n');
      this.#txnWatchers.set(response, id);
      response.on('close', () => this.#txnWatchers.delete(response));
      return;
    }
    const txn = this.transactions.find(name);
    if (!txn) return problem(response, 404, `no transaction is known as "${name}"`, 'E2001');
    if (request.method === 'GET') return json(response, txn);
    if (this.refusal) return problem(response, 409, this.refusal, 'E2004');
    const reason = (body as { reason?: string } | undefined)?.reason ?? '';
    if (verb === 'stop') this.transactions.change(txn, { status: 'stopped', reason });
    if (verb === 'rollback') this.transactions.change(txn, { status: 'rolling_back', reason });
    if (verb === 'resend') this.transactions.unrefuse(txn);
    else if (verb === 'commit') this.transactions.change(txn, { status: 'committing', reason: '' });
    json(response, txn);
  }

  #instance(request: IncomingMessage, response: ServerResponse, service: string, id: string, verb: string | undefined, body: unknown): void {
    if (verb === 'override') {
      if (this.refusal) return problem(response, 409, this.refusal, 'E1009');
      const status = request.method === 'DELETE' ? null : (body as { status: Status }).status;
      return found(response, this.registry.override(service, id, status));
    }
    if (request.method === 'PUT') return json(response, this.registry.put(service, id, body as Partial<Instance>));
    if (request.method === 'DELETE') {
      if (!this.registry.remove(service, id, 'cancelled')) return problem(response, 404, 'No such instance');
      response.writeHead(204).end();
      return;
    }
    found(response, this.registry.get(service, id));
  }

  #registryFacts(): Registry {
    const counts = this.registry.counts();
    const expected = counts.instances * 2;
    return {
      node: { name: 'mock-1', id: '01890a5d-ac96-774b-bcce-b302099a8057', version: '0.1.0', uptime_ms: Date.now() - this.#started },
      open: true,
      version: this.registry.version,
      hash: Object.entries(counts.statuses).map(([status, n]) => `${status}_${n}_`).join(''),
      ...counts,
      restored_provisional: 0,
      ...this.facts,
      self_preservation: {
        enabled: true,
        active: false,
        expected_per_minute: expected,
        threshold_per_minute: expected * 0.85,
        received_last_minute: expected,
        protected: 0,
        warming_up: false,
        ...this.preservation,
      },
    };
  }

  #watch(request: IncomingMessage, response: ServerResponse, ask: URLSearchParams): void {
    if (!this.streams) return problem(response, 503, 'No streams here');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    const since = request.headers['last-event-id'] ?? ask.get('since') ?? this.registry.version;
    const missed = this.registry.since(String(since));
    if (missed === null) response.write(event('reset', this.registry.version, { version: this.registry.version }));
    else for (const change of missed) response.write(event('change', change.version, change));
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
  }

  #changes(response: ServerResponse, ask: URLSearchParams): void {
    const since = ask.get('since') ?? '';
    const limit = Number(ask.get('limit') ?? 50);
    const send = () => {
      clearTimeout(timer);
      this.#waiting.delete(send);
      const changes = this.registry.since(since)?.slice(0, limit) ?? null;
      const version = changes?.at(-1)?.version ?? this.registry.version;
      json(response, { version, reset: changes === null, changes: changes ?? [] });
    };
    const timer = setTimeout(send, Number.parseInt(ask.get('wait') ?? '0', 10) * 1000);
    response.on('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(send);
    });
    if (this.registry.since(since)?.length === 0) this.#waiting.add(send);
    else send();
  }
}

const event = (name: string, id: string, data: Change | object) => `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function found(response: ServerResponse, body: Service | Instance | object | null): void {
  if (body === null) problem(response, 404, 'Not registered', 'E1004');
  else json(response, body);
}

function problem(response: ServerResponse, status: number, title: string, code = 'E1000'): void {
  const body = { type: `https://synod.invalid/errors/${code}`, title, status, detail: title, code };
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
}

function serveFile(path: string, response: ServerResponse): void {
  const asset = path.startsWith('/ui/assets/');
  if (!asset && path !== '/' && path !== '/ui' && !path.startsWith('/ui/')) return void response.writeHead(404).end();
  const file = asset ? join(dist, normalize(path.slice('/ui'.length))) : join(dist, 'index.html');
  try {
    const body = readFileSync(file);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': csp }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
