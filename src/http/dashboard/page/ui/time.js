// Times as how long ago, kept true while somebody looks: one tick a minute serves all that are drawn.

import { html, useEffect, useState } from '../lib/html.js';
import { whileShown } from '../lib/sse.js';
import * as format from '../lib/format.js';

const MINUTE_MS = 60_000;

const drawn = new Set();
let stop = null;

function tick(signal) {
  const draw = () => drawn.forEach((again) => again());
  const timer = setInterval(draw, MINUTE_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  draw();
}

function join(again) {
  drawn.add(again);
  stop ??= whileShown(tick);
  return () => {
    drawn.delete(again);
    if (drawn.size) return;
    stop();
    stop = null;
  };
}

/** A time as how long ago, exact to the pointer and to a screen reader. */
export function Time({ at }) {
  const [, setRound] = useState(0);
  useEffect(() => (at ? join(() => setRound((last) => last + 1)) : undefined), [at]);
  if (!at) return '–';
  return html`<time datetime=${at} title=${format.time(at)}>${format.relative(at)}</time>`;
}
