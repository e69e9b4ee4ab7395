//! One field of a cron expression as a set of numbers, one bit for each.

use super::BadRecurrence;

/// How much of a part an error repeats, in characters.
const ECHO: usize = 40;

/// What may stand in a field.
pub(super) struct Field {
    /// What errors call it.
    name: &'static str,
    low: u32,
    high: u32,
    /// How many different ones there are.
    count: u32,
    /// Names of the numbers from `low` on.
    names: &'static [&'static str],
}

pub(super) const MINUTE: Field = Field { name: "minute", low: 0, high: 59, count: 60, names: &[] };
pub(super) const HOUR: Field = Field { name: "hour", low: 0, high: 23, count: 24, names: &[] };
pub(super) const DAY: Field =
    Field { name: "day of month", low: 1, high: 31, count: 31, names: &[] };
pub(super) const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    count: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// 7 is Sunday too.
pub(super) const WEEKDAY: Field = Field {
    name: "day of week",
    low: 0,
    high: 7,
    count: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Field {
    /// The numbers that the text names: a list of parts.
    pub(super) fn parse(&self, text: &str) -> Result<u64, BadRecurrence> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    /// An error of this field.
    pub(super) fn bad(&self, problem: impl std::fmt::Display) -> BadRecurrence {
        BadRecurrence::new(format!("{}: {problem}", self.name))
    }

    /// `*`, a number or a range, with or without a step.
    fn part(&self, part: &str) -> Result<u64, BadRecurrence> {
        if part.is_empty() {
            return Err(self.bad("a part of the list is empty"));
        }
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(part, step)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None => {
                let only = self.number(range)?;
                (only, if step.is_some() { self.high } else { only })
            }
        };
        if first > last {
            let range = echo(range);
            return Err(self.bad(format!(
                "`{range}` goes backwards, make two ranges of it with a comma between"
            )));
        }
        let numbers = (first..=last).step_by(step.unwrap_or(1));
        Ok(numbers.fold(0, |set, number| set | 1 << number))
    }

    /// One that goes once through all numbers is the largest: more is never what was meant.
    fn step(&self, part: &str, step: &str) -> Result<usize, BadRecurrence> {
        let step = digits(step).filter(|step| (1..=self.count).contains(step));
        step.and_then(|step| usize::try_from(step).ok()).ok_or_else(|| {
            let (part, most) = (echo(part), self.count);
            self.bad(format!("the step of `{part}` is not from 1 to {most}"))
        })
    }

    fn number(&self, text: &str) -> Result<u32, BadRecurrence> {
        let named = self.names.iter().zip(self.low..).find(|it| it.0.eq_ignore_ascii_case(text));
        let number = named.map(|it| it.1).or_else(|| digits(text));
        number.filter(|number| (self.low..=self.high).contains(number)).ok_or_else(|| {
            let (text, low, high) = (echo(text), self.low, self.high);
            match self.names {
                [first, .., last] => self.bad(format!(
                    "`{text}` is neither from {low} to {high} nor a name from {first} to {last}"
                )),
                _ => self.bad(format!("`{text}` is not from {low} to {high}")),
            }
        })
    }
}

/// A number of digits alone.
pub(super) fn digits(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// So much of a text as an error repeats.
pub(super) fn echo(text: &str) -> String {
    text.chars().take(ECHO).collect()
}
