// Whether somebody is reading a list right now: then nothing may come or go under their eyes.
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Further down than this one reads, at the top one watches. */
const SCROLLED_PX = 160;

export interface Held {
  /** For the element around the list. */
  ref: RefObject<HTMLDivElement | null>;
  /** Whether somebody reads at this moment: the pointer or the focus is in the list, or it is scrolled. */
  now: () => boolean;
}

/** `released` is called when whoever read has left. */
export function useHeld(released: () => void): Held {
  const ref = useRef<HTMLDivElement>(null);
  const pointer = useRef(false);
  const latest = useRef(released);
  latest.current = released;
  const within = (target: unknown) => target instanceof Node && (ref.current?.contains(target) ?? false);
  const now = () => pointer.current || within(document.activeElement) || window.scrollY > SCROLLED_PX;

  useEffect(() => {
    let before = now();
    const look = () => {
      if (now() === before) return;
      before = !before;
      if (!before) latest.current();
    };
    const stop = new AbortController();
    const on = (name: string, what: (event: Event) => void) => document.addEventListener(name, what, { signal: stop.signal, passive: true });
    on('pointerover', (event) => {
      pointer.current = (event as PointerEvent).pointerType === 'mouse' && within(event.target);
      look();
    });
    document.documentElement.addEventListener('pointerleave', () => ((pointer.current = false), look()), { signal: stop.signal });
    on('focusin', look);
    // The focus is nowhere until the event is over.
    on('focusout', () => queueMicrotask(look));
    on('scroll', look);
    return () => stop.abort();
  }, []);

  return { ref, now };
}
