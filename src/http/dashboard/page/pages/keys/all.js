// The projects, wanted whole to be chosen from and to name what rows refer to.

import { get } from '../../lib/api.js';

const PAGE = 100;
/** An account has 1,000 projects at most; nearly all have one page. */
const PAGES_MAX = 10;

/** The projects of the account, up to 1,000. */
export async function allProjects(signal) {
  const rows = [];
  let cursor;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await get('/v1/projects', { limit: PAGE, cursor }, { signal });
    rows.push(...answer.data);
    if (!answer.has_more) break;
    cursor = answer.next_cursor;
  }
  return rows;
}
