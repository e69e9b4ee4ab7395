// Dialogs that make something with a secret, which is shown once.

import { html, useEffect, useRef, useState } from '../lib/html.js';
import { Code } from './bits.js';
import { Dialog, Opener } from './dialog.js';

/**
 * A button that opens a dialog: `form({ close, done })` asks for what is to be made; what it gives to `done` is drawn by
 * `shown(made)`, under the title `madeTitle`, until "Done" is pressed: `left(made)` follows. While something is shown that
 * nobody sees again, nothing else closes the dialog.
 */
export function Makes({ name, title = name, kind, ...rest }) {
  return html`<${Opener} ...${{ name, kind }} draw=${(end) => html`<${Making} ...${{ title, ...rest, end }} />`} />`;
}

function Making({ title, madeTitle, wide, form, shown, made: told, left, end, again = false }) {
  const [made, setMade] = useState(null);
  const close = () => {
    end();
    if (made) left?.(made);
  };
  const done = (result) => {
    setMade(result);
    told?.(result);
  };
  return html`<${Dialog} title=${made ? madeTitle : title} close=${close} wide=${wide && !made} firm=${made && !again}>${made
    ? html`<${Shown} close=${close}>${shown(made)}<//>`
    : form({ close, done })}<//>`;
}

/** Takes the focus, which was in the form that is gone, and is seen from its beginning. */
export function Shown({ close, children }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.focus({ preventScroll: true });
    box.current.closest('dialog').scrollTop = 0;
  }, []);
  return html`<div class="form" ref=${box} tabindex="-1">${children}
    <div class="form-end"><button type="button" class="primary" onClick=${close}>Done</button></div></div>`;
}

/** A secret with what to know about it. */
export function Secret({ label, text, copy, note }) {
  return html`<div class="field secret"><p class="strong">${label}</p><${Code} text=${text} label=${copy} />
    <p class="notice">${note}</p></div>`;
}
