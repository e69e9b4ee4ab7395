// Schedules, the tasks that they and others made, and the functions that these run.

import { html } from '../lib/html.js';
import { useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import { Head } from '../ui/bits.js';
import { Panel, Tabs, useTab } from '../ui/tabbed.js';
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
  const [{ schedule }] = useQuery();
  return schedule ? html`<${ScheduleDetail} key=${schedule} id=${schedule} />` : html`<${Parts} />`;
}

function Parts() {
  const can = useCan();
  const { chosen, choose } = useTab(TABS);
  return html`<${Head} title="Schedules" note="Run functions at set times: a request to your server, an agent, or a duty of this server.">
      ${can('schedules:write') && html`<${chosen.create} key=${chosen.id} />`}<//>
    <${Tabs} label="Schedules" tabs=${TABS} ...${{ chosen, choose }} /><${Panel} chosen=${chosen}><${chosen.view} /><//>`;
}
