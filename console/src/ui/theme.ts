// Light, dark, or whatever the system says.
import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const ORDER: Theme[] = ['auto', 'light', 'dark'];
const STORED = 'synod.theme';

const stored = localStorage.getItem(STORED);
export const theme = signal<Theme>(ORDER.find((name) => name === stored) ?? 'auto');

export function applyTheme(): void {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function toggleTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? 'auto';
  localStorage.setItem(STORED, theme.value);
  applyTheme();
}
