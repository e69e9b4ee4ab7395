// Forms: a field has a label, a hint, and the error that the server found in it.

import { html, useEffect, useId, useRef, useState } from '../lib/html.js';
import { useAction } from '../lib/load.js';
import { Problem } from './bits.js';

/** How long nobody types before a filter holds, in milliseconds. */
const TYPING_MS = 400;

/**
 * A form over an object: `value` and `set(patch)` are its state, `send(options, value)` sends it, `done(result)` follows. Its
 * fields are `children`; `error.param` finds the field at fault.
 */
export function Form({ value, send, done, submit, close, children, disabled }) {
  const { run, busy, error } = useAction(send, done);
  const act = (event) => {
    event.preventDefault();
    run(value);
  };
  return html`<form class="form" onSubmit=${act}>
    ${children}
    <${Problem} error=${error} />
    <div class="form-end">${close && html`<button type="button" onClick=${close}>Cancel</button>`}
      <button type="submit" class="primary" disabled=${busy || disabled}>${submit}</button></div>
  </form>`;
}

function Labelled({ label, hint, children }) {
  const id = useId();
  const hinted = hint ? `${id}-hint` : undefined;
  return html`<div class="field"><label for=${id}>${label}</label>${children(id, hinted)}
    ${hint && html`<p class="note" id=${hinted}>${hint}</p>`}</div>`;
}

export function Text({ label, hint, value, set, rows, ...rest }) {
  return html`<${Labelled} ...${{ label, hint }}>${(id, hinted) => {
    const given = { id, value, 'aria-describedby': hinted, onInput: (event) => set(event.target.value), ...rest };
    return rows ? html`<textarea rows=${rows} ...${given}></textarea>` : html`<input type="text" autocomplete="off" ...${given} />`;
  }}<//>`;
}

/** `options` are texts, or `[value, text]`. */
export function Select({ label, hint, value, set, options, ...rest }) {
  return html`<${Labelled} ...${{ label, hint }}>${(id, hinted) => html`<select id=${id} aria-describedby=${hinted} value=${value}
    onChange=${(event) => set(event.target.value)} ...${rest}>${options.map((option) => {
      const [own, text] = Array.isArray(option) ? option : [option, option];
      return html`<option key=${own} value=${own} selected=${own === value}>${text}</option>`;
    })}</select>`}<//>`;
}

export function Check({ label, hint, value, set, ...rest }) {
  const id = useId();
  return html`<div class="check"><input type="checkbox" id=${id} checked=${value} onChange=${(event) => set(event.target.checked)} ...${rest} />
    <label for=${id}>${label}</label>${hint && html`<p class="note">${hint}</p>`}</div>`;
}

/** Any number of `options`, as a list of those that are chosen. */
export function Checks({ label, value, set, options }) {
  const toggle = (option) => (on) => set(on ? [...value, option] : value.filter((one) => one !== option));
  return html`<fieldset class="checks"><legend>${label}</legend>
    ${options.map((option) => html`<${Check} key=${option} label=${option} value=${value.includes(option)} set=${toggle(option)} />`)}</fieldset>`;
}

/** One of some short choices in a row of filters: `options` are texts, or `[value, text]`. */
export function Filter({ label, value = '', set, options, none = 'All' }) {
  return html`<label class="filter"><span>${label}</span><select value=${value} onChange=${(event) => set(event.target.value)}>
    <option value="">${none}</option>${options.map((option) => {
      const [own, text] = Array.isArray(option) ? option : [option, option];
      return html`<option key=${own} value=${own} selected=${own === value}>${text}</option>`;
    })}</select></label>`;
}

/** A text to filter by: it holds a moment after the last key. */
export function FilterText({ label, value = '', set, ...rest }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => {
    // What is being typed is newer than the address.
    if (!timer.current) setText(value);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = ({ target }) => {
    setText(target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = null;
      set(target.value);
    }, TYPING_MS);
  };
  return html`<label class="filter"><span>${label}</span><input type="search" value=${text} onInput=${type} ...${rest} /></label>`;
}
