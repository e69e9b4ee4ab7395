// Filters of a list: they live in the address.

import { html } from '../lib/html.js';
import { useQuery } from '../lib/place.js';
import { isDay } from './range.js';

const DAY_MS = 86_400_000;

/** Filters of these names: `{ query, set(name), filtered, clear }`. */
export function useFilters(names) {
  const [query, change] = useQuery();
  const given = Object.fromEntries(names.map((name) => [name, query[name]]));
  return {
    query: given,
    set: (name) => (value) => change({ [name]: value.trim() }),
    filtered: Object.values(given).some(Boolean),
    clear: () => change(Object.fromEntries(names.map((name) => [name, undefined]))),
  };
}

/** A row of filters, which can be cleared once some are set. */
export function Filters({ label, of: { filtered, clear }, children }) {
  return html`<div class="filters" role="search" aria-label=${label}>${children}
    ${filtered && html`<button type="button" class="clear" onClick=${clear}>Clear filters</button>`}</div>`;
}

/** The days of a list, in UTC: `from` and `to` of the address. */
export function FilterDays({ of: { query, set } }) {
  const day = (label, name) => html`<label class="filter"><span>${label} (UTC)</span>
    <input type="date" value=${query[name] ?? ''}
      onChange=${({ target: { value } }) => (!value || isDay(value)) && set(name)(value)} /></label>`;
  return html`${day('From', 'from')}${day('To', 'to')}`;
}

/** The same as the API takes them: from the beginning of one day to the end of the other. */
export function moments({ from, to }) {
  return { created_after: begin(from, 0), created_before: begin(to, 1) };
}

function begin(day, after) {
  const at = Date.parse(day);
  return Number.isNaN(at) ? undefined : new Date(at + after * DAY_MS).toISOString();
}
