// Two texts line by line: what went, what came.

import { html, useState } from '../lib/html.js';

/** More lines than this are not compared; both are shown whole. */
const LINES_MAX = 2_000;
/** Lines that stayed are shown so many around each change. */
const AROUND = 3;

export function Diff({ before, after, label }) {
  const [all, setAll] = useState(false);
  const lines = diff(before.split('\n'), after.split('\n'));
  const gone = lines.filter(([kind]) => kind === 'gone').length;
  const come = lines.filter(([kind]) => kind === 'come').length;
  if (!gone && !come) return html`<p class="note">Both say the same.</p>`;
  const shown = all ? lines : around(lines);
  return html`<p class="note">${come} ${come === 1 ? 'line' : 'lines'} came, ${gone} went.
      ${(all || shown.length < lines.length) && html` <button type="button" class="link" onClick=${() => setAll(!all)}>
        ${all ? 'Show what changed' : 'Show all lines'}</button>`}</p>
    <div class="code"><pre class="diff" tabindex="0" role="group" aria-label=${label}>${shown.map(([kind, line], at) => html`<span
    key=${at} class=${kind}>${{ gone: '− ', come: '+ ', same: '  ', left: '⋯ ' }[kind]}${line}${'\n'}</span>`)}</pre></div>`;
}

/** The lines near a change; what lies between is said in one line. */
function around(lines) {
  const near = new Set();
  lines.forEach(([kind], at) => {
    if (kind === 'same') return;
    for (let by = -AROUND; by <= AROUND; by += 1) near.add(at + by);
  });
  const shown = [];
  let left = 0;
  const tell = () => {
    if (left) shown.push(['left', `${left} ${left === 1 ? 'line' : 'lines'} as before`]);
    left = 0;
  };
  lines.forEach((line, at) => {
    if (!near.has(at)) {
      left += 1;
      return;
    }
    tell();
    shown.push(line);
  });
  tell();
  return shown;
}

/** The shortest edit by the longest common subsequence, after what both begin and end with. */
function diff(before, after) {
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
  return walk(before, after, lengths(before, after));
}

/** At [i][j]: the length of the longest common subsequence of what is left from there. */
function lengths(before, after) {
  const length = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      length[i][j] = before[i] === after[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  return length;
}

function walk(before, after, length) {
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
