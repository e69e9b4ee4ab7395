// How tests find things on a page: as somebody who sees it, or hears it read. Put in front of every script.

const KINDS = {
  button: 'button, [role=button], input[type=submit], input[type=button], summary',
  link: 'a[href], [role=link]',
  tab: '[role=tab]',
  field: 'input:not([type=hidden]), select, textarea, [contenteditable=true]',
};

const LIMIT_MS = 10_000;

const clean = (text) => (text ?? '').replace(/\s+/g, ' ').trim();

const visible = (element) => element.checkVisibility({ visibilityProperty: true });

/** Where a user can act: the dialog that is open, or all of it. */
const DIALOGS = 'dialog[open], [role=dialog], [role=alertdialog]';
const reach = () => [...document.querySelectorAll(DIALOGS)].at(-1) ?? document.body;

/** The text of an element without that of controls in it and of what is hidden from readers. */
function wording(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll('select, input, textarea, svg, [aria-hidden=true]').forEach((part) => part.remove());
  return clean(copy.textContent);
}

function nameOf(element) {
  const by = element.getAttribute('aria-labelledby');
  if (by) return clean(by.split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(' '));
  const label = element.getAttribute('aria-label');
  if (label) return clean(label);
  if (element.labels?.length) return clean([...element.labels].map(wording).join(' '));
  if (element.matches('input')) return clean(/submit|button/.test(element.type) ? element.value : element.placeholder);
  return wording(element) || clean(element.title);
}

/**
 * All of this kind and name, within the row that holds `row`, where it is given: there more may follow, which says of
 * what row.
 */
function named(kind, name, row) {
  const holds = (one) => clean(one.textContent).includes(row);
  const rows = row ? [...reach().querySelectorAll('tr, li, [role=row]')].filter(holds) : [reach()];
  const found = rows.flatMap((one) => [...one.querySelectorAll(KINDS[kind])]);
  const isNamed = (own) => own === name || (row && own.startsWith(`${name} `));
  return found.filter((element) => visible(element) && isNamed(nameOf(element)));
}

/** The only one that can be used; a link may be there twice. */
function usable(kind, name, row) {
  const found = named(kind, name, row).filter((element) => !element.disabled && element.ariaDisabled !== 'true');
  return kind === 'link' || found.length === 1 ? found[0] : undefined;
}

/** What is written there, as it is seen. */
const shown = (element = document.body) => clean(element?.innerText);

const cells = (row) => [...row.querySelectorAll('td, th')].map((cell) => clean(cell.innerText));

const rowsOf = () => [...reach().querySelectorAll('table tbody tr')].filter(visible).map(cells);

/** For who reads the failure. */
function described() {
  const said = (one) => `${nameOf(one)}${one.disabled ? ' (disabled)' : ''}`;
  const names = (kind) => [...reach().querySelectorAll(KINDS[kind])].filter(visible).map(said);
  const { ready } = document.documentElement.dataset;
  const at = location.pathname + location.search;
  return { at, ready, buttons: names('button'), fields: names('field'), text: shown(reach()).slice(0, 1500) };
}

/**
 * Answers with the first thing that `look` finds, now or after a change of the page or of the focus; with what is there
 * when time is up.
 */
function until(look, done) {
  const found = look();
  if (found) return done({ found });
  const end = (answer) => {
    observer.disconnect();
    document.removeEventListener('focusin', again);
    clearTimeout(timer);
    done(answer);
  };
  const again = () => {
    const late = look();
    if (late) end({ found: late });
  };
  const observer = new MutationObserver(again);
  document.addEventListener('focusin', again);
  const timer = setTimeout(() => end({ missing: described() }), LIMIT_MS);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}
