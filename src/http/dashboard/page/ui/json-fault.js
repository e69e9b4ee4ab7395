// Where a text breaks the rules of JSON, and what stands there instead. Browsers say it each in their own way, or not
// at all.

/** The first fault of a text that is no JSON: `{ message, at, line, column }`. */
export function faultOf(text) {
  try {
    new Reader(text).document();
  } catch (error) {
    // Too deep for a stack, for one: the browser's own words have to do.
    if (!(error instanceof Fault)) return null;
    const before = text.slice(0, error.at).split('\n');
    return { message: error.message, at: error.at, line: before.length, column: before.at(-1).length + 1 };
  }
  return null;
}

class Fault extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_$][\w$]*/y;
const STRING_PART = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  document() {
    this.value();
    this.space();
    if (this.at < this.text.length) this.fail('Nothing may follow the value');
  }

  fail(message, at = this.at) {
    throw new Fault(at, at >= this.text.length ? `The text ends too early: ${message[0].toLowerCase()}${message.slice(1)}` : message);
  }

  space() {
    while (' \t\n\r'.includes(this.text[this.at] ?? '.')) this.at += 1;
    return this.text[this.at];
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found) this.at += found.length;
    return found;
  }

  value() {
    const next = this.space();
    if (next === '{') return this.list('}', () => this.member());
    if (next === '[') return this.list(']', () => this.value());
    if (next === '"') return this.string();
    if (next === "'") return this.fail('Texts stand in double quotes');
    if (this.take(NUMBER)) return undefined;
    const begin = this.at;
    const word = this.take(WORD);
    if (['true', 'false', 'null'].includes(word)) return undefined;
    if (word) return this.fail(`${word} is no JSON: texts stand in double quotes`, begin);
    return this.fail('A value is missing here', begin);
  }

  list(end, one) {
    this.at += 1;
    if (this.space() === end) return this.skip();
    for (;;) {
      one();
      const next = this.space();
      if (next === end) return this.skip();
      if (next !== ',') return this.fail(`A comma or ${end} is missing here`);
      const comma = this.at;
      this.at += 1;
      if (this.space() === end) return this.fail(`No comma may stand before ${end}`, comma);
    }
  }

  skip() {
    this.at += 1;
  }

  member() {
    if (this.space() !== '"') this.fail('A name in double quotes is missing here');
    this.string();
    if (this.space() !== ':') this.fail('A colon is missing after the name');
    this.at += 1;
    this.value();
  }

  string() {
    this.at += 1;
    while (this.take(STRING_PART));
    const next = this.text[this.at];
    if (next === '"') return this.skip();
    if (next === '\\') return this.fail('There is no such escape: write \\\\ for a backslash');
    if (next === undefined) return this.fail('A closing quote is missing');
    return this.fail('A text ends on its line: write \\n for a new line');
  }
}
