//! Charges against what they were computed from: the tokens of a job, and the price of the model that answered.

use rusqlite::Row;

use super::Breach;
use crate::{
    domain::{Credits, Result},
    store::{prices, row::usage, scope::SystemScope, tx::Snapshot},
};

/// The charge of each job, and which price was that of the model when the job was accepted. The arithmetic is not
/// SQLite's: a product of tokens and a price may need more than 64 bits.
const CHARGES: &str = concat!(
    "with l as (
       select account, job, -sum(delta) as charged, min(price) as price,
         sum(price is null) + max(price) - min(price) as others
       from main.ledger where kind = 'charge' and job is not null group by job, round)
     select l.account, l.job, l.charged, l.price, l.others, p.model as priced,
       r.model as answered_by, r.prompt_tokens, r.completion_tokens, r.cached_tokens, ",
    prices::price_columns!(),
    ", (select o.seq from main.price o where o.model = p.model and o.seq <= j.price_list
        order by o.version desc limit 1) as accepted
     from l left join main.price p on p.seq = l.price left join main.job_result r on r.job = l.job
       left join main.job j on j.seq = l.job"
);

/// Up to `limit` charges that do not follow from their tokens and prices. Looks at one after the other.
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

/// What is wrong with a row of [`CHARGES`], and what would mend it.
fn wrong(row: &Row<'_>) -> rusqlite::Result<Option<(String, String)>> {
    let Some(model) = row.get::<_, Option<String>>("priced")? else {
        let what = "has a charge whose price is not recorded".to_owned();
        return Ok(Some((what, "restore a backup: a price is gone".to_owned())));
    };
    let (price, accepted): (i64, Option<i64>) = (row.get("price")?, row.get("accepted")?);
    if row.get::<_, i64>("others")? != 0 || accepted.is_some_and(|accepted| accepted != price) {
        let what = format!("has a charge at another price of {model} than it was accepted with");
        let accepted = accepted.unwrap_or(price);
        let repair =
            format!("compute it by price {accepted}, and adjust the balance by the difference");
        return Ok(Some((what, repair)));
    }
    if row.get::<_, Option<String>>("answered_by")?.as_ref() != Some(&model) {
        let what = format!("has a charge at the price of {model}, which did not answer it");
        return Ok(Some((what, "restore a backup: result or charge is another one".to_owned())));
    }
    let charged: Credits = row.get("charged")?;
    let cost = usage(row)?.and_then(|usage| prices::tariff(row).ok()?.of(usage));
    if cost == Some(charged) {
        return Ok(None);
    }
    let charged = charged.micros();
    let Some(cost) = cost.map(Credits::micros) else {
        let what = format!("has a charge of {charged}, and no tokens that cost anything at all");
        return Ok(Some((what, "restore a backup: the tokens are gone".to_owned())));
    };
    let what =
        format!("has a charge of {charged}, and its tokens cost {cost} at its price of {model}");
    let repair = format!("adjust the balance by {}", charged.saturating_sub(cost));
    Ok(Some((what, repair)))
}
