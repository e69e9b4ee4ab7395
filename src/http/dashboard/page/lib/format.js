// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat('en');
const credit = new Intl.NumberFormat('en', { maximumFractionDigits: 6 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const percentage = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
// In this browser's zone, which a long time names.
const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'long' });
const dayOf = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', timeZone: 'UTC' });
const dateOf = new Intl.DateTimeFormat('en', { weekday: 'short', month: 'short', day: 'numeric', year: 'numeric', timeZone: 'UTC' });
const ago = new Intl.RelativeTimeFormat('en', { style: 'short' });

const NONE = '–';
const STEPS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

const orNone = (format) => (value) => (value === null || value === undefined ? NONE : format(value));

export const count = orNone((value) => whole.format(value));
export const compact = orNone((value) => short.format(value));
export const credits = orNone((value) => credit.format(value));
export const percent = orNone((value) => percentage.format(value));
export const time = orNone((value) => moment.format(new Date(value)));
export const day = orNone((value) => dayOf.format(new Date(value)));
export const date = orNone((value) => dateOf.format(new Date(value)));

/** Milliseconds, as "87 ms", "1.2 s", "3 min 5 s". */
export const duration = orNone((ms) => {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
});

/** Bytes, as "1.2 MiB". */
export const bytes = orNone((value) => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  return `${step ? (value / 1024 ** step).toFixed(1) : value} ${units[step]}`;
});

/** How long ago, or in how long, in whole steps: "5 min. ago", "in 2 hr.". */
export const relative = orNone((value) => {
  const seconds = (new Date(value) - Date.now()) / 1_000;
  const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  return step ? ago.format(Math.trunc(seconds / step[1]), step[0]) : 'now';
});

/** A day so many before today, in UTC: "2026-11-28". */
export function daysAgo(days) {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

/** The end of an id, enough to tell rows apart. */
export const tail = orNone((id) => id.slice(-8));
