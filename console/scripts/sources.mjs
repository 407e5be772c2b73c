// The fingerprint of everything a build is made from: for each file in byte order of its path, the path and the
// content, each closed by a NUL, through SHA-256.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SINGLE = ['index.html', 'package.json', 'package-lock.json', 'vite.config.ts', 'tsconfig.json'];

/** @param {string} root the console folder @returns {string} hexadecimal SHA-256 */
export function sourceHash(root) {
  const inside = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  const hash = createHash('sha256');
  for (const path of [...SINGLE, ...inside].sort()) {
    hash.update(path).update('\0').update(readFileSync(join(root, path))).update('\0');
  }
  return hash.digest('hex');
}
