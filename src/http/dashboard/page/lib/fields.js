// What forms hold, as the API takes it.

import { useState } from './html.js';
import { patch, post } from './api.js';

/** A date and a time in this browser's zone as a moment; undefined where the field is empty. */
export const momentOf = (local) => (local ? new Date(local).toISOString() : undefined);

/** Yes, no, or neither, as the texts that a choice between them holds: "true", "false", "". */
export const choiceOf = (is) => String(is ?? '');
export const isChosen = (text) => (text === '' ? null : text === 'true');

/**
 * How a form sends its value, of which `body` makes what the API wants: something new to `path`; of what has an `id`, what is
 * not as it was in `now` when the form was drawn first, lest it undo what somebody else changed meanwhile.
 */
export function useSave(path, now, body, id) {
  const [first] = useState(() => body(now));
  const isOther = ([name, value]) => JSON.stringify(value) !== JSON.stringify(first[name]);
  return (options, value) => (id
    ? patch(`${path}/${id}`, Object.fromEntries(Object.entries(body(value)).filter(isOther)))
    : post(path, body(value), options));
}
