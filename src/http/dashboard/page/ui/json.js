// JSON to look at and to write.

import { html, useEffect, useId, useMemo, useRef, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { isPlain, lost, parse } from '../lib/exact.js';
import { Copy, CopyButton } from './copy.js';
import { useFault } from './form.js';
import { faultOf } from './json-fault.js';

/** Members of an object or array that are shown at once, and characters of a text; the rest on demand. */
const SHOWN_MAX = 100;
const TEXT_MAX = 2_000;
/** A value of at most so many parts is shown unfolded; of a larger one the outer branches. */
const UNFOLDED_MAX = 80;
const OPEN_DEPTH = 2;
/** Of a value with more parts than this, branches are opened one by one. */
const UNFOLDS_MAX = 5_000;
/** How long nobody types before what was typed is judged. */
const CALM_MS = 300;
/** A field grows with its text up to so many lines. */
const ROWS_MAX = 32;

/** A value as a tree whose branches open, with a button that copies all of it. */
export function JsonTree({ value, label = 'JSON' }) {
  const size = useMemo(() => parts(value), [value]);
  const [open, setOpen] = useState({ all: false, round: 0 });
  const turn = () => setOpen(({ all, round }) => ({ all: !all, round: round + 1 }));
  const isSmall = size <= UNFOLDED_MAX;
  const depth = isSmall || open.all ? Infinity : OPEN_DEPTH;
  return html`<div class="code json"><div class="tree" tabindex="0" role="group" aria-label=${label}><${Node}
    key=${`${depth} ${open.round}`} value=${value} depth=${0} open=${depth} /></div>
    <div class="code-actions">${!isSmall && size <= UNFOLDS_MAX && html`<button type="button" class="quiet small" onClick=${turn}>
      ${open.all ? 'Fold' : 'Unfold all'}</button>`}
      <${CopyButton} text=${() => pretty(value)} label=${`Copy ${label}`} /></div></div>`;
}

/** How many values there are in a value, itself included; counted no further than it matters. */
function parts(value) {
  if (isPlain(value)) return 1;
  let sum = 1;
  for (const one of Object.values(value)) {
    sum += parts(one);
    if (sum > UNFOLDS_MAX) return sum;
  }
  return sum;
}

function Node({ name, value, depth, open }) {
  const key = name !== undefined && html`<span class="json-key">${JSON.stringify(name)}</span>: `;
  if (isPlain(value)) return html`<div>${key}<${Leaf} value=${value} /></div>`;
  const [begin, end] = Array.isArray(value) ? '[]' : '{}';
  const size = Object.keys(value).length;
  if (!size) return html`<div>${key}${begin}${end}</div>`;
  return html`<${Branch} ...${{ value, depth, open }} head=${html`${key}${begin} ${size} ${end}`} />`;
}

/** What is in a branch is drawn once it is opened. */
function Branch({ head, value, depth, open }) {
  const [isOpen, setOpen] = useState(depth < open);
  return html`<details open=${isOpen} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${head}</summary>${isOpen && html`<${Members} ...${{ value, depth, open }} />`}</details>`;
}

function Members({ value, depth, open }) {
  const [all, setAll] = useState(false);
  const entries = Array.isArray(value) ? value.map((one) => [undefined, one]) : Object.entries(value);
  const shown = all ? entries : entries.slice(0, SHOWN_MAX);
  return html`<div class="branch">${shown.map(([own, one], at) => html`<${Node} key=${at} name=${own} value=${one} depth=${depth + 1}
      open=${open} />`)}
    ${shown.length < entries.length && html`<button type="button" class="small" onClick=${() => setAll(true)}>
      Show all ${entries.length}</button>`}</div>`;
}

function Leaf({ value }) {
  const [all, setAll] = useState(false);
  const text = JSON.stringify(value);
  const isLong = !all && text.length > TEXT_MAX;
  const kind = value === null ? 'null' : typeof value.valueOf();
  return html`<span class=${`json-${kind}`}>${isLong ? `${text.slice(0, TEXT_MAX)}…` : text}</span>
    ${isLong && html` <button type="button" class="small" onClick=${() => setAll(true)}>Show all ${text.length} characters</button>`}`;
}

/** What a text says as JSON: `{ value }`, or `{ fault, at }` with the place where it breaks; neither where it is empty. */
export function parseJson(text) {
  if (!text.trim()) return {};
  try {
    const value = parse(text);
    const number = lost(text);
    return number ? { fault: `This browser cannot keep ${number} exactly: write it as a text.`, at: text.indexOf(number) } : { value };
  } catch (error) {
    const found = faultOf(text);
    return found ? { fault: `Line ${found.line}, column ${found.column}: ${found.message}.`, at: found.at } : { fault: error.message };
  }
}

/** A value as it is written in an editor; empty where there is none. */
export const pretty = (value) => (value === null || value === undefined ? '' : JSON.stringify(value, null, 2));

/** What a field's text says, for a request: the value, undefined where it is empty; throws where it is no JSON. */
export function valueOf(label, text) {
  const { value, fault } = parseJson(text);
  if (fault) throw new Error(`${label}: ${fault}`);
  return value;
}

/**
 * A text field for JSON that is judged while it is written: first as JSON, then by `judge(value)`, which gives a list of
 * faults `{ path, message }` or throws what the server refused. `good` is what it says where all is well.
 */
export function JsonEditor({ label, hint, name, value, set, rows = 10, judge, needs = [], good = 'Valid JSON' }) {
  const id = useId();
  const field = useRef(null);
  const refused = useFault(name);
  const judged = useJudged(value, judge, needs);
  const faults = refused ? { list: [{ message: refused }, ...judged.list], judged: false } : judged;
  const format = () => {
    const parsed = parseJson(value);
    if (parsed.value !== undefined) set(pretty(parsed.value));
  };
  const show = (at) => {
    field.current.focus();
    field.current.setSelectionRange(at, at + 1);
  };
  const bad = faults.list.length > 0;
  const saidId = `${id}-${refused ? 'fault' : 'said'}`;
  return html`<div class="field"><div class="field-head"><label for=${id}>${label}</label><button type="button" class="quiet small"
    aria-label=${`Format ${label}`} onClick=${format}>Format</button></div>
    <textarea ...${{ id, name, value }} ref=${field} class="mono" rows=${rowsOf(value, rows)} spellcheck="false" autocapitalize="off"
      aria-invalid=${String(bad)} aria-describedby=${saidId} onInput=${(event) => set(event.target.value)}
      onKeyDown=${indent}></textarea>
    <div id=${saidId} class=${said(bad, faults.judged)} aria-live="polite">${bad
      ? html`<ul>${faults.list.map((one) => html`<${Found} of=${one} show=${show} />`)}</ul>`
      : html`<span class="note">${faults.judged ? good : hint}</span>`}</div>
  </div>`;
}

/** One thing that is wrong: where, what, and the request that found it if it was refused. */
function Found({ of: { path, message, at, requestId }, show }) {
  return html`<li>${path !== undefined && html`<code>${path || '/'}</code> `}${message}
    ${at !== undefined && html` <button type="button" class="link" onClick=${() => show(at)}>Show it</button>`}
    ${requestId && html`<p class="note">Request <${Copy} text=${requestId} label="Copy the request id" /></p>`}</li>`;
}

const said = (bad, judged) => ['said', bad && 'bad', !bad && judged && 'good'].filter(Boolean).join(' ');

const rowsOf = (text, rows) => Math.max(rows, Math.min(ROWS_MAX, text.split('\n').length));

/** What is wrong with a text, a moment after it changed last. */
function useJudged(text, judge, needs) {
  const [faults, setFaults] = useState({ list: [], judged: false });
  useEffect(() => {
    let late = false;
    const timer = setTimeout(async () => {
      const found = await judgeText(text, judge);
      if (!late) setFaults(found);
    }, CALM_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [text, ...needs]);
  return faults;
}

async function judgeText(text, judge) {
  const { value, fault, at } = parseJson(text);
  if (fault) return { list: [{ message: fault, at }], judged: false };
  if (value === undefined) return { list: [], judged: false };
  try {
    return { list: (await judge?.(value)) ?? [], judged: true };
  } catch (error) {
    return { list: [{ message: error.message, requestId: error.requestId }], judged: false };
  }
}

/** Ctrl+] indents, so that Tab still leaves the field (WCAG 2.1.2); a new line begins below the one before. */
function indent(event) {
  const { key, target } = event;
  if (key === ']' && (event.ctrlKey || event.metaKey)) insert(event, '  ');
  if (key !== 'Enter' || event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing) return;
  const line = target.value.slice(0, target.selectionStart).split('\n').at(-1);
  insert(event, `\n${/^\s*/.exec(line)[0]}${/[[{]\s*$/.test(line) ? '  ' : ''}`);
}

/** Writes as if it was typed, so that it can be undone. */
function insert(event, text) {
  event.preventDefault();
  document.execCommand('insertText', false, text);
}

/** Judges a JSON Schema: the server compiles it against nothing. */
export async function judgeSchema(schema) {
  await post('/v1/schemas/validate', { schema, instance: null });
  return [];
}

/** Judges a value by a schema. */
export const judgeBy = (schema) => async (instance) => {
  if (!schema) return [];
  const { errors } = await post('/v1/schemas/validate', { schema, instance });
  return errors;
};
