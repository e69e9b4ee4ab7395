// The steps of a job, oldest first.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { Loading, Time } from '../../ui/bits.js';

const TONES = { succeeded: 'good', failed: 'bad', expired: 'bad', canceled: 'warn', retrying: 'warn', started: 'busy' };

const WORDS = {
  queued: (data) => (data?.retry ? 'Queued again' : 'Queued'),
  started: (data) => `Attempt ${data?.attempt ?? ''} began`,
  retrying: (data) => `Attempt ${data?.attempt ?? ''} failed`,
  succeeded: () => 'Succeeded',
  failed: () => 'Failed',
  canceled: () => 'Canceled',
  expired: () => 'Expired',
};

export function Timeline({ steps }) {
  if (!steps.length) return html`<${Loading} />`;
  return html`<ol class="timeline" aria-live="polite" aria-relevant="additions">
    ${steps.map((step, at) => html`<li key=${step.sequence} class=${TONES[step.type] ?? ''}>
    <p>${WORDS[step.type]?.(step.data) ?? step.type.replaceAll('_', ' ')} <${When} step=${step} before=${steps[at - 1]} /></p>
    <${More} data=${step.data ?? {}} /></li>`)}</ol>`;
}

function When({ step, before }) {
  if (!before) return html`<span class="note"><${Time} at=${step.created_at} /></span>`;
  return html`<span class="note">after ${format.duration(new Date(step.created_at) - new Date(before.created_at))}</span>`;
}

/** What a step says beyond its name. */
function More({ data }) {
  const { error, tried = [], run_at, model, provider, repairs, credits_charged } = data;
  const facts = [
    model && `${model}${provider && provider !== model ? ` by ${provider}` : ''}`,
    repairs && `${repairs} ${repairs === 1 ? 'repair' : 'repairs'} of the output`,
    credits_charged !== undefined && `${format.credits(credits_charged)} credits`,
  ].filter(Boolean);
  return html`${facts.length > 0 && html`<p class="steps-note">${facts.join(' · ')}</p>`}
    ${error && html`<p class="steps-note"><code>${error.code}</code> ${error.message}</p>`}
    ${tried.length > 1 && html`<ul class="steps-note">
      ${tried.map((one) => html`<li>${one.model} by ${one.provider}: <code>${one.code}</code> ${one.message}</li>`)}</ul>`}
    ${run_at && html`<p class="steps-note">Next attempt: ${format.time(run_at)}</p>`}`;
}
