// One stream of changes for the whole page. A change is a hint: who hears it asks again.

import { stream } from './api.js';
import { readEvents, whileShown } from './sse.js';

const RECONNECT_MS = [1_000, 2_000, 5_000, 15_000];

const subscribers = new Set();
const watchers = new Set();
let state = 'connecting';
let missed = false;

/** Calls `heard` when something of these topics changed. Gives back how to stop. */
export function subscribe(topics, heard) {
  const subscriber = { topics, heard };
  subscribers.add(subscriber);
  return () => subscribers.delete(subscriber);
}

/** Calls `seen` with "connecting", "live" or "lost", now and at each change. */
export function watchConnection(seen) {
  watchers.add(seen);
  seen(state);
  return () => watchers.delete(seen);
}

/** Listens while the page is looked at, for the project that is shown. Gives back how to stop. */
export const connect = () => whileShown(keep);

async function keep(signal) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      const answer = await stream('/dashboard/api/live', signal);
      // What happened while nobody listened is not known.
      if (missed) tell(null);
      become('live');
      failures = 0;
      await readEvents(answer, ({ topics }) => tell(new Set(topics)));
    } catch {
      // Told by the mark beside the navigation; the loop tries again.
    }
    missed = true;
    if (signal.aborted) return;
    become('lost');
    await pause(RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)], signal);
    failures += 1;
  }
}

/** `null` stands for all topics. */
function tell(changed) {
  for (const { topics, heard } of [...subscribers]) {
    if (!changed || topics.some((topic) => changed.has(topic))) heard();
  }
}

function become(next) {
  if (state === next) return;
  state = next;
  watchers.forEach((seen) => seen(state));
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
