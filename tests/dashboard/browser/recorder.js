// Runs in every document before any script of it, and writes down what cannot be asked for afterwards.
(() => {
  const seen = { ready: [], violations: [] };
  Object.defineProperty(window, '__seen', { value: seen });
  document.addEventListener('securitypolicyviolation', (event) => {
    seen.violations.push(`${event.violatedDirective}: ${event.blockedURI} (${event.sourceFile ?? ''}:${event.lineNumber})`);
  });
  const note = () => {
    const path = document.documentElement?.dataset?.ready;
    if (path) seen.ready.push([path, performance.now()]);
  };
  new MutationObserver(note).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-ready'] });
})();
