// Charts of some days, drawn as SVG: bars that stack, or lines. A box beside the pointer, or the arrow keys, reads a
// day, and a table holds the same for whoever does not see.

import { html, useState } from '../lib/html.js';
import * as format from '../lib/format.js';

const HEIGHT = 100;
/** How wide a day is in the drawing, which is then stretched to the space that there is. */
const DAY = 10;
/** Up to so many days, so much is left free on both sides of a bar: few bars are not to become blocks. */
const GAPS = [[10, 3], [45, 1.8], [Infinity, 1]];
/** Tops of a scale whose halves are short too. */
const STEPS = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10];
const DATES_MAX = 5;
/** Up to so many days, each is named. */
const EACH_MAX = 7;

/**
 * `rows` are `{ day, … }`, oldest first; `series` are `{ key, name, tone }`, where `tone` is a class of the style sheet;
 * `show` writes a value; `sum` is what all days are together, where that means something; `heading` is `h2` where the chart
 * is a part of the page of its own.
 */
export function Chart({ title, rows, series, show = format.compact, kind = 'bars', sum, tall, heading = 'h3' }) {
  const [at, setAt] = useState(null);
  const highest = peak(rows, series, kind);
  const most = top(highest, show === format.compact);
  const last = rows.length - 1;
  const move = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.max(0, Math.min(last, Math.floor(((event.clientX - box.left) / box.width) * rows.length))));
  };
  const step = (event) => {
    const next = { ArrowRight: (at ?? -1) + 1, ArrowLeft: (at ?? rows.length) - 1, Home: 0, End: last }[event.key];
    if (event.key === 'Escape') setAt(null);
    if (next === undefined) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(last, next)));
  };
  const read = at === null ? null : rows[at];
  return html`<figure class=${tall ? 'chart tall' : 'chart'}>
    <figcaption><div><${heading}>${title}<//>${sum !== undefined && html`<p class="sum">${sum}</p>`}</div>
      <${Legend} series=${series} /></figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true">${ticks(highest, most).map((value) => html`<span key=${value}>${show(value)}</span>`)}</div>
      <div class="field-of-days" role="group" tabindex="0" aria-label=${`${title} by day. The arrow keys read a day.`}
        onPointerMove=${move} onPointerDown=${move} onPointerLeave=${() => setAt(null)} onKeyDown=${step}
        onBlur=${() => setAt(null)}>
        <svg viewBox="0 0 ${rows.length * DAY} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${`${title} by day`}>
          ${[0.5, 50, 99.5].map((y) => html`<line key=${y} class="grid" x1="0" x2=${rows.length * DAY} y1=${y} y2=${y} />`)}
          ${read && html`<rect class="cursor" x=${at * DAY} y="0" width=${DAY} height=${HEIGHT} />`}
          ${kind === 'bars' ? bars(rows, series, most) : lines(rows, series, most)}
        </svg>
        ${kind === 'lines' && lone(rows, series, most)}
        ${isEmpty(rows, series, kind) && html`<p class="none">Nothing on these days</p>`}
        ${read && html`<${Reading} ...${{ read, at, rows, series, show, most, kind }} />`}
      </div>
      <${Dates} rows=${rows} />
    </div>
    <p class="unseen" role="status">${read && inWords(read, series, show)}</p>
    <${AsTable} ...${{ title, rows, series, show }} />
  </figure>`;
}

/** The values beside the chart, from the top. */
const ticks = (highest, most) => (highest > 0 ? [most, most / 2, 0] : [0]);

function inWords(read, series, show) {
  return `${format.day(read.day)}: ${series.map(({ key, name }) => `${name} ${show(read[key])}`).join(', ')}`;
}

/** One series needs no legend: the title names it. */
function Legend({ series }) {
  if (series.length < 2) return null;
  return html`<ul class="legend">${series.map(({ key, name, tone }) => html`<li key=${key} class=${tone}>${name}</li>`)}</ul>`;
}

/** The day under the pointer: on the left of it in the right half, so that it never leaves the chart. */
function Reading({ read, at, rows, series, show, most, kind }) {
  const x = ((at + 0.5) / rows.length) * 100;
  const side = at < rows.length / 2 ? { left: `${x}%` } : { right: `${100 - x}%` };
  return html`
    ${kind === 'lines' && series.filter(({ key }) => isKnown(read, key)).map((one) => dot(rows, at, one, most))}
    <div class="reading" style=${side} aria-hidden="true"><p>${format.date(read.day)}</p>
      <dl>${series.map(({ key, name, tone }) => html`<div key=${key} class=${tone}>
        <dt>${name}</dt><dd>${show(read[key])}</dd></div>`)}</dl></div>`;
}

