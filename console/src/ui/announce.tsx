// One polite voice for screen readers; what is said too fast is said once, the last of it.
import { signal } from '@preact/signals';

const said = signal('');
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    said.value = text;
  }, 250);
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite" data-testid="announcer">
      {said.value}
    </div>
  );
}
