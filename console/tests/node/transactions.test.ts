// The pages of transactions, on the real server, with transactions that are made through its API.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Stage, fits, readable, texts, until } from '../browser/harness.ts';
import { Node } from './node.ts';
import { Participant } from './participant.ts';

let node: Node;
let stage: Stage;
let participant: Participant;

before(async () => {
  node = await Node.start('registry.self.register=false', 'log.level=warn', 'txn.retry_max=1h', 'txn.attention_after=2');
  participant = await Participant.start();
  stage = await Stage.open(false, node.url);
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(async () => {
  await stage?.close();
  await node?.stop();
  await participant?.stop();
});

async function post(path: string, body?: object): Promise<{ xid: string; status: string }> {
  const response = await fetch(node.url + path, { method: 'POST', ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...TRACE } }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as { xid: string; status: string };
}
const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

const begin = (gid: string, mode: string, more: object = {}) => post('/v1/transactions', { gid, mode, ...more });
const step = (name: string) => ({ action: participant.url(`/${name}`), compensate: participant.url(`/undo-${name}`), payload: { step: name } });
/** A saga whose first pause outlasts the test: an hour, less up to a tenth that is left to chance. */
const saga = (gid: string, ...names: string[]) => begin(gid, 'saga', { name: 'transfer', submit: true, retry_interval: '1h', branches: names.map(step) });

/** The topic `orders`, which has two subscribers. */
async function declareOrders(): Promise<void> {
  const subscribers = { subscribers: [{ url: participant.url('/mail'), remark: 'to customers' }, { url: participant.url('/stats') }] };
  const put = await fetch(`${node.url}/v1/topics/orders`, { method: 'PUT', body: JSON.stringify(subscribers), headers: { 'content-type': 'application/json' } });
  assert.equal(put.status, 200);
}

/** Changes come in: nothing that happens from here on is missed. */
const following = (page: Page) => page.waitForSelector('[data-testid=line][data-transactions=stream]');
const row = (gid: string) => `.transactions tr:has-text("${gid}")`;
const gids = (page: Page) => texts(page, '.transactions .name');
const lane = (branch: string, way: string) => `[data-branch="${branch}"] [data-way=${way}]`;

test('a list without transactions says so, and fills by itself as they come and go on', async () => {
  const page = await stage.page('/ui/transactions');
  await page.waitForSelector('text=There is no transaction yet.');
  await following(page);
  await page.evaluate(() => Object.assign(window, { stayed: true }));
  await begin('first', 'tcc');
  await page.waitForSelector(`${row('first')} [data-state=active]`);
  await begin('second', 'xa');
  await page.waitForSelector(row('second'));
  assert.deepEqual(await gids(page), ['second', 'first'], 'the newest first');
  await post('/v1/transactions/first/rollback', {});
  await page.waitForSelector(`${row('first')} [data-state=rolled_back]`);
  await page.waitForFunction(() => document.querySelector('[data-testid=summary]')?.textContent?.includes('1 open'));
  assert.equal(await page.evaluate(() => 'stayed' in window), true, 'the page was never loaded anew');
  await post('/v1/transactions/second/rollback', {});
});

test('a list is narrowed by state, kind and id, and goes on following', async () => {
  await begin('filter-a', 'tcc');
  const { xid } = await begin('filter-b', 'xa');
  await begin('other', 'tcc');
  const page = await stage.page('/ui/transactions');
  await page.waitForSelector(row('other'));
  await page.keyboard.press('/');
  await page.keyboard.type('filter-');
  await page.waitForFunction(() => document.querySelectorAll('.transactions tbody tr').length === 2);
  await page.selectOption('[data-testid=mode]', 'tcc');
  await page.waitForFunction(() => document.querySelectorAll('.transactions tbody tr').length === 1);
  assert.match(page.url(), /q=filter-&mode=tcc$/, 'the address can be shared');
  await page.click('.filter button:has-text("Active")');
  await page.waitForFunction(() => location.search.includes('status=active'));
  await following(page);
  await post('/v1/transactions/filter-a/rollback', {});
  await page.waitForSelector('text=No transaction matches.');
  await begin('filter-c', 'tcc');
  await page.waitForSelector(row('filter-c'));
  assert.deepEqual(await gids(page), ['filter-c']);
  await page.goto(`${node.url}/ui/transactions?q=${encodeURIComponent(xid)}`);
  await page.waitForSelector(row('filter-b'));
  assert.deepEqual(await gids(page), ['filter-b'], 'an XID finds its transaction');
});

test('what is new waits until the reader wants it, what changes shows at once', async () => {
  await begin('held-1', 'tcc');
  const page = await stage.page('/ui/transactions');
  await page.waitForSelector(row('held-1'));
  await following(page);
  await page.hover(row('held-1'));
  const before = await page.locator(row('held-1')).boundingBox();
  await begin('held-2', 'tcc');
  await begin('held-3', 'tcc');
  await page.waitForSelector('[data-testid=fresh]:has-text("Show 2 new")');
  await post('/v1/transactions/held-1/rollback', {});
  await page.waitForSelector(`${row('held-1')} [data-state=rolled_back]`);
  assert.deepEqual(await page.locator(row('held-1')).boundingBox(), before, 'no row has moved');
  await page.click('[data-testid=fresh]');
  await page.waitForSelector(row('held-3'));
  await page.waitForSelector('[data-testid=fresh]', { state: 'detached' });
  await page.mouse.move(5, 5);
  await begin('held-4', 'tcc');
  await page.waitForSelector(row('held-4'));
});

test('a saga that failed shows its calls, the errors, the next attempt, and is retried by hand', async () => {
  participant.say('/b', 409, 'no money');
  participant.say('/undo-a', 503, 'the warehouse is moving');
  const { xid } = await saga('torn', 'a', 'b', 'c');
  const page = await stage.page(`/ui/transactions/${xid}`);
  await page.waitForSelector(`${lane('01', 'backward')} [data-call=failing]`);
  await following(page);
  const read = async (branch: string, way: string) => page.innerText(lane(branch, way));
  assert.match(await read('01', 'forward'), /Action[\s\S]*done/);
  assert.match(await read('02', 'forward'), /refused[\s\S]*no money/);
  assert.match(await read('02', 'backward'), /Compensation[\s\S]*undone/);
  assert.match(await read('01', 'backward'), /failed[\s\S]*next try in 5\d min[\s\S]*the warehouse is moving/);
  assert.match(await read('03', 'forward'), /not called any more/);
  assert.match(await read('03', 'backward'), /not needed/);
  assert.match(await page.innerText('[data-testid=standing]'), /Turned back: 1 of 2 compensations done\. Why: no money/);
  const looks = await page.locator('[data-testid=history] li').evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.look));
  assert.deepEqual(looks, ['mark', 'done', 'refused', 'decision', 'done', 'failed']);
  assert.match(await page.innerText('main'), /0af7651916cd43dd8448eb211c80319c/, 'the trace it belongs to');

  // The second failure is nowhere but with whoever drives it, and shows all the same.
  await page.click('[data-action=retry]');
  await page.waitForSelector('dialog >> text=Every call that waits for its next attempt is made at once.');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Cancel', 'Enter by accident changes nothing');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector(`${lane('01', 'backward')} >> text=failed 2 times`);
  participant.say('/undo-a', 200);
  await page.click('[data-action=retry]');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=rolled_back]');
  await page.waitForSelector(`${lane('01', 'backward')} [data-call=done]`);
  assert.equal(await page.locator('[data-action]').count(), 0, 'of what has ended nothing is offered');
});

