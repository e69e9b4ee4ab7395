// A page that does everything a moment later, as one does that asks a server.
const one = (selector) => document.querySelector(selector);
const later = (deed) => setTimeout(deed, 60);
const dialog = one('dialog');

one('#open').addEventListener('click', () => later(() => dialog.showModal()));
one('#test').addEventListener('click', () => later(() => { one('#view').textContent = 'Test keys'; }));
one('#create').addEventListener('click', () => later(() => {
  const cells = [one('#name').value, one('#role').value + one('#sure').checked + one('#note').value];
  const row = one('tbody').insertRow();
  cells.forEach((text) => { row.insertCell().textContent = text; });
  const revoke = document.createElement('button');
  revoke.textContent = 'Revoke';
  revoke.addEventListener('click', () => later(() => row.remove()));
  row.insertCell().append(revoke);
  dialog.close();
}));
later(() => { document.documentElement.dataset.ready = location.pathname; });
