// Whoever takes part in transactions: answers at a path as it is told to, and remembers what it was asked.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export class Participant {
  /** Paths as they were called. */
  readonly called: string[] = [];
  readonly #server: Server;
  readonly #script = new Map<string, [number, string]>();

  private constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      this.called.push(path);
      request.resume();
      request.on('end', () => {
        const [status, text] = this.#script.get(path) ?? [200, ''];
        response.writeHead(status).end(text);
      });
    });
  }

  static async start(): Promise<Participant> {
    const participant = new Participant();
    await new Promise<void>((resolve) => participant.#server.listen(0, '127.0.0.1', resolve));
    return participant;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** From now on it answers like this there; where nothing is said, 200. */
  say(path: string, status: number, text = ''): void {
    this.#script.set(path, [status, text]);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
