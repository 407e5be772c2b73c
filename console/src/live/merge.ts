// What a batch of changes means for the page of a list that is on screen. Pure.
import type { Change, Instance, Page, Service } from '../api.ts';
import { keyOf } from './coalesce.ts';
import { includes } from './version.ts';

/** Must the page be read again: no; when convenient (totals or order elsewhere); or soon (rows on screen). */
export type Stale = 'no' | 'soft' | 'hard';

export interface Merged<T> {
  page: Page<T>;
  stale: Stale;
  /** Keys of the rows that changed, for the eye. */
  touched: string[];
}

export interface Scope {
  /** Only this service's instances are listed, all of them when null. */
  service: string | null;
  /** A search or a status filter decides what belongs: a change elsewhere may bring a row in. */
  filtered: boolean;
}

export function mergeInstances(page: Page<Instance>, changes: Change[], scope: Scope): Merged<Instance> {
  const rows = new Map(page.items.map((row) => [keyOf(row), row]));
  const touched: string[] = [];
  let total = page.total;
  let stale: Stale = 'no';
  for (const change of changes) {
    if (includes(page.version, change.version)) continue;
    if (scope.service !== null && change.service !== scope.service) continue;
    const key = keyOf(change);
    if (!rows.has(key)) {
      if (stale === 'no' && (change.kind !== 'modified' || scope.filtered)) stale = 'soft';
      continue;
    }
    touched.push(key);
    if (change.kind === 'removed') {
      rows.delete(key);
      total -= 1;
      stale = 'hard';
    } else if (change.instance) {
      rows.set(key, change.instance);
      if (scope.filtered) stale = 'hard';
    } else {
      stale = 'hard';
    }
  }
  if (touched.length === 0) return { page, stale, touched };
  return { page: { ...page, total, items: [...rows.values()] }, stale, touched };
}

/** A change does not say what the instance was before, so counts are read again rather than guessed. */
export function mergeServices(page: Page<Service>, changes: Change[]): Merged<Service> {
  const shown = new Set(page.items.map((row) => row.name));
  const touched = new Set<string>();
  let stale: Stale = 'no';
  for (const change of changes) {
    if (includes(page.version, change.version)) continue;
    if (shown.has(change.service)) {
      touched.add(change.service);
      stale = 'hard';
    } else if (stale === 'no' && change.kind !== 'modified') {
      stale = 'soft';
    }
  }
  return { page, stale, touched: [...touched] };
}
