// Two texts line by line: what went, what came.

import { html } from '../lib/html.js';

/** More lines than this are not compared; both are shown whole. */
const LINES_MAX = 2_000;

export function Diff({ before, after, label }) {
  return html`<div class="code"><pre class="diff" tabindex="0" aria-label=${label}>${diff(before.split('\n'), after.split('\n')).map(([kind, line], at) => html`<span
    key=${at} class=${kind}>${{ gone: '− ', come: '+ ', same: '  ' }[kind]}${line}${'\n'}</span>`)}</pre></div>`;
}

/** The shortest edit by the longest common subsequence, after what both begin and end with. */
export function diff(before, after) {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let foot = 0;
  while (foot < most - head && before.at(-1 - foot) === after.at(-1 - foot)) foot += 1;
  const same = (line) => ['same', line];
  return [
    ...before.slice(0, head).map(same),
    ...middle(before.slice(head, before.length - foot), after.slice(head, after.length - foot)),
    ...before.slice(before.length - foot).map(same),
  ];
}

function middle(before, after) {
  if (before.length > LINES_MAX || after.length > LINES_MAX) {
    return [...before.map((line) => ['gone', line]), ...after.map((line) => ['come', line])];
  }
  // length[i][j]: of the longest common subsequence of what is left from there.
  const length = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      length[i][j] = before[i] === after[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(['same', before[i]]);
      i += 1;
      j += 1;
    } else if (j === after.length || (i < before.length && length[i + 1][j] >= length[i][j + 1])) {
      lines.push(['gone', before[i]]);
      i += 1;
    } else {
      lines.push(['come', after[j]]);
      j += 1;
    }
  }
  return lines;
}
