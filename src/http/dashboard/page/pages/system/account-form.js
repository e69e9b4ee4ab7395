// What an operator decides for one account, in place of what the server's configuration says for all.

import { html } from '../../lib/html.js';
import { choiceOf, isChosen, useSave } from '../../lib/fields.js';
import { Opens } from '../../ui/dialog.js';
import { Form, Select, Text, useFields } from '../../ui/form.js';
import { Zone } from '../schedules/schedule-form.js';

const NONE = 'As the configuration says';
const CHOICES = [['', NONE], ['true', 'Yes'], ['false', 'No']];

const fields = (of) => ({
  name: of.name,
  timezone: of.timezone ?? '',
  daily_token_caps: choiceOf(of.daily_token_caps),
  daily_token_cap: String(of.daily_token_cap ?? ''),
  credits_low_mark: String(of.credits_low_mark ?? ''),
  record_invocations: choiceOf(of.record_invocations),
});

const body = ({ name, timezone, daily_token_caps: caps, daily_token_cap: cap, credits_low_mark: mark, record_invocations: records }) => ({
  name,
  timezone: timezone.trim() || null,
  daily_token_caps: isChosen(caps),
  daily_token_cap: cap === '' ? null : Number(cap),
  credits_low_mark: mark.trim() || null,
  record_invocations: isChosen(records),
});

/** "Edit": the name and the settings of an account. */
export function EditAccount({ of, done }) {
  return html`<${Opens} name="Edit" title=${`Edit ${of.name}`} kind="small">${(close) => html`<${Fields} ...${{ of, close }}
    done=${() => { close(); done(); }} />`}<//>`;
}

function Fields({ of, close, done }) {
  const first = fields(of);
  const [value, set] = useFields(first);
  const send = useSave('/admin/v1/accounts', first, body, of.id);
  const own = (name) => ({ name, value: value[name], set: set(name) });
  return html`<${Form} ...${{ value, send, close, done }} submit="Save">
    <${Text} label="Name" required maxlength="200" ...${own('name')} />
    <${Zone} ...${own('timezone')} hint="Where its days begin. Empty: as the configuration says." />
    <div class="pair"><${Select} label="Cap end users" options=${CHOICES} ...${own('daily_token_caps')}
        hint="Whether those without a cap of their own have one." />
      <${Text} label="Tokens a day" type="number" min="0" max="1000000000000" placeholder=${NONE} ...${own('daily_token_cap')}
        hint="The cap of those." /></div>
    <div class="pair"><${Text} label="Credits are low below" inputmode="decimal" placeholder=${NONE} ...${own('credits_low_mark')}
        hint="Then credits.low is told." />
      <${Select} label="Record invocations" options=${CHOICES} ...${own('record_invocations')}
        hint="What jobs were asked and answered, unless their project says otherwise." /></div>
  <//>`;
}
