//! Charges against what they were computed from: the tokens of a job, and the price of the model that answered.

use rusqlite::Row;

use super::Breach;
use crate::{
    domain::{Credits, Result},
    store::{prices, row::usage, scope::SystemScope, tx::Snapshot},
};

/// What each job that succeeded was charged, and the price of the model that answered when the job was accepted. The
/// arithmetic is not SQLite's: a product of tokens and a price may need more than 64 bits.
const CHARGES: &str = concat!(
    "with l as (
       select job, -sum(delta) as charged, min(price) as price,
         sum(price is null) + max(price) - min(price) as others
       from main.ledger where kind = 'charge' and job is not null group by job)
     select j.account, j.seq as job, coalesce(l.charged, 0) as charged, l.price, l.others,
       r.model as answered_by, r.prompt_tokens, r.completion_tokens, r.cached_tokens,
       p.seq as accepted, ",
    prices::price_columns!(),
    " from main.job j join main.job_result r on r.job = j.seq left join l on l.job = j.seq
       left join main.price p on p.seq = (select o.seq from main.price o
         where o.model = r.model and o.seq <= j.price_list order by o.version desc limit 1)
     where j.status = 4"
);

/// Up to `limit` jobs whose charges do not follow from their tokens and prices. Looks at one after the other.
pub(super) fn broken(snapshot: &Snapshot<'_, SystemScope>, limit: usize) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    snapshot.each(CHARGES, [], |row| {
        if breaches.len() < limit
            && let Some((what, repair)) = wrong(row)?
        {
            let (account, job) = (row.get("account")?, row.get("job")?);
            breaches.push(Breach { account, job, what, repair });
        }
        Ok(())
    })?;
    Ok(breaches)
}

type Found = Option<(String, String)>;

/// What is wrong with a row of [`CHARGES`], and what would mend it.
fn wrong(row: &Row<'_>) -> rusqlite::Result<Found> {
    let model = row.get::<_, Option<String>>("answered_by")?.unwrap_or_default();
    let charged: Credits = row.get("charged")?;
    let Some(accepted) = row.get::<_, Option<i64>>("accepted")? else {
        let what = format!(
            "has a charge of {}, and {model}, which answered, had no price that is recorded",
            charged.micros()
        );
        let gone = (what, "restore a backup: a price or the result is gone".to_owned());
        return Ok((!charged.is_zero()).then_some(gone));
    };
    let (price, others): (Option<i64>, Option<i64>) = (row.get("price")?, row.get("others")?);
    if !charged.is_zero() && (price != Some(accepted) || others != Some(0)) {
        let what = format!("has a charge at another price of {model} than it was accepted with");
        let repair =
            format!("compute it by price {accepted}, and adjust the balance by the difference");
        return Ok(Some((what, repair)));
    }
    let cost = usage(row)?.and_then(|usage| prices::tariff(row).ok()?.of(usage));
    Ok(differs(&model, charged, cost))
}

/// Whether a charge is another than what its tokens cost.
fn differs(model: &str, charged: Credits, cost: Option<Credits>) -> Found {
    if cost == Some(charged) || (cost.is_none() && charged.is_zero()) {
        return None;
    }
    let charged = charged.micros();
    let Some(cost) = cost.map(Credits::micros) else {
        let what = format!("has a charge of {charged}, and no tokens that cost anything at all");
        return Some((what, "restore a backup: the tokens are gone".to_owned()));
    };
    let what =
        format!("has a charge of {charged}, and its tokens cost {cost} at its price of {model}");
    Some((what, format!("adjust the balance by {}", charged.saturating_sub(cost))))
}
