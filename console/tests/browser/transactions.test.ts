// What needs the mock's levers of the pages of transactions: lost contact, swallowed streams, refusals, many changes.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { transactions } from '../estate.ts';
import type { Mock } from '../mock.ts';
import { attempt, branch, leg } from '../transactions.ts';
import { Stage, until } from './harness.ts';

let stage: Stage;
let mock: Mock;

before(async () => {
  stage = await Stage.open(true);
  mock = stage.mock as Mock;
  transactions(mock);
});
beforeEach(() => {
  mock.alive = true;
  mock.streams = true;
  mock.refusal = '';
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(() => stage.close());

test('where streams are swallowed it is asked again and again, and is still live', async () => {
  mock.streams = false;
  const page = await stage.page('/ui/transactions?mode=xa');
  await page.waitForSelector('[data-testid=line][data-transactions=poll]');
  mock.transactions.put('xa', 'active', { gid: 'polled' });
  await page.waitForSelector('.transactions >> text=polled');
});

test('lost contact leaves what was known on screen, and catches up afterwards', async () => {
  const page = await stage.page('/ui/transactions/payroll-2026-11');
  await page.waitForSelector('[data-testid=line][data-transactions=stream]');
  mock.alive = false;
  mock.cut();
  await page.waitForSelector('[data-testid=silence]');
  await page.waitForSelector('[data-testid=timeline]');
  const txn = mock.transactions.find('payroll-2026-11');
  assert.ok(txn);
  mock.transactions.change(txn, { status: 'committed' });
  mock.alive = true;
  await page.click('text=Try now');
  await page.waitForSelector('.head [data-state=committed]');
});

test('what a server refuses is said, and can be tried again', async () => {
  mock.refusal = 'the log is full';
  const page = await stage.page('/ui/transactions/transfer-7731');
  await page.click('[data-action=rollback]');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('dialog >> text=Not done: the log is full');
  mock.refusal = '';
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=rolling_back]');
});

test('held rows and who waits for whom are shown, and narrowed', async () => {
  const page = await stage.page('/ui/locks');
  await page.waitForSelector('.waits [data-waiter] >> text=28×');
  assert.equal(await page.locator('.locks tbody tr').count(), 2);
  await page.fill('[data-search]', 'amount:18');
  await page.waitForFunction(() => document.querySelectorAll('.locks tbody tr').length === 1);
  assert.deepEqual(await page.locator('.locks tbody tr').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-row-key'))), ['amount:18']);
  await page.click('.locks .resource');
  await page.waitForURL('**/ui/locks?q=amount%3A18&resource=**');
  await page.click('.locks a.name');
  await page.waitForSelector('[data-testid=resource] >> text=jdbc:mysql://db-1:3306/stock');
});

test('what a branch has refused is tried again by a person', async () => {
  const holder = mock.transactions.locks[0]?.xid ?? '';
  const page = await stage.page(`/ui/transactions/${holder}`);
  await page.waitForSelector('[data-testid=standing] >> text=refused that for good');
  assert.deepEqual(await page.locator('[data-testid=kind]').allTextContents(), ['Seata AT', 'Seata TCC']);
  assert.equal(await page.locator('[data-action=retry]').count(), 0);
  await page.click('[data-action=resend]');
  await page.waitForSelector('dialog >> text=Have the refused calls made again?');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('[data-action=retry]');
  assert.ok(mock.asked.some(({ method, path }) => method === 'POST' && path.endsWith('/resend')));
});

test('a call under way counts up, one that waits counts down', async () => {
  const now = Date.now();
  mock.transactions.put('saga', 'committing', {
    gid: 'counting',
    details: {
      concurrent: true,
      branches: [branch(0, '01', leg('http://a/x', { calling_since_ms: now - 7_000 })), branch(1, '02', leg('http://b/y', { failures: 2, last_error: 'refused', next_attempt_ms: now + 600_000 }))],
      attempts: [attempt(1, 'forward', now - 900, 5, 'failed', 'refused')],
    },
  });
  const page = await stage.page('/ui/transactions/counting');
  await page.waitForSelector('[data-branch="01"] [data-call=calling]');
  const seconds = async () => Number(/for (\d+) s/.exec(await page.innerText('[data-branch="01"]'))?.[1]);
  const first = await seconds();
  assert.ok(first >= 7, `${first}`);
  await until('it counts up', async () => (await seconds()) > first);
  await page.waitForSelector('[data-branch="02"] >> text=/next try in 9 min \\d+ s/');
});

test('thousands of changes a second do not make it ask, and show once they stop', async (t) => {
  const page = await stage.page('/ui/transactions?status=open');
  await page.waitForSelector('[data-testid=line][data-transactions=stream]');
  await page.waitForSelector('.transactions');
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().includes('/v1/transactions') && !request.url().includes('summary')) asked += 1;
  });
  for (let tick = 0; tick < 50; tick += 1) {
    for (let n = 0; n < 100; n += 1) mock.transactions.put('tcc', 'active', { gid: `busy-${tick}-${n}` });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await page.waitForSelector('.transactions >> text=busy-49-99');
  assert.equal(await page.locator('.transactions tbody tr').count(), 50, 'a page is held, not more');
  t.diagnostic(`${asked} questions`);
  assert.ok(asked < 5, `${asked} questions for five thousand changes`);
});
