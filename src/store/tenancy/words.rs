//! How a tenant's statement has to say whose rows it writes. Statements are constants of this program,
//! so what is checked here once holds at every run.

/// The functions that the engine answers by the scope of the run: the second is true for all rows
/// where the system runs the same statement.
const CONDITIONS: [&str; 2] = ["account = current_account()", "account_ok(account)"];

/// What is wrong with the words of a tenant's statement.
pub(super) fn check(sql: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let sql = words.join(" ").to_ascii_lowercase();
    if sql.contains("--") || sql.contains("/*") {
        return Err("has a comment, which belongs beside it");
    }
    if sql.replace("audit_entry", "").contains("audit_") {
        return Err("has a name as only triggers of the audit log have");
    }
    let outline = outline(&sql);
    match sql.split(' ').next() {
        Some("insert") => check_insert(&sql, &outline),
        Some("update" | "delete") => check_condition(&sql, &outline),
        Some("select") => Ok(()),
        Some("with") if !has_word(&outline, &["insert", "replace", "update", "delete"]) => Ok(()),
        _ => Err("is none of select, insert, update and delete"),
    }
}

/// The statement with an underscore for each byte inside quotes and parentheses: what is left is its
/// outermost level, at the same places.
fn outline(sql: &str) -> String {
    let (mut depth, mut quote) = (0_usize, None);
    let mut outline = String::with_capacity(sql.len());
    for sign in sql.chars() {
        let was_inside = depth > 0 || quote.is_some();
        match (quote, sign) {
            (Some(end), _) => quote = (sign != end).then_some(end),
            (None, '\'' | '"' | '`') => quote = Some(sign),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if was_inside && (depth > 0 || quote.is_some()) {
            outline.extend(std::iter::repeat_n('_', sign.len_utf8()));
        } else {
            outline.push(sign);
        }
    }
    outline
}

/// Whether one of the words stands in the outline, also where it touches a parenthesis or a number, which
/// end a word as a space does.
fn has_word(outline: &str, words: &[&str]) -> bool {
    outline.split(|sign: char| !sign.is_ascii_alphabetic()).any(|word| words.contains(&word))
}

/// `insert into main.t (account, …) values (current_account(), …)`, or a `select` in place of the values.
fn check_insert(sql: &str, outline: &str) -> Result<(), &'static str> {
    const SHAPE: &str = "must insert one row, or what one select gives, whose first column is account \
                         and its value current_account()";
    let columns = sql.strip_prefix("insert into main.").and_then(|rest| rest.split_once(" ("));
    let is_shaped =
        columns.is_some_and(|(table, columns)| is_name(table) && names_account(columns));
    let end = outline.find(") ").filter(|_| is_shaped).ok_or(SHAPE)?;
    let (rows, outline) = (&sql[end + 2..], &outline[end + 2..]);
    let is_one = if rows.starts_with("select current_account(),") {
        !has_word(outline, &["union", "intersect", "except"])
    } else {
        let first = rows.strip_prefix("values (current_account()");
        let after = outline.split_once(')').map_or("", |(_, after)| after);
        first.is_some_and(|rest| rest.starts_with([',', ')']))
            && ends_or_goes_on(after, &[" on conflict", " returning "])
    };
    if is_one { check_conflict(rows, outline) } else { Err(SHAPE) }
}

/// Whether a list of columns, after its parenthesis, begins with `account`.
fn names_account(columns: &str) -> bool {
    columns.strip_prefix("account").is_some_and(|rest| rest.starts_with([',', ')']))
}

/// A row that is updated in place of the insert must be known by its account too, or it may be foreign.
fn check_conflict(rows: &str, outline: &str) -> Result<(), &'static str> {
    const CONFLICT: &str = " on conflict";
    let Some(at) = outline.find(CONFLICT) else { return Ok(()) };
    let (target, outline) = (&rows[at + CONFLICT.len()..], &outline[at + CONFLICT.len()..]);
    let is_own = target.strip_prefix(" (").is_some_and(names_account);
    if !outline.contains(CONFLICT) && (is_own || outline.ends_with(" do nothing")) {
        return Ok(());
    }
    Err("must name account first among the columns of its conflict")
}

