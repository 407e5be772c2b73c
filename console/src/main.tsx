// The console's start, and which page the address shows.
import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { startClock } from './contact.ts';
import { link, readRegistry, registry, retryNow, startLink } from './live/link.ts';
import { useLive } from './live/use.ts';
import { ChangesPage } from './pages/changes.tsx';
import { InstancePage } from './pages/instance.tsx';
import { InstancesPage } from './pages/instances.tsx';
import { LocksPage } from './pages/locks.tsx';
import { NodePage } from './pages/node.tsx';
import { PeersPage } from './pages/peers.tsx';
import { ServicePage } from './pages/service.tsx';
import { ServicesPage } from './pages/services.tsx';
import { TopicsPage } from './pages/topics.tsx';
import { TransactionPage } from './pages/transaction.tsx';
import { TransactionsPage } from './pages/transactions.tsx';
import { type Route, location, route, startRouter } from './router.ts';
import { startKeys } from './ui/keys.ts';
import { Empty } from './ui/list.tsx';
import { Shell } from './ui/shell.tsx';
import { applyTheme } from './ui/theme.ts';

const FACTS_EVERY_MS = 5_000;

function title(at: Route): string {
  switch (at.page) {
    case 'service':
      return at.service;
    case 'instance':
      return `${at.id}, ${at.service}`;
    case 'transaction':
      return at.id;
    case 'unknown':
      return 'Not found';
    default:
      return at.page[0]?.toUpperCase() + at.page.slice(1);
  }
}

function Front() {
  const at = route.value;
  switch (at.page) {
    case 'services':
      return <ServicesPage />;
    case 'service':
      return <ServicePage key={at.service} service={at.service} />;
    case 'instance':
      return <InstancePage key={`${at.service}/${at.id}`} service={at.service} id={at.id} />;
    case 'instances':
      return <InstancesPage />;
    case 'transactions':
    case 'messages':
    case 'notifications':
      return <TransactionsPage view={at.page} />;
    case 'transaction':
      return <TransactionPage key={at.id} id={at.id} />;
    case 'topics':
      return <TopicsPage />;
    case 'locks':
      return <LocksPage />;
    case 'changes':
      return <ChangesPage />;
    case 'peers':
      return <PeersPage />;
    case 'node':
      return <NodePage />;
    case 'unknown':
      return (
        <>
          <h1 tabIndex={-1}>Nothing here</h1>
          <Empty title="This address shows no page of the console.">
            <a href="/">All services</a>
          </Empty>
        </>
      );
  }
}

function App() {
  // An answer to this question is also the sign that a lost line may be taken up again.
  useLive(
    'registry',
    async (signal) => {
      const facts = await readRegistry(signal);
      if (link.value.phase === 'lost') retryNow();
      return facts;
    },
    { everyMs: FACTS_EVERY_MS, merge: (data) => ({ data, stale: 'hard' }) },
  );
  const path = location.value.path;
  useEffect(() => {
    // A new page is announced by its heading; the very first leaves the focus where the browser put it.
    if (visited) document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: false });
    visited = true;
  }, [path]);
  return (
    <Shell>
      <Front />
    </Shell>
  );
}

let visited = false;

applyTheme();
startClock();
startRouter();
startKeys();
effect(() => {
  const node = registry.value?.node.name;
  document.title = [title(route.value), node, 'Synod'].filter(Boolean).join(' · ');
});
const root = document.getElementById('app');
if (root) render(<App />, root);
void startLink();
