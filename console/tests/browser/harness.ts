// What the browser tests stand on: Debian's Chromium, and a server. That is the mock, or a running Synod when
// SYNOD_URL names one; then only the tests that need no levers of the mock are run.
import assert from 'node:assert/strict';
import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { Mock } from '../mock.ts';

export const SYNOD_URL = process.env.SYNOD_URL?.replace(/\/$/, '');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export class Stage {
  readonly url: string;
  readonly mock: Mock | null;
  /** What the browser complained of: every test ends with none of it. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];

  private constructor(browser: Browser, mock: Mock | null, url: string) {
    this.#browser = browser;
    this.mock = mock;
    this.url = url;
  }

  static async open(needsMock = false, url = SYNOD_URL): Promise<Stage> {
    const mock = needsMock || !url ? await Mock.start() : null;
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
    return new Stage(browser, mock, mock?.url ?? url ?? '');
  }

  async page(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 820 }, ...options });
    this.#contexts.push(context);
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(`exception: ${error.message}`));
    page.on('console', (message) => {
      // The browser itself logs each failed request; what is said about policies and by scripts is what counts.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) this.complaints.push(message.text());
    });
    await page.goto(this.url + path);
    return page;
  }

  /** Closes the pages of a test and hands over what went wrong in them. */
  async sweep(): Promise<string[]> {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
    return this.complaints.splice(0);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.mock?.stop();
  }

  /** Registers through the API, as any client may. */
  async register(service: string, id: string, more: object = {}): Promise<void> {
    const body = { host: `${service.toLowerCase()}.internal`, ip: '10.9.8.7', port: 8080, ...more };
    await this.#call('PUT', service, id, body);
  }

  async deregister(service: string, id: string): Promise<void> {
    await this.#call('DELETE', service, id);
  }

  async #call(method: string, service: string, id: string, body?: object): Promise<void> {
    const path = `${this.url}/v1/services/${encodeURIComponent(service)}/instances/${encodeURIComponent(id)}`;
    const response = await fetch(path, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }
}

/** Waits until `probe` says yes, and fails naming `what` when it never does. */
export async function until(what: string, probe: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`did not happen within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const live = (page: Page) => page.waitForSelector('[data-testid=line][data-phase=stream]');

/** True when the page is no wider than the window. */
export const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

/** Texts of what a selector finds. */
export const texts = (page: Page, selector: string) => page.locator(selector).allInnerTexts();

/** WCAG contrast of each text on the page against what is painted behind it; the lowest of them. */
function lowestContrast(): { ratio: number; text: string } {
  const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (rgb: number[]) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
  };
  const behind = (element: Element | null): number[] => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || (color[3] ?? 0) > 0.99) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: 21, text: '' };
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim()).map((node) => node.textContent).join(' ');
    if (!text || element.closest('.unseen, .skip, :disabled')) continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color).slice(0, 3)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text };
  }
  return lowest;
}

/** All texts of the page can be read, in light and in dark. */
export async function readable(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.equal(background, colorScheme === 'dark' ? 'rgb(17, 20, 23)' : 'rgb(246, 247, 248)');
    const { ratio, text } = await page.evaluate(lowestContrast);
    assert.ok(ratio >= 4.5, `${name} ${colorScheme}: ${ratio.toFixed(2)} for “${text}”`);
  }
}
