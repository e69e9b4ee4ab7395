// A schedule to make or to change. The server judges when it is due, and says what that means: the next runs.

import { html, useId } from '../../lib/html.js';
import { useSave } from '../../lib/fields.js';
import { Problem } from '../../ui/bits.js';
import { Check, Form, Select, Text, useFields } from '../../ui/form.js';
import { JsonEditor, pretty } from '../../ui/json.js';
import { Makes } from '../../ui/secret.js';
import { NextRuns, isBroken, payloadOf, useFunctions } from './parts.js';

const CATCH_UP = [
  ['one', 'Make up for them with one run'],
  ['skip', 'Leave them out'],
  ['all', 'Run each, up to a bound'],
];
const OVERLAP = [
  ['skip', 'Leave it out'],
  ['queue', 'Wait until the earlier one is over'],
  ['allow', 'Run beside the earlier one'],
];
const NEW = {
  name: '', cron: '', timezone: 'UTC', function_name: '', payload: '', catch_up: 'one', overlap: 'skip', jitter_seconds: 0, paused: false,
};
const PATTERNS = [
  ['every 15m', 'every 15 minutes'],
  ['@hourly', 'each hour'],
  ['0 9 * * MON-FRI', '9:00 on weekdays'],
  ['@daily', 'each midnight'],
];

const body = (value) => ({
  ...value,
  name: value.name.trim(),
  cron: value.cron.trim(),
  payload: payloadOf(value.payload),
  jitter_seconds: Number(value.jitter_seconds),
});

const isLacking = ({ name, cron, function_name: runs, payload }) => !name.trim() || !cron.trim() || !runs || isBroken(payload);

/** "Create schedule". */
export function CreateSchedule() {
  return html`<${Saves} name="Create schedule" kind="primary" first=${NEW} submit="Create schedule" />`;
}

/** "Edit", filled with what the schedule is. */
export function EditSchedule({ schedule, done }) {
  const first = Object.fromEntries(Object.keys(NEW).map((name) => [name, schedule[name]]));
  first.payload = pretty(schedule.payload);
  return html`<${Saves} name="Edit" title="Edit schedule" submit="Save" left=${done} ...${{ first, id: schedule.id }} />`;
}

/** What was saved is shown as what it means: the next runs. */
function Saves({ name, title, kind, left, ...rest }) {
  return html`<${Makes} ...${{ name, title, kind, left }} madeTitle="Schedule saved" again
    form=${({ close, done }) => html`<${Fields} ...${{ ...rest, close, done }} />`}
    shown=${(saved) => html`<p role="status"><b>${saved.name}</b> is saved. It is due next:</p><${NextRuns} schedule=${saved} />`} />`;
}

function Fields({ first, id, submit, close, done }) {
  const [value, set] = useFields(first);
  const send = useSave('/v1/schedules', first, body, id);
  const { names, error } = useFunctions();
  const options = [['', 'Choose a function'], ...new Set([...names, value.function_name].filter(Boolean))];
  return html`<${Form} ...${{ value, submit, send, close, done }} disabled=${isLacking(value)}>
    <${Problem} error=${error} />
    <${Text} label="Name" name="name" value=${value.name} set=${set('name')} maxlength="200" />
    <${Select} label="Function" name="function_name" value=${value.function_name} set=${set('function_name')} options=${options} />
    <${Cron} value=${value.cron} set=${set('cron')} />
    <${Zone} value=${value.timezone} set=${set('timezone')} />
    <${JsonEditor} label="Payload" name="payload" hint="JSON that the function is given; may be empty." rows=${4} value=${value.payload}
      set=${set('payload')} />
    <${Exceptions} ...${{ value, set }} />
    <${Check} label="Paused" name="paused" value=${value.paused} set=${set('paused')} hint="It makes no tasks until it is resumed." />
  <//>`;
}

function Cron({ value, set }) {
  return html`<div class="stack tight"><${Text} label="Cron" name="cron" class="mono" ...${{ value, set }} maxlength="200"
      placeholder="0 9 * * MON-FRI"
      hint="Five fields (minute, hour, day of month, month, day of week), a name such as @daily, or every 15m." />
    <div class="actions" role="group" aria-label="Common choices">${PATTERNS.map(([cron, text]) => html`<button key=${cron}
      type="button" class="small" onClick=${() => set(cron)}>${text}</button>`)}</div></div>`;
}

function Exceptions({ value, set }) {
  return html`<details class="more-of"><summary>Missed and overlapping runs</summary><div class="form">
    <${Select} label="Runs that were missed while the server stood still" name="catch_up" value=${value.catch_up}
      set=${set('catch_up')} options=${CATCH_UP} />
    <${Select} label="A run that is due while an earlier one goes on" name="overlap" value=${value.overlap}
      set=${set('overlap')} options=${OVERLAP} />
    <${Text} label="Start late by chance, up to so many seconds" name="jitter_seconds" type="number" min="0" max="60"
      value=${value.jitter_seconds} set=${set('jitter_seconds')} /></div></details>`;
}

/** The zones that this browser knows are offered; the server has the last word. */
export function Zone({ value, set, hint = '' }) {
  const list = useId();
  const zones = ['UTC', ...(Intl.supportedValuesOf?.('timeZone') ?? [])];
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return html`<${Text} label="Time zone" name="timezone" value=${value} set=${set} list=${list}
    hint=${`A zone of the IANA database; this browser's is ${own}. ${hint}`} />
    <datalist id=${list}>${zones.map((zone) => html`<option key=${zone} value=${zone}></option>`)}</datalist>`;
}
