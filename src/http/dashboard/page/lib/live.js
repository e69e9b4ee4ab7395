// One stream of changes for the whole page. A change is a hint: who hears it asks again.

import { stream } from './api.js';
import { readEvents, whileShown } from './sse.js';

/** Pauses after streams that ended soon, one after the other, in milliseconds. */
const RECONNECT_MS = [1_000, 2_000, 5_000, 15_000];
/** A stream that held so long ended for a reason of its own. */
const STEADY_MS = 10_000;
/** Statuses that asking again does not change. */
const REFUSALS = new Set([401, 403, 404]);

const subscribers = new Set();
const watchers = new Set();
let state = 'connecting';

/** Calls `heard` when something of these topics changed. Gives back how to stop. */
export function subscribe(topics, heard) {
  const subscriber = { topics, heard };
  subscribers.add(subscriber);
  return () => subscribers.delete(subscriber);
}

/** Calls `seen` with "connecting", "live", "lost" or, where nobody may listen, "off": now and at each change. */
export function watchConnection(seen) {
  watchers.add(seen);
  seen(state);
  return () => watchers.delete(seen);
}

/**
 * Listens while the page is looked at, for the project that is shown; calls `answered` whenever the server let it listen
 * again, or refused. Gives back how to stop.
 */
export function connect(answered) {
  let hasAsked = false;
  const open = async (signal) => {
    // What was known when the page first asked to listen was asked for just before.
    const wasAsked = hasAsked;
    hasAsked = true;
    const answer = await stream('/dashboard/api/live', signal);
    if (wasAsked) answered();
    return answer;
  };
  return whileShown((signal) => keep(signal, open, answered));
}

async function keep(signal, open, refused) {
  let failures = 0;
  while (!signal.aborted) {
    let openedAt = Infinity;
    try {
      const answer = await open(signal);
      openedAt = performance.now();
      become('live');
      // What happened since the page asked, or while nobody listened, is not known.
      tell(null);
      await readEvents(answer, ({ topics }) => tell(new Set(topics)));
    } catch (error) {
      if (REFUSALS.has(error.status)) {
        refused();
        return become('off');
      }
      // Told by the mark beside the navigation; the loop tries again.
    }
    if (signal.aborted) return;
    become('lost');
    failures = performance.now() - openedAt > STEADY_MS ? 0 : failures + 1;
    const wait = RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)];
    await pause(wait * (0.8 + 0.4 * Math.random()), signal);
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
