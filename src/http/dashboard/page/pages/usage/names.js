// What projects and keys are called, for rows that hold their ids alone.

import { html } from '../../lib/html.js';
import { get, getAll } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useCan } from '../../lib/session.js';
import * as format from '../../lib/format.js';

/** Keys that are in no list, and are asked for one by one. */
const ONE_BY_ONE_MAX = 20;

/** `{ projects, keys, error }` by id, as far as they are `wanted`, known, and may be read. */
export function useNames(rows, wanted = true) {
  const can = useCan()('keys:read') && wanted;
  const { data, error } = useLoad((signal) => (can ? lists(signal) : nothing()), [can], ['projects', 'keys']);
  const missing = data && can ? unknown(rows, data.keys).join(' ') : '';
  const others = useLoad((signal) => oneByOne(missing.split(' ').filter(Boolean), signal), [missing]);
  return { projects: data?.projects ?? {}, keys: { ...data?.keys, ...others.data }, error };
}

const nothing = async () => ({ projects: {}, keys: {} });
const byId = (rows) => Object.fromEntries(rows.map((row) => [row.id, row]));

async function lists(signal) {
  const [projects, keys] = await Promise.all(['/v1/projects', '/v1/api-keys'].map((path) => getAll(path, {}, { signal })));
  return { projects: byId(projects), keys: byId(keys) };
}

function unknown(rows, keys) {
  const ids = new Set((rows ?? []).map((row) => row.api_key_id).filter((id) => id && !keys[id]));
  return [...ids].slice(0, ONE_BY_ONE_MAX);
}

/** Those that cannot be read stay without a name. */
async function oneByOne(ids, signal) {
  const found = await Promise.allSettled(ids.map((id) => get(`/v1/api-keys/${id}`, {}, { signal })));
  return byId(found.filter(({ value }) => value).map(({ value }) => value));
}

/** The name of what an id is of, else the end of the id. */
export function Named({ id, of }) {
  if (!id) return '–';
  return html`<span title=${id}>${of[id]?.name ?? html`<code>${format.tail(id)}</code>`}</span>`;
}
