// Dialogs, on the browser's own <dialog>: it keeps the focus within, and Escape closes it.

import { createContext, html, useContext, useEffect, useId, useRef, useState } from '../lib/html.js';
import { keepFocus, useAction } from '../lib/load.js';
import { Problem } from './bits.js';
import { Icon } from './icons.js';

/** A dialog that is open as long as it is drawn. One that is `firm` closes by what is in it alone: neither by Escape nor by ✕. */
export function Dialog({ title, close, children, wide, firm }) {
  const box = useRef(null);
  const name = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog.showModal();
    dialog.querySelector('[autofocus], input, select, textarea')?.focus();
    return () => {
      dialog.close();
      // Once it is gone from the page: what opened it may be gone too.
      queueMicrotask(keepFocus);
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!firm) close();
  };
  // A browser may close it although that was refused, as on a second Escape.
  const closed = () => {
    if (!box.current?.isConnected || box.current.open) return;
    if (firm) box.current.showModal();
    else close();
  };
  const hold = (event) => firm && event.key === 'Escape' && event.preventDefault();
  return html`<dialog ref=${box} class=${wide ? 'wide' : ''} aria-labelledby=${name} onCancel=${cancel} onClose=${closed} onKeyDown=${hold}>
    <div class="dialog-head"><h2 id=${name}>${title}</h2>${!firm && html`<button type="button" class="quiet small" aria-label="Close"
      onClick=${close}><${Icon} name="close" /></button>`}</div>
    ${children}
  </dialog>`;
}

/**
 * What a row of a list says to what is in it: `called` is its name, `beside(draw)` draws a dialog beside the list, which stays
 * where its row does not.
 */
export const InRow = createContext({});

/** Tells a button of a row from those of other rows, to who hears it. */
export function OfRow() {
  const { called } = useContext(InRow);
  return called && html`<span class="unseen"> ${called}</span>`;
}

/** A button that opens what `draw(close)` draws. */
export function Opener({ name, kind, disabled, draw }) {
  const { beside } = useContext(InRow);
  const [open, setOpen] = useState(false);
  const act = () => (beside ? beside(draw) : setOpen(true));
  return html`<button type="button" class=${kind} disabled=${disabled} onClick=${act}>${name}<${OfRow} /></button>
    ${open && draw(() => setOpen(false))}`;
}

/** A button that opens a dialog: `children(close)` draws what is in it. */
export function Opens({ name, title = name, kind, disabled, wide, children }) {
  const draw = (close) => html`<${Dialog} ...${{ title, close, wide }}>${children(close)}<//>`;
  return html`<${Opener} ...${{ name, kind, disabled, draw }} />`;
}

/** A button that says what will happen, and asks first; of a `danger` kind for what cannot be undone. `keep` is the way back. */
export function Confirms({ name, title, children, act, done, kind = 'danger small', disabled, keep }) {
  return html`<${Opens} ...${{ name, title, kind, disabled }}>${(close) => html`<${Question} ...${{ name, kind, act, close, keep }}
    done=${(result) => { close(); return done?.(result); }}>${children}<//>`}<//>`;
}

function Question({ name, kind, act, done, close, children, keep = 'Cancel' }) {
  const { run, busy, error } = useAction(act, done);
  return html`<div class="form"><p>${children}</p><${Problem} error=${error} />
    <div class="form-end"><button type="button" onClick=${close} autofocus>${keep}</button>
      <button type="button" class=${kind.includes('danger') ? 'danger' : 'primary'} aria-disabled=${String(busy)}
        onClick=${() => run()}>${name}</button></div></div>`;
}

/** A button that does something at once, and says where it failed. */
export function Does({ name, icon, act, done, kind = 'small', disabled }) {
  const { run, busy, error, forget } = useAction(act, done);
  return html`<button type="button" class=${kind} disabled=${disabled} aria-disabled=${String(busy)}
    onClick=${() => run()}>${icon && html`<${Icon} name=${icon} />`}${name}<${OfRow} /></button>
    ${error && html`<${Dialog} title=${`${name}: refused`} close=${forget}><div class="form"><${Problem} error=${error} /></div><//>`}`;
}
