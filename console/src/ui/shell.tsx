// What surrounds every page: the name, the places, the state of the line, help.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { silent } from '../contact.ts';
import { link, registry } from '../live/link.ts';
import { route } from '../router.ts';
import { txnLine } from '../txn/watch.ts';
import { Announcer } from './announce.tsx';
import { Banners } from './banners.tsx';
import { KEYS, helpOpen, setShortcuts, shortcuts } from './keys.ts';
import { theme, toggleTheme } from './theme.ts';

const PLACES = [
  ['Services', '/', ['services', 'service', 'instance']],
  ['Instances', '/ui/instances', ['instances']],
  ['Transactions', '/ui/transactions', ['transactions', 'transaction', 'messages', 'notifications', 'topics']],
  ['Changes', '/ui/changes', ['changes']],
  ['Peers', '/ui/peers', ['peers']],
  ['Node', '/ui/node', ['node']],
] as const;

export function Shell({ children }: { children: ComponentChildren }) {
  const page = route.value.page;
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <div class="top-in">
          <a class="brand" href="/" aria-label="Synod, services">
            <Mark />
            <span>Synod</span>
          </a>
          <nav class="places" aria-label="Pages of the console">
            {PLACES.map(([name, href, pages]) => (
              <a key={href} href={href} aria-current={pages.some((of) => of === page) ? 'page' : undefined}>
                {name}
              </a>
            ))}
          </nav>
          <div class="top-right">
            <span class="node-name" title="This node">
              {registry.value?.node.name}
            </span>
            <Line />
            <button type="button" class="icon" onClick={toggleTheme} aria-label={`Colours: ${THEMES[theme.value]}. Change`} title={`Colours: ${THEMES[theme.value]} (t)`}>
              <ThemeIcon />
            </button>
            <button type="button" class="icon" onClick={() => (helpOpen.value = true)} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">
              ?
            </button>
          </div>
        </div>
      </header>
      <Banners />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Announcer />
      {helpOpen.value && <Help />}
    </>
  );
}

const THEMES = { auto: 'as the system', light: 'light', dark: 'dark' };

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path d="M12 12V4.5M12 12l6.5 3.75M12 12l-6.5 3.75" stroke="currentColor" stroke-width="2" fill="none" />
      <g fill="currentColor">
        <circle cx="12" cy="12" r="3.4" />
        <circle cx="12" cy="3.6" r="2.6" />
        <circle cx="19.3" cy="16.2" r="2.6" />
        <circle cx="4.7" cy="16.2" r="2.6" />
      </g>
    </svg>
  );
}

function ThemeIcon() {
  const half = { auto: 'M8 2a6 6 0 0 1 0 12Z', light: '', dark: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2Z' }[theme.value];
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.6" />
      {half && <path d={half} fill="currentColor" />}
    </svg>
  );
}

/** Whether what is on screen follows the server. */
function Line() {
  // A page of transactions has a stream of its own, which may be swallowed where the registry's is not.
  const phase = link.value.phase === 'stream' && txnLine.value === 'poll' ? 'poll' : link.value.phase;
  const [name, look, hint] =
    phase === 'lost' || silent.value
      ? ['No contact', 'lost', 'The node does not answer']
      : phase === 'stream'
        ? ['Live', 'live', 'Changes arrive as they happen']
        : phase === 'poll'
          ? ['Live, polling', 'live', 'The change stream cannot be had; changes are asked for instead']
          : ['Connecting', 'wait', 'Waiting for the node'];
  return (
    <span class={`line ${look}`} title={hint} data-testid="line" data-phase={phase} data-transactions={txnLine.value}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        {look === 'lost' ? (
          <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="2" />
        ) : (
          <circle cx="6" cy="6" r="4" fill={look === 'live' ? 'currentColor' : 'none'} stroke="currentColor" stroke-width="1.6" />
        )}
      </svg>
      <span>{name}</span>
    </span>
  );
}

function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = () => {
    helpOpen.value = false;
  };
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input type="checkbox" checked={shortcuts.value} onChange={(event) => setShortcuts(event.currentTarget.checked)} /> Single-key shortcuts
      </label>
      <div class="actions">
        <button type="button" class="button primary" onClick={close}>
          Close
        </button>
      </div>
    </dialog>
  );
}
