// Schedules, the tasks that they and others made, and the functions that these run.

import { html } from '../lib/html.js';
import { address, go, useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import { Head, Tabs } from '../ui/bits.js';
import { CreateFunction } from './schedules/function-form.js';
import { Functions } from './schedules/functions.js';
import { CreateSchedule } from './schedules/schedule-form.js';
import { ScheduleDetail, ScheduleList } from './schedules/schedules.js';
import { CreateTask, Tasks } from './schedules/tasks.js';

const TABS = [
  { id: 'schedules', title: 'Schedules', view: ScheduleList, create: CreateSchedule },
  { id: 'tasks', title: 'Tasks', view: Tasks, create: CreateTask },
  { id: 'functions', title: 'Functions', view: Functions, create: CreateFunction },
];

export function Schedules() {
  const [{ tab, schedule }] = useQuery();
  const can = useCan();
  if (schedule) return html`<${ScheduleDetail} key=${schedule} id=${schedule} />`;
  const { id, title, view, create } = TABS.find((one) => one.id === tab) ?? TABS[0];
  const choose = (to) => go(address('/dashboard/schedules', to === TABS[0].id ? {} : { tab: to }));
  return html`<${Head} title="Schedules" note="Run functions at set times: a request to your server, an agent, or a duty of this server.">
      ${can('schedules:write') && html`<${create} key=${id} />`}<//>
    <${Tabs} label="Schedules" tabs=${TABS} chosen=${id} choose=${choose} />
    <div class="stack" role="tabpanel" aria-label=${title} key=${id}><${view} /></div>`;
}
