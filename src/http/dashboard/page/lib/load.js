// Data of the server in a component: loaded at once, again when a topic changes, page after page.

import { useCallback, useEffect, useRef, useState } from './html.js';
import { get, newKey } from './api.js';
import { subscribe } from './live.js';
import { begin, end, settle } from './ready.js';

/** What changes in quick succession is asked for once in so many milliseconds. */
const CALM_MS = 1_000;

/**
 * Loads `ask(signal)` whenever something in `needs` changes, and again when a change of `topics` is heard.
 * Gives `{ data, error, reload }`; `data` stays while it is loaded again.
 */
export function useLoad(ask, needs = [], topics = []) {
  const [result, setResult] = useState({ data: null, error: null });
  const latest = useRef(null);

  const load = useCallback(async (isFirst) => {
    latest.current?.abort();
    const mine = new AbortController();
    latest.current = mine;
    if (isFirst) begin();
    try {
      const data = await ask(mine.signal);
      if (!mine.signal.aborted) setResult({ data, error: null });
    } catch (error) {
      if (!mine.signal.aborted) setResult(({ data }) => ({ data: isFirst ? null : data, error }));
    } finally {
      if (isFirst) end();
    }
  }, needs);

  useEffect(() => {
    setResult({ data: null, error: null });
    load(true);
    return () => latest.current?.abort();
  }, [load]);
  useHeard(topics, () => load(false), [load]);
  return { ...result, reload: () => load(false) };
}

/** A list of the API: `{ rows, error, more, reload }`, where `more` loads the next page and is null after the last. */
export function useList(path, query = {}, topics = []) {
  const [pages, setPages] = useState(1);
  const asked = `${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`;
  useEffect(() => setPages(1), [asked]);
  const { data, error, reload } = useLoad((signal) => readPages(path, query, pages, signal), [asked, pages], topics);
  const more = data?.has_more ? () => setPages(pages + 1) : null;
  const kept = useRef(null);
  if (data) kept.current = { asked, rows: data.rows };
  // While the next page is loaded, the pages before stay.
  const rows = data?.rows ?? (kept.current?.asked === asked ? kept.current.rows : null);
  return { rows, error, more, reload };
}

/** A list of the API that is always whole, and takes no `limit`: as `useList` gives it. */
export function useWhole(path, topics = []) {
  const { data, error, reload } = useLoad((signal) => get(path, {}, { signal }), [path], topics);
  return { rows: data?.data ?? null, error, more: null, reload };
}

async function readPages(path, query, pages, signal) {
  const rows = [];
  let cursor;
  for (let page = 0; page < pages; page += 1) {
    const answer = await get(path, { limit: 50, ...query, cursor }, { signal });
    rows.push(...answer.data);
    cursor = answer.next_cursor;
    if (!answer.has_more) return { rows, has_more: false };
  }
  return { rows, has_more: true };
}

function useHeard(topics, heard, needs) {
  const last = useRef({ at: 0, timer: null });
  useEffect(() => {
    const memory = last.current;
    const calmly = () => {
      if (memory.timer) return;
      const wait = Math.max(0, memory.at + CALM_MS - performance.now());
      memory.timer = setTimeout(() => {
        memory.timer = null;
        memory.at = performance.now();
        heard();
      }, wait);
    };
    const stop = topics.length ? subscribe(topics, calmly) : () => {};
    return () => {
      stop();
      clearTimeout(memory.timer);
      memory.timer = null;
    };
  }, [topics.join(' '), ...needs]);
}

/**
 * Something that the user does: `{ run, busy, error }`. The same request keeps its idempotency key until it succeeds, so
 * that a second click after a lost answer does nothing twice.
 */
export function useAction(act, done) {
  const [state, setState] = useState({ busy: false, error: null });
  const sent = useRef({ body: null, key: null });
  const run = async (...given) => {
    const body = JSON.stringify(given);
    if (sent.current.body !== body) sent.current = { body, key: newKey() };
    setState({ busy: true, error: null });
    try {
      const result = await act({ headers: { 'Idempotency-Key': sent.current.key } }, ...given);
      sent.current = { body: null, key: null };
      setState({ busy: false, error: null });
      await done?.(result);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return { run, ...state, forget: () => setState({ busy: false, error: null }) };
}

/** Marks a page that loads nothing as ready. */
export function useReady() {
  useEffect(settle, []);
}
