// Forms: a field has a label, a hint, and the error that the server found in it.

import { createContext, html, useContext, useEffect, useId, useRef, useState } from '../lib/html.js';
import { useAction } from '../lib/load.js';
import { setUnsaved } from '../lib/place.js';
import { Problem } from './bits.js';

/** How long nobody types before a filter holds, in milliseconds. */
const TYPING_MS = 400;

/** What the server refused: the `names` that its field may have, and the `message`, which need not begin with one of them. */
const Fault = createContext({ names: [] });

/** Why the server refused the field of this name, if it did. */
export function useFault(name) {
  const { names, message } = useContext(Fault);
  return names.includes(name) ? sentence(message, name) : undefined;
}

/** The fields of a form: `[value, set, setValue]`, where `set(name)` gives the setter of one. */
export function useFields(first) {
  const [value, setValue] = useState(first);
  return [value, (name) => (to) => setValue((last) => ({ ...last, [name]: to })), setValue];
}

/**
 * A form over an object: `value` is its state, `send(options, value)` sends it, `done(result)` follows. Its fields are
 * `children`; the one whose `name` begins `error.param` is marked, and takes the focus, and what it does not show itself is
 * said below. A `long` one asks before it is left.
 */
export function Form({ value, send, done, submit, close, children, disabled, long }) {
  const holds = (is) => long && setUnsaved(is);
  const { run, busy, error } = useAction(send, (result) => {
    holds(false);
    return done?.(result);
  });
  useEffect(() => () => holds(false), []);
  const box = useRef(null);
  const [isSaid, setSaid] = useState(false);
  const names = namesOf(error?.param);
  useEffect(() => {
    const field = names.map((name) => box.current.querySelector(`[name="${CSS.escape(name)}"]`)).find(Boolean);
    if (field) show(field);
    setSaid(field?.getAttribute('name') === error?.param && /-fault\b/.test(field?.getAttribute('aria-describedby')));
  }, [error]);
  const act = (event) => {
    event.preventDefault();
    run(value);
  };
  return html`<form class="form" ref=${box} onSubmit=${act} onInput=${() => holds(true)}>
    <${Fault.Provider} value=${{ names, message: error?.message }}>${children}<//>
    <${Problem} error=${isSaid && error ? { ...error, message: MARKED } : error} />
    <div class="form-end">${close && html`<button type="button" onClick=${close}>Cancel</button>`}
      <button type="submit" class="primary" disabled=${disabled} aria-disabled=${String(busy)}>${submit}</button></div>
  </form>`;
}

const MARKED = 'Not saved: see the marked field.';

/** The path to what was refused, and each that it begins with, the longest first: "stop/1", "stop". */
const namesOf = (path) => (path ? [...path.matchAll(/[/.[]|$/g)].map(({ index }) => path.slice(0, index)).reverse() : []);

/** Leads who writes to a field, wherever it is folded away. */
function show(field) {
  for (let fold = field.closest('details'); fold; fold = fold.parentElement.closest('details')) fold.open = true;
  (field.matches('fieldset') ? field.querySelector('input') : field).focus();
}

/** What is wrong with a field, which the label beside it names already; whole, where it is of a part of the field. */
function sentence(message, name) {
  const rest = message.replace(new RegExp(`^\\W?${name}\\W?\\s+`), '');
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

/** What describes a field to readers: why it was refused, what it is for. */
const describes = (id, fault, hint) => [fault && `${id}-fault`, hint && `${id}-hint`].filter(Boolean).join(' ') || undefined;

/** Why the server refused a field that the element `of` describes. */
function Refused({ of, why }) {
  return why && html`<p class="said bad" id=${of}>${why}</p>`;
}

function Labelled({ label, hint, name, children }) {
  const id = useId();
  const fault = useFault(name);
  const given = { id, name, 'aria-describedby': describes(id, fault, hint), 'aria-invalid': fault && 'true' };
  return html`<div class="field"><label for=${id}>${label}</label>${children(given)}
    <${Refused} of=${`${id}-fault`} why=${fault} />
    ${hint && html`<p class="note" id=${`${id}-hint`}>${hint}</p>`}</div>`;
}

export function Text({ label, hint, name, value, set, rows, ...rest }) {
  return html`<${Labelled} ...${{ label, hint, name }}>${(own) => {
    const given = { ...own, value, onInput: (event) => set(event.target.value), ...rest };
    return rows ? html`<textarea rows=${rows} ...${given}></textarea>` : html`<input type="text" autocomplete="off" ...${given} />`;
  }}<//>`;
}

/** `options` are texts, or `[value, text]`. */
function optionsOf(options, value) {
  return options.map((option) => {
    const [own, text] = Array.isArray(option) ? option : [option, option];
    return html`<option key=${own} value=${own} selected=${own === value}>${text}</option>`;
  });
}

export function Select({ label, hint, name, value, set, options, ...rest }) {
  return html`<${Labelled} ...${{ label, hint, name }}>${(own) => html`<select ...${own} value=${value}
    onChange=${(event) => set(event.target.value)} ...${rest}>${optionsOf(options, value)}</select>`}<//>`;
}

export function Check({ label, hint, name, value, set, ...rest }) {
  const id = useId();
  const fault = useFault(name);
  return html`<div class="check"><input type="checkbox" ...${{ id, name, ...rest }} checked=${value}
      aria-describedby=${describes(id, fault, hint)} aria-invalid=${fault && 'true'}
      onChange=${(event) => set(event.target.checked)} />
    <label for=${id}>${label}</label><${Refused} of=${`${id}-fault`} why=${fault} />
    ${hint && html`<p class="note" id=${`${id}-hint`}>${hint}</p>`}</div>`;
}

/** Any number of `options`, as a list of those that are chosen; `children` come before them. */
export function Checks({ label, name, value, set, options, kind = '', children }) {
  const id = useId();
  const fault = useFault(name);
  const toggle = (option) => (on) => set(on ? [...value, option] : value.filter((one) => one !== option));
  return html`<fieldset class=${`checks ${kind}`} name=${name} aria-describedby=${describes(id, fault)}><legend>${label}</legend>${children}
    ${options.map((option) => html`<${Check} key=${option} label=${option} value=${value.includes(option)}
      set=${toggle(option)} />`)}<${Refused} of=${`${id}-fault`} why=${fault} /></fieldset>`;
}

/** One of some short choices in a row of filters: `options` are texts, or `[value, text]`. */
export function Filter({ label, value = '', set, options, none = 'All' }) {
  return html`<label class="filter"><span>${label}</span><select value=${value} onChange=${(event) => set(event.target.value)}>
    <option value="">${none}</option>${optionsOf(options, value)}</select></label>`;
}

/** A text to filter by: it holds a moment after the last key. */
export function FilterText({ label, value = '', set, ...rest }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => {
    // What is being typed is newer than the address, which holds it without the spaces around it.
    if (!timer.current) setText((last) => (last.trim() === value ? last : value));
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
