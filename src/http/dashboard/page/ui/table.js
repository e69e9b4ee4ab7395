// Lists as tables. On a narrow screen a table scrolls within its own box.

import { html } from '../lib/html.js';
import { address, go } from '../lib/place.js';
import { Loading, Problem } from './bits.js';

/**
 * `columns` are `{ name, of: (row) => …, number?, wide? }`; `list` is what `useList` gives; `to(row)` is the page of a row, or
 * `[page, query]`. `empty` is drawn where there are no rows. The first column of a row with a page is its link.
 */
export function Table({ label, columns, list, to, empty }) {
  const { rows, error, more, reload } = list;
  if (!rows) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  if (!rows.length && !error) return empty;
  return html`
    ${error && html`<${Problem} error=${error} retry=${reload} />`}
    <div class="table" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${columns.map(({ name, number, unseen }) => html`<th key=${name} scope="col" class=${number ? 'number' : ''}>${unseen ? html`<span class="unseen">${name}</span>` : name}</th>`)}</tr></thead>
        <tbody>${rows.map((row, at) => html`<${Row} key=${row.id ?? at} ...${{ row, columns, to }} />`)}</tbody>
      </table>
    </div>
    ${more && html`<p class="more"><button type="button" onClick=${more}>Show more</button></p>`}`;
}

function Row({ row, columns, to }) {
  const page = to && address(...[to(row)].flat());
  const open = (event) => {
    if (!event.target.closest('a, button, input, select, label')) go(page);
  };
  return html`<tr class=${page ? 'opens' : ''} onClick=${page && open}>${columns.map(({ name, of, number, wide }, at) => html`<td
    key=${name} class=${[number && 'number', wide && 'wide'].filter(Boolean).join(' ')}>${at === 0 && page ? html`<a href=${page}>${of(row)}</a>` : of(row)}</td>`)}</tr>`;
}

/** Rows that are there already, as `Table` wants them. */
export const whole = (rows) => ({ rows, error: null, more: null });
