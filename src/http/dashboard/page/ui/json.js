// JSON to look at and to write.

import { html, useEffect, useId, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { CopyButton } from './bits.js';

/** Members of an object or array that are shown at once; the rest on demand. */
const SHOWN_MAX = 100;
const OPEN_DEPTH = 2;
/** How long nobody types before what was typed is judged. */
const CALM_MS = 300;

/** A value as a tree whose branches open, with a button that copies all of it. */
export function JsonTree({ value, label = 'JSON' }) {
  return html`<div class="code json"><div class="tree" tabindex="0" role="region" aria-label=${label}><${Node} value=${value} depth=${0} /></div>
    <${CopyButton} text=${JSON.stringify(value, null, 2)} label=${`Copy ${label}`} /></div>`;
}

function Node({ name, value, depth }) {
  const [all, setAll] = useState(false);
  const key = name !== undefined && html`<span class="json-key">${JSON.stringify(name)}</span>: `;
  if (value === null || typeof value !== 'object') return html`<div>${key}<span class=${`json-${value === null ? 'null' : typeof value}`}>${JSON.stringify(value)}</span></div>`;
  const isList = Array.isArray(value);
  const entries = isList ? value.map((one) => [undefined, one]) : Object.entries(value);
  if (!entries.length) return html`<div>${key}${isList ? '[]' : '{}'}</div>`;
  const shown = all ? entries : entries.slice(0, SHOWN_MAX);
  return html`<details open=${depth < OPEN_DEPTH}>
    <summary>${key}${isList ? `[ ${entries.length} ]` : `{ ${entries.length} }`}</summary>
    <div class="branch">${shown.map(([own, one], at) => html`<${Node} key=${at} name=${own} value=${one} depth=${depth + 1} />`)}
      ${shown.length < entries.length && html`<button type="button" class="small" onClick=${() => setAll(true)}>Show all ${entries.length}</button>`}</div>
  </details>`;
}

/** What a text says as JSON: `{ value }`, or `{ fault }` with the place where it breaks; neither where it is empty. */
export function parseJson(text) {
  if (!text.trim()) return {};
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { fault: fault(text, error.message) };
  }
}

function fault(text, message) {
  const at = /position (\d+)/.exec(message)?.[1];
  if (!at) return message;
  const before = text.slice(0, Number(at)).split('\n');
  return `${message.replace(/ in JSON at position.*/, '')} (line ${before.length}, column ${before.at(-1).length + 1})`;
}

/**
 * A text field for JSON that is judged while it is written: first as JSON, then by `judge(value)`, which gives a list of
 * faults `{ path, message }` or throws what the server refused.
 */
export function JsonEditor({ label, hint, value, set, rows = 10, judge, needs = [] }) {
  const id = useId();
  const [faults, setFaults] = useState({ list: [], judged: false });
  useEffect(() => {
    let late = false;
    const timer = setTimeout(async () => {
      const found = await judgeText(value, judge);
      if (!late) setFaults(found);
    }, CALM_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [value, ...needs]);
  const pretty = () => {
    const parsed = parseJson(value);
    if (parsed.value !== undefined) set(JSON.stringify(parsed.value, null, 2));
  };
  const bad = faults.list.length > 0;
  return html`<div class="field"><div class="field-head"><label for=${id}>${label}</label><button type="button" class="quiet small" onClick=${pretty}>Format</button></div>
    <textarea id=${id} class="mono" rows=${rows} spellcheck="false" autocapitalize="off" value=${value} aria-invalid=${String(bad)}
      aria-describedby=${`${id}-said`} onInput=${(event) => set(event.target.value)} onKeyDown=${indent}></textarea>
    <div id=${`${id}-said`} class=${bad ? 'said bad' : 'said'} aria-live="polite">
      ${bad ? html`<ul>${faults.list.map(({ path, message }) => html`<li>${path && html`<code>${path}</code> `}${message}</li>`)}</ul>` : html`<span class="note">${faults.judged ? 'Valid' : hint}</span>`}</div>
  </div>`;
}

async function judgeText(text, judge) {
  const parsed = parseJson(text);
  if (parsed.fault) return { list: [{ message: parsed.fault }], judged: false };
  if (parsed.value === undefined) return { list: [], judged: false };
  try {
    return { list: (await judge?.(parsed.value)) ?? [], judged: true };
  } catch (error) {
    return { list: [{ message: error.message }], judged: false };
  }
}

/** Ctrl+] indents, so that Tab still leaves the field (WCAG 2.1.2). */
function indent(event) {
  if (event.key !== ']' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  document.execCommand('insertText', false, '  ');
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
