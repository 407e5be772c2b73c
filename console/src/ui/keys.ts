// Keyboard: single keys where no field has the focus, arrows through rows. All can be switched off, since speech
// input types letters by accident.
import { signal } from '@preact/signals';
import { go } from '../router.ts';
import { toggleTheme } from './theme.ts';

const STORED = 'synod.shortcuts';
export const shortcuts = signal(localStorage.getItem(STORED) !== 'off');
export const helpOpen = signal(false);

export function setShortcuts(on: boolean): void {
  shortcuts.value = on;
  localStorage.setItem(STORED, on ? 'on' : 'off');
}

export const KEYS: [string, string][] = [
  ['/', 'Search this page'],
  ['↓ ↑', 'Next, previous row (also j, k)'],
  ['Home End', 'First, last row'],
  ['Enter', 'Open the row'],
  ['n p', 'Next, previous page of the list'],
  ['Esc', 'Clear the search, close a dialog, or go up one level'],
  ['g s', 'Services'],
  ['g i', 'Instances'],
  ['g t', 'Transactions'],
  ['g a', 'Transactions that need attention'],
  ['g c', 'Changes'],
  ['g p', 'Peers'],
  ['g n', 'Node'],
  ['t', 'Light, dark, or as the system'],
  ['?', 'This list'],
];

const PLACES: Record<string, string> = {
  s: '/',
  i: '/ui/instances',
  t: '/ui/transactions',
  a: '/ui/transactions?needs=attention',
  c: '/ui/changes',
  p: '/ui/peers',
  n: '/ui/node',
};

const CHORD_MS = 1_200;
let chordUntil = 0;

const find = (selector: string) => document.querySelector<HTMLElement>(selector);
const press = (selector: string) => find(selector)?.click();

function single(key: string): boolean {
  if (Date.now() < chordUntil) {
    chordUntil = 0;
    const place = PLACES[key];
    if (place) go(place);
    return Boolean(place);
  }
  switch (key) {
    case '/':
      return focusSearch();
    case '?':
      helpOpen.value = true;
      return true;
    case 'g':
      chordUntil = Date.now() + CHORD_MS;
      return true;
    case 'n':
      press('[data-page=next]:not(:disabled)');
      return true;
    case 'p':
      press('[data-page=previous]:not(:disabled)');
      return true;
    case 't':
      toggleTheme();
      return true;
    case 'j':
      return step(1);
    case 'k':
      return step(-1);
    default:
      return false;
  }
}

function focusSearch(): boolean {
  const field = find('[data-search]');
  if (!(field instanceof HTMLInputElement)) return false;
  field.focus();
  field.select();
  return true;
}

const rows = () => [...document.querySelectorAll<HTMLElement>('main [data-row]')];

/** Moves the focus through the rows of the list; `Infinity` is the last. */
function step(by: number): boolean {
  const all = rows();
  if (all.length === 0) return false;
  const at = all.indexOf(document.activeElement as HTMLElement);
  const to = at < 0 ? (by < 0 ? all.length - 1 : 0) : Math.min(all.length - 1, Math.max(0, at + by));
  all[to]?.focus();
  return true;
}

function navigation(event: KeyboardEvent, inField: boolean): boolean {
  const inRows = document.activeElement instanceof HTMLElement && document.activeElement.matches('[data-row]');
  switch (event.key) {
    case 'ArrowDown':
      return inField && !document.activeElement?.matches('[data-search]') ? false : step(1);
    case 'ArrowUp':
      return !inField && step(-1);
    case 'Home':
      return inRows && step(-Infinity);
    case 'End':
      return inRows && step(Infinity);
    case 'Escape':
      if (inField) return false;
      press('[data-up]');
      return true;
    default:
      return false;
  }
}

export function startKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    const target = event.target;
    const inField = target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');
    const done = navigation(event, inField) || (!inField && shortcuts.value && single(event.key));
    if (done) event.preventDefault();
  });
}
