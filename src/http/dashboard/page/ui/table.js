// Lists as tables. On a narrow screen a table scrolls within its own box.

import { html, useContext, useState } from '../lib/html.js';
import { address, go } from '../lib/place.js';
import { Loading, Problem } from './bits.js';
import { InRow, OfRow } from './dialog.js';

/**
 * `columns` are `{ name, of: (row) => …, number?, wide? }`; `list` is what `useList` gives; `to(row)` is the page of a row, or
 * `[page, query]`. `empty` is drawn where there are no rows. The first column of a row with a page is its link. Rows without a
 * page may `open(row)` a dialog, by a click or by their button "Details". `called(row)`, else its name, tells the buttons of
 * one row from those of others.
 */
export function Table(props) {
  const [draw, setDraw] = useState(null);
  const inRow = { beside: (next) => setDraw(() => next) };
  return html`<${InRow.Provider} value=${inRow}><${Rows} ...${props} /><//>${draw?.(() => setDraw(null))}`;
}

function Rows({ label, columns, list, to, open, called = ({ name }) => name, empty }) {
  const { rows, error, more, busy, reload } = list;
  if (!rows) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  if (!rows.length && !error) return more ? html`<${Sparse} more=${more} />` : empty;
  return html`
    ${error && html`<${Problem} error=${error} retry=${reload} />`}
    <div class="table" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${columns.map((one) => html`<${ColumnHead} key=${one.name} ...${one} />`)}
          ${open && html`<${ColumnHead} name="Details" unseen />`}</tr></thead>
        <tbody>${rows.map((row, at) => html`<${Row} key=${row.id ?? at} ...${{ row, columns, to, open, called }} />`)}</tbody>
      </table>
    </div>
    ${more && html`<p class="more"><button type="button" aria-disabled=${String(Boolean(busy))} onClick=${more}>Show more</button></p>`}`;
}

function ColumnHead({ name, number, unseen }) {
  return html`<th scope="col" class=${number ? 'number' : ''}>${unseen ? html`<span class="unseen">${name}</span>` : name}</th>`;
}

/** Where few rows match among many, a page of the API may be empty, and the next is not. */
function Sparse({ more }) {
  return html`<div class="empty"><p class="strong">Nothing found so far</p><p>The newest part was looked through; there is more.</p>
    <p><button type="button" onClick=${more}>Look further</button></p></div>`;
}

/** What does something of its own when it is clicked. */
const OWN = 'a, button, input, select, label, textarea, summary, dialog, [role=button]';

function Row({ row, columns, to, open, called }) {
  const inRow = { ...useContext(InRow), called: called(row) };
  const page = to && address(...[to(row)].flat());
  const follow = (event) => {
    if (event.target.closest(OWN) || !getSelection().isCollapsed) return;
    if (page) go(page);
    else open(row);
  };
  const opens = page || open;
  const kind = ({ number, wide }) => [number && 'number', wide && 'wide'].filter(Boolean).join(' ');
  return html`<${InRow.Provider} value=${inRow}><tr class=${opens ? 'opens' : ''} onClick=${opens && follow}>${columns.map((one,
    at) => html`<td key=${one.name} class=${kind(one)}>${at === 0 && page ? html`<a href=${page}>${one.of(row)}</a>` : one.of(row)}</td>`)}
    ${open && html`<td class="details"><button type="button" class="quiet small" onClick=${() => open(row)}>Details<${OfRow} /></button>
    </td>`}</tr><//>`;
}

/** Rows that are there already, as `Table` wants them. */
export const whole = (rows) => ({ rows, error: null, more: null });
