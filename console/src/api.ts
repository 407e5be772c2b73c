// The native API as the console uses it: what the answers look like, and one function that asks.
import { heard } from './contact.ts';

export const STATUSES = ['UP', 'DOWN', 'OUT_OF_SERVICE', 'STARTING', 'UNKNOWN'] as const;
export type Status = (typeof STATUSES)[number];
export type Counts = Partial<Record<Status, number>>;

export interface SelfPreservation {
  enabled: boolean;
  active: boolean;
  expected_per_minute: number;
  threshold_per_minute: number;
  received_last_minute: number;
  protected: number;
  /** For how long it has been active; a node may not say. */
  active_ms?: number;
  warming_up: boolean;
}

export interface Registry {
  node: { name: string; id: string; version: string; uptime_ms: number };
  open: boolean;
  version: string;
  hash: string;
  applications: number;
  instances: number;
  statuses: Counts;
  self_preservation: SelfPreservation;
  restored_provisional: number;
}

export interface Service {
  name: string;
  instances: number;
  statuses: Counts;
}

export interface Instance {
  service: string;
  id: string;
  host: string;
  ip: string;
  port: number | null;
  secure_port: number | null;
  status: Status;
  override: Status | null;
  registered_ms: number;
  last_renewal_ms: number;
  updated_ms: number;
  dirty_ms: number;
  lease: { renew_interval_ms: number; duration_ms: number; remaining_ms: number };
  vip: string[];
  secure_vip: string[];
  zone: string | null;
  metadata: Record<string, string>;
  home_page: string | null;
  status_page: string | null;
  health_check: string | null;
  provisional: boolean;
}

export interface Change {
  version: string;
  kind: 'added' | 'modified' | 'removed';
  service: string;
  id: string;
  status: Status;
  instance: Instance | null;
}

export interface Changes {
  version: string;
  reset: boolean;
  changes: Change[];
}

export interface Peer {
  url: string;
  name: string | null;
  kind: 'synod' | 'eureka' | 'unknown';
  state: 'idle' | 'sending' | 'backoff' | 'self';
  reachable: boolean;
  lag_ms: number;
  queued: number;
  sent: number;
  failed: number;
  last_success_ms: number | null;
  last_error: string | null;
}

export interface Recent {
  registered: { at_ms: number; service: string; id: string }[];
  removed: { at_ms: number; service: string; id: string; reason: 'cancelled' | 'expired' }[];
}

/** One page of a list, whatever it lists. */
export interface Page<T> {
  version: string;
  total: number;
  next: string | null;
  items: T[];
}

/** Why a question got no good answer. `status` 0: nothing answered at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly code: string,
  ) {
    super(detail || title);
  }
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

/** Asks the server; throws an `ApiError`, or the signal's own abort. */
export async function ask<T>(path: string, { method = 'GET', body, signal, timeoutMs = 15_000 }: Ask = {}): Promise<T> {
  const limit = AbortSignal.timeout(timeoutMs);
  const init: RequestInit = { method, signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: 'no-store' };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'content-type': 'application/json' };
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const why = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : 'the connection failed';
    throw new ApiError(0, 'No answer from this node', `${path}: ${why}`, '');
  }
  heard(response.headers.get('date'));
  if (!response.ok) throw problem(response.status, response.statusText, text);
  return (text ? JSON.parse(text) : undefined) as T;
}

/** The server's own words where it gave any (RFC 9457), the bare status otherwise. */
export function problem(status: number, statusText: string, text: string): ApiError {
  try {
    const told = JSON.parse(text) as { title?: string; detail?: string; code?: string };
    return new ApiError(status, told.title ?? statusText, told.detail ?? '', told.code ?? '');
  } catch {
    return new ApiError(status, `${status} ${statusText}`.trim(), '', '');
  }
}

/** A query string without empty parts, `''` when nothing is left. */
export function query(parts: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(parts)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, String(value));
  }
  const text = search.toString();
  return text && `?${text}`;
}

const at = encodeURIComponent;

export const servicePath = (service: string) => `/v1/services/${at(service)}`;
export const instancePath = (service: string, id: string) => `${servicePath(service)}/instances/${at(id)}`;

/** What a list is narrowed to. */
export interface Filter {
  q: string;
  status?: string;
  cursor?: string | null;
}

/** Rows to a page: a few screens, never the registry. */
export const PAGE_ROWS = 50;

export async function services(filter: Filter, signal?: AbortSignal): Promise<Page<Service>> {
  const path = `/v1/services${query({ q: filter.q, limit: PAGE_ROWS, cursor: filter.cursor })}`;
  const { services: items, ...rest } = await ask<Omit<Page<Service>, 'items'> & { services: Service[] }>(path, { signal });
  return { ...rest, items };
}

/** Instances of one service, or of all of them when `service` is null. */
export async function instances(service: string | null, filter: Filter, signal?: AbortSignal): Promise<Page<Instance>> {
  const list = service === null ? '/v1/instances' : `${servicePath(service)}/instances`;
  const path = `${list}${query({ q: filter.q, status: filter.status, limit: PAGE_ROWS, cursor: filter.cursor })}`;
  const { instances: items, ...rest } = await ask<Omit<Page<Instance>, 'items'> & { instances: Instance[] }>(path, { signal });
  return { ...rest, items };
}
