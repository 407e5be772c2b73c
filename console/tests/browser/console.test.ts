// What an operator does with the console, against the mock or a running server (SYNOD_URL).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Stage, fits, live, readable, texts, until } from './harness.ts';

let stage: Stage;

// Names of this run's own, so that a server that holds other things does not matter.
const RUN = `T${process.pid}X`;
const CART = `${RUN}-CART`;
const MAIL = `${RUN}-MAIL`;

before(async () => {
  stage = await Stage.open();
  await stage.register(CART, 'cart-1:8080', { metadata: { team: 'storefront', '<b>markup</b>': '<img src=x onerror=alert(1)>' } });
  await stage.register(CART, 'cart-2:8080', { home_page: 'javascript:alert(1)' });
  await stage.register(MAIL, 'mail/1 ä:25');
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(() => stage.close());

test('services are listed with their health, and searched', async () => {
  const page = await stage.page(`/?q=${RUN}`);
  await page.waitForSelector(`text=${CART}`);
  assert.deepEqual(await texts(page, '.services .name'), [CART, MAIL]);
  assert.match((await texts(page, `.services tr:has-text("${CART}")`)).join(), /2 up/);
  await page.keyboard.press('/');
  await page.keyboard.type(`${RUN}-ma`);
  await page.waitForFunction(() => document.querySelectorAll('.services .name').length === 1);
  assert.deepEqual(await texts(page, '.services .name'), [MAIL]);
  assert.match(page.url(), new RegExp(`q=${RUN}-ma$`), 'the address can be shared');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !location.search.includes('q='));
  await page.fill('[data-search]', 'no such thing');
  await page.waitForSelector('text=No service has “no such thing” in its name.');
});

test('a change shows without a reload, and only what changed is replaced', async () => {
  const page = await stage.page(`/?q=${RUN}-LIVE`);
  await live(page);
  await page.evaluate(() => Object.assign(window, { stayed: true }));
  await stage.register(`${RUN}-LIVE`, 'one');
  await page.waitForSelector(`.services >> text=${RUN}-LIVE`);
  await page.click(`text=${RUN}-LIVE`);
  await page.waitForSelector('.instances >> text=one');
  await stage.register(`${RUN}-LIVE`, 'two');
  await page.waitForSelector('.instances >> text=two');
  await stage.deregister(`${RUN}-LIVE`, 'one');
  await page.waitForFunction(() => document.querySelectorAll('.instances tbody tr').length === 1);
  await stage.deregister(`${RUN}-LIVE`, 'two');
  await page.waitForSelector('text=No instance of this service is registered.');
  assert.equal(await page.evaluate(() => 'stayed' in window), true, 'the page was never loaded anew');
});

test('an instance shows its details, and what it says is text, not markup or script', async () => {
  const page = await stage.page(`/ui/services/${CART}/${encodeURIComponent('cart-1:8080')}`);
  await page.waitForSelector('text=Metadata');
  const metadata = await page.innerText('[data-testid=metadata]');
  assert.match(metadata, /team\s+storefront/);
  assert.match(metadata, /<b>markup<\/b>\s+<img src=x onerror=alert\(1\)>/);
  assert.match(await page.innerText('main'), /10\.9\.8\.7/);
  assert.equal(await page.locator('main img, main b').count(), 0);
  const other = await stage.page(`/ui/services/${CART}/${encodeURIComponent('cart-2:8080')}`);
  await other.waitForSelector('text=Lease');
  assert.equal(await other.locator('a[href^=javascript]').count(), 0);
});

test('an id of any characters can be opened and linked to', async () => {
  const page = await stage.page(`/ui/services/${MAIL}`);
  await page.click('text=mail/1 ä:25');
  await page.waitForSelector('h1:has-text("mail/1 ä:25")');
  await page.waitForSelector('text=Details');
  await page.reload();
  await page.waitForSelector('text=Details');
});

test('an override is laid and taken off, each only when confirmed', async () => {
  const page = await stage.page(`/ui/services/${CART}/${encodeURIComponent('cart-1:8080')}`);
  const badge = page.locator('.head .badge');
  await page.waitForSelector('.head [data-status=UP]');
  await page.click('text=Override…');
  await page.waitForSelector('dialog[open]');
  assert.match(await page.innerText('dialog'), /shown to every client as\s+OUT_OF_SERVICE/);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Cancel', 'Enter by accident changes nothing');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.equal(await badge.innerText(), 'UP');

  await page.click('text=Override…');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('.head [data-status=OUT_OF_SERVICE]');
  await page.waitForSelector('text=An operator set');
  await page.click('text=Remove override…');
  await page.click('[data-testid=confirm]');
  await page.waitForSelector('text=None: clients see the status the instance reports itself.');
});

test('taking away the last instance that is up is said in so many words', async () => {
  const page = await stage.page(`/ui/services/${MAIL}/${encodeURIComponent('mail/1 ä:25')}`);
  await page.click('text=Override…');
  await page.waitForSelector(`dialog >> text=It is the last instance of ${MAIL} that is up`);
});

test('an instance that leaves stays readable and is marked', async () => {
  await stage.register(`${RUN}-GONE`, 'one');
  const page = await stage.page(`/ui/services/${RUN}-GONE/one`);
  await page.waitForSelector('text=Details');
  await live(page);
  await stage.deregister(`${RUN}-GONE`, 'one');
  await page.waitForSelector('text=No longer registered');
  assert.match(await page.innerText('main'), /10\.9\.8\.7/);
  await page.reload();
  await page.waitForSelector('text=No such instance is registered.');
});

test('what is not registered yet shows up by itself', async () => {
  const page = await stage.page(`/ui/services/${RUN}-SOON`);
  await page.waitForSelector('text=No instance of this service is registered.');
  await live(page);
  await stage.register(`${RUN}-SOON`, 'one');
  await page.waitForSelector('.instances >> text=one');
  await stage.deregister(`${RUN}-SOON`, 'one');
});

test('recent changes name who came and who left, and follow', async () => {
  await stage.register(`${RUN}-FEED`, 'one');
  const page = await stage.page(`/ui/changes?q=${RUN}-FEED`);
  await page.waitForSelector('.changes tr:has-text("registered")');
  await live(page);
  await stage.deregister(`${RUN}-FEED`, 'one');
  await page.waitForSelector('.changes tr:has-text("left")');
  await page.click('button:has-text("Removed")');
  await page.waitForFunction(() => document.querySelectorAll('.changes tbody tr').length === 1);
});

test('the node says what it is', async () => {
  const page = await stage.page('/ui/node');
  await page.waitForSelector('text=Self-preservation');
  const text = await page.innerText('main');
  for (const wanted of ['Identity', 'Version', 'Hash', 'Renewals in the last minute', '/eureka/']) assert.ok(text.includes(wanted), wanted);
});

test('the whole walk works with the keyboard alone', async () => {
  const page = await stage.page('/');
  await live(page);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to content');
  await page.keyboard.press('/');
  await page.keyboard.type(`${RUN}-CA`);
  await page.waitForFunction(() => document.querySelectorAll('.services .name').length === 1);
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), CART);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement!, '::after').outlineStyle);
  assert.equal(outline, 'solid', 'the focus can be seen');
  await page.keyboard.press('Enter');
  await page.waitForSelector(`h1:has-text("${CART}")`);
  await page.waitForSelector('.instances');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'cart-2:8080');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForSelector('h1:has-text("cart-1:8080")');
  await page.keyboard.press('Escape');
  await page.waitForSelector(`h1:has-text("${CART}")`);
  await page.waitForFunction(() => document.activeElement?.textContent === 'cart-1:8080', undefined, { timeout: 3_000 });
  await page.keyboard.press('g');
  await page.keyboard.press('p');
  await page.waitForSelector('h1:has-text("Peers")');
  assert.equal(await focused(), 'Peers', 'a new page is announced by its heading');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open] >> text=Single-key shortcuts');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
});

