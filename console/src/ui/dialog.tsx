// A question that must be answered before something changes for every client.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from './announce.tsx';

interface Question {
  title: string;
  /** The verb on the button that does it. */
  verb: string;
  danger?: boolean;
  act: () => Promise<void>;
  close: () => void;
  children: ComponentChildren;
}

export function Confirm({ title, verb, danger, act, close, children }: Question) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (failure) {
      const text = failure instanceof Error ? failure.message : String(failure);
      setError(text);
      announce(`Not done: ${text}`);
      setBusy(false);
    }
  };

  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="confirm-title" onClose={close}>
      <form onSubmit={submit}>
        <h2 id="confirm-title">{title}</h2>
        {children}
        {error && (
          <p class="failure" role="alert">
            Not done: {error}
          </p>
        )}
        <div class="actions">
          {/* It has the focus when the dialog opens: Enter by accident changes nothing. */}
          <button type="button" class="button" autofocus onClick={close}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'button danger' : 'button primary'} disabled={busy} data-testid="confirm">
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
