// Exits 0 when dist/ is what the sources make, 1 when it is stale or a rebuild would differ.
//   node scripts/fresh.mjs               fingerprint, then a rebuild into a temporary folder (needs `npm ci`)
//   node scripts/fresh.mjs --hash-only   the fingerprint alone (needs nothing but Node)
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sourceHash } from './sources.mjs';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

function stale(why) {
  console.error(`console/dist is stale: ${why}. Run \`npm ci && npm run build\` in console/ and commit dist/.`);
  process.exit(1);
}

/** Path to content; compressed files by what they hold, since two versions of zlib may pack it differently. */
function contents(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const bytes = readFileSync(path);
      return [path.slice(folder.length + 1), path.endsWith('.gz') ? gunzipSync(bytes) : bytes];
    }),
  );
}

function recordedHash() {
  try {
    return JSON.parse(readFileSync(join(dist, 'BUILD.json'), 'utf8')).sources_sha256;
  } catch (error) {
    return stale(`BUILD.json cannot be read (${error.message})`);
  }
}

if (recordedHash() !== sourceHash(root)) stale('the sources changed since it was built');

if (!process.argv.includes('--hash-only')) {
  const { build } = await import('vite').catch(() => stale('vite is not installed, so a rebuild cannot be compared'));
  const again = mkdtempSync(join(tmpdir(), 'synod-console-'));
  try {
    await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'error', build: { outDir: again } });
    const [ours, theirs] = [contents(dist), contents(again)];
    for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
      const [a, b] = [ours.get(path), theirs.get(path)];
      if (!a || !b || !a.equals(b)) stale(`${path} differs from a rebuild`);
    }
  } finally {
    rmSync(again, { recursive: true, force: true });
  }
}
console.log('console/dist is fresh');
