// Where the page is: its path, its query, and the project that it shows. A project other than the user's own is part of
// every address, so that an address can be shared.

import { useEffect, useState } from './html.js';
import { leave } from './ready.js';

const listeners = new Set();
let home = null;

/** Says which project needs no mention in addresses. */
export function setHome(projectId) {
  home = projectId;
}

/** The project that is shown; null before anybody signed in. */
export function project() {
  return new URLSearchParams(location.search).get('project') ?? home;
}

/** The address of a page, in the project that is shown or in another. */
export function address(path, query = {}, shown = project()) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const all = new URLSearchParams(given);
  if (shown && shown !== home) all.set('project', shown);
  return all.size ? `${path}?${all}` : path;
}

/** Goes to an address of the page. */
export function go(to, { replace = false } = {}) {
  if (to === location.pathname + location.search) return;
  const moved = new URL(to, location.href).pathname !== location.pathname;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  if (moved) window.scrollTo(0, 0);
  tell();
}

let told = location.pathname;

function tell() {
  if (told !== location.pathname) leave();
  told = location.pathname;
  listeners.forEach((listener) => listener());
}

window.addEventListener('popstate', tell);

/** The path and query as they are now; draws again when they change. */
export function usePlace() {
  const now = () => location.pathname + location.search;
  const [place, setPlace] = useState(now);
  useEffect(() => {
    const heard = () => setPlace(now());
    listeners.add(heard);
    return () => listeners.delete(heard);
  }, []);
  const url = new URL(place, location.href);
  return { path: url.pathname, query: Object.fromEntries(url.searchParams) };
}

/**
 * The query, and how to change some of it: filters live in the address, so that it can be shared. What is more than a filter
 * asks to `push`, so that the browser's "back" leads out of it.
 */
export function useQuery() {
  const { path, query } = usePlace();
  const { project: _, ...own } = query;
  const change = (some, { push = false } = {}) => {
    // Whoever left the page meanwhile stays where they went.
    if (location.pathname !== path) return;
    // What is changed late, as a text is, leaves what was changed meanwhile.
    const { project: shown, ...now } = Object.fromEntries(new URLSearchParams(location.search));
    go(address(path, { ...now, ...some }, shown ?? project()), { replace: !push });
  };
  return [own, change];
}

/** Lets plain links within the dashboard go without loading it again. */
export function followLinks() {
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || link.target || link.download || link.origin !== location.origin) return;
    if (!link.pathname.startsWith('/dashboard') || event.defaultPrevented) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
