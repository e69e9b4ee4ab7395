// The way into another account: through one of its projects.

import { get } from '../../lib/api.js';
import { address, go } from '../../lib/place.js';

const PAGES_MAX = 100;

/** Shows the account's project `default`, or its first. */
export async function switchTo(accountId) {
  const account = await find(accountId);
  if (!account?.projects.length) throw new Error('The server lists no project of this account.');
  const project = account.projects.find(({ name, environment }) => name === 'default' && environment === 'live') ?? account.projects[0];
  go(address('/dashboard', {}, project.id));
}

async function find(accountId) {
  let cursor;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await get('/dashboard/api/accounts', { limit: 100, cursor });
    const found = answer.data.find(({ id }) => id === accountId);
    if (found || !answer.has_more) return found;
    cursor = answer.next_cursor;
  }
  return undefined;
}
