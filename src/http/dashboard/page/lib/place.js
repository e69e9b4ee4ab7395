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

/** The path with what of `query` has a value. */
export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** The address of a page, in the project that is shown or in another. */
export const address = (path, query, of = project()) => withQuery(path, { ...query, project: of === home ? null : of });

/** Names in a query that lead to a page of its own; all others say how a page is shown. */
const PARTS = ['schedule', 'eval', 'run', 'new'];

const pageOf = ({ pathname, searchParams }) => [pathname, ...PARTS.map((name) => searchParams.get(name))].join(' ');

const here = () => location.pathname + location.search;

/** The address that is drawn. */
let shown = here();

/** Whether an address is of another page than the one that is shown. */
const leads = (to) => pageOf(new URL(to, location.href)) !== pageOf(new URL(shown, location.href));

/** Goes to an address of the page; gives whether it did, for who wrote something may rather stay. */
export function go(to, { replace = false } = {}) {
  if (to === here()) return true;
  const moves = leads(to);
  if (moves && stays()) return false;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  if (moves) window.scrollTo(0, 0);
  tell();
  return true;
}

let isUnsaved = false;

const stays = () => isUnsaved && !confirm('What you wrote is not saved. Leave it?');

/** Says whether something was written that is lost with the page: then whoever leaves it is asked first. */
export function setUnsaved(is) {
  isUnsaved = is;
}

window.addEventListener('beforeunload', (event) => {
  if (isUnsaved) event.preventDefault();
});

function tell() {
  if (new URL(shown, location.href).pathname !== location.pathname) leave();
  shown = here();
  listeners.forEach((listener) => listener());
}

window.addEventListener('popstate', () => {
  // The browser has gone already: whoever stays is brought back.
  if (leads(here()) && stays()) history.pushState(null, '', shown);
  else tell();
});

/** The path and query as they are now, and a text that stands for the `page`; draws again when they change. */
export function usePlace() {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const heard = () => setPlace(here());
    listeners.add(heard);
    return () => listeners.delete(heard);
  }, []);
  const url = new URL(place, location.href);
  return { path: url.pathname, query: Object.fromEntries(url.searchParams), page: pageOf(url) };
}

/**
 * The query, and how to change some of it: filters live in the address, so that it can be shared. What leads to another page
 * is remembered, so that the browser's "back" leads out of it, unless it shall `replace` a page that is done with. A change
 * gives whether it was made.
 */
export function useQuery() {
  const { path, query } = usePlace();
  const { project: _, ...own } = query;
  const change = (some, { replace = false } = {}) => {
    // Whoever left the page meanwhile stays where they went.
    if (location.pathname !== path) return false;
    // What is changed late, as a text is, leaves what was changed meanwhile.
    const { project: of, ...now } = Object.fromEntries(new URLSearchParams(location.search));
    const to = address(path, { ...now, ...some }, of ?? project());
    return go(to, { replace: replace || !leads(to) });
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
