// What every list has: rows one walks with the arrow keys, paging by cursor, an honest word when it is empty or failed.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import type { Page } from '../api.ts';
import { PAGE_ROWS } from '../api.ts';
import { number } from '../format.ts';
import { go, location } from '../router.ts';

/** Where the focus was in each list, so that coming back finds it there. */
const left = new Map<string, string>();
const place = () => location.value.path + location.value.query.toString();

export interface Row {
  /** For the link of row `key`: one stop of the Tab key per list, the arrows do the rest. */
  link: (key: string) => { 'data-row': string; tabIndex: number; onFocus: () => void };
}

export function useRows(keys: string[]): Row {
  const [active, setActive] = useState<string | undefined>(() => left.get(place()));
  const stop = active !== undefined && keys.includes(active) ? active : keys[0];
  const ready = keys.length > 0;

  useLayoutEffect(() => {
    const before = left.get(place());
    const heading = document.activeElement?.matches('h1, body') ?? true;
    if (!ready || !heading || before === undefined) return;
    left.delete(place());
    document.querySelector<HTMLElement>(`[data-row="${CSS.escape(before)}"]`)?.focus();
  }, [ready]);

  return {
    link: (key) => ({
      'data-row': key,
      tabIndex: key === stop ? 0 : -1,
      onFocus: () => {
        setActive(key);
        left.set(place(), key);
      },
    }),
  };
}

/** What a pager needs to know of a page; `total` is not there where nobody counts. */
type Turned = Pick<Page<unknown>, 'next' | 'items'> & { total?: number };

export function Pager({ page, unit }: { page: Turned; unit: string }) {
  const { cursors, path, query } = location.value;
  const here = query.get('cursor') ?? '';
  const turn = (cursor: string, before: string[]) => {
    const parts = new URLSearchParams(query);
    if (cursor) parts.set('cursor', cursor);
    else parts.delete('cursor');
    const text = parts.toString();
    go(path + (text && `?${text}`), { cursors: before });
    window.scrollTo(0, 0);
  };
  if (!page.next && !here) return <p class="pager muted">{range(page, cursors.length, unit, true)}</p>;
  // A link from elsewhere into the middle of a list does not say what came before: back to the start, then.
  const known = cursors.length > 0 || !here;
  return (
    <nav class="pager" aria-label="Pages">
      <span class="muted">{range(page, cursors.length, unit, known)}</span>
      <button type="button" class="button" data-page="previous" disabled={!here} onClick={() => turn(cursors.at(-1) ?? '', cursors.slice(0, -1))}>
        {known ? 'Previous' : 'First page'}
      </button>
      <button type="button" class="button" data-page="next" disabled={!page.next} onClick={() => page.next && turn(page.next, [...cursors, here])}>
        Next
      </button>
    </nav>
  );
}

function range(page: Turned, before: number, unit: string, known: boolean): string {
  const from = before * PAGE_ROWS;
  if (page.total === undefined) {
    const shown = page.items.length === 1 ? `1 ${unit.slice(0, -1)}` : `${number(page.items.length)} ${unit}`;
    return known && (before > 0 || page.next) ? `Page ${number(before + 1)}, ${shown}` : shown;
  }
  if (!known) return `${number(page.total)} ${unit}`;
  if (from === 0 && !page.next) return page.total === 1 ? `1 ${unit.slice(0, -1)}` : `${number(page.total)} ${unit}`;
  return `${number(from + 1)}–${number(from + page.items.length)} of ${number(page.total)} ${unit}`;
}

/** Why there is nothing to show, or why what is shown may be old. */
export function Trouble({ error, old, reload }: { error: Error; old: boolean; reload: () => void }) {
  return (
    <div class="note warn" role="alert">
      <p>
        <strong>{old ? 'This page could not be refreshed.' : 'This could not be read.'}</strong> {error.message}
      </p>
      <button type="button" class="button" onClick={reload}>
        Try again
      </button>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}
