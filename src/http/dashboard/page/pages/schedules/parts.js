// What the pages of schedules share: times in a zone, a payload as text, the functions to choose from.

import { html } from '../../lib/html.js';
import { getAll } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Card, Link, Status, Time } from '../../ui/bits.js';
import { JsonTree, parseJson } from '../../ui/json.js';

export const TASK_STATUSES = ['pending', 'running', 'completed', 'failed', 'canceled'];

const zoned = new Map();

/** A time as the clocks of a zone show it; in UTC where this browser does not know the zone. */
export function timeIn(value, zone) {
  if (!zoned.has(zone)) zoned.set(zone, formatOf(zone) ?? formatOf('UTC'));
  return zoned.get(zone).format(new Date(value));
}

function formatOf(timeZone) {
  try {
    return new Intl.DateTimeFormat('en', {
      timeZone, weekday: 'short', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit',
      hourCycle: 'h23', timeZoneName: 'short',
    });
  } catch {
    return null;
  }
}

/** The next runs of a schedule, in its own time zone. */
export function NextRuns({ schedule: { next_runs: runs, timezone, paused } }) {
  if (!runs.length) return html`<p class="note">${paused ? 'None while it is paused.' : 'It is never due again.'}</p>`;
  return html`<ol class="runs" aria-label="Next runs">${runs.map((at) => html`<li key=${at}>
    ${timeIn(at, timezone)} <span class="note"><${Time} at=${at} /></span></li>`)}</ol>`;
}

/** The functions, to choose one by name. */
export function useFunctions() {
  const { data, error } = useLoad((signal) => getAll('/v1/functions', {}, { signal }), [], ['functions']);
  return { functions: data, names: (data ?? []).map(({ name }) => name), error };
}

/** A payload as it is sent: nothing written is no payload. */
export const payloadOf = (text) => parseJson(text).value ?? null;
export const isBroken = (text) => Boolean(parseJson(text).fault);

export const taskPage = ({ id }) => `/dashboard/schedules/tasks/${id}`;
export const scheduleAt = ({ id }) => ['/dashboard/schedules', { schedule: id }];

/** The columns of tasks; those of one schedule need not say where they come from. */
export const taskColumns = (withOrigin) => [
  { name: 'Task', of: ({ id }) => html`<code>${format.tail(id)}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Function', of: ({ function_name: name }) => html`<code>${name}</code>` },
  ...(withOrigin ? [{ name: 'Made by', of: (task) => html`<${Origin} task=${task} />` }] : []),
  { name: 'Due', of: ({ scheduled_time: at }) => html`<${Time} at=${at} />` },
  { name: 'Attempts', of: ({ attempts }) => format.count(attempts), number: true },
  { name: 'Duration', of: ({ duration_ms: took }) => format.duration(took), number: true },
  { name: 'Finished', of: ({ finished_at: at }) => html`<${Time} at=${at} />` },
];

export function Origin({ task: { schedule_id: id } }) {
  return id ? html`<${Link} to="/dashboard/schedules" query=${{ schedule: id }}>a schedule<//>` : 'a request';
}

/** What a function is given or gave back, or that there is nothing. */
export function Payload({ title, value, none }) {
  const isNone = value === null || value === undefined;
  return html`<${Card} title=${title}>${isNone
    ? html`<p class="note">${none}</p>`
    : html`<${JsonTree} value=${value} label=${`the ${title.toLowerCase()}`} />`}<//>`;
}
