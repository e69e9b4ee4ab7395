// Making a key: what it may do, where, and for how long.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useSession } from '../../lib/session.js';
import { Check, Checks, Form, Select, Text, useFields } from '../../ui/form.js';
import { Makes } from '../../ui/secret.js';
import { NewKey } from './new-key.js';

const DAY_MS = 86_400_000;
/** What there is to read and to write, side by side. */
const SCOPES = [
  'jobs:read', 'jobs:write',
  'agents:read', 'agents:write',
  'webhooks:read', 'webhooks:write',
  'schedules:read', 'schedules:write',
  'keys:read', 'keys:write',
  'credits:read', 'usage:read',
  'logs:read',
];
/** What a program needs that runs jobs. */
const USUAL = ['jobs:read', 'jobs:write', 'agents:read'];
const ENDS = [['', 'Never'], ['7', 'In 7 days'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year'], ['on', 'On a day…']];

export function CreateKey({ projects, made }) {
  return html`<${Makes} name="Create key" madeTitle="Key created" kind="primary" wide made=${made}
    form=${({ close, done }) => html`<${KeyForm} ...${{ projects, close, done }} />`}
    shown=${(key) => html`<${NewKey} of=${key} />`} />`;
}

function KeyForm({ projects, close, done }) {
  const { project, role, scopes: own } = useSession();
  const [value, set] = useFields({
    name: '', project_id: project.id, everything: false, scopes: USUAL.filter((scope) => own.includes(scope)),
    ends: '', day: '', rate_limit: '', monthly_credit_limit: '', networks: '',
  });
  const known = projects.length ? projects : [project];
  // What somebody may do can become less while the form is open.
  const kept = {
    ...value,
    everything: value.everything && role === 'owner',
    scopes: value.scopes.filter((scope) => own.includes(scope)),
  };
  const nothing = !kept.everything && !kept.scopes.length;
  return html`<${Form} ...${{ value: kept, close, done }} submit="Create key" disabled=${nothing}
    send=${(options, given) => post('/v1/api-keys', asked(given), options)}>
    <div class="pair"><${Text} label="Name" name="name" required maxlength="200" placeholder="Production"
      hint="Where it will be used, to know it later." value=${value.name} set=${set('name')} />
      <${Select} label="Project" name="project_id" value=${value.project_id} set=${set('project_id')}
        options=${known.map(({ id, name, environment }) => [id, environment === 'test' ? `${name} (test)` : name])} /></div>
    <${ScopeChoice} ...${{ value, set, own, owner: role === 'owner' }} />
    <${Limits} ...${{ value, set }} />
  <//>`;
}

function Limits({ value, set }) {
  const tomorrow = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
  return html`<div class="pair"><${Select} label="Ends" name="expires_at" value=${value.ends} set=${set('ends')}
      options=${ENDS} />
      ${value.ends === 'on' && html`<${Text} label="Ends on" type="date" required min=${tomorrow} hint="At 00:00 UTC."
        value=${value.day} set=${set('day')} />`}
      <${Text} label="Rate limit" name="rate_limit" placeholder="600,1m" hint="Requests, and the time they count in. Empty: the server's."
        value=${value.rate_limit} set=${set('rate_limit')} />
      <${Text} label="Monthly credit limit" name="monthly_credit_limit" inputmode="decimal" placeholder="No limit"
        hint="What its jobs may be charged in a month (UTC)." value=${value.monthly_credit_limit}
        set=${set('monthly_credit_limit')} /></div>
    <${Text} label="Allowed networks" name="allowed_cidrs" rows="2" class="mono" spellcheck="false" placeholder="203.0.113.0/24"
      hint="Addresses or networks that it may be used from, one a line. Empty: any." value=${value.networks}
      set=${set('networks')} />`;
}

function ScopeChoice({ value, set, own, owner }) {
  const options = value.everything ? [] : SCOPES.filter((scope) => own.includes(scope));
  return html`<${Checks} label="Scopes" name="scopes" kind="scopes" value=${value.scopes} set=${set('scopes')} options=${options}>
    ${owner && html`<${Check} label="Everything" hint="All that an owner may do, also what later versions add." value=${value.everything}
      set=${set('everything')} />`}<//>`;
}

/** The form as the API wants it. */
function asked({ name, project_id, everything, scopes, ends, day, rate_limit, monthly_credit_limit, networks }) {
  const cidrs = networks.split(/[\s,]+/).filter(Boolean);
  return {
    name,
    project_id,
    scopes: everything ? ['*'] : scopes,
    expires_at: endOf(ends, day),
    rate_limit: rate_limit.trim() || null,
    monthly_credit_limit: monthly_credit_limit.trim() || null,
    allowed_cidrs: cidrs.length ? cidrs : null,
  };
}

/** At midnight in UTC, so that a form that is sent again asks for the same. */
function endOf(ends, day) {
  if (!ends) return null;
  if (ends === 'on') return `${day}T00:00:00Z`;
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  return new Date(today + (Number(ends) + 1) * DAY_MS).toISOString();
}
