// How the console is built: content-hashed assets under /ui/assets, a .gz next to each, and BUILD.json, which
// says what sources the build was made from. Nothing here may depend on the time, the machine or the folder.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { sourceHash } from './scripts/sources.mjs';

const root = import.meta.dirname;

function seal(): Plugin {
  let out = '';
  return {
    name: 'seal',
    apply: 'build',
    configResolved: (config) => {
      out = join(root, config.build.outDir);
      if (config.build.outDir.startsWith('/')) out = config.build.outDir;
    },
    closeBundle: () => {
      for (const file of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
        if (/\.(html|js|css|svg)$/.test(file)) {
          writeFileSync(join(out, `${file}.gz`), gzipSync(readFileSync(join(out, file)), { level: 9 }));
        }
      }
      writeFileSync(join(out, 'BUILD.json'), `${JSON.stringify({ sources_sha256: sourceHash(root) })}\n`);
    },
  };
}

export default defineConfig({
  root,
  base: '/ui/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    reportCompressedSize: false,
  },
  server: {
    // `SYNOD_URL=http://127.0.0.1:8761 npm run dev` works on the pages against a running server.
    proxy: { '/v1': process.env.SYNOD_URL ?? 'http://127.0.0.1:8761' },
  },
  plugins: [seal()],
});
