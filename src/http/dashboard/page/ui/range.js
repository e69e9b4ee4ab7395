// Which days a page shows: the last 7, 30 or 90, or from one day to another. The choice is part of the address.

import { html } from '../lib/html.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';

const CHOICES = [7, 30, 90];
const DEFAULT_DAYS = 30;
const DAY_MS = 86_400_000;
/** Days that one page of a report holds. */
const PAGE_DAYS = 100;
/** The most days that the server reports at once. */
const DAYS_MAX = 366;

/** Whether a text is a day; one before 2000 is a year that is still being typed. */
export const isDay = (text) => /^2\d{3}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(text));

/** The days of an address: `{ from, to, days, chosen }`, where `chosen` is the number of days if it was one of the choices. */
export function range({ days, from, to }) {
  const last = isDay(to) ? to : format.daysAgo(0);
  const chosen = isDay(from) || isDay(to) ? null : CHOICES.find((one) => String(one) === days) ?? DEFAULT_DAYS;
  const first = isDay(from) ? from : back(last, (chosen ?? DEFAULT_DAYS) - 1);
  return { from: first, to: last, days: between(first, last), chosen };
}

/** As many days, directly before these. */
export function before({ from, days }) {
  return { from: back(from, days), to: back(from, 1) };
}

function back(day, days) {
  return new Date(Date.parse(day) - days * DAY_MS).toISOString().slice(0, 10);
}

function between(from, to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;
}

/** Chooses the days: three common spans, or any. */
export function Range({ shown, change }) {
  const set = (name) => ({ target: { value } }) => isDay(value)
    && change({ days: undefined, from: shown.from, to: shown.to, [name]: value });
  return html`<div class="range" role="group" aria-label="Days">
    <div class="segments">${CHOICES.map((days) => html`<button key=${days} type="button" class="small"
      aria-pressed=${String(shown.chosen === days)}
      onClick=${() => change({ days, from: undefined, to: undefined })}>${days} days</button>`)}</div>
    <div class="span">
      <label><span>From (UTC)</span><input type="date" value=${shown.from} max=${shown.to} onChange=${set('from')} /></label>
      <label><span>To (UTC)</span><input type="date" value=${shown.to} max=${format.daysAgo(0)} onChange=${set('to')} /></label></div>
  </div>`;
}

/** Every day's row, whose pages are asked for at once and not one after the other. */
export async function daily({ from, to, days }, signal) {
  if (!(days >= 1 && days <= DAYS_MAX)) return (await get('/v1/usage/daily', { from, to }, { signal })).data;
  const parts = Array.from({ length: Math.ceil(days / PAGE_DAYS) }, (_, nth) => {
    const first = back(from, -nth * PAGE_DAYS);
    const last = back(first, 1 - PAGE_DAYS);
    return { from: first, to: last < to ? last : to, limit: PAGE_DAYS };
  });
  const pages = await Promise.all(parts.map((part) => get('/v1/usage/daily', part, { signal })));
  return pages.flatMap(({ data }) => data);
}
