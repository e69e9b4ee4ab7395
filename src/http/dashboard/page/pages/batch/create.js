// A batch to send: its requests as JSON lines, written or from a file.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { address, go } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Opens } from '../../ui/dialog.js';
import { Form, Text, useFields } from '../../ui/form.js';
import { JsonEditor, parseJson, valueOf } from '../../ui/json.js';

/** In bytes; no configuration lets a larger body through. */
const FILE_MAX = 256 * 2 ** 20;
const EXAMPLE = '{"custom_id": "one", "model": "sandbox", "messages": [{"role": "user", "content": "Hello"}]}';

/** "Create batch": then its page. */
export function CreateBatch() {
  return html`<${Opens} name="Create batch" kind="primary" wide>${(close) => html`<${Creating} close=${close} />`}<//>`;
}

function Creating({ close }) {
  const [value, set, setValue] = useFields({ text: '', file: null, stamp: '', metadata: '' });
  // The stamp tells one file from another where the request is kept as a text.
  const choose = ({ target: { files: [file] } }) => setValue((last) => (
    { ...last, file, stamp: file && `${file.name} ${file.size} ${file.lastModified}` }));
  return html`<${Form} ...${{ value, send, close }} submit="Create batch" disabled=${!value.file && !value.text.trim()}
    done=${({ id }) => { close(); go(address(`/dashboard/batches/${id}`)); }}>
    <p>One request a line: for a generation, or for a run of an agent, with a <code>custom_id</code> of its own. All are accepted, or
      none.</p>
    ${!value.file && html`<${Text} label="JSON lines" name="requests" rows="8" class="mono" spellcheck="false" placeholder=${EXAMPLE}
      value=${value.text} set=${set('text')} />`}
    <${Text} label="Or a file of them" type="file" accept=".jsonl,.ndjson,.txt" name=${value.file ? 'requests' : undefined}
      onInput=${choose} hint="Up to 10,000 requests and 64 MiB, where the operator set no other limits." />
    <${JsonEditor} label="Metadata" name="metadata" rows=${3} hint="A JSON object that comes back with the batch; may be empty."
      value=${value.metadata} set=${set('metadata')} />
  <//>`;
}

async function send(options, { text, file, metadata }) {
  if (file?.size > FILE_MAX) throw wrong(`${file.name} is larger than a batch can be: ${format.bytes(FILE_MAX)}.`);
  const { requests, lines } = read(file ? await file.text() : text);
  try {
    return await post('/v1/batches', { requests, metadata: valueOf('Metadata', metadata) }, options);
  } catch (error) {
    error.message = error.message.replace(/^requests\/(\d+)/, (_, at) => `Line ${lines[at]}`);
    throw error;
  }
}

/** The requests of a text, and the line of each. */
function read(text) {
  const [requests, lines] = [[], []];
  text.split('\n').forEach((line, at) => {
    const { value, fault } = parseJson(line);
    if (fault) throw wrong(`Line ${at + 1}: ${fault}`.replace(': Line 1,', ','));
    if (value === undefined) return;
    requests.push(value);
    lines.push(at + 1);
  });
  return { requests, lines };
}

const wrong = (message) => Object.assign(new Error(message), { param: 'requests' });
