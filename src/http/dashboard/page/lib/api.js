// Requests to the server. The cookie says who asks; `Skai-Project` says where.

import { parse } from './exact.js';
import { project, withQuery } from './place.js';

/** What the server, or the way to it, refused: `status` is 0 where there was no answer. */
export class ApiError extends Error {
  constructor(status, error, requestId) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.param = error.param ?? null;
    this.details = error.details ?? null;
    this.requestId = error.request_id ?? requestId ?? null;
  }
}

/** A new key for `Idempotency-Key`. `crypto.randomUUID` is missing where the page came by plain HTTP from another host. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function ask(method, path, { body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (project()) sent['Skai-Project'] = project();
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new ApiError(0, { code: 'UNREACHABLE', message: 'The server does not answer. Check that it runs, then try again.' });
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  const id = answer.headers.get('X-Request-Id');
  const body = await answer.json().catch(() => null);
  if (answer.status === 401) window.dispatchEvent(new Event('signed-out'));
  return new ApiError(answer.status, body?.error ?? { code: 'SERVER_ERROR', message: `The server answered ${answer.status}.` }, id);
}

const read = async (answer) => (answer.status === 204 ? null : parse(await answer.text()));

/** Pages of a list that is wanted whole, 100 rows each, at most: to choose from it, to name what others refer to. */
const PAGES_MAX = 10;

/** The rows of a list of the API, up to 1,000. */
export async function getAll(path, query, options) {
  const rows = [];
  let cursor;
  for (let page = 0; page < PAGES_MAX && cursor !== null; page += 1) {
    const answer = await get(path, { ...query, limit: 100, cursor }, options);
    rows.push(...answer.data);
    cursor = answer.next_cursor;
  }
  return rows;
}

export const get = async (path, query, options) => read(await ask('GET', withQuery(path, query), options));
export const post = async (path, body = {}, options) => read(await ask('POST', path, { ...options, body }));
export const patch = async (path, body) => read(await ask('PATCH', path, { body }));
export const put = async (path, body) => read(await ask('PUT', path, { body }));
export const remove = async (path) => read(await ask('DELETE', path));

/** An answer that is a stream of server-sent events; `signal` ends it. */
export const stream = (path, signal, headers) => ask('GET', path, { headers: { ...headers, Accept: 'text/event-stream' }, signal });

/** Parts of a long list, 10,000 rows each, that one file is made of at most. */
const PARTS_MAX = 50;

/** Saves what a path answers as a file. A plain link could not say in which project. */
export async function download(path, query, { accept, name }) {
  const answer = await ask('GET', withQuery(path, query), { headers: { Accept: accept } });
  save([await answer.blob()], answer.headers.get('Content-Type'), name);
}

/** Saves a list as CSV: part after part, as each says where it goes on, with the names of the columns once. */
export async function downloadCsv(path, query, name) {
  const parts = [];
  for (let next = withQuery(path, query); next; ) {
    if (parts.length === PARTS_MAX) throw new Error(tooLong(parts.at(-1)));
    const answer = await ask('GET', next, { headers: { Accept: 'text/csv' } });
    const text = await answer.text();
    parts.push(parts.length ? text.slice(text.indexOf('\n') + 1) : text);
    next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('Link') ?? '')?.[1];
  }
  save(parts, 'text/csv', name);
}

/** Nothing is saved rather than a part that looks whole. */
function tooLong(last) {
  const day = /\d{4}-\d\d-\d\d/.exec(last.trimEnd().split('\n').at(-1))?.[0];
  const reach = day ? `The first ${PARTS_MAX} parts reach ${day}: choose fewer days.` : 'Read it page by page with an API key.';
  return `The list is too long for one file. ${reach}`;
}

function save(parts, type, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
