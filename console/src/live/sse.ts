// Server-sent events out of the pieces of a stream. Pure.

export interface SseEvent {
  id: string | null;
  event: string;
  data: string;
}

/** One event may not be larger than this; a stream that says otherwise is not ours. */
const EVENT_CHARS_MAX = 4 * 1024 * 1024;

/** Feed it text in any pieces, it returns the events that became complete. */
export class SseParser {
  #rest = '';
  #data: string[] = [];
  #event = '';
  #id: string | null = null;

  push(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    this.#rest += text;
    if (this.#rest.length > EVENT_CHARS_MAX) throw new Error('an event of the stream is too large');
    // A CR at the very end may be the first half of CRLF: it waits for what follows.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string): SseEvent | null {
    if (line === '') return this.#close();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id') this.#id = value;
    return null;
  }

  #close(): SseEvent | null {
    const event = this.#data.length
      ? { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') }
      : null;
    this.#data = [];
    this.#event = '';
    return event;
  }
}
