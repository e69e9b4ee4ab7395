// A value that a JSON Schema asks for, to begin with: what it must have, as short as it may be.

const DEPTH_MAX = 8;
const ITEMS_MAX = 3;

const FORMATS = {
  date: '2026-01-31',
  'date-time': '2026-01-31T09:00:00Z',
  time: '09:00:00Z',
  email: 'name@example.com',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
  ipv4: '192.0.2.1',
};

/** A value for this schema. It is a beginning: a `pattern`, for one, is left to whoever writes on. */
export function sample(schema, root = schema, depth = 0) {
  if (schema === null || typeof schema !== 'object' || depth > DEPTH_MAX) return null;
  if ('default' in schema) return schema.default;
  if ('const' in schema) return schema.const;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.enum?.length) return schema.enum[0];
  if (schema.$ref) return sample(pointed(root, schema.$ref), root, depth + 1);
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice?.length && !schema.properties) return sample(choice[0], root, depth + 1);
  return ofType(schema.allOf ? merged(schema, root) : schema, root, depth);
}

function ofType(schema, root, depth) {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object' || schema.properties) return object(schema, root, depth);
  if (type === 'array') return list(schema, root, depth);
  if (type === 'string') return FORMATS[schema.format] ?? word(schema);
  if (type === 'integer' || type === 'number') return number(schema);
  if (type === 'boolean') return true;
  return null;
}

/** What is required; all that it knows where nothing is. */
function object({ properties = {}, required = [] }, root, depth) {
  const names = required.length ? required : Object.keys(properties);
  return Object.fromEntries(names.map((name) => [name, sample(properties[name] ?? {}, root, depth + 1)]));
}

function list({ minItems = 1, items = {} }, root, depth) {
  const length = Math.min(ITEMS_MAX, Math.max(1, minItems));
  return Array.from({ length }, () => sample(items, root, depth + 1));
}

function word({ minLength = 0, maxLength = Infinity }) {
  return 'text'.padEnd(minLength, ' text').slice(0, maxLength);
}

function number({ minimum, exclusiveMinimum, maximum, multipleOf = 1 }) {
  const least = minimum ?? (exclusiveMinimum === undefined ? Math.min(1, maximum ?? 1) : exclusiveMinimum + multipleOf);
  return Math.ceil(least / multipleOf) * multipleOf;
}

function merged(schema, root) {
  const parts = schema.allOf.map((part) => (part.$ref ? pointed(root, part.$ref) : part) ?? {});
  return [...parts, { ...schema, allOf: undefined }].reduce((all, part) => ({
    ...all,
    ...part,
    properties: { ...all.properties, ...part.properties },
    required: [...new Set([...(all.required ?? []), ...(part.required ?? [])])],
  }), {});
}

/** What a reference within the schema points to; others are not followed. */
function pointed(root, reference) {
  if (!reference.startsWith('#')) return null;
  const steps = decodeURIComponent(reference.slice(1)).split('/').slice(1);
  return steps.reduce((at, step) => at?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root) ?? null;
}
