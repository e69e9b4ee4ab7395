//! What an account used, exact at once: what is counted by days, and what is not counted there yet, in one view.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    more::More,
    place::{Asked, Place, cursor, place},
};
use crate::{
    app::{App, one_more},
    domain::{AgentId, Day, DaySpan, Latencies, Page, PageRequest, Result, UsageBy, UsageTotals},
    store::{
        AccountScope, Snapshot,
        ledger::{self, Balance},
        usage_days::{self, Counted},
        usage_tail::{self, Dimension},
    },
};

/// What jobs add up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Counts and sums.
    pub totals: UsageTotals,
    /// In how many milliseconds half of those ended that succeeded: at most 1 % too high up to a week, and what took
    /// longer counts as a week. `None` where none did.
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
            totals.add(&day.counted.totals);
            let packed = &day.counted.latencies;
            latencies.merge(&super::latencies(packed, scope.seq(), Dimension::All, day.day)?)?;
        }
        let mut deliveries = UsageTotals::default();
        for day in usage_days::of_days(snapshot, Dimension::Deliveries, days)? {
            deliveries.add(&day.counted.totals);
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
    /// Webhook deliveries that ended; `None` where jobs are grouped.
    pub deliveries: Option<UsageTotals>,
}

/// What ended on each of these days, in all or by group. Days and groups without jobs have no row. Blocks while it
/// reads.
///
/// A page that goes on is one of the same days and group as the page before: see [`span`](super::span).
pub fn daily(
    app: &App,
    scope: AccountScope,
    days: DaySpan,
    by: Option<UsageBy>,
    page: &PageRequest,
) -> Result<Page<DayOfUsage>> {
    let dimension = by.map_or(Dimension::All, Dimension::By);
    let asked = Asked { account: scope.seq(), dimension, days };
    let before = match &page.after {
        Some(cursor) => place(asked, cursor)?,
        None => (days.to.plus(1), Vec::new()),
    };
    app.store.read(scope, |snapshot| {
        let rows = rows(snapshot, asked, &before, one_more(page))?;
        let page = Page::cut(rows, page.limit, |(place, _)| cursor(asked, place));
        let (mut names, next) = (Names { snapshot, agents: HashMap::new() }, page.next_cursor);
        let delivered = by.is_none().then(|| deliveries(snapshot, days)).transpose()?;
        let shown = page.data.into_iter().map(|((day, subject), figures)| {
            let of_day = |all: &BTreeMap<Day, _>| all.get(&day).copied().unwrap_or_default();
            let deliveries = delivered.as_ref().map(of_day);
            Ok(DayOfUsage { day, group: names.of(by, &subject)?, figures, deliveries })
        });
        Ok(Page::of(shown.collect::<Result<_>>()?, next))
    })
}

/// The deliveries that ended on each of these days.
fn deliveries(
    snapshot: &Snapshot<'_, AccountScope>,
    days: DaySpan,
) -> Result<BTreeMap<Day, UsageTotals>> {
    let counted = usage_days::of_days(snapshot, Dimension::Deliveries, days)?;
    let mut all: BTreeMap<_, _> =
        counted.into_iter().map(|row| (row.day, row.counted.totals)).collect();
    usage_tail::each(snapshot, days, |ended| {
        if ended.subject(Dimension::Deliveries).is_some() {
            all.entry(ended.day).or_default().add(&ended.totals);
        }
    })?;
    Ok(all)
}

/// The first rows before a place, counted and not counted ones together. Each histogram is gone once its row was read.
fn rows(
    snapshot: &Snapshot<'_, AccountScope>,
    asked: Asked,
    before: &Place,
    limit: u32,
) -> Result<Vec<(Place, Figures)>> {
    let mut waiting = waiting(snapshot, asked, before)?;
    let mut rows = BTreeMap::new();
    let (since, at) = (asked.days.from, (before.0, before.1.as_slice()));
    usage_days::list(snapshot, asked.dimension, since, at, limit, |row| {
        let place = (row.day, row.subject);
        let more = waiting.remove(&place).unwrap_or_default();
        let figures = figures(asked, row.day, &row.counted, &more);
        rows.insert(place, figures);
    })?;
    // A counted row that was not listed lies after all that were, as what is not counted of it does: both are cut off.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    for (place, more) in waiting.into_iter().rev().take(limit) {
        let figures = figures(asked, place.0, &Counted::default(), &more);
        rows.insert(place, figures);
    }
    let first = rows.into_iter().rev().take(limit);
    first.map(|(place, figures)| Ok((place, figures?))).collect()
}

/// What is not counted yet of rows before a place.
fn waiting(
    snapshot: &Snapshot<'_, AccountScope>,
    asked: Asked,
    before: &Place,
) -> Result<BTreeMap<Place, More>> {
    let mut rows: BTreeMap<Place, More> = BTreeMap::new();
    usage_tail::each(snapshot, asked.days, |ended| {
        let Some(subject) = ended.subject(asked.dimension) else { return };
        let place = (ended.day, subject.to_vec());
        if place < *before {
            rows.entry(place).or_default().add(&ended);
        }
    })?;
    Ok(rows)
}

fn figures(asked: Asked, day: Day, counted: &Counted, more: &More) -> Result<Figures> {
    let packed = &counted.latencies;
    let mut latencies = super::latencies(packed, asked.account, asked.dimension, day)?;
    more.record_in(&mut latencies);
    let mut totals = counted.totals;
    totals.add(&more.totals);
    Ok(Figures::of(totals, &latencies))
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
