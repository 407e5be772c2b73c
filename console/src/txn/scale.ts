// The axis of a timeline on which calls take milliseconds and pauses take minutes: the order is kept and longer is wider,
// but each pause takes room only by the logarithm of its length. Pure.
import { duration } from '../format.ts';

export interface Tick {
  /** Per cent of the width. */
  x: number;
  label: string;
}

export interface Scale {
  x: (ms: number) => number;
  ticks: Tick[];
}

/** Two moments this close are told apart at full room; each doubling adds as much again. */
const UNIT_MS = 20;
/** Labels stand at least this far apart, in per cent. */
const LABEL_ROOM = 15;

/** In one unit, `+12 min`: it stands between two others. */
const short = (ms: number) => `+${duration(ms).split(' ').slice(0, 2).join(' ')}`;

const weight = (gap: number) => 0.35 + Math.log2(1 + gap / UNIT_MS);

/** An axis on which all these moments have their place; the first of them is its origin. */
export function scale(moments: number[]): Scale {
  const at = [...new Set(moments)].sort((a, b) => a - b);
  const first = at[0] ?? 0;
  const sums = [0];
  for (let n = 1; n < at.length; n += 1) sums.push((sums[n - 1] ?? 0) + weight((at[n] ?? 0) - (at[n - 1] ?? 0)));
  const whole = sums.at(-1) || 1;
  const x = (ms: number): number => {
    let n = at.findIndex((moment) => moment >= ms);
    if (n < 0) n = at.length - 1;
    const [from, to] = [at[n - 1] ?? first, at[n] ?? first];
    const [a, b] = [sums[n - 1] ?? 0, sums[n] ?? 0];
    const part = to > from ? Math.min(1, Math.max(0, (ms - from) / (to - from))) : 1;
    return (100 * (n === 0 ? 0 : a + (b - a) * part)) / whole;
  };
  const ticks: Tick[] = [];
  for (const moment of at) {
    const tick = { x: x(moment), label: moment === first ? '0' : short(moment - first) };
    const before = ticks.at(-1);
    if (tick.x <= 100 - LABEL_ROOM / 2 && (!before || tick.x - before.x >= LABEL_ROOM)) ticks.push(tick);
  }
  return { x, ticks };
}
