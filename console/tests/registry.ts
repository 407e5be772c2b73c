// The registry inside the mock: plain maps, sorted when read, good for 100,000 instances.
import type { Change, Counts, Instance, Recent, Service, Status } from '../src/api.ts';

const REMEMBERED = 10_000;
const RECENT = 1_000;

export class MockRegistry {
  onChange: (change: Change) => void = () => {};
  #epoch = 'a1';
  #n = 0;
  #services = new Map<string, Map<string, Instance>>();
  #log: Change[] = [];
  #registered: Recent['registered'] = [];
  #removed: Recent['removed'] = [];
  #sorted: string[] | null = null;

  get version(): string {
    return `${this.#epoch}.${this.#n}`;
  }

  /** A start anew: what others remember of our versions is worth nothing. */
  restart(): void {
    this.#epoch = `a${Number(this.#epoch.slice(1)) + 1}`;
    this.#n = 0;
    this.#log = [];
  }

  get(service: string, id: string): Instance | null {
    return this.#services.get(service)?.get(id) ?? null;
  }

  /** Registers, or replaces what is there with the parts given. */
  put(service: string, id: string, parts: Partial<Instance> = {}): Instance {
    const before = this.get(service, id);
    const now = Date.now();
    const instance: Instance = { ...(before ?? blank(service, id, now)), ...parts, service, id, updated_ms: now };
    this.#of(service).set(id, instance);
    if (!before) this.#registered = [{ at_ms: now, service, id }, ...this.#registered].slice(0, RECENT);
    this.#note(before ? 'modified' : 'added', instance);
    return instance;
  }

  /** As put, without a change being told: for filling. */
  fill(service: string, id: string, parts: Partial<Instance> = {}): void {
    this.#of(service).set(id, { ...blank(service, id, Date.now()), ...parts });
  }

  remove(service: string, id: string, reason: 'cancelled' | 'expired'): boolean {
    const before = this.get(service, id);
    if (!before) return false;
    const of = this.#of(service);
    of.delete(id);
    if (of.size === 0) {
      this.#services.delete(service);
      this.#sorted = null;
    }
    this.#removed = [{ at_ms: Date.now(), service, id, reason }, ...this.#removed].slice(0, RECENT);
    this.#note('removed', before);
    return true;
  }

  override(service: string, id: string, status: Status | null): Instance | null {
    if (!this.get(service, id)) return null;
    return this.put(service, id, { override: status, status: status ?? 'UP' });
  }

  service(name: string): Service | null {
    const of = this.#services.get(name);
    return of ? { name, instances: of.size, statuses: tally(of.values()) } : null;
  }

  counts(): { applications: number; instances: number; statuses: Counts } {
    const all = [...this.#services.values()].flatMap((of) => [...of.values()]);
    return { applications: this.#services.size, instances: all.length, statuses: tally(all) };
  }

  recent(): Recent {
    return { registered: this.#registered, removed: this.#removed };
  }

  services(ask: URLSearchParams) {
    const q = (ask.get('q') ?? '').toLowerCase();
    const names = this.#names().filter((name) => name.toLowerCase().includes(q));
    const page = cut(names, (name) => name, ask);
    return { version: this.version, total: names.length, next: page.next, services: page.rows.map((name) => this.service(name)) };
  }

  instances(service: string | null, ask: URLSearchParams) {
    if (service !== null && !this.#services.has(service)) return null;
    const q = (ask.get('q') ?? '').toLowerCase();
    const status = ask.get('status');
    const rows = (service === null ? this.#names() : [service])
      .flatMap((name) => [...this.#of(name).values()].sort((a, b) => (a.id < b.id ? -1 : 1)))
      .filter((of) => (!status || of.status === status) && (!q || `${of.service} ${of.id} ${of.host} ${of.ip}`.toLowerCase().includes(q)));
    const page = cut(rows, (of) => `${of.service}/${of.id}`, ask);
    return { version: this.version, total: rows.length, next: page.next, instances: page.rows };
  }

  /** Changes after a version, or null when they are not remembered. */
  since(version: string): Change[] | null {
    const [epoch, n] = version.split('.');
    const missing = this.#n - Number(n);
    if (epoch !== this.#epoch || missing > this.#log.length) return null;
    return missing <= 0 ? [] : this.#log.slice(-missing);
  }

  #of(service: string): Map<string, Instance> {
    let of = this.#services.get(service);
    if (!of) {
      of = new Map();
      this.#services.set(service, of);
      this.#sorted = null;
    }
    return of;
  }

  #names(): string[] {
    this.#sorted ??= [...this.#services.keys()].sort();
    return this.#sorted;
  }

  #note(kind: Change['kind'], instance: Instance): void {
    this.#n += 1;
    const change: Change = {
      version: this.version,
      kind,
      service: instance.service,
      id: instance.id,
      status: instance.status,
      instance: kind === 'removed' ? null : instance,
    };
    this.#log.push(change);
    if (this.#log.length > 2 * REMEMBERED) this.#log = this.#log.slice(-REMEMBERED);
    this.onChange(change);
  }
}

function cut<T>(rows: T[], key: (row: T) => string, ask: URLSearchParams): { rows: T[]; next: string | null } {
  const limit = Math.min(500, Number(ask.get('limit') ?? 50));
  const cursor = ask.get('cursor');
  const after = cursor ? Buffer.from(cursor, 'base64url').toString() : '';
  const from = cursor ? rows.findIndex((row) => key(row) > after) : 0;
  const page = from < 0 ? [] : rows.slice(from, from + limit);
  const last = page.at(-1);
  const more = from >= 0 && from + limit < rows.length;
  return { rows: page, next: more && last !== undefined ? Buffer.from(key(last)).toString('base64url') : null };
}

function tally(of: Iterable<Instance>): Counts {
  const counts: Counts = {};
  for (const { status } of of) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function blank(service: string, id: string, now: number): Instance {
  return {
    service,
    id,
    host: `${service.toLowerCase()}.internal`,
    ip: '10.0.0.1',
    port: 8080,
    secure_port: null,
    status: 'UP',
    override: null,
    registered_ms: now,
    last_renewal_ms: now,
    updated_ms: now,
    dirty_ms: now,
    lease: { renew_interval_ms: 30_000, duration_ms: 90_000, remaining_ms: 90_000 },
    vip: [service.toLowerCase()],
    secure_vip: [],
    zone: null,
    metadata: {},
    home_page: null,
    status_page: null,
    health_check: null,
    provisional: false,
  };
}
