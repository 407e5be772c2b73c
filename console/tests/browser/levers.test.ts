// What needs the mock's levers: lost contact, swallowed streams, self-preservation, peers in trouble, an empty node.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { small } from '../estate.ts';
import { Mock } from '../mock.ts';
import { Stage, live, texts, until } from './harness.ts';

let stage: Stage;
let mock: Mock;

before(async () => {
  stage = await Stage.open(true);
  mock = stage.mock as Mock;
  small(mock);
});
beforeEach(() => {
  mock.alive = true;
  mock.streams = true;
  mock.facts = {};
  mock.preservation = {};
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(() => stage.close());

test('lost contact is said with its time, and everything is caught up afterwards', async () => {
  const page = await stage.page('/ui/services/CATALOG');
  await live(page);
  await page.waitForSelector('.instances');
  mock.alive = false;
  mock.cut();
  await page.waitForSelector('[data-testid=silence] >> text=/Last heard from it at \\d\\d:\\d\\d:\\d\\d/');
  assert.match(await page.innerText('[data-testid=line]'), /No contact/);
  assert.ok((await page.locator('.instances tbody tr').count()) > 0, 'what was known stays on screen');
  mock.registry.put('CATALOG', 'while-you-were-away');
  mock.alive = true;
  await page.click('text=Try now');
  await page.waitForSelector('text=while-you-were-away');
  await page.waitForSelector('[data-testid=silence]', { state: 'detached' });
});

test('a broken stream is resumed where it was: nothing missed, nothing read anew', async () => {
  const page = await stage.page('/ui/services/CHECKOUT');
  await live(page);
  await page.waitForSelector('.instances');
  mock.cut();
  mock.registry.put('CHECKOUT', 'checkout-1.shop.internal:checkout:8082', { status: 'DOWN' });
  await page.waitForSelector('.instances [data-status=DOWN]');
  await until('the stream is back', () => mock.watchers === 1);
  const resumed = mock.asked.filter((one) => one.path.startsWith('/v1/watch')).at(-1);
  assert.match(resumed?.path ?? '', /since=a1\.\d+/);
});

test('a row on screen follows the stream alone, without its list being read', async () => {
  const page = await stage.page('/ui/services/SHIPPING');
  await live(page);
  await page.waitForSelector('.instances');
  await page.route('**/instances*', (route) => route.abort());
  mock.registry.put('SHIPPING', 'shipping-2.shop.internal:shipping:8091', { status: 'STARTING' });
  await page.waitForSelector('.instances [data-status=STARTING]');
  mock.registry.remove('SHIPPING', 'shipping-2.shop.internal:shipping:8091', 'cancelled');
  await page.waitForSelector('.instances [data-status=STARTING]', { state: 'detached' });
});

test('a node that started anew is noticed, and its registry read again', async () => {
  const page = await stage.page('/ui/services/CUSTOMERS');
  await live(page);
  await page.waitForSelector('.instances');
  mock.registry.put('CUSTOMERS', 'late');
  await page.waitForSelector('text=late');
  mock.registry.restart();
  mock.registry.fill('CUSTOMERS', 'after-restart');
  mock.cut();
  await page.waitForSelector('text=after-restart');
});

test('where streams are swallowed it polls, and is still live', async () => {
  mock.streams = false;
  const page = await stage.page('/ui/services/ORDERS');
  await page.waitForSelector('[data-testid=line][data-phase=poll]');
  await page.waitForSelector('.instances');
  mock.registry.put('ORDERS', 'polled');
  await page.waitForSelector('text=polled');
  mock.registry.remove('ORDERS', 'polled', 'expired');
  await page.waitForFunction(() => !document.body.innerText.includes('polled'));
});

test('self-preservation says what happened, what it means, what one may do, and does it', async () => {
  mock.preservation = { active: true, expected_per_minute: 118, threshold_per_minute: 100.3, received_last_minute: 31, protected: 18 };
  const page = await stage.page('/ui/peers');
  const banner = await page.waitForSelector('[data-testid=preserving]');
  const text = await banner.innerText();
  for (const wanted of ['31 renewals came in', 'About 118 were due', '100.3', '18 instances whose lease ran out stay listed', 'it ends by itself']) {
    assert.ok(text.includes(wanted), wanted);
  }
  await page.click('text=Turn self-preservation off…');
  await page.waitForSelector('dialog >> text=18 instances whose lease ran out will be removed');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.equal(mock.preservation.active, true, 'nothing happens unconfirmed');
  await page.click('text=Turn self-preservation off…');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('[data-testid=unprotected]');
  await page.waitForSelector('[data-testid=preserving]', { state: 'detached' });
  await page.click('text=Turn on…');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('[data-testid=unprotected]', { state: 'detached' });
});

test('a registry not open yet and restored instances are said', async () => {
  mock.facts = { open: false, restored_provisional: 12 };
  const page = await stage.page('/');
  await page.waitForSelector('text=The registry is not open yet');
  await page.waitForSelector('text=12 instances restored from disk');
});

test('peers show lag, backlog and the error in words', async () => {
  const page = await stage.page('/ui/peers');
  await page.waitForSelector('.peers');
  const rows = await texts(page, '.peers tbody tr');
  assert.equal(rows.length, 3);
  assert.match(rows[0] ?? '', /this node/);
  assert.match(rows[1] ?? '', /up to date[\s\S]*3 ms/);
  assert.match(rows[2] ?? '', /connection refused[\s\S]*not reachable[\s\S]*1 min 14 s[\s\S]*211/);
  const [peer] = mock.peers.slice(1);
  if (peer) peer.lag_ms = 4_200;
  await page.waitForSelector('text=4 s');
});

const GATEWAY = `/ui/services/GATEWAY/${encodeURIComponent('gateway-1.shop.internal:gateway:8084')}`;

test('an override that the server refuses is said, and can be tried again', async () => {
  mock.refusal = 'the registry is being moved';
  const page = await stage.page(GATEWAY);
  await page.click('text=Override…');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('dialog >> text=Not done: the registry is being moved');
  assert.equal(await page.locator('.head [data-status=UP]').count(), 1);
  mock.refusal = '';
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-status=OUT_OF_SERVICE]');
});

test('what left while the question stood open can no longer be overridden', async () => {
  const page = await stage.page(GATEWAY);
  await live(page);
  await page.click('text=Override…');
  await page.waitForSelector('dialog[open]');
  mock.registry.remove('GATEWAY', 'gateway-1.shop.internal:gateway:8084', 'expired');
  await page.waitForSelector('text=No longer registered');
  assert.equal(await page.locator('dialog, [data-testid=override]').count(), 0);
});

test('a node without services tells a newcomer the one line', async () => {
  const empty = await Mock.start();
  try {
    const page = await stage.page('/');
    await page.goto(empty.url);
    await page.waitForSelector(`text=eureka.client.service-url.defaultZone=${empty.url}/eureka/`);
    await live(page);
    empty.registry.put('HELLO', 'one');
    await page.waitForSelector('.services >> text=HELLO');
    await page.goto(`${empty.url}/ui/peers`);
    await page.waitForSelector('text=This node has no peers.');
  } finally {
    await empty.stop();
  }
});
