// The pages of transactions with very many of them open, on the real server: a page is read and held, never the whole.
// TXNS=100000 for as many as the server is made for.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { number } from '../../src/format.ts';
import { Stage } from '../browser/harness.ts';
import { Node } from './node.ts';

const TXNS = Number(process.env.TXNS ?? 5_000);
const AT_ONCE = 64;
let node: Node;
let stage: Stage;

const begin = async (n: number): Promise<void> => {
  const body = JSON.stringify({ gid: `order-${n}`, mode: 'tcc', timeout: '1h', name: 'many' });
  const response = await fetch(`${node.url}/v1/transactions`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  await response.arrayBuffer();
  if (response.status !== 201) throw new Error(`begin: ${response.status}`);
};

before(async () => {
  node = await Node.start('registry.self.register=false', 'log.level=warn');
  let next = 0;
  const worker = async () => {
    while (next < TXNS) await begin((next += 1));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  stage = await Stage.open(false, node.url);
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(async () => {
  await stage?.close();
  await node?.stop();
});

test('the list is there at once, small, counted, and turns its pages', async (t) => {
  const began = Date.now();
  const page = await stage.page('/ui/transactions');
  await page.waitForSelector('.transactions tbody tr');
  const took = Date.now() - began;
  await page.waitForSelector(`[data-testid=summary] >> text=${number(TXNS)} open`);
  const spent = await page.evaluate(() => {
    const asked = (performance.getEntriesByType('resource') as PerformanceResourceTiming[]).filter((one) => one.name.includes('/v1/transactions') && !one.name.includes('watch'));
    return { bytes: asked.reduce((sum, one) => sum + one.encodedBodySize, 0), slowest: Math.max(...asked.map((one) => one.duration)) };
  });
  t.diagnostic(`${TXNS} open: ${took} ms to the first rows, ${spent.bytes} bytes, slowest answer ${spent.slowest.toFixed(0)} ms, server ${node.memoryMib().toFixed(0)} MiB`);
  assert.equal(await page.locator('.transactions tbody tr').count(), 50);
  assert.ok(spent.bytes < 120_000 && took < 5_000, JSON.stringify({ ...spent, took }));
  const first = await page.innerText('.transactions tbody tr:last-child .name');
  await page.keyboard.press('n');
  await page.waitForSelector('text=Page 2, 50 transactions');
  assert.notEqual(await page.innerText('.transactions tbody tr:last-child .name'), first);
  await page.keyboard.press('p');
  await page.waitForSelector('text=Page 1, 50 transactions');
});

test('one of them is found by its gid, and what is new comes without the list being read', async (t) => {
  const page = await stage.page('/ui/transactions');
  await page.waitForSelector('[data-testid=line][data-transactions=stream]');
  await page.waitForSelector('.transactions tbody tr');
  const began = Date.now();
  await page.fill('[data-search]', `order-${TXNS - 5}`);
  await page.waitForFunction(() => document.querySelectorAll('.transactions tbody tr').length === 1);
  t.diagnostic(`found after ${Date.now() - began} ms`);
  await page.fill('[data-search]', '');
  await page.waitForFunction(() => document.querySelectorAll('.transactions tbody tr').length === 50);
  await page.locator('h1').click();
  let asked = 0;
  page.on('request', (request) => {
    if (/\/v1\/transactions\?/.test(request.url())) asked += 1;
  });
  for (let n = 1; n <= 200; n += 1) await begin(TXNS + n);
  await page.waitForSelector(`.transactions tbody tr:first-child >> text=order-${TXNS + 200}`);
  assert.ok(asked <= 2, `${asked} questions for two hundred that came`);
  assert.equal(await page.locator('.transactions tbody tr').count(), 50);
});
