// What is around every page: navigation, the account and project that are shown, theme, sign-out.

import { html, useEffect, useRef, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { watchConnection } from '../lib/live.js';
import { useSession } from '../lib/session.js';
import { PAGES } from '../pages/index.js';
import { Link, Status } from './bits.js';
import { Does } from './dialog.js';
import { Icon } from './icons.js';
import { ThemeButton } from './theme.js';
import { Switcher } from './switcher.js';

export function Shell({ path, page, children }) {
  const [menu, setMenu] = useState(false);
  const main = useRef(null);
  const first = useRef(true);
  const burger = useRef(null);
  useEffect(() => {
    setMenu(false);
    // Keyboard and screen reader go on where the new page begins, unless they are in it already.
    if (!first.current && !main.current.contains(document.activeElement)) main.current.focus();
    first.current = false;
  }, [page]);
  const escape = (event) => {
    if (event.key !== 'Escape' || !menu || event.target.closest('dialog')) return;
    setMenu(false);
    burger.current.focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to content</a>
    <div class="shell">
      <aside class=${menu ? 'side open' : 'side'} onKeyDown=${escape}>
        <div class="brand"><${Link} to="/dashboard" class="mark"><span aria-hidden="true">{ }</span> skai<//><${Here} />
          <button type="button" class="quiet burger" ref=${burger} aria-expanded=${String(menu)} aria-controls="navigation"
            onClick=${() => setMenu(!menu)}><${Icon} name=${menu ? 'close' : 'menu'} /><span class="unseen">Menu</span></button></div>
        <nav id="navigation" aria-label="Pages"><${Navigation} path=${path} /><${Foot} /></nav>
      </aside>
      <main id="main" ref=${main} tabindex="-1"><${Suspended} />${children}</main>
    </div>`;
}

/** What is shown, where the navigation is closed. */
function Here() {
  const { account, project } = useSession();
  return html`<p class="here">${account.name} / ${project.name}${project.environment === 'test' && html` <${Status} value="test" />`}</p>`;
}

function Suspended() {
  const { account } = useSession();
  if (!account.suspended) return null;
  return html`<p class="notice"><b>This account is suspended.</b> Its keys are refused and its jobs wait, until an operator of the
    server resumes it. Nothing is deleted.</p>`;
}

function Navigation({ path }) {
  const session = useSession();
  const may = ({ scope, operator }) => (operator ? session.user.is_operator : session.scopes.includes(scope));
  const here = (page) => page.path === path || PAGES.some(({ under, path: own }) => under === page.path && inside(own, path));
  const groups = ['Work', 'Account', 'Server'].map((group) => [group, PAGES.filter((page) => page.group === group && may(page))]);
  return html`<${Switcher} />${groups.filter(([, pages]) => pages.length).map(([group, pages]) => html`<div key=${group} class="group">
    <h2>${group}</h2><ul>${pages.map((page) => html`<li key=${page.path}><${Link} to=${page.path}
      aria-current=${here(page) ? 'page' : undefined}><${Icon} name=${page.icon} />${page.title}<//></li>`)}</ul></div>`)}`;
}

function inside(pattern, path) {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith(':') || part === given[at]);
}

function Foot() {
  const { user, version } = useSession();
  const left = () => window.dispatchEvent(new Event('signed-out'));
  return html`<div class="foot">
    <${Connection} />
    <p><${Link} to="/dashboard/account" class="who">${user.email}<//></p>
    <div class="actions"><${ThemeButton} />
      <${Does} name="Sign out" icon="leave" kind="quiet small" act=${(options) => post('/dashboard/api/sign-out', {}, options)}
        done=${left} /></div>
    <p class="note"><a href="/docs" target="_blank" rel="noreferrer">API reference</a> · ${version}</p>
  </div>`;
}

function Connection() {
  const [state, setState] = useState('connecting');
  useEffect(() => watchConnection(setState), []);
  const text = { live: 'Live', connecting: 'Connecting…', lost: 'Connection lost, trying again', off: 'Not live' }[state];
  return html`<p class=${`connection ${state}`} role="status">${text}</p>`;
}
