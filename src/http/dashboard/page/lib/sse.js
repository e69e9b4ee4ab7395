// Streams of server-sent events, over `fetch` since the browser's own `EventSource` cannot say in which project it
// asks.

/** Calls `heard(data)` with the data of each event of an answer, until the stream ends. */
export async function readEvents(answer, heard) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      const line = event.split('\n').find((one) => one.startsWith('data:'));
      if (line) heard(JSON.parse(line.slice(5)));
    }
  }
}

/**
 * Keeps `begin(signal)` going while somebody looks at the page, and gives back how to end it. A browser has six connections
 * to a server over HTTP/1.1, for all its tabs: those that nobody looks at, or that it only keeps for "back", must hold none.
 */
export function whileShown(begin) {
  let current = null;
  const end = () => {
    current?.abort();
    current = null;
  };
  const look = () => {
    if (document.hidden) end();
    else if (!current) {
      current = new AbortController();
      begin(current.signal);
    }
  };
  const listening = new AbortController();
  document.addEventListener('visibilitychange', look, listening);
  window.addEventListener('pageshow', look, listening);
  window.addEventListener('pagehide', end, listening);
  look();
  return () => {
    listening.abort();
    end();
  };
}