/** Some days under the chart, evenly apart, the last of them always. */
function Dates({ rows }) {
  const count = rows.length <= EACH_MAX ? rows.length : DATES_MAX;
  const apart = count > 1 ? (rows.length - 1) / (count - 1) : 0;
  const chosen = Array.from({ length: count }, (_, nth) => Math.round(nth * apart));
  const dates = chosen.map((at, nth) => html`<span key=${at} class=${nth % 2 ? 'between' : ''}
    style=${{ left: `${((at + 0.5) / rows.length) * 100}%` }}>${format.day(rows[at].day)}</span>`);
  return html`<div class=${rows.length > EACH_MAX ? 'dates packed' : 'dates'} aria-hidden="true">${dates}</div>`;
}

/** The highest value of a day. */
function peak(rows, series, kind) {
  const values = rows.map((row) => {
    const own = series.map(({ key }) => row[key] ?? 0);
    return kind === 'bars' ? own.reduce((sum, value) => sum + value, 0) : Math.max(...own);
  });
  return Math.max(...values, 0);
}

/** A round number at or above the highest value; of things that are counted at least two, since there is no half of one. */
function top(highest, isCount) {
  const most = isCount ? Math.max(highest, 2) : highest;
  if (most <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(most));
  return STEPS.map((step) => step * magnitude).find((step) => step >= most) ?? most;
}

/** Whether there is nothing to draw. A line shows a zero, where a bar has no height. */
function isEmpty(rows, series, kind) {
  return rows.every((row) => series.every(({ key }) => (kind === 'bars' ? !row[key] : !isKnown(row, key))));
}

function bars(rows, series, most) {
  const [, gap] = GAPS.find(([days]) => rows.length <= days);
  return rows.map((row, at) => {
    let y = HEIGHT;
    return series.map(({ key, tone }) => {
      const height = ((row[key] ?? 0) / most) * HEIGHT;
      if (height <= 0) return null;
      y -= height;
      return html`<rect key=${`${at} ${key}`} class=${tone} x=${at * DAY + gap} y=${y} width=${DAY - 2 * gap} height=${height} />`;
    });
  });
}

const isKnown = (row, key) => (row?.[key] ?? null) !== null;

/** The value of one day. */
function dot(rows, at, { key, tone }, most) {
  const place = { left: `${((at + 0.5) / rows.length) * 100}%`, top: `${100 - (rows[at][key] / most) * 100}%` };
  return html`<span key=${`${at} ${key}`} class=${`dot ${tone}`} style=${place}></span>`;
}

/** The dots of days with no value beside them, where there is no line. */
function lone(rows, series, most) {
  const isAlone = (at, key) => isKnown(rows[at], key) && !isKnown(rows[at - 1], key) && !isKnown(rows[at + 1], key);
  return rows.flatMap((_, at) => series.filter(({ key }) => isAlone(at, key)).map((one) => dot(rows, at, one, most)));
}

/** Days without a value leave a gap. */
function lines(rows, series, most) {
  return series.map(({ key, tone }) => {
    let path = '';
    let pen = false;
    rows.forEach((row, at) => {
      const isDrawn = isKnown(row, key);
      if (isDrawn) path += `${pen ? 'L' : 'M'}${(at + 0.5) * DAY} ${HEIGHT - (row[key] / most) * HEIGHT}`;
      pen = isDrawn;
    });
    return html`<path key=${key} class=${`line ${tone}`} d=${path} />`;
  });
}

function AsTable({ title, rows, series, show }) {
  const heads = series.map(({ key, name }) => html`<th key=${key} scope="col">${name}</th>`);
  const cells = (row) => series.map(({ key }) => html`<td key=${key}>${show(row[key])}</td>`);
  return html`<div class="unseen"><table><caption>${title}</caption>
    <thead><tr><th scope="col">Day</th>${heads}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.day}><th scope="row">${row.day}</th>${cells(row)}</tr>`)}</tbody></table></div>`;
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

/** A part of a whole as a bar: how much of `of` is `value`. Of what is used up (`use`), a warning near the end. */
export function Meter({ value, of, label, kind = 'use' }) {
  const part = of > 0 ? Math.max(0, Math.min(1, value / of)) : 0;
  const tone = kind === 'use' && part >= 0.9 ? 'nearly' : '';
  return html`<span class=${`meter ${kind}`} role="img" aria-label=${`${label}: ${format.percent(part)}`}>
    <span class=${tone} style=${{ width: `${part * 100}%` }}></span></span>`;
}
