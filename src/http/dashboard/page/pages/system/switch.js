// The way into another account: through one of its projects.

import { get } from '../../lib/api.js';
import { address, go } from '../../lib/place.js';

/** Of more accounts than this, the oldest are found in the navigation, which lists them all page by page. */
const LOOKED_AT = 100;

/** Shows the account's project `default`, or its first. */
export async function switchTo(accountId) {
  const { data } = await get('/dashboard/api/accounts', { limit: LOOKED_AT });
  const account = data.find(({ id }) => id === accountId);
  if (!account) throw new Error(`It is not among the ${LOOKED_AT} newest accounts: choose it above the navigation, with “Show more”.`);
  const project = account.projects.find(({ name, environment }) => name === 'default' && environment === 'live') ?? account.projects[0];
  if (!project) throw new Error('The server lists no project of this account.');
  go(address('/dashboard', {}, project.id));
}
