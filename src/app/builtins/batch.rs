//! `batch-ai-processor`: brings requests of batches forward from the background, where they wait until nobody else has
//! work, to the lane of the account's single jobs.

use serde_json::Value;

use super::{members, whole};
use crate::{
    app::App,
    domain::Result,
    store::{
        AccountScope,
        forward::{self, Forwarded, Standing},
    },
};

/// Requests that a group may have.
const SIZE_MAX: usize = 1_000;
/// Requests that a run brings forward unless it is told otherwise.
const LIMIT: usize = 100;
/// Requests that a run may bring forward.
const LIMIT_MAX: usize = 10_000;

/// What a run is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchOrder {
    /// How many requests it brings forward at a time; `None` for the operator's number.
    pub size: Option<usize>,
    /// How many in all.
    pub limit: usize,
}

impl BatchOrder {
    /// Reads a payload: `size` and `limit`, either of which may be left out.
    pub fn read(payload: Option<&Value>) -> Result<Self> {
        let mut order = Self { size: None, limit: LIMIT };
        members(payload, &["size", "limit"], |name, value| {
            match name {
                "size" => order.size = Some(whole(name, value, SIZE_MAX)?),
                _ => order.limit = whole(name, value, LIMIT_MAX)?,
            }
            Ok(())
        })?;
        Ok(order)
    }
}

/// Requests that were brought forward together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Those whose turn it was not yet.
    pub jobs: Vec<Forwarded>,
    /// The number of the last one that was looked at.
    pub last: i64,
}

/// Brings the next requests above number `after` forward, oldest first; up to `size`, fewer where some began meanwhile.
/// `None` where none waits. Blocks until that is on disk.
pub fn bring_forward(
    app: &App,
    scope: AccountScope,
    after: i64,
    size: usize,
) -> Result<Option<Group>> {
    let waiting =
        app.store.read(scope, |snapshot| forward::in_background(snapshot, after, size))?;
    let Some(&last) = waiting.last() else { return Ok(None) };
    let moved = app.store.write(scope, move |tx| {
        let moved = waiting.iter().map(|job| forward::bring(tx, *job));
        moved.collect::<Result<Vec<_>>>()
    });
    let jobs = moved.wait()?.into_iter().flatten().collect();
    Ok(Some(Group { jobs, last }))
}

/// Where these stand, in their order; one that is gone was canceled. Blocks while it reads.
pub fn standing(app: &App, scope: AccountScope, jobs: &[Forwarded]) -> Result<Vec<Standing>> {
    use crate::domain::JobStatus::Canceled;
    app.store.read(scope, |snapshot| {
        let standing = jobs.iter().map(|job| forward::standing(snapshot, job.seq));
        standing.map(|found| Ok(found?.unwrap_or(Standing::Ended(Canceled)))).collect()
    })
}
