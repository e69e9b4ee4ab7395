// The schedules of the project, and one of them with its next runs and its tasks.

import { html } from '../../lib/html.js';
import { get, patch, post, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { address, go } from '../../lib/place.js';
import { useCan } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Card, Copy, Empty, Facts, Head, Loaded, Status, Time, curl } from '../../ui/bits.js';
import { Confirms, Does } from '../../ui/dialog.js';
import { Table } from '../../ui/table.js';
import { EditSchedule } from './schedule-form.js';
import { NextRuns, Payload, scheduleAt, taskColumns, taskPage, timeIn } from './parts.js';

const FIRST = curl('/v1/schedules', {
  name: 'Each morning', cron: '0 9 * * MON-FRI', timezone: 'Europe/Berlin', function_name: 'batch-ai-processor',
});

const standing = ({ paused }) => html`<${Status} value=${paused ? 'paused' : 'active'} />`;

const COLUMNS = [
  { name: 'Schedule', of: ({ name, function_name: runs }) => html`<span>${name}</span><code class="under">${runs}</code>`, wide: true },
  { name: 'Status', of: standing },
  { name: 'When', of: ({ cron, timezone }) => html`<code>${cron}</code><span class="under">${timezone}</span>` },
  { name: 'Next run', of: (schedule) => html`<${Next} schedule=${schedule} />` },
  { name: 'Last run', of: ({ last_run: at }) => html`<${Time} at=${at} />` },
];

function Next({ schedule: { next_runs: [next], timezone } }) {
  return next ? html`<${Time} at=${next} /><span class="under">${timeIn(next, timezone)}</span>` : '–';
}

export function ScheduleList() {
  const list = useList('/v1/schedules', {}, ['schedules']);
  const may = useCan()('schedules:write');
  const quick = { name: 'Actions', unseen: true, of: (schedule) => html`<${Quick} ...${{ schedule, reload: list.reload }} />` };
  const columns = may ? [...COLUMNS, quick] : COLUMNS;
  return html`<${Table} label="Schedules" columns=${columns} list=${list} to=${scheduleAt}
    empty=${html`<${Empty} title="No schedules yet" command=${FIRST}>
      A schedule runs a function again and again. Choose “Create schedule”, or make one with an API key:<//>`} />`;
}

function Quick({ schedule, reload }) {
  return html`<div class="actions"><${RunNow} schedule=${schedule} kind="small" /><${Turn} ...${{ schedule, reload }}
    kind="small" /></div>`;
}

function RunNow({ schedule: { id }, kind }) {
  return html`<${Does} name="Run now" kind=${kind} act=${(options) => post(`/v1/schedules/${id}/run`, {}, options)}
    done=${(task) => go(address(taskPage(task)))} />`;
}

function Turn({ schedule: { id, paused }, reload, kind }) {
  const turn = () => patch(`/v1/schedules/${id}`, { paused: !paused });
  return html`<${Does} name=${paused ? 'Resume' : 'Pause'} act=${turn} done=${reload} kind=${kind} />`;
}

/** One schedule, in place of the list. */
export function ScheduleDetail({ id }) {
  const { data, error, reload } = useLoad((signal) => get(`/v1/schedules/${id}`, {}, { signal }), [id], ['schedules']);
  const may = useCan()('schedules:write');
  return html`<${Head} title=${data?.name ?? 'Schedule'} back=${{ to: '/dashboard/schedules', name: 'Schedules' }}>
      ${data && may && html`<${Actions} schedule=${data} reload=${reload} />`}<//>
    <${Loaded} ...${{ data, error, reload }}>${(schedule) => html`<${About} schedule=${schedule} />
      <div class="columns"><${Card} title="Next runs"><${NextRuns} schedule=${schedule} /><//>
        <${Payload} title="Payload" value=${schedule.payload} none="None: the function is given nothing." /></div>`}<//>
    ${(data || !error) && html`<${Made} id=${id} />`}`;
}

function Actions({ schedule, reload }) {
  return html`<${RunNow} schedule=${schedule} kind="primary" />
    <${Turn} ...${{ schedule, reload }} kind="" />
    <${EditSchedule} schedule=${schedule} done=${reload} />
    <${Confirms} name="Delete" title="Delete this schedule?" kind="danger" act=${() => remove(`/v1/schedules/${schedule.id}`)}
      done=${() => go(address('/dashboard/schedules'))}>
      Tasks of <b>${schedule.name}</b> that wait are canceled; those at work go on. This cannot be undone.<//>`;
}

function About({ schedule }) {
  const { skipped } = schedule;
  return html`<${Card} title="About"><${Facts} of=${[
    ['Status', standing(schedule)],
    ['Cron', html`<code>${schedule.cron}</code>`],
    ['Time zone', schedule.timezone],
    ['Function', html`<code>${schedule.function_name}</code>`],
    ['Missed runs', { skip: 'left out', one: 'made up for by one', all: 'each is run' }[schedule.catch_up]],
    ['Overlapping runs', { skip: 'left out', queue: 'wait', allow: 'run side by side' }[schedule.overlap]],
    ['Late by chance', `up to ${schedule.jitter_seconds} s`],
    ['Last run', html`<${Time} at=${schedule.last_run} />`],
    ['Left out', skipped.count ? html`<${Skipped} ...${skipped} />` : 'none'],
    ['Changed', html`<${Time} at=${schedule.updated_at} />`],
    ['Id', html`<${Copy} text=${schedule.id} label="Copy the id" />`],
  ]} /><//>`;
}

function Skipped({ count, last, reason }) {
  return html`${format.count(count)}, last <${Time} at=${last} /> <code>${reason}</code>`;
}

function Made({ id }) {
  const list = useList('/v1/scheduled-tasks', { schedule_id: id }, ['tasks']);
  return html`<${Card} title="Tasks" flush><${Table} label="Tasks of this schedule" columns=${taskColumns()} list=${list} to=${taskPage}
    empty=${html`<${Empty} title="It made no task yet" command=${curl(`/v1/schedules/${id}/run`, {})}>“Run now” makes one, whatever is
      due; so does this, with an API key:<//>`} /><//>`;
}
