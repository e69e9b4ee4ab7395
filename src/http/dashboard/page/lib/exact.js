// JSON whose numbers stay as they were written: the browser's own have about 16 digits.

/** What may be a number that does not fit. */
const LONG = /[\d.]{16}|\de[+-]?\d{3}/i;

/** A number that shows, and is written to JSON, as it was read. */
class Exact extends Number {
  #source;

  constructor(source) {
    super(source);
    this.#source = source;
  }

  toString() {
    return this.#source;
  }

  toJSON() {
    return JSON.rawJSON(this.#source);
  }
}

// Browsers before 2025 do not say how a number was written, nor do they have `rawJSON`.
const keep = (_, value, context) => (typeof value === 'number' && JSON.rawJSON && LONG.test(context.source) && context.source !== String(value)
  ? new Exact(context.source) : value);

/** Reads JSON. */
export const parse = (text) => (LONG.test(text) ? JSON.parse(text, keep) : JSON.parse(text));

/** The first number of a JSON text that this browser cannot keep; undefined where it keeps all. */
export function lost(text) {
  if (JSON.rawJSON || !LONG.test(text)) return undefined;
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? [];
  return numbers.find((number) => LONG.test(number) && number !== String(Number(number)));
}

/** Whether a value has no members. */
export const isPlain = (value) => value === null || typeof value !== 'object' || value instanceof Exact;
