// One batch: how far it is, and what became of each request.

import { html, useEffect, useState } from '../lib/html.js';
import { download, get, post } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Copy, Facts, Head, JobLink, Loaded, Status, Time } from '../ui/bits.js';
import { Confirms, Does } from '../ui/dialog.js';
import { JsonTree } from '../ui/json.js';
import { Table } from '../ui/table.js';
import { Share, progress } from './batch/share.js';

/** What of an output a row shows; the job shows all of it. */
const SHOWN_MAX = 160;

const isOver = ({ status }) => status === 'completed' || status === 'canceled';

export function Batch({ id }) {
  const [live, setLive] = useState(true);
  const topics = live ? ['batches'] : [];
  const batch = useLoad((signal) => get(`/v1/batches/${id}`, {}, { signal }), [id], topics);
  const results = useList(`/v1/batches/${id}/results`, {}, topics);
  useEffect(() => {
    if (!batch.data || !live || !isOver(batch.data)) return;
    setLive(false);
    // What was asked for before the end may lack the last of them.
    results.reload();
  }, [batch.data]);
  return html`<${Head} title="Batch" tab=${`Batch ${format.tail(id)}`} back=${{ to: '/dashboard/batches', name: 'Batches' }}
    note=${batch.data && html`<${Status} value=${batch.data.status} />`}>
      ${batch.data && html`<${Actions} id=${id} batch=${batch.data} done=${() => { batch.reload(); results.reload(); }} />`}<//>
    <${Loaded} ...${batch}>${(data) => html`<${About} batch=${data} />`}<//>
    <${Card} title="Results" flush><${Table} label="Results of the requests" columns=${COLUMNS} list=${results}
      to=${({ job_id }) => `/dashboard/jobs/${job_id}`}
      empty=${html`<p class="empty">There are no results.</p>`} /><//>`;
}

function Actions({ id, batch, done }) {
  const write = useCan()('jobs:write');
  const save = () => download(`/v1/batches/${id}/results`, {}, { accept: 'application/jsonl', name: `batch-${id}.jsonl` });
  return html`<${Does} name="Download JSONL" kind="" act=${save} />
    ${write && !isOver(batch) && batch.status !== 'canceling' && html`<${Confirms} name="Cancel batch" title="Cancel this batch?"
      kind="danger" keep="Let it run" done=${done}
      act=${(options) => post(`/v1/batches/${id}/cancel`, {}, options)}>
      None of its jobs begins any more, and those that are not over are canceled.
      What was set aside for them is given back; results that are there stay.<//>`}`;
}

function About({ batch }) {
  return html`<${Card} title=${`${progress(batch.counts)} ended`}>
    <${Share} counts=${batch.counts} />
    <${Facts} of=${[
      ['Batch', html`<${Copy} text=${batch.id} label="Copy the batch id" />`],
      ['Request', html`<${Copy} text=${batch.request_id} label="Copy the request id" />`],
      ['Created', html`<${Time} at=${batch.created_at} />`],
      ['Started', html`<${Time} at=${batch.started_at} />`],
      ['Ended', html`<${Time} at=${batch.finished_at} />`],
    ]} />
    ${batch.metadata && html`<details><summary>Metadata</summary><${JsonTree} value=${batch.metadata} label="Metadata" /></details>`}<//>`;
}

const COLUMNS = [
  { name: 'Custom id', of: ({ custom_id }) => custom_id },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Output', of: (result) => html`<${Outcome} result=${result} />`, wide: true },
  { name: 'Tokens', of: ({ usage }) => format.count(usage?.total_tokens), number: true },
  { name: 'Credits', of: ({ credits }) => format.credits(credits.charged), number: true },
  { name: 'Job', of: ({ job_id }) => html`<${JobLink} id=${job_id} />` },
];

function Outcome({ result }) {
  const { error, output, output_text } = result;
  if (error) return html`<code>${error.code}</code> ${short(error.message)}`;
  if (output === null && !output_text) return '–';
  return html`<code>${short(output === null ? output_text : JSON.stringify(output))}</code>`;
}

const short = (text) => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
