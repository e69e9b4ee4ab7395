// Charts of some days, drawn as SVG: bars that stack, or lines. A caption reads the day under the pointer or the arrow
// keys, and a table holds the same for whoever does not see.

import { html, useState } from '../lib/html.js';
import * as format from '../lib/format.js';

const HEIGHT = 100;

/**
 * `rows` are `{ day, … }`, oldest first; `series` are `{ key, name, tone }`, where `tone` is a class of the style sheet;
 * `show` writes a value.
 */
export function Chart({ title, rows, series, show = format.compact, kind = 'bars' }) {
  const [at, setAt] = useState(null);
  const most = top(rows, series, kind);
  const read = at === null ? null : rows[at];
  const move = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.max(0, Math.min(rows.length - 1, Math.floor(((event.clientX - box.left) / box.width) * rows.length))));
  };
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) setAt(Math.max(0, Math.min(rows.length - 1, (at ?? (by > 0 ? -1 : rows.length)) + by)));
  };
  return html`<figure class="chart">
    <figcaption><h3>${title}</h3><ul class="legend">${series.map(({ key, name, tone }) => html`<li key=${key} class=${tone}>${name}</li>`)}</ul></figcaption>
    <div class="plot"><span class="scale">${show(most)}</span>
      <svg viewBox="0 0 ${rows.length * 10} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${`${title}, by day. The arrow keys read a day.`} tabindex="0"
        onPointerMove=${move} onPointerLeave=${() => setAt(null)} onKeyDown=${step} onBlur=${() => setAt(null)}>
        <line class="grid" x1="0" x2=${rows.length * 10} y1="50" y2="50" /><line class="grid" x1="0" x2=${rows.length * 10} y1="99.5" y2="99.5" />
        ${at !== null && html`<rect class="cursor" x=${at * 10} y="0" width="10" height=${HEIGHT} />`}
        ${kind === 'bars' ? bars(rows, series, most) : lines(rows, series, most)}
      </svg>
    </div>
    <p class="reading" aria-live="polite">${read ? html`<b>${format.day(read.day)}</b> ${series.map(({ key, name }) => `${name} ${show(read[key])}`).join(' · ')}` : html`<span>${format.day(rows[0]?.day)}</span><span>${format.day(rows.at(-1)?.day)}</span>`}</p>
    <${AsTable} ...${{ title, rows, series, show }} />
  </figure>`;
}

/** A round number at or above the highest value. */
function top(rows, series, kind) {
  const values = rows.map((row) => {
    const own = series.map(({ key }) => row[key] ?? 0);
    return kind === 'bars' ? own.reduce((sum, value) => sum + value, 0) : Math.max(...own);
  });
  const most = Math.max(...values, 0);
  if (most <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((step) => step * magnitude).find((step) => step >= most);
}

function bars(rows, series, most) {
  return rows.map((row, at) => {
    let y = HEIGHT;
    return series.map(({ key, tone }) => {
      const height = ((row[key] ?? 0) / most) * HEIGHT;
      y -= height;
      return html`<rect key=${`${at} ${key}`} class=${tone} x=${at * 10 + 1.5} y=${y} width="7" height=${height} />`;
    });
  });
}

/** Days without a value leave a gap; one with none beside it is a short stroke. */
function lines(rows, series, most) {
  return series.map(({ key, tone }) => {
    let path = '';
    let pen = false;
    rows.forEach((row, at) => {
      const value = row[key];
      if (value === null || value === undefined) {
        pen = false;
        return;
      }
      const y = HEIGHT - (value / most) * HEIGHT;
      path += pen ? `L${at * 10 + 5} ${y}` : `M${at * 10 + 3} ${y}H${at * 10 + 5}`;
      pen = true;
    });
    return html`<path key=${key} class=${`line ${tone}`} d=${path} />`;
  });
}

function AsTable({ title, rows, series, show }) {
  return html`<table class="unseen"><caption>${title}</caption>
    <thead><tr><th scope="col">Day</th>${series.map(({ key, name }) => html`<th key=${key} scope="col">${name}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.day}><th scope="row">${row.day}</th>${series.map(({ key }) => html`<td key=${key}>${show(row[key])}</td>`)}</tr>`)}</tbody></table>`;
}

/** A row for each day from `from` to `to`, both included; days of which nothing is known have `none`. */
export function everyDay(rows, from, to, none) {
  const known = new Map(rows.map((row) => [row.day, row]));
  const days = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push(known.get(day) ?? { day, ...none });
  }
  return days;
}
