// A line to take elsewhere. Copying needs a secure context; where there is none the text is selected instead.
import { useRef, useState } from 'preact/hooks';
import { announce } from './announce.tsx';

export function CopyLine({ text }: { text: string }) {
  const code = useRef<HTMLElement>(null);
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      announce('Copied');
      setTimeout(() => setDone(false), 2_000);
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
      announce('Selected');
    }
  };
  return (
    <span class="copyline">
      <code ref={code}>{text}</code>
      <button type="button" class="button" onClick={copy}>
        {done ? 'Copied' : 'Copy'}
      </button>
    </span>
  );
}
