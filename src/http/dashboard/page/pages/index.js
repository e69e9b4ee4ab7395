// All pages. `path` may hold `:names`, which the page is given. `group` and `icon` place it in the navigation; `scope`
// says which scope it needs, `operator` that it is the operator's.

import { Overview } from './overview.js';
import { Jobs } from './jobs.js';
import { Job } from './job.js';
import { Agents } from './agents.js';
import { Agent } from './agent.js';
import { Batches } from './batches.js';
import { Batch } from './batch.js';
import { Credits } from './credits.js';
import { Webhooks } from './webhooks.js';
import { Endpoint } from './endpoint.js';
import { Delivery } from './delivery.js';
import { Schedules } from './schedules.js';
import { Task } from './task.js';
import { Keys } from './keys.js';
import { Usage } from './usage.js';
import { EndUsers } from './end-users.js';
import { EndUser } from './end-user.js';
import { Members } from './members.js';
import { System } from './system.js';
import { Account } from './account.js';
import { Nothing } from './nothing.js';

export const PAGES = [
  { path: '/dashboard', title: 'Overview', view: Overview, group: 'Work', icon: 'overview', scope: 'usage:read' },
  { path: '/dashboard/jobs', title: 'Jobs', view: Jobs, group: 'Work', icon: 'jobs', scope: 'jobs:read' },
  { path: '/dashboard/jobs/:id', title: 'Job', view: Job, under: '/dashboard/jobs' },
  { path: '/dashboard/agents', title: 'Agents', view: Agents, group: 'Work', icon: 'agents', scope: 'agents:read' },
  { path: '/dashboard/agents/:name', title: 'Agent', view: Agent, under: '/dashboard/agents' },
  { path: '/dashboard/batches', title: 'Batches', view: Batches, group: 'Work', icon: 'batches', scope: 'jobs:read' },
  { path: '/dashboard/batches/:id', title: 'Batch', view: Batch, under: '/dashboard/batches' },
  { path: '/dashboard/schedules', title: 'Schedules', view: Schedules, group: 'Work', icon: 'schedules', scope: 'schedules:read' },
  { path: '/dashboard/schedules/tasks/:id', title: 'Task', view: Task, under: '/dashboard/schedules' },
  { path: '/dashboard/webhooks', title: 'Webhooks', view: Webhooks, group: 'Work', icon: 'webhooks', scope: 'webhooks:read' },
  { path: '/dashboard/webhooks/endpoints/:id', title: 'Endpoint', view: Endpoint, under: '/dashboard/webhooks' },
  { path: '/dashboard/webhooks/deliveries/:id', title: 'Delivery', view: Delivery, under: '/dashboard/webhooks' },
  { path: '/dashboard/credits', title: 'Credits', view: Credits, group: 'Account', icon: 'credits', scope: 'credits:read' },
  { path: '/dashboard/usage', title: 'Usage & logs', view: Usage, group: 'Account', icon: 'usage', scope: 'usage:read' },
  { path: '/dashboard/end-users', title: 'End users', view: EndUsers, group: 'Account', icon: 'people', scope: 'usage:read' },
  { path: '/dashboard/end-users/:user', title: 'End user', view: EndUser, under: '/dashboard/end-users' },
  { path: '/dashboard/keys', title: 'Keys & projects', view: Keys, group: 'Account', icon: 'keys', scope: 'keys:read' },
  { path: '/dashboard/members', title: 'Members & audit log', view: Members, group: 'Account', icon: 'members', scope: 'keys:read' },
  { path: '/dashboard/system', title: 'System', view: System, group: 'Server', icon: 'system', operator: true },
  { path: '/dashboard/account', title: 'Your sign-in', view: Account },
];

const NOTHING = { title: 'Not found', view: Nothing };

/** The page of this path, and what its path names. */
export function find(path) {
  for (const page of PAGES) {
    const params = match(page.path, path);
    if (params) return { page, params };
  }
  return { page: NOTHING, params: {} };
}

function match(pattern, path) {
  const wanted = pattern.split('/');
  const given = path.replace(/\/$/, '').split('/');
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [at, part] of wanted.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = decode(given[at]);
    else if (part !== given[at]) return null;
  }
  return Object.values(params).includes(null) ? null : params;
}

/** A part of a path; null where it is not properly encoded. */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
