// An agent as it is written in a form: every field a text, as it was typed.

import { parseJson, pretty, valueOf } from '../../ui/json.js';

const NUMBERS = {
  temperature: 'Temperature',
  max_tokens: 'Most tokens to write',
  top_p: 'Top p',
  seed: 'Seed',
  timeout_ms: 'Timeout in milliseconds',
  max_repairs: 'Repairs',
};

/** What a new agent begins with: an example that runs as it is. */
export const starter = () => ({
  name: '',
  ...fromVersion({
    description: '',
    tags: [],
    model: '',
    fallback_models: [],
    messages: [
      { role: 'system', content: 'You sort requests of customers. Answer with JSON that satisfies the schema.' },
      { role: 'user', content: '{{ input.text }}' },
    ],
    input_schema: object({ text: { type: 'string', minLength: 1, examples: ['My invoice of May is wrong.'] } }),
    output_schema: object({ topic: { type: 'string', enum: ['billing', 'technical', 'other'] }, summary: { type: 'string' } }),
    stop: [],
  }),
});

const object = (properties) => ({ type: 'object', additionalProperties: false, required: Object.keys(properties), properties });

/** The draft that says the same as an agent or a version of one. */
export function fromVersion(version) {
  const numbers = Object.keys(NUMBERS).map((name) => [name, String(version[name] ?? '')]);
  return {
    description: version.description ?? '',
    tags: (version.tags ?? []).join(', '),
    model: version.model,
    fallback_models: version.fallback_models.join(', '),
    messages: version.messages.map(({ role, content }) => ({ role, content })),
    input_schema: pretty(version.input_schema),
    output_schema: pretty(version.output_schema),
    stop: (version.stop ?? []).join('\n'),
    ...Object.fromEntries(numbers),
  };
}

/** The body that makes a version; throws where a field does not say what it should. */
export function versionRequest(draft) {
  const numbers = Object.entries(NUMBERS).map(([name, label]) => [name, numberOf(label, draft[name])]);
  return {
    description: draft.description || undefined,
    tags: words(draft.tags),
    model: draft.model,
    fallback_models: words(draft.fallback_models),
    messages: draft.messages,
    input_schema: valueOf('Input schema', draft.input_schema),
    output_schema: valueOf('Output schema', draft.output_schema),
    stop: draft.stop.split('\n').filter(Boolean),
    ...Object.fromEntries(numbers),
  };
}

export const agentRequest = (draft) => ({ name: draft.name.trim(), ...versionRequest(draft) });

const words = (text) => text.split(',').map((word) => word.trim()).filter(Boolean);

function numberOf(label, text) {
  if (!text.trim()) return undefined;
  if (Number.isNaN(Number(text))) throw new Error(`${label}: "${text}" is no number.`);
  return valueOf(label, text);
}

/** What templates may show, by the input schema: "input.vendor", "input.order.id", … */
export function inputFields(text, most = 24) {
  const schema = parseJson(text).value;
  const found = [];
  const walk = (one, path, depth) => {
    for (const [name, part] of Object.entries(one?.properties ?? {})) {
      if (found.length >= most) return;
      if (!/^[A-Za-z_]\w*$/.test(name)) continue;
      const nested = part?.properties && depth < 3;
      if (nested) walk(part, `${path}.${name}`, depth + 1);
      else found.push(`${path}.${name}`);
    }
  };
  walk(schema, 'input', 0);
  return found;
}
