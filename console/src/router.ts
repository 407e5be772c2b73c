// The address bar as state: `/` and `/ui/…`, with the history API, so that every page can be linked to.
import { computed, signal } from '@preact/signals';

export type Route =
  | { page: 'services' }
  | { page: 'service'; service: string }
  | { page: 'instance'; service: string; id: string }
  | { page: 'instances' }
  | { page: 'transactions' | 'messages' | 'notifications' | 'topics' | 'locks' }
  | { page: 'transaction'; id: string }
  | { page: 'changes' }
  | { page: 'peers' }
  | { page: 'node' }
  | { page: 'unknown' };

const PLAIN = ['instances', 'transactions', 'messages', 'notifications', 'topics', 'locks', 'changes', 'peers', 'node'] as const;

/** What a path shows. Pure. */
export function match(path: string): Route {
  let parts: string[];
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { page: 'unknown' };
  }
  const [root, first, name, id, ...more] = parts;
  // The registry knows services by their name in upper case, whatever a link says.
  const service = name?.toUpperCase();
  if (root === undefined) return { page: 'services' };
  if (root !== 'ui' || more.length) return { page: 'unknown' };
  if (first === undefined) return { page: 'services' };
  if (first === 'services') {
    if (service === undefined) return { page: 'services' };
    return id === undefined ? { page: 'service', service } : { page: 'instance', service, id };
  }
  if (first === 'transactions' && name !== undefined && id === undefined) return { page: 'transaction', id: name };
  const plain = PLAIN.find((name) => name === first);
  return plain && service === undefined ? { page: plain } : { page: 'unknown' };
}

const at = encodeURIComponent;
export const serviceHref = (service: string) => `/ui/services/${at(service)}`;
export const instanceHref = (service: string, id: string) => `${serviceHref(service)}/${at(id)}`;
/** By XID or gid; the colons of an XID stay readable. */
export const txnHref = (id: string) => `/ui/transactions/${at(id).replaceAll('%3A', ':')}`;

export interface Location {
  path: string;
  query: URLSearchParams;
  /** Cursors of the pages before this one, oldest first: how "previous" is possible with opaque cursors. */
  cursors: string[];
}

function read(): Location {
  const state = history.state as { cursors?: string[] } | null;
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search), cursors: state?.cursors ?? [] };
}

export const location = signal<Location>(read());
export const route = computed(() => match(location.value.path));

export function go(url: string, how: { replace?: boolean; cursors?: string[] } = {}): void {
  const state = { cursors: how.cursors ?? [] };
  if (how.replace) history.replaceState(state, '', url);
  else history.pushState(state, '', url);
  location.value = read();
}

/** The current page with other filters; a changed filter starts at the first page again. */
export function refine(parts: Record<string, string>): void {
  const query = new URLSearchParams(location.value.query);
  query.delete('cursor');
  for (const [key, value] of Object.entries(parts)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  go(location.value.path + (text && `?${text}`), { replace: true });
}

/** Follows plain clicks on our own links without loading the page anew. */
export function startRouter(): void {
  window.addEventListener('popstate', () => {
    location.value = read();
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hash || link.origin !== window.location.origin) return;
    if (link.pathname !== '/' && !link.pathname.startsWith('/ui/')) return;
    event.preventDefault();
    const url = link.pathname + link.search;
    if (url !== window.location.pathname + window.location.search) go(url);
  });
}
