// A job from its first step to its last, as they happen.

import { useCallback, useEffect, useState } from './html.js';
import { ApiError, get, stream } from './api.js';
import { subscribe } from './live.js';
import { useLoad } from './load.js';
import { readEvents, whileShown } from './sse.js';

const OVER = new Set(['succeeded', 'failed', 'canceled', 'expired']);

/** Steps that are asked for at once; more come with the stream. */
const STEPS_MAX = 100;

export const isOver = ({ status }) => OVER.has(status);

/**
 * A job and its steps: `{ job, steps, error, reload }`. While it is not over, its stream of events tells of each step; where
 * the stream breaks, the next change of any job tries again.
 */
export function useJob(id) {
  const [more, setMore] = useState([]);
  const [round, setRound] = useState(0);
  const { data, error, reload } = useLoad((signal) => read(id, signal), [id]);
  const ended = data ? isOver(data.job) : true;
  useEffect(() => setMore([]), [id]);
  const heard = useCallback((step) => {
    setMore((known) => [...known, step]);
    reload();
  }, [id]);
  useEffect(() => {
    if (ended) return undefined;
    const retry = () => setRound((last) => last + 1);
    let forget = () => {};
    const stop = whileShown((signal) => {
      follow(id, data.steps.at(-1)?.sequence, heard, signal).catch(() => {
        if (signal.aborted) return;
        forget();
        forget = subscribe(['jobs'], retry);
      });
    });
    return () => {
      stop();
      forget();
    };
  }, [id, ended, round]);
  return { job: data?.job ?? null, steps: joined(data?.steps ?? [], more), error, reload };
}

async function read(id, signal) {
  const [job, events] = await Promise.all([
    get(`/v1/jobs/${id}`, {}, { signal }),
    get(`/v1/jobs/${id}/events`, { limit: STEPS_MAX }, { signal }),
  ]);
  return { job, steps: events.data };
}

/** Both in their order, each step once. */
function joined(known, more) {
  const all = new Map([...known, ...more].map((step) => [step.sequence, step]));
  return [...all.values()].sort((one, other) => one.sequence - other.sequence);
}

async function follow(id, last, heard, signal) {
  const answer = await stream(`/v1/jobs/${id}/events`, signal, last && { 'Last-Event-ID': String(last) });
  let step = null;
  await readEvents(answer, (told) => {
    step = told;
    heard(told);
  });
  if (!step || !OVER.has(step.type)) throw new ApiError(0, { code: 'UNREACHABLE', message: 'The stream of events ended early.' });
}
