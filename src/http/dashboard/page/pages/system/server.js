// How the server is doing: the program, its files, its books.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { Card, Facts, Loaded, Problem, Stat, Status, Time } from '../../ui/bits.js';
import { Bar } from '../../ui/tabbed.js';
import { Refresh, useReadiness, useStats } from './stats.js';

export function Server() {
  const stats = useStats();
  const ready = useReadiness();
  return html`<${Bar} note="As of when the page was opened, or something changed."><${Refresh} of=${[stats, ready]} /><//>
    <${Problem} error=${ready.error} />
    <${Loaded} ...${stats}>${(of) => html`
      <${Numbers} ...${{ of, ready: ready.data }} />
      <div class="columns"><${Writer} of=${of.writer} />
        <div class="stack"><${Books} of=${of.ledger} /><${Telemetry} of=${ready.data?.telemetry}
          bytes=${of.telemetry_bytes} /></div></div>`}<//>`;
}

function Numbers({ of, ready }) {
  const trouble = ready?.trouble;
  return html`${trouble && html`<div class="problem" role="alert"><p>${trouble}</p></div>`}
    <dl class="stats">
      <${Stat} name="State" value=${ready ? ready.status.replaceAll('_', ' ') : '–'} tone=${trouble ? 'bad' : 'good'} />
      <${Stat} name="Version" value=${of.version} />
      <${Stat} name="Uptime" value=${uptime(of.uptime_seconds)} note=${format.time(of.started_at)} />
      <${Stat} name="Database" value=${format.bytes(of.database_bytes)} note=${`${format.bytes(of.wal_bytes)} of it write-ahead log`} />
      <${Stat} name="Free disk" value=${format.bytes(of.free_disk_bytes)} />
      <${Stat} name="Memory" value=${format.bytes(of.memory_bytes)} note=${`${format.count(of.connections)} open connections`} />
    </dl>`;
}

function uptime(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min`;
}

function Writer({ of }) {
  const { commits, deeds, busy_ms, trouble } = of;
  const mean = commits ? `${(busy_ms / commits).toFixed(1)} ms` : '–';
  return html`<${Card} title="Database writer">
    ${trouble && html`<div class="problem" role="alert"><p>The last commit failed: ${trouble}</p></div>`}
    <${Facts} of=${[
      ['Commits since the start', format.count(commits)],
      ['Changes in them', format.count(deeds)],
      ['Changes per commit', commits ? (deeds / commits).toFixed(1) : '–'],
      ['Mean commit', mean],
    ]} /><//>`;
}

function Books({ of }) {
  if (!of) return html`<${Card} title="Ledger"><p
    class="note">Not verified since the server started. The duty <code>ledger.verify</code> does it, on the tab Backups & duties.</p><//>`;
  return html`<${Card} title="Ledger"><${Facts} of=${[
    ['Books', html`<${Status} value=${of.problems ? 'failed' : 'ok'} text=${of.problems ? `${of.problems} problems` : 'right'} />`],
    ['Verified', html`<${Time} at=${of.verified_at} />`],
  ]} />${of.problems > 0 && html`<p>The command <code>skai-server ledger verify</code> says what is wrong.</p>`}<//>`;
}

const TELEMETRY = {
  ok: 'What happens is recorded.',
  degraded: 'Requests go on, and what they would leave is lost.',
  off: 'Nothing is recorded: it is switched off in the configuration.',
};

function Telemetry({ of, bytes }) {
  if (!of) return html`<${Card} title="Telemetry"><p class="note">The server does not say.</p><//>`;
  const tone = { ok: 'ok', degraded: 'failed' }[of.status];
  return html`<${Card} title="Telemetry"><${Facts} of=${[
    ['State', html`<${Status} value=${tone ?? of.status} text=${of.status} />`],
    ['On disk', format.bytes(bytes)],
  ]} /><p class="note">${of.trouble ?? TELEMETRY[of.status]}</p><//>`;
}