test('back and forward return to what was searched', async () => {
  const page = await stage.page(`/?q=${RUN}`);
  await page.click(`text=${CART}`);
  await page.waitForSelector('.instances');
  await page.goBack();
  await page.waitForSelector(`.services >> text=${MAIL}`);
  assert.equal(await page.inputValue('[data-search]'), RUN);
});

const ROUTES = ['/', `/ui/services/${CART}`, `/ui/services/${CART}/cart-1%3A8080`, '/ui/instances', '/ui/transactions', '/ui/transactions/nobody', '/ui/topics', '/ui/locks', '/ui/changes', '/ui/peers', '/ui/node', '/ui/nowhere'];

test('no page is wider than a phone of 360 px, or one of 320', async () => {
  const page = await stage.page('/', { isMobile: true, hasTouch: true });
  for (const path of ROUTES) {
    await page.goto(stage.url + path);
    await live(page);
    for (const width of [360, 320]) {
      await page.setViewportSize({ width, height: 700 });
      assert.ok(await fits(page), `${path} at ${width} px`);
    }
  }
});

test('text can be read in light and in dark', async () => {
  const page = await stage.page('/');
  for (const path of ROUTES) {
    await page.goto(stage.url + path);
    await live(page);
    await readable(page, path);
  }
});

test('landmarks, names and the voice are there for screen readers', async () => {
  const page = await stage.page(`/?q=${RUN}`);
  await page.waitForSelector('.services');
  for (const [selector, n] of [['header', 1], ['main', 1], ['nav[aria-label]', 1], ['h1', 1], ['[role=search]', 1], ['[aria-live=polite]', 1], ['table[aria-label]', 1]] as const) {
    assert.equal(await page.locator(selector).count(), n, selector);
  }
  const said = () => page.innerText('[data-testid=announcer]');
  await until('the number of services found is said', async () => (await said()) === '2 services found').catch(async (error) => {
    throw new Error(`${error}; said was “${await said()}”`);
  });
  const nameless = await page.evaluate(() => [...document.querySelectorAll('a, button, input, select')].filter((of) => !(of.textContent?.trim() || of.getAttribute('aria-label'))).length);
  assert.equal(nameless, 0);
});
