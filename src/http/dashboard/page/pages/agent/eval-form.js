// The form for the cases of an eval.

import { html } from '../../lib/html.js';
import { isPlain } from '../../lib/exact.js';
import { Card } from '../../ui/bits.js';
import { Form, Text, useFields } from '../../ui/form.js';
import { JsonEditor, judgeBy, pretty, valueOf } from '../../ui/json.js';

const CASES_MAX = 1_000;

const EXPECTS = [
  ['equals', 'The output is equal to this value.'],
  ['contains', 'A text: it stands in what the model said. An object or array: the output has all that it has.'],
  ['schema', 'The output satisfies this JSON Schema.'],
  ['json_path', 'One value of the output: path, such as $.lines[0].amount, and equals, contains, schema or exists.'],
  ['status', 'How the job ends: succeeded or failed.'],
  ['max_latency_ms', 'The longest time that it may take.'],
  ['max_credits', 'What it may cost at most.'],
];

/** `judgeInput` is the schema that inputs have to satisfy; one that does not is a warning, for a case may want that. */
export function EvalForm({ name, cases, judgeInput, send, done, close }) {
  const [value, set] = useFields({ name, cases: pretty(cases) });
  const sent = (options, draft) => send(options, { name: draft.name, cases: valueOf('Cases', draft.cases) ?? [] });
  return html`<${Card}><${Form} ...${{ value, done, close }} send=${sent} submit="Create eval" long>
    <${Text} label="Name" name="name" required maxlength="200" value=${value.name} set=${set('name')} />
    <${JsonEditor} label="Cases" name="cases" rows=${18} value=${value.cases} set=${set('cases')}
      judge=${judgeCases(judgeInput)} good="Valid cases"
      hint="A list of cases, each with an input and what is expected." />
    <details><summary>What can be expected</summary><dl class="facts">
      ${EXPECTS.map(([own, text]) => html`<div key=${own}><dt><code>${own}</code></dt><dd>${text}</dd></div>`)}</dl></details>
  <//><//>`;
}

/** Inputs beyond these are left to the server, which judges them when they run. */
const INPUTS_JUDGED = 5;

const judgeCases = (schema) => async (cases) => {
  if (!Array.isArray(cases) || !cases.length) return [{ path: '', message: 'A list with at least one case is needed.' }];
  if (cases.length > CASES_MAX) return [{ path: '', message: `There may be at most ${CASES_MAX} cases.` }];
  const shapes = cases.flatMap((one, at) => shape(one, `/${at}`));
  if (shapes.length) return shapes;
  const judge = judgeBy(schema);
  const judged = cases.slice(0, INPUTS_JUDGED).map(({ input, expect }) => (expect.status === 'failed' ? [] : judge(input)));
  const found = await Promise.all(judged);
  return found.flatMap((faults, at) => faults.map(({ path, message }) => ({ path: `/${at}/input${path}`, message })));
};

function shape(one, path) {
  if (isPlain(one) || Array.isArray(one)) return [{ path, message: 'A case is an object with input and expect.' }];
  const faults = unknown(one, ['name', 'input', 'expect'], path, 'A case has name, input and expect, nothing else.');
  if (!('input' in one)) faults.push({ path, message: 'The input is missing.' });
  const { expect } = one;
  if (isPlain(expect) || !Object.keys(expect).length) return [...faults, { path: `${path}/expect`, message: 'Say what is expected.' }];
  return [...faults, ...unknown(expect, EXPECTS.map(([key]) => key), `${path}/expect`, 'There is no such expectation.')];
}

/** Members that nobody knows. */
function unknown(value, known, path, message) {
  return Object.keys(value).filter((key) => !known.includes(key)).map((key) => ({ path: `${path}/${key}`, message }));
}
