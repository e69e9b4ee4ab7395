// One stream of changes for the whole page. A change is a hint: who hears it asks again.

import { stream } from './api.js';
import { project } from './place.js';

const RECONNECT_MS = [1_000, 2_000, 5_000, 15_000];

const subscribers = new Set();
const watchers = new Set();
let connection = null;
let state = 'connecting';

/** Calls `heard` when something of these topics changed. Gives back how to stop. */
export function subscribe(topics, heard) {
  const subscriber = { topics, heard };
  subscribers.add(subscriber);
  return () => subscribers.delete(subscriber);
}

/** Calls `seen` with "live" or "connecting", now and at each change. */
export function watchConnection(seen) {
  watchers.add(seen);
  seen(state);
  return () => watchers.delete(seen);
}

/** Connects, for the project that is shown; an earlier connection ends. */
export function connect() {
  disconnect();
  connection = new AbortController();
  keep(connection.signal);
}

export function disconnect() {
  connection?.abort();
  connection = null;
}

async function keep(signal) {
  let failures = 0;
  const shown = project();
  while (!signal.aborted && shown === project()) {
    try {
      const answer = await stream('/dashboard/api/live', signal);
      // What happened while nobody listened is not known.
      if (state === 'lost') tell(null);
      become('live');
      failures = 0;
      await read(answer.body.getReader());
    } catch {
      // Told by the mark in the header; the loop tries again.
    }
    if (signal.aborted) return;
    become('lost');
    await pause(RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)], signal);
    failures += 1;
  }
}

async function read(reader) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split('\n\n');
    text = events.pop();
    events.forEach(hear);
  }
}

function hear(event) {
  const line = event.split('\n').find((one) => one.startsWith('data:'));
  if (line) tell(new Set(JSON.parse(line.slice(5)).topics));
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
