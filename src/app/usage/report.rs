//! What an account used, exact at once: what is counted by days, and what is not counted there yet, in one view.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::{
    app::{App, one_more},
    domain::{
        AgentId, Cursor, Day, DaySpan, Latencies, Page, PageRequest, Result, UsageBy, UsageTotals,
    },
    store::{
        AccountScope, Snapshot,
        ledger::{self, Balance},
        usage_days::{self, Counted, OfDay},
        usage_tail::{self, Dimension},
    },
};

/// What jobs add up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Counts and sums.
    pub totals: UsageTotals,
    /// In how many milliseconds half of those ended that succeeded, at most 1 % too high; `None` where none did.
    pub latency_p50_ms: Option<u64>,
    /// In how many 95 of 100 did.
    pub latency_p95_ms: Option<u64>,
}

impl Figures {
    fn of(totals: UsageTotals, latencies: &Latencies) -> Self {
        Self {
            totals,
            latency_p50_ms: latencies.quantile(0.5),
            latency_p95_ms: latencies.quantile(0.95),
        }
    }
}

/// What an account used over some days, and where it stands.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Jobs that ended on these days.
    pub jobs: Figures,
    /// Deliveries that ended on these days.
    pub deliveries: UsageTotals,
    /// What it has now, and how many of its jobs are not over.
    pub balance: Balance,
}

/// Sums up the jobs and deliveries that ended on these days. Blocks while it reads.
pub fn summary(app: &App, scope: AccountScope, days: DaySpan) -> Result<Summary> {
    app.store.read(scope, |snapshot| {
        let (mut totals, mut latencies) = (UsageTotals::default(), Latencies::empty()?);
        for day in usage_days::of_days(snapshot, Dimension::All, days)? {
            totals.add(&day.totals);
            latencies.merge(&Latencies::from_bytes(&day.latencies)?)?;
        }
        let mut deliveries = UsageTotals::default();
        for day in usage_days::of_days(snapshot, Dimension::Deliveries, days)? {
            deliveries.add(&day.totals);
        }
        usage_tail::each(snapshot, days, |ended| {
            if ended.subject(Dimension::All).is_some() {
                totals.add(&ended.totals);
                ended.latency_ms().into_iter().for_each(|latency| latencies.record(latency));
            } else {
                deliveries.add(&ended.totals);
            }
        })?;
        let jobs = Figures::of(totals, &latencies);
        Ok(Summary { jobs, deliveries, balance: ledger::balance(snapshot)? })
    })
}

/// What ended on a day, all of it or of one group.
#[derive(Clone, Debug)]
pub struct DayOfUsage {
    /// The day of UTC.
    pub day: Day,
    /// The group's name, or its id where it has none; `None` where jobs are of no such group, or not grouped.
    pub group: Option<String>,
    /// What ended.
    pub figures: Figures,
}

/// A row on its way. Its histogram stays packed until the row is on the page, as it is small only like that.
#[derive(Default)]
struct Row {
    counted: Counted,
    more_ms: Vec<u64>,
}

impl Row {
    fn figures(&self) -> Result<Figures> {
        let mut latencies = Latencies::from_bytes(&self.counted.latencies)?;
        self.more_ms.iter().for_each(|latency| latencies.record(*latency));
        Ok(Figures::of(self.counted.totals, &latencies))
    }
}

/// The place of a row: newest days first, and the subjects of each the other way round.
type Place = (Day, Vec<u8>);

/// What ended on each of these days, in all or by group. Days and groups without jobs have no row. Blocks while it reads.
pub fn daily(
    app: &App,
    scope: AccountScope,
    days: DaySpan,
    by: Option<UsageBy>,
    page: &PageRequest,
) -> Result<Page<DayOfUsage>> {
    let before = match &page.after {
        Some(cursor) => place(cursor)?,
        None => (days.to.plus(1), Vec::new()),
    };
    let dimension = by.map_or(Dimension::All, Dimension::By);
    app.store.read(scope, |snapshot| {
        let rows = rows(snapshot, dimension, days, &before, one_more(page))?;
        let page = Page::cut(rows, page.limit, |(place, _)| cursor(place));
        let (mut names, next) = (Names { snapshot, agents: HashMap::new() }, page.next_cursor);
        let shown = page.data.iter().map(|((day, subject), row)| {
            Ok(DayOfUsage { day: *day, group: names.of(by, subject)?, figures: row.figures()? })
        });
        Ok(Page::of(shown.collect::<Result<_>>()?, next))
    })
}

/// The first rows before a place, counted and not counted ones together.
fn rows(
    snapshot: &Snapshot<'_, AccountScope>,
    dimension: Dimension,
    days: DaySpan,
    before: &Place,
    limit: u32,
) -> Result<Vec<(Place, Row)>> {
    let (day, subject) = (before.0.min(days.to.plus(1)), before.1.as_slice());
    let listed = usage_days::list(snapshot, dimension, days.from, (day, subject), limit)?;
    let mut rows = BTreeMap::new();
    for OfDay { day, subject, counted } in listed {
        rows.insert((day, subject), Row { counted, more_ms: Vec::new() });
    }
    usage_tail::each(snapshot, days, |ended| {
        let Some(subject) = ended.subject(dimension) else { return };
        let place = (ended.day, subject.to_vec());
        if place < *before {
            let row = rows.entry(place).or_default();
            row.counted.totals.add(&ended.totals);
            row.more_ms.extend(ended.latency_ms());
        }
    })?;
    // A counted row that was not listed lies after all that were, as what is not counted of it does: both are cut off.
    Ok(rows.into_iter().rev().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}

fn cursor((day, subject): &Place) -> Cursor {
    Cursor::from_key(&[&day.number().to_be_bytes(), subject.as_slice()].concat())
}

fn place(cursor: &Cursor) -> Result<Place> {
    let (day, subject) = cursor.key().split_first_chunk().ok_or_else(Cursor::refused)?;
    Ok((Day::from_number(i64::from_be_bytes(*day)), subject.to_vec()))
}

/// What groups are called.
struct Names<'s, 'c> {
    snapshot: &'s Snapshot<'c, AccountScope>,
    agents: HashMap<Uuid, String>,
}

impl Names<'_, '_> {
    fn of(&mut self, by: Option<UsageBy>, subject: &[u8]) -> Result<Option<String>> {
        let Some(by) = by.filter(|_| !subject.is_empty()) else { return Ok(None) };
        let text = || String::from_utf8_lossy(subject).into_owned();
        Ok(Some(match (by, Uuid::from_slice(subject)) {
            (UsageBy::Agent, Ok(id)) => self.agent(id)?,
            (UsageBy::Project | UsageBy::ApiKey, Ok(id)) => id.to_string(),
            _ => text(),
        }))
    }

    fn agent(&mut self, id: Uuid) -> Result<String> {
        if let Some(name) = self.agents.get(&id) {
            return Ok(name.clone());
        }
        let name = usage_days::agent_name(self.snapshot, AgentId::from_uuid(id))?;
        let name = name.unwrap_or_else(|| id.to_string());
        self.agents.insert(id, name.clone());
        Ok(name)
    }
}
