// How far a batch is: its jobs by status, as one bar.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';

const PARTS = [
  { key: 'succeeded', tone: 'two' },
  { key: 'failed', tone: 'four' },
  { key: 'expired', tone: 'three' },
  { key: 'canceled', tone: 'five' },
  { key: 'running', tone: 'one' },
  { key: 'queued', tone: 'none' },
];

/** `slim`: for a row of a table, without the legend. */
export function Share({ counts, slim }) {
  const shown = PARTS.filter(({ key }) => counts[key] > 0);
  const said = shown.map(({ key }) => `${format.count(counts[key])} ${key}`).join(', ');
  let x = 0;
  return html`<div class=${slim ? 'share slim' : 'share'}>
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${`Of ${format.count(counts.total)}: ${said}`}>
      ${shown.map(({ key, tone }) => {
      const width = (counts[key] / counts.total) * 100;
      x += width;
      return html`<rect key=${key} class=${tone} x=${x - width} y="0" width=${width} height="10" />`;
    })}</svg>
    ${!slim && html`<ul class="legend">
      ${PARTS.map(({ key, tone }) => html`<li key=${key} class=${tone}>${format.count(counts[key])} ${key}</li>`)}</ul>`}
  </div>`;
}

/** How many have ended, as "3 of 10". */
export const progress = ({ total, queued, running }) => `${format.count(total - queued - running)} of ${format.count(total)}`;
