// Who is signed in, and what they may do. The API enforces it; the page only leaves out what would be refused.

import { createContext, useContext } from './html.js';
import { get } from './api.js';

export const Session = createContext(null);

export const useSession = () => useContext(Session);

/** Whether whoever is signed in has this scope, as in `useCan()('jobs:write')`. */
export function useCan() {
  const { scopes } = useSession();
  return (scope) => scopes.includes(scope);
}

export const readSession = (signal) => get('/dashboard/api/session', {}, { signal });
