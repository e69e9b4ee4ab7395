// Data of the server in a component: loaded at once, again when a topic changes, page after page.

import { useEffect, useMemo, useRef, useState } from './html.js';
import { get, newKey } from './api.js';
import { subscribe } from './live.js';
import { withQuery } from './place.js';
import { begin, end } from './ready.js';

/** Between a load and the next that changes ask for, in milliseconds. */
const CALM_MS = 1_000;
/** Rows of a page of a list. */
const PAGE = 50;
/** How long a lost request may be sent again under its idempotency key, in milliseconds. */
const LOST_MS = 60_000;

/**
 * Loads `ask(signal, why)` whenever something in `needs` changes, and again when a change of `topics` is heard; `why` is
 * "first", "live", "reload", or what `again(why)` was given. Gives `{ data, error, reload, again }`; `data` stays while it is
 * loaded again, but never for other `needs`. `reload` takes nothing: it may be handed to whatever calls back.
 */
export function useLoad(ask, needs = [], topics = []) {
  const of = useMemo(() => ({}), needs);
  const [state, setState] = useState({ of, data: null, error: null });
  const loading = useRef(null);
  useEffect(() => {
    const mine = keepLoaded(ask, (result) => setState((known) => ({ data: known.of === of ? known.data : null, ...result, of })));
    loading.current = mine;
    const deaf = topics.length ? subscribe(topics, mine.heard) : () => {};
    return () => {
      deaf();
      mine.stop();
    };
  }, [of, topics.join(' ')]);
  const { data, error } = state.of === of ? state : { data: null, error: null };
  const again = (why) => loading.current.run(why);
  return { data, error, reload: () => again('reload'), again };
}

/** Runs one load after the other, so that none is overtaken; `show` is given what each brought. */
function keepLoaded(ask, show) {
  const ending = new AbortController();
  const { signal } = ending;
  let chain = Promise.resolve();
  let isFirst = true;
  let isWaiting = false;
  let timer = null;
  let endedAt = 0;
  const first = () => {
    if (isFirst) end();
    isFirst = false;
  };
  const step = async (why) => {
    if (signal.aborted) return;
    try {
      const data = await ask(signal, why);
      if (!signal.aborted) show({ data, error: null });
    } catch (error) {
      if (!signal.aborted) show({ error });
    }
    endedAt = performance.now();
    first();
  };
  const run = (why) => (chain = chain.then(() => step(why)));
  // However many changes are heard: one load after what is under way, and not at once after it.
  const heard = async () => {
    if (isWaiting) return;
    isWaiting = true;
    await chain;
    if (signal.aborted) return;
    timer = setTimeout(() => {
      isWaiting = false;
      run('live');
    }, Math.max(0, endedAt + CALM_MS - performance.now()));
  };
  const stop = () => {
    ending.abort();
    clearTimeout(timer);
    first();
  };
  begin();
  run('first');
  return { run, heard, stop };
}

/**
 * A list of the API: `{ rows, error, more, busy, reload }`, where `more` loads the next page and is null after the last. A change
 * is looked for in the newest page alone, as far as its rows tell where the next begins; `reload` reads all that were loaded.
 */
export function useList(path, query = {}, topics = []) {
  const asked = withQuery(path, query);
  const list = useMemo(() => ({ current: { rows: [], cursor: null, pages: 1 } }), [asked]);
  const [busy, setBusy] = useState(false);
  const read = async (signal, why) => {
    const page = (cursor) => get(path, { limit: PAGE, ...query, cursor }, { signal });
    list.current = await READS[why](list.current, page);
    return list.current;
  };
  const { data, error, reload, again } = useLoad(read, [asked], topics);
  const next = async () => {
    if (busy) return;
    setBusy(true);
    await again('more');
    setBusy(false);
  };
  return { rows: data?.rows ?? null, error, more: data?.cursor ? next : null, busy, reload };
}

/** What each reason to load makes of a list; `page(cursor)` asks for a page, the newest without a cursor. */
const READS = { first: readAll, reload: readAll, live: readNewest, more: readNext };

async function readAll({ pages }, page, newest) {
  let { data: rows, next_cursor: cursor } = newest ?? (await page());
  for (let at = 1; at < pages && cursor !== null; at += 1) {
    const answer = await page(cursor);
    rows = [...rows, ...answer.data];
    cursor = answer.next_cursor;
  }
  return { rows, cursor, pages };
}

/** The newest page as it is now, and the rows after its last as they were; all pages where that row was not known. */
async function readNewest(list, page) {
  const newest = await page();
  const { data, next_cursor: next } = newest;
  const last = data.at(-1)?.id;
  const at = next && list.pages > 1 && last ? list.rows.findIndex(({ id }) => id === last) : -1;
  return at < 0 ? readAll(list, page, newest) : { ...list, rows: [...data, ...list.rows.slice(at + 1)] };
}

async function readNext({ rows, cursor, pages }, page) {
  const { data, next_cursor: next } = await page(cursor);
  return { rows: [...rows, ...data], cursor: next, pages: pages + 1 };
}

/** A list of the API that is always whole, and takes no `limit`: as `useList` gives it. */
export function useWhole(path, topics = []) {
  const { data, error, reload } = useLoad((signal) => get(path, {}, { signal }), [path], topics);
  return { rows: data?.data ?? null, error, more: null, reload };
}

/**
 * Something that the user does: `{ run, busy, error, forget }`, once at a time. A request whose answer was lost keeps its
 * idempotency key for a minute, so that a second click does nothing twice.
 */
export function useAction(act, done) {
  const [state, setState] = useState({ busy: false, error: null });
  const sent = useRef(null);
  const isBusy = useRef(false);
  const become = (busy, error = null) => {
    isBusy.current = busy;
    setState({ busy, error });
  };
  const run = async (...given) => {
    if (isBusy.current) return;
    const body = JSON.stringify(given);
    const isLost = sent.current?.body === body && Date.now() - sent.current.at < LOST_MS;
    if (!isLost) sent.current = { body, key: newKey(), at: Date.now() };
    become(true);
    try {
      const result = await act({ headers: { 'Idempotency-Key': sent.current.key } }, ...given);
      sent.current = null;
      // Busy until then: a second click during it would do the same again.
      await done?.(result);
      become(false);
      keepFocus();
    } catch (error) {
      if (isRefused(error)) sent.current = null;
      become(false, error);
    }
  };
  return { run, ...state, forget: () => become(false) };
}

/** Whether the server did nothing, and will not do it later. */
const isRefused = ({ status, code }) => status >= 400 && status < 500 && code !== 'IDEMPOTENCY_IN_PROGRESS';

/** What had the focus may be gone with what was done: keyboard and screen reader then go on where the page begins. */
export function keepFocus() {
  if (document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true });
}
