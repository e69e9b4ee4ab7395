// What the operator alone does with credits: grants them, and corrects a balance.

import { html } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Facts, Problem } from '../../ui/bits.js';
import { Opens } from '../../ui/dialog.js';
import { Form, Select, Text, useFields } from '../../ui/form.js';

const BUCKETS = [['paid', 'Paid'], ['free', 'Free']];
const ENVIRONMENTS = [['live', 'Live'], ['test', 'Test']];
const NEW = { amount: '', bucket: 'paid', reason: '' };

/** "Grant credits" to an account `of`; its test projects have credits of their own. */
export function Grant({ of, environment = 'live', kind = 'small', done }) {
  return html`<${Opens} name="Grant credits" title=${`Grant credits to ${of.name}`} kind=${kind}>${(close) => html`<${GrantForm}
    ...${{ of, environment, close }} done=${() => { close(); return done?.(); }} />`}<//>`;
}

export function Adjust({ of, environment, done }) {
  return html`<${Opens} name="Adjust balance" title=${`Adjust the balance of ${of.name}`}>${(close) => html`<${AdjustForm}
    ...${{ of, environment, close }} done=${() => { close(); return done?.(); }} />`}<//>`;
}

/** What is left out is as the server says. */
const sending = (of, path) => (options, { expires_on: day, reason, amount, ...rest }) => post(
  `/admin/v1/accounts/${of.id}/credits/${path}`,
  { ...rest, amount: amount.trim(), ...(reason && { reason }), ...(day && { expires_at: `${day}T00:00:00Z` }) },
  options,
);

function GrantForm({ of, environment, close, done }) {
  const [value, set] = useFields({ ...NEW, environment, expires_on: '' });
  return html`<${Form} ...${{ value, close, done }} send=${sending(of, 'grants')} submit="Grant credits">
    <${Balance} of=${of} />
    <div class="pair"><${Text} label="Amount" name="amount" inputmode="decimal" required placeholder="100" value=${value.amount}
        set=${set('amount')} />
      <${Select} label="Bucket" name="bucket" value=${value.bucket} set=${set('bucket')} options=${BUCKETS} /></div>
    <div class="pair"><${Environment} ...${{ value, set }} />
      <${Text} label="Expires on" name="expires_at" type="date" hint="At 00:00 UTC. Empty: never." value=${value.expires_on}
        set=${set('expires_on')} /></div>
    <${Text} label="Reason" name="reason" hint="Shown in the ledger." value=${value.reason} set=${set('reason')} maxlength="500" /><//>`;
}

function AdjustForm({ of, environment, close, done }) {
  const [value, set] = useFields({ ...NEW, environment });
  return html`<${Form} ...${{ value, close, done }} send=${sending(of, 'adjust')} submit="Adjust balance">
    <${Balance} of=${of} />
    <div class="pair"><${Text} label="Change" name="amount" hint="Below zero takes credits away, also beyond the balance."
        value=${value.amount} set=${set('amount')} inputmode="decimal" required placeholder="-5" />
      <${Select} label="Bucket" name="bucket" value=${value.bucket} set=${set('bucket')} options=${BUCKETS} /></div>
    <${Environment} ...${{ value, set }} />
    <${Text} label="Reason" name="reason" hint="Shown in the ledger." value=${value.reason} set=${set('reason')} maxlength="500"
      required /><//>`;
}

function Environment({ value, set }) {
  return html`<${Select} label="Environment" name="environment" value=${value.environment} set=${set('environment')}
    options=${ENVIRONMENTS} />`;
}

function Balance({ of }) {
  const { data, error, reload } = useLoad((signal) => get(`/admin/v1/accounts/${of.id}`, {}, { signal }), [of.id], ['ledger']);
  return html`<${Problem} error=${error} retry=${reload} /><${Facts} of=${[
    ['Has now', format.credits(data?.balance.available)],
    ['Test credits', data?.test_balance ? format.credits(data.test_balance.available) : undefined],
  ]} />`;
}