/// `update main.t set … where account = current_account() and …`, or `delete from` likewise.
fn check_condition(sql: &str, outline: &str) -> Result<(), &'static str> {
    let table = sql.strip_prefix("update main.").or_else(|| sql.strip_prefix("delete from main."));
    let table = table.and_then(|rest| rest.split(' ').next()).filter(|name| is_name(name));
    table.ok_or("must write main.<table>, without `or`")?;
    let at = outline.find(" where ").map(|at| at + " where ".len());
    let own = at.and_then(|at| CONDITIONS.iter().find_map(|words| sql[at..].strip_prefix(words)));
    let rest = own.ok_or("must begin its conditions with account = current_account()")?;
    let is_joined = ends_or_goes_on(rest, &[" and ", " returning "]);
    if !is_joined || has_word(&outline[sql.len() - rest.len()..], &["or"]) {
        return Err("must join its other conditions by `and`");
    }
    Ok(())
}

fn ends_or_goes_on(rest: &str, next: &[&str]) -> bool {
    rest.is_empty() || next.iter().any(|words| rest.starts_with(words))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_say_whose_rows_they_write_pass() {
        for good in [
            "select * from job where id = ?1",
            "with t as (select 1) select * from t",
            "insert into main.job (account, id) values (current_account(), ?1)",
            "INSERT INTO main.balance\n  (account) VALUES (current_account())",
            "insert into main.job (account, id) select current_account(), id from project",
            "insert into main.idempotency (account, key) values (current_account(), (?1 || 'x'))
             on conflict (account, key) do update set job = excluded.job where job = 1 or job = 2",
            "insert into main.job (account, id) values (current_account(), ?1) on conflict do nothing",
            "insert into main.job (account, id) values (current_account(), ?1)
             on conflict (id) do nothing",
            "update main.job set status = 2 where account = current_account() and seq = ?1",
            "update main.job set end_user = (select name from project where seq = 1 or seq = 2)
             where account = current_account() and (seq = ?1 or id = ?2) and model = ' or '",
            "update main.queue set lease = null where account_ok(account) and subject = ?1 returning *",
            "delete from main.queue where account_ok(account)",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn statements_that_could_write_a_foreign_row_are_refused() {
        for bad in [
            "insert into main.job (id, account) values (?1, current_account())",
            "insert into main.job (account, id) values (?1, ?2)",
            "insert into main.job (account, id) values (current_account() + 1, ?2)",
            "insert into main.job (account, id) values (current_account(), 1), (2, 2)",
            "insert into main.job (account, id) values (current_account(), 1),(2, 2)",
            "insert into main.job (account, id) select current_account(), 1 union all select 2, 2",
            "insert into main.job values (current_account(), 1)",
            "insert into job (account, id) values (current_account(), ?1)",
            "insert or replace into main.job (account, id) values (current_account(), ?1)",
            "insert or ignore into main.job (account, id) values (current_account(), ?1)",
            "insert into main.job (account, id) values (current_account(), ?1)
             on conflict (id) do update set model = 'x'",
            "insert into main.job (account, id) values (current_account(), ?1)
             on conflict do update set model = 'x'",
            "insert into main.job (account, id) values (current_account(), ?1)
             on conflict (account) do update set model = 'x' on conflict (id) do update set id = 1",
            "replace into main.job (account, id) values (current_account(), ?1)",
            "update main.job set status = 2",
            "update main.job set status = 2 where seq = ?1",
            "update main.job set status = 2 where seq = ?1 and account = current_account()",
            "update main.job set status = 2 where account = current_account() or seq = ?1",
            "update main.job set status = 2 where account = current_account() and seq = ?1 or id = ?2",
            "update main.job set status = 3 where account = current_account() and seq = 1 or(seq = 2)",
            "update main.job set status = 3 where account = current_account() and (seq = 1)or seq = 2",
            "update main.job set status = 3 where account = current_account() and seq = 1or seq = 2",
            "update main.job set status = 3 where account = current_account() and seq = ?1 or?2",
            "insert into main.job (account, id) select current_account(), (?1)union all select 2, 2",
            "with t as (select 1)delete from main.job_event",
            "update main.job set status = 2 where account = current_account() - 1",
            "update or replace main.job set status = 2 where account = current_account()",
            "update job set status = 2 where account = current_account()",
            "update main.job set status = (select 1 where account = current_account())",
            "delete from main.job",
            "delete from main.job where account = ?1",
            "with t as (select 1) delete from main.job where account = current_account()",
            "with t as (select 1) insert into main.job (account) values (current_account())",
            "update main.job set model = 'x' -- where account = current_account()",
            "update main.job set model = 'x' /* where account = current_account() */",
            "pragma table_list",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