test('what needs attention is listed with its error and its next attempt, as long as it does', async () => {
  participant.say('/stuck', 500, 'out of order');
  await saga('stuck', 'stuck');
  const page = await stage.page('/ui/transactions?needs=attention');
  await page.waitForSelector('text=Nothing needs attention.');
  await following(page);
  await until('the first attempt', () => participant.called.includes('/stuck'));
  await post('/v1/transactions/stuck/retry');
  await page.waitForSelector(row('stuck'));
  assert.match(await page.innerText(row('stuck')), /out of order[\s\S]*Action of step 1 · 2 failures · next try in 5\d min/);
  await page.waitForSelector('.subplaces .bubble:has-text("1")');
  participant.say('/stuck', 200);
  await post('/v1/transactions/stuck/retry');
  await page.waitForSelector('text=Nothing needs attention.');
});

test('a transaction is decided in place of its initiator, or stopped, only when confirmed', async () => {
  const branch = { id: 'debit', confirm: participant.url('/confirm'), cancel: participant.url('/cancel') };
  await begin('forced', 'tcc', { branches: [branch] });
  const page = await stage.page('/ui/transactions/forced');
  await page.waitForSelector('text=Waits for its initiator to decide. 1 branch has joined.');
  await page.click('[data-action=commit]');
  await page.waitForSelector('dialog >> text=its one branch is told to confirm');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.equal(participant.called.includes('/confirm'), false, 'nothing happens unconfirmed');
  await page.click('[data-action=commit]');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=committed]');
  assert.equal(participant.called.includes('/confirm'), true);

  await begin('halted', 'tcc', { branches: [branch] });
  await page.goto(`${node.url}/ui/transactions/halted`);
  await page.click('[data-action=stop]');
  await page.waitForSelector('dialog >> text=those who took part may not agree');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Cancel', 'Enter by accident changes nothing');
  await page.fill('dialog input', 'bank B is gone');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('dialog[open]').count(), 1, 'the end of a sentence is no confirmation');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=stopped]');
  await page.waitForSelector('[data-testid=standing] >> text=Why: bank B is gone');
});

test('an action that comes too late is refused, and says why', async () => {
  await begin('late', 'tcc');
  const page = await stage.page('/ui/transactions/late');
  await page.click('[data-action=commit]');
  await page.waitForSelector('dialog[open]');
  await post('/v1/transactions/late/rollback', {});
  await page.waitForSelector('.head [data-state=rolled_back]');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('dialog [role=alert]:has-text("Not done:")');
});

