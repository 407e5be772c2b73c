// The search field of a page: its text lives in the address, a moment after the last key.
import { useEffect, useRef, useState } from 'preact/hooks';
import { location, refine } from '../router.ts';

const DEBOUNCE_MS = 150;

export function Search({ label }: { label: string }) {
  const inAddress = location.value.query.get('q') ?? '';
  const [text, setText] = useState(inAddress);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const sent = useRef(inAddress);

  // Back and forward change the address: the field follows, unless the change was its own.
  useEffect(() => {
    if (inAddress !== sent.current) {
      sent.current = inAddress;
      setText(inAddress);
    }
  }, [inAddress]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const apply = (value: string) => {
    clearTimeout(timer.current);
    sent.current = value.trim();
    refine({ q: value.trim() });
  };

  return (
    <form role="search" class="search" onSubmit={(event) => (event.preventDefault(), apply(text))}>
      <input
        type="search"
        data-search
        aria-label={label}
        aria-keyshortcuts="/"
        placeholder={label}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          const value = event.currentTarget.value;
          setText(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(apply, DEBOUNCE_MS, value);
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.preventDefault();
          if (text) {
            setText('');
            apply('');
          } else event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}
