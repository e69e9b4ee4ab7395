// What projects and keys are called, for rows that hold their ids alone.

import { html, useRef } from '../../lib/html.js';
import { get, getAll } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useCan } from '../../lib/session.js';
import * as format from '../../lib/format.js';

/** Keys that are in no list are asked for one by one, so many at a time. */
const AT_ONCE_MAX = 20;

/** `{ projects, keys, error }` by id, as far as they are `wanted`, known, and may be read. */
export function useNames(rows, wanted = true) {
  const can = useCan()('keys:read') && wanted;
  const { data, error } = useLoad((signal) => (can ? lists(signal) : nothing()), [can], ['projects', 'keys']);
  // What came of each is kept; it is null of those that cannot be read, which stay without a name.
  const found = useRef({}).current;
  const keys = { ...found, ...data?.keys };
  const missing = data && can ? unknown(rows, keys).join(' ') : '';
  useLoad((signal) => oneByOne(missing.split(' ').filter(Boolean), found, signal), [missing]);
  return { projects: data?.projects ?? {}, keys, error };
}

const nothing = async () => ({ projects: {}, keys: {} });
const byId = (rows) => Object.fromEntries(rows.map((row) => [row.id, row]));

async function lists(signal) {
  const [projects, keys] = await Promise.all(['/v1/projects', '/v1/api-keys'].map((path) => getAll(path, {}, { signal })));
  return { projects: byId(projects), keys: byId(keys) };
}

function unknown(rows, keys) {
  const ids = new Set((rows ?? []).map((row) => row.api_key_id).filter((id) => id && !(id in keys)));
  return [...ids].slice(0, AT_ONCE_MAX);
}

async function oneByOne(ids, found, signal) {
  const answers = await Promise.allSettled(ids.map((id) => get(`/v1/api-keys/${id}`, {}, { signal })));
  if (!signal.aborted) ids.forEach((id, at) => { found[id] = answers[at].value ?? null; });
}

/** The name of what an id is of, else the end of the id. */
export function Named({ id, of }) {
  if (!id) return '–';
  return html`<span title=${id}>${of[id]?.name ?? html`<code>${format.tail(id)}</code>`}</span>`;
}
