// Entries of the ledger as a table.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { JobLink, Status, Time } from '../../ui/bits.js';

const TONES = { grant: 'succeeded', reserve: 'queued', release: 'queued', expire: 'failed', adjust: 'paused' };

const signed = (delta) => html`<span class=${delta > 0 ? 'plus' : ''}>${delta > 0 ? '+' : ''}${format.credits(delta)}</span>`;

/** The columns of entries; those of one job need not say what they are for. */
export const entryColumns = ({ ofOneJob = false } = {}) => [
  { name: 'Kind', of: ({ kind }) => html`<${Status} value=${TONES[kind]} text=${kind} />` },
  ...(ofOneJob ? [] : [
    { name: 'For', of: ({ description }) => description, wide: true },
    { name: 'Job', of: ({ job_id }) => html`<${JobLink} id=${job_id} />` },
  ]),
  { name: 'Bucket', of: ({ bucket }) => bucket },
  { name: 'Change', of: ({ delta }) => signed(delta), number: true },
  { name: 'Balance after', of: ({ balance_after }) => format.credits(balance_after), number: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];
