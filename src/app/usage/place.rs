//! Where a page of days goes on. A cursor names the days and the group of its list too, so that all pages are of the
//! same ones, also where they were not named and midnight is between two pages.

use std::ops::RangeInclusive;

use crate::{
    domain::{Cursor, Day, DaySpan, Result},
    store::{AccountSeq, usage_tail::Dimension},
};

/// Which rows are asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub account: AccountSeq,
    pub dimension: Dimension,
    pub days: DaySpan,
}

/// The place of a row: newest days first, and the subjects of each the other way round.
pub(super) type Place = (Day, Vec<u8>);

/// The days that a list may end with, from 1970 to 9999.
const DAYS: RangeInclusive<i64> = 0..=2_932_896;

/// The first and the last day of the list, its dimension, and the day of the row, four bytes each; its subject follows.
type Key = [[u8; 4]; 4];

/// The place after a row. It is at most as long as a cursor may be: no subject has more than 256 bytes.
pub(super) fn cursor(asked: Asked, (day, subject): &Place) -> Cursor {
    let numbers =
        [asked.days.from.number(), asked.days.to.number(), asked.dimension.number(), day.number()];
    let key: Key = numbers.map(|number| i32::try_from(number).unwrap_or(i32::MAX).to_be_bytes());
    Cursor::from_key(&[key.as_flattened(), subject.as_slice()].concat())
}

/// The place that a cursor of this list names; every other is refused.
pub(super) fn place(asked: Asked, cursor: &Cursor) -> Result<Place> {
    let ([from, to, dimension, day], subject) = read(cursor)?;
    let is_same = (asked.days.from, asked.days.to)
        == (Day::from_number(from), Day::from_number(to))
        && asked.dimension.number() == dimension;
    if !is_same || !(from..=to).contains(&day) {
        return Err(Cursor::refused());
    }
    Ok((Day::from_number(day), subject.to_vec()))
}

/// The days of the list that a cursor is of.
pub fn span(cursor: &Cursor) -> Result<DaySpan> {
    let ([from, to, ..], _) = read(cursor)?;
    Ok(DaySpan { from: Day::from_number(from), to: Day::from_number(to) })
}

fn read(cursor: &Cursor) -> Result<([i64; 4], &[u8])> {
    let (key, subject) = cursor.key().split_first_chunk::<16>().ok_or_else(Cursor::refused)?;
    let (numbers, _) = key.as_chunks::<4>();
    let mut read = [0; 4];
    for (number, bytes) in read.iter_mut().zip(numbers) {
        *number = i64::from(i32::from_be_bytes(*bytes));
    }
    let [from, to, ..] = read;
    let is_span = from <= to && to - from < DaySpan::MAX_DAYS && DAYS.contains(&to);
    if is_span { Ok((read, subject)) } else { Err(Cursor::refused()) }
}
