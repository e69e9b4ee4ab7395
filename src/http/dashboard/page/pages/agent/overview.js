// What an agent is, by its active version.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { sample } from '../../lib/sample.js';
import { Card, Code, Copy, Facts, Time, curl } from '../../ui/bits.js';
import { JsonTree } from '../../ui/json.js';

export function Overview({ agent }) {
  return html`${agent.warnings.length > 0 && html`<${Warnings} warnings=${agent.warnings} />`}
    <div class="columns">
      <div class="stack">
        <${Card} title="Messages">${agent.messages.map(({ role, content }, at) => html`<div key=${at} class="message"><p class="note">
          ${role}</p>
          <${Code} text=${content} label=${`Copy message ${at + 1}`} /></div>`)}<//>
        <${Card} title="Run it with an API key"><${Code} text=${runCommand(agent)} label="Copy the command" /><//>
      </div>
      <div class="stack">
        <${Card} title="Facts"><${About} agent=${agent} /><//>
        <${Contract} title="Input schema" schema=${agent.input_schema} none="Any input is taken." />
        <${Contract} title="Output schema" schema=${agent.output_schema} none="The answer is text." />
      </div>
    </div>`;
}

function About({ agent }) {
  return html`<${Facts} of=${[
    ['Active version', `${agent.version}${agent.version === agent.latest_version ? ', the latest' : ` of ${agent.latest_version}`}`],
    ['Model', agent.model],
    ['Fallback models', agent.fallback_models.join(', ') || undefined],
    ['Tags', agent.tags.join(', ') || undefined],
    ['Most tokens to write', agent.max_tokens === null ? undefined : format.count(agent.max_tokens)],
    ['Temperature', agent.temperature ?? undefined],
    ['Top p', agent.top_p ?? undefined],
    ['Seed', agent.seed ?? undefined],
    ['Stop texts', agent.stop.length ? agent.stop.map((text) => JSON.stringify(text)).join(', ') : undefined],
    ['Timeout', agent.timeout_ms === null ? undefined : format.duration(agent.timeout_ms)],
    ['Repairs', agent.max_repairs ?? 'as the server has it'],
    ['Agent id', html`<${Copy} text=${agent.id} label="Copy the agent id" />`],
    ['Created', html`<${Time} at=${agent.created_at} />`],
    ['Changed', html`<${Time} at=${agent.updated_at} />`],
  ]} />`;
}

function Contract({ title, schema, none }) {
  return html`<${Card} title=${title}>${schema ? html`<${JsonTree} value=${schema} label=${title} />`
    : html`<p class="note">${none}</p>`}<//>`;
}

function Warnings({ warnings }) {
  return html`<div class="notice">
    <p>Some providers cannot be held to this output schema by themselves; the server validates every output in any case.</p>
    <ul>${warnings.map(({ path, message }) => html`<li><code>${path || '/'}</code> ${message}</li>`)}</ul></div>`;
}

/** How a program runs the agent. */
export function runCommand({ name, input_schema }) {
  return curl(`/v1/agents/${name}/runs?wait=30`, { input: input_schema ? sample(input_schema) : {} });
}
