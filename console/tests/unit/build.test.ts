// The committed build: fresh, small, and free of other hosts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';

const root = join(import.meta.dirname, '..', '..');
const dist = join(root, 'dist');
const files = readdirSync(dist, { recursive: true, encoding: 'utf8' });

test('it is what the sources make', () => {
  execFileSync(process.execPath, [join(root, 'scripts', 'fresh.mjs')], { stdio: 'pipe' });
});

test('it is at most 80 kB packed, and each packed twin holds the same', () => {
  const packed = files.filter((file) => file.endsWith('.gz'));
  const total = packed.reduce((sum, file) => sum + readFileSync(join(dist, file)).length, 0);
  assert.ok(total > 0 && total <= 80_000, `${total} bytes`);
  for (const file of packed) {
    assert.deepEqual(gunzipSync(readFileSync(join(dist, file))), readFileSync(join(dist, file.slice(0, -3))), file);
  }
});

test('it names no other host and has nothing inline', () => {
  for (const file of files.filter((name) => /\.(html|css|js)$/.test(name))) {
    const text = readFileSync(join(dist, file), 'utf8');
    const hosts = [...text.matchAll(/https?:\/\/([a-z0-9.-]+)/gi)].map((found) => found[1]?.toLowerCase());
    assert.deepEqual(hosts.filter((host) => host !== 'www.w3.org' && host !== 'other'), [], file);
  }
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  assert.doesNotMatch(html, /<style|style=|<script(?![^>]*\bsrc=)|\son\w+=/i);
});

test('few packages, and a lock file that names no registry', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.ok(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).length <= 6);
  assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"/);
});
