// What the server says of itself, for the tabs that show some of it.

import { html } from '../../lib/html.js';
import { ApiError, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';

/** `GET /admin/v1/stats`, again whenever the server tells of a change of these topics. */
export const useStats = (topics = ['server', 'load']) => useLoad((signal) => get('/admin/v1/stats', {}, { signal }), [], topics);

/** `GET /readyz`; a server that is not ready answers too, with why. */
export const useReadiness = () => useLoad(async (signal) => {
  try {
    return await get('/readyz', {}, { signal });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 503) throw error;
    return { status: 'not_ready', trouble: error.message };
  }
}, [], ['server']);

/** Loads again what is shown: numbers change more often than the server tells. */
export function Refresh({ of }) {
  return html`<button type="button" onClick=${() => of.forEach(({ reload }) => reload())}>Refresh</button>`;
}

/** Rows that are told apart by their name. */
export const byName = (rows) => rows.map((row) => ({ ...row, id: row.name }));