test('a notification shows its schedule behind and ahead, is given up, and is sent again', async () => {
  participant.say('/hook', 500, 'closed');
  await post('/v1/notifications', { gid: 'bill-1', topic: 'bills', url: participant.url('/hook'), schedule: ['1h', '2h'] });
  const page = await stage.page('/ui/notifications');
  await page.click(`${row('bill-1')} .name`);
  await page.waitForSelector('[data-step=failed]');
  assert.match(await page.innerText('[data-testid=schedule]'), /again after 1 h, 2 h[\s\S]*failed[\s\S]*closed[\s\S]*attempt 2, in (1 h|59 min)[\s\S]*attempt 3, in (3 h|2 h 59 min)[\s\S]*given up/);
  for (const failed of [2, 3]) {
    await page.click('[data-action=retry]');
    await page.click('[data-testid=confirm]');
    await page.waitForFunction((n) => document.querySelectorAll('[data-step=failed]').length === n, failed);
  }
  await page.waitForSelector('.head [data-state=given_up]');
  participant.say('/hook', 200);
  await page.click('[data-action=resend]');
  await page.waitForSelector('dialog >> text=from the beginning');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=committed]');
  await page.waitForSelector('[data-step=done] >> text=acknowledged');
});

test('a message is half until it is submitted, and topics tell who gets it', async () => {
  await declareOrders();
  const page = await stage.page('/ui/topics');
  await page.waitForSelector('.topics tr:has-text("orders")');
  assert.match(await page.innerText('.topics'), /2 subscribers[\s\S]*\/mail to customers[\s\S]*\/stats/);
  await post('/v1/messages', { gid: 'placed-1', topic: 'orders', payload: { order: 1 }, back_check: participant.url('/placed'), timeout: '1h' });
  await post('/v1/messages', { gid: 'elsewhere', subscribers: [participant.url('/mail')], submit: true });
  await page.click('.topics >> text=orders');
  await page.waitForSelector(row('placed-1'));
  assert.deepEqual(await gids(page), ['placed-1'], 'only those of the topic');
  await page.click(`${row('placed-1')} .name`);
  await page.waitForSelector('text=Half: it is delivered once');
  await page.waitForSelector('text=/in (1 h|59 min \\d+ s) Its initiator is asked/');
  await page.click('[data-action=commit]');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-state=committed]');
  await page.waitForSelector('text=All receivers have acknowledged it.');
  assert.match(await page.innerText('[aria-labelledby=payloads]'), /\{ "order": 1 \}/);
});

test('the whole walk works with the keyboard alone', async () => {
  participant.say('/k', 500, 'asleep');
  await saga('keys', 'k');
  const page = await stage.page('/');
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  await page.waitForSelector('h1');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForSelector(row('keys'));
  assert.equal(await focused(), 'Transactions', 'a new page is announced by its heading');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'keys');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid=timeline] [data-call=failing]');
  participant.say('/k', 200);
  while (!(await focused()).startsWith('Retry now')) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Retry now');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.head [data-state=committed]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('h1:has-text("Transactions")');
  await page.waitForFunction(() => document.activeElement?.textContent === 'keys', undefined, { timeout: 3_000 });
});

test('what is not there says so', async () => {
  const page = await stage.page('/ui/transactions/nobody');
  await page.waitForSelector('text=No such transaction is known.');
});

test('pages fit a phone, can be read in light and dark, and name all that can be pressed', async () => {
  participant.say('/b', 409, 'no money');
  participant.say('/undo-a', 503, 'a long sentence about why the warehouse can do nothing at all for us at this very moment, without-any-room-for-a-break');
  await saga('narrow', 'a', 'b', 'c');
  await post('/v1/notifications', { gid: 'bill-2', topic: 'bills', url: participant.url('/nobody-is-here'), schedule: ['1h'] });
  await declareOrders();
  await post('/v1/messages', { gid: 'placed-2', topic: 'orders', submit: true });
  const page = await stage.page('/', { isMobile: true, hasTouch: true });
  for (const [path, ready] of [
    ['/ui/transactions', '.transactions'],
    ['/ui/transactions?needs=attention', '.waiting, .empty, .transactions'],
    ['/ui/transactions/narrow', '[data-call=failing]'],
    ['/ui/notifications', '.transactions'],
    ['/ui/transactions/bill-2', '[data-testid=schedule]'],
    ['/ui/topics', '.topics'],
    ['/ui/messages', '.transactions'],
  ] as const) {
    await page.goto(node.url + path);
    await page.waitForSelector(ready);
    for (const width of [360, 320]) {
      await page.setViewportSize({ width, height: 700 });
      assert.ok(await fits(page), `${path} at ${width} px`);
    }
    await readable(page, path);
    const nameless = await page.evaluate(() => [...document.querySelectorAll('a, button, input, select')].filter((of) => !(of.textContent?.trim() || of.getAttribute('aria-label') || of.closest('label')?.textContent)).length);
    assert.equal(nameless, 0, path);
  }
});
