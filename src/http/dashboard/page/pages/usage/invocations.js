// What executions were asked and what they answered, where that is recorded.

import { html, useState } from '../../lib/html.js';
import { get, patch } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useCan, useSession } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Copy, Empty, Facts, Link, NoMatch, Status, Time, firstJob } from '../../ui/bits.js';
import { Dialog, Does } from '../../ui/dialog.js';
import { FilterDays, Filters, moments, useFilters } from '../../ui/filters.js';
import { Filter, FilterText } from '../../ui/form.js';
import { JsonTree } from '../../ui/json.js';
import { Table } from '../../ui/table.js';

const WORDS = { success: 'succeeded', error: 'failed' };
const Ended = ({ status }) => html`<${Status} value=${WORDS[status]} />`;
/** Characters of a payload that a row shows. */
const SHOWN_MAX = 90;
const OFFICIAL = '00000000-0000-0000-0000-000000000001';

/** An official id stands for a name that is no UUID; the payload holds it. */
function skill({ skill_uid, input_payload }) {
  const original = skill_uid === OFFICIAL ? input_payload._meta?.original_skill : null;
  return original ?? input_payload.model ?? format.tail(skill_uid);
}

const COLUMNS = [
  { name: 'Agent or model', of: skill },
  { name: 'Status', of: ({ status }) => html`<${Ended} status=${status} />` },
  { name: 'Input', of: ({ input_payload }) => beginning(input_payload.messages?.at(-1)?.content ?? input_payload), wide: true },
  { name: 'Output', of: ({ output_payload }) => beginning(output_payload.output_text ?? output_payload), wide: true },
  { name: 'Duration', of: ({ duration_ms }) => format.duration(duration_ms), number: true },
  { name: 'Ended', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

function beginning(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return html`<span class="cut">${text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text}</span>`;
}

export function Invocations() {
  const filters = useFilters(['status', 'job_id', 'from', 'to']);
  const { query: { from, to, ...asked }, set, filtered } = filters;
  const [open, setOpen] = useState(null);
  const list = useList('/v1/invocations', { ...asked, ...moments({ from, to }) }, ['usage']);
  return html`<${Recording} /><${Filters} label="Filter invocations" of=${filters}>
      <${Filter} label="Status" value=${asked.status} options=${Object.entries(WORDS)} set=${set('status')} />
      <${FilterText} label="Job id" value=${asked.job_id} set=${set('job_id')} />
      <${FilterDays} of=${filters} /><//>
    <${Table} label="Invocations" columns=${COLUMNS} list=${list} open=${setOpen}
      called=${({ job_id }) => format.tail(job_id)} empty=${filtered ? html`<${NoMatch} what="invocation" />`
      : html`<${Empty} title="No invocations yet" command=${firstJob()}>What a job was asked and what it answered is listed here once it
        ended, where recording is on: in the project, else in the account, else under <code>[telemetry.invocations]</code> in config.toml.
        Send a job with an API key:<//>`} />
    ${open && html`<${Detail} invocation=${open} close=${() => setOpen(null)} />`}`;
}

/** Says that nothing is recorded: the project decides, and where it does not, its account. */
function Recording() {
  const { project, account, user } = useSession();
  const can = useCan();
  const ask = async (signal) => {
    const [own, above] = await Promise.allSettled([
      get(`/v1/projects/${project.id}`, {}, { signal }),
      user.is_operator ? get(`/admin/v1/accounts/${account.id}`, {}, { signal }) : null,
    ]);
    return { project: own.value?.record_invocations ?? null, account: above.value?.record_invocations ?? null };
  };
  const { data, reload } = useLoad(ask, [project.id], ['projects']);
  const isOff = data && (data.project ?? data.account) === false;
  if (!isOff) return null;
  const act = () => patch(`/v1/projects/${project.id}`, { record_invocations: true });
  const where = data.project === false ? 'this project' : 'this account';
  return html`<div class="notice split"><p><b>Recording is off for ${where}.</b>
      ${' '}What its jobs are asked and answer is not kept. The setting is on the page
      ${' '}<${Link} to="/dashboard/keys">Keys & projects<//>.</p>
    ${can('keys:write') && html`<${Does} name="Record in this project" kind="" act=${act} done=${reload} />`}</div>`;
}

function Detail({ invocation, close }) {
  return html`<${Dialog} title="Invocation" wide close=${close}><div class="stack">
    <${Facts} of=${[
      ['Status', html`<${Ended} status=${invocation.status} />`],
      ['Duration', format.duration(invocation.duration_ms)],
      ['Ended', format.time(invocation.created_at)],
      ['Agent or model', skill(invocation)],
      ['Job', html`<${Link} to=${`/dashboard/jobs/${invocation.job_id}`}>Open the job<//>`],
      ['Job id', html`<${Copy} text=${invocation.job_id} label="Copy the job id" />`],
    ]} />
    <h3>Input</h3><${JsonTree} value=${invocation.input_payload} label="input" />
    <h3>Output</h3><${JsonTree} value=${invocation.output_payload} label="output" />
  </div><//>`;
}
