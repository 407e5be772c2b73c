// The real server: SYNOD_BIN, or the binary that the end to end tests run (`cargo build --profile e2e -p synod`).
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../browser/harness.ts';

const BINARY = process.env.SYNOD_BIN ?? join(import.meta.dirname, '../../../target/e2e/synod');

export class Node {
  readonly url: string;
  readonly #home: string;
  readonly #process: ChildProcess;

  private constructor(url: string, home: string, running: ChildProcess) {
    this.url = url;
    this.#home = home;
    this.#process = running;
  }

  /** Starts one in a directory of its own and waits until it is ready. */
  static async start(...sets: string[]): Promise<Node> {
    if (!existsSync(BINARY)) throw new Error('no binary; run `cargo build --profile e2e -p synod` or set SYNOD_BIN');
    const home = mkdtempSync(join(tmpdir(), 'synod-console-'));
    const log = openSync(join(home, 'log'), 'a');
    const own = ['http', 'face.dtm.http', 'face.dtm.grpc', 'grpc'].map((face) => `${face}.listen=127.0.0.1:0`);
    const set = [...own, ...sets].flatMap((one) => ['--set', one]);
    const running = spawn(BINARY, ['serve', '--data', join(home, 'data'), ...set], { stdio: ['ignore', log, log] });
    const addresses = join(home, 'data/addresses.json');
    try {
      await until('the node listens', () => {
        if (running.exitCode !== null) throw new Error(`the node ended:\n${readFileSync(join(home, 'log'), 'utf8')}`);
        return existsSync(addresses);
      });
      const url = `http://${(JSON.parse(readFileSync(addresses, 'utf8')) as { http: string }).http}`;
      await until('the node is ready', async () => (await fetch(`${url}/health/ready`)).ok);
      return new Node(url, home, running);
    } catch (error) {
      running.kill('SIGKILL');
      rmSync(home, { recursive: true, force: true });
      throw error;
    }
  }

  /** Resident memory in MiB. */
  memoryMib(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
    rmSync(this.#home, { recursive: true, force: true });
  }
}
