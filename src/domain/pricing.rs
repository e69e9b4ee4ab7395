//! Which models can be asked for, and what they cost. Pricing is policy: providers know nothing of it.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{Credits, Error, ErrorKind, Result, Usage};

/// Credits for a million tokens of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Price {
    /// For a million prompt tokens, but for those in the next line.
    pub input_per_million: Credits,
    /// For a million prompt tokens that the provider had kept from earlier calls.
    pub cached_input_per_million: Credits,
    /// For a million completion tokens.
    pub output_per_million: Credits,
    /// The least that a job costs which succeeded.
    pub minimum_charge: Credits,
}

impl Price {
    /// The cost of these tokens; `None` where it cannot be held. It is rounded once, up: the exact sum of the
    /// three kinds of tokens, to the next microcredit. The least is the minimum charge.
    ///
    /// ```
    /// use skai_server::domain::{Credits, Price, Usage};
    /// let price = Price {
    ///     input_per_million: "150".parse().unwrap(),
    ///     cached_input_per_million: "75".parse().unwrap(),
    ///     output_per_million: "600".parse().unwrap(),
    ///     minimum_charge: "0.004".parse().unwrap(),
    /// };
    /// assert_eq!(price.of(Usage::new(10, 5)).unwrap().to_string(), "0.0045");
    /// assert_eq!(price.of(Usage::new(10, 5).with_cached(5)).unwrap().to_string(), "0.004125");
    /// assert_eq!(price.of(Usage::new(1, 1)).unwrap().to_string(), "0.004");
    /// ```
    pub fn of(&self, usage: Usage) -> Option<Credits> {
        let part = |tokens: u64, per_million: Credits| {
            i128::from(tokens).checked_mul(i128::from(per_million.micros()))
        };
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let read = part(usage.prompt_tokens.checked_sub(cached)?, self.input_per_million)?;
        let kept = part(cached, self.cached_input_per_million)?;
        let written = part(usage.completion_tokens, self.output_per_million)?;
        let sum = read.checked_add(kept)?.checked_add(written)?;
        let micros = sum.checked_add(999_999)?.checked_div(1_000_000)?;
        let cost = i64::try_from(micros).ok().map(Credits::from_micros)?;
        Some(cost.max(self.minimum_charge))
    }
}

/// What a model costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tariff {
    /// Nothing, on purpose.
    Free,
    /// By tokens.
    Priced(Price),
    /// Nobody said: jobs for it are refused.
    Unknown,
}

impl Tariff {
    /// The cost of these tokens; `None` where it cannot be held, or nobody said.
    pub fn of(&self, usage: Usage) -> Option<Credits> {
        match self {
            Self::Free => Some(Credits::ZERO),
            Self::Priced(price) => price.of(usage),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for Tariff {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = match self {
            Self::Free => return out.write_str("free"),
            Self::Unknown => return out.write_str("none"),
            Self::Priced(price) => price,
        };
        let Price { input_per_million, cached_input_per_million, output_per_million, .. } = price;
        write!(out, "per million {input_per_million} for input, {cached_input_per_million} ")?;
        write!(out, "for cached input and {output_per_million} for output")?;
        if price.minimum_charge.is_positive() {
            write!(out, ", at least {} a job", price.minimum_charge)?;
        }
        Ok(())
    }
}

/// The record of a price, to which charges refer. Each change of a model's price makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceVersion {
    /// Its number among the prices of all models, in the order in which they came into force.
    pub row: i64,
    /// Its number among those of the model, from 1.
    pub version: u32,
}

/// A model as clients name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    /// The client's name for it.
    pub name: String,
    /// The provider that runs it.
    pub provider: String,
    /// The provider's name for it.
    pub upstream: String,
    /// What it costs.
    pub tariff: Tariff,
    /// The record of that; `None` before it was recorded, and where nobody said what it costs.
    pub price: Option<PriceVersion>,
    /// The most completion tokens of an answer where a job names no bound.
    pub max_tokens: u32,
}

impl Model {
    /// Refuses a model of which nobody said what it costs.
    pub fn check_priced(&self) -> Result<()> {
        if self.tariff != Tariff::Unknown {
            return Ok(());
        }
        let message = format!(
            "model `{}` has no price; the operator sets input_per_million and output_per_million, or \
             free = true, under [models.\"{0}\"]",
            self.name
        );
        Err(Error::new(ErrorKind::ModelNotPriced, message).with_param("model"))
    }

    /// The cost of these tokens.
    pub fn cost(&self, usage: Usage) -> Result<Credits> {
        self.check_priced()?;
        self.tariff.of(usage).ok_or_else(|| {
            let message = format!(
                "a job for `{}` of that size costs more than can be counted; lower max_tokens",
                self.name
            );
            Error::invalid("max_tokens", message)
        })
    }

    /// What a job may cost at most: its prompt, cached or not, whichever is dearer, and so many completion tokens.
    pub fn estimate(&self, prompt_tokens: u64, completion_tokens: u32) -> Result<Credits> {
        let usage = Usage::new(prompt_tokens, completion_tokens.into());
        Ok(self.cost(usage)?.max(self.cost(usage.with_cached(prompt_tokens))?))
    }
}

/// Models that an error names, at most.
const NAMED_MAX: usize = 12;

/// All models that can be asked for, with the prices of one moment.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    models: HashMap<String, Arc<Model>>,
    price_list: i64,
}

impl Catalog {
    /// Takes the models. `price_list` is the number of the newest price that was recorded, 0 before the first.
    pub fn new(models: impl IntoIterator<Item = Model>, price_list: i64) -> Self {
        let models = models.into_iter().map(|model| (model.name.clone(), Arc::new(model)));
        Self { models: models.collect(), price_list }
    }

    /// The number of the newest price that it knows. Those up to there are the ones in force with it, of each
    /// model the newest.
    pub const fn price_list(&self) -> i64 {
        self.price_list
    }

    /// The model of that name; `param` is the field that named it.
    pub fn find(&self, name: &str, param: &str) -> Result<&Arc<Model>> {
        self.models.get(name).ok_or_else(|| {
            let message = format!("there is no model `{name}` here; {}", self.suggestion());
            Error::new(ErrorKind::UnknownModel, message).with_param(param)
        })
    }

    /// All models, in no order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(|model| &**model)
    }

    /// What to ask for instead.
    fn suggestion(&self) -> String {
        let priced = self.models().filter(|model| model.tariff != Tariff::Unknown);
        let mut names: Vec<&str> = priced.map(|model| model.name.as_str()).collect();
        names.sort_unstable();
        match names.get(..NAMED_MAX) {
            Some(some) => format!("use another such as {}", some.join(", ")),
            None if names.is_empty() => "ask the operator for one".to_owned(),
            None => format!("use one of {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model(tariff: Tariff) -> Model {
        Model {
            name: "m".to_owned(),
            provider: "p".to_owned(),
            upstream: "m".to_owned(),
            tariff,
            price: None,
            max_tokens: 100,
        }
    }

    /// Microcredits for a million tokens of input, cached input and output, and for a job at least.
    fn price([input, cached, output, minimum]: [i64; 4]) -> Price {
        let micros = Credits::from_micros;
        Price {
            input_per_million: micros(input),
            cached_input_per_million: micros(cached),
            output_per_million: micros(output),
            minimum_charge: micros(minimum),
        }
    }

    /// What so many tokens read, kept and written cost.
    fn cost(prices: [i64; 4], [read, kept, written]: [u64; 3]) -> Option<i64> {
        price(prices).of(Usage::new(read, written).with_cached(kept)).map(Credits::micros)
    }

    #[test]
    fn the_exact_sum_is_rounded_up_once() {
        for (prices, tokens, micros) in [
            ([1, 1, 1, 0], [0, 0, 0], 0),
            ([1, 1, 1, 0], [1, 0, 0], 1),
            ([1, 1, 1, 0], [600_000, 0, 400_000], 1),
            ([1, 1, 1, 0], [600_000, 0, 400_001], 2),
            // Three kinds with a third of a microcredit each.
            ([1, 1, 1, 0], [666_666, 333_333, 333_334], 1),
            ([1, 1, 1, 0], [666_667, 333_333, 333_334], 2),
            ([150_000_000, 75_000_000, 600_000_000, 0], [10, 0, 5], 4_500),
            ([150_000_000, 75_000_000, 600_000_000, 0], [10, 10, 5], 3_750),
            ([150_000_000, 75_000_000, 600_000_000, 0], [10, 3, 5], 4_275),
            ([0, 0, 0, 0], [1_000_000_000, 5, 1_000_000_000], 0),
            ([0, 0, 0, 7], [0, 0, 0], 7),
            ([1_000_000, 1_000_000, 1_000_000, 7], [3, 0, 3], 7),
            ([1_000_000, 1_000_000, 1_000_000, 7], [3, 0, 5], 8),
            // Cached input may be the dearer one.
            ([1_000_000, 9_000_000, 0, 0], [2, 1, 0], 10),
            ([i64::MAX, i64::MAX, i64::MAX, 0], [999_999, 0, 1], i64::MAX),
        ] {
            assert_eq!(cost(prices, tokens), Some(micros), "{prices:?} {tokens:?}");
        }
        assert_eq!(cost([i64::MAX, 0, i64::MAX, 0], [1_000_000, 0, 1]), None);
        assert_eq!(cost([i64::MAX; 4], [u64::MAX; 3]), None);
    }

    #[test]
    fn more_cannot_be_cached_than_was_read() {
        assert_eq!(Usage::new(3, 1).with_cached(9).cached_tokens, 3);
        assert_eq!(Usage::new(3, 1).with_cached(3).plus(Usage::new(4, 0)).cached_tokens, 3);
        let told = Usage { cached_tokens: 9, ..Usage::new(3, 0) };
        assert_eq!(price([1_000_000, 2_000_000, 0, 0]).of(told), Some(Credits::from_micros(6)));
    }

    proptest! {
        #[test]
        fn a_cost_is_the_least_that_covers_the_sum(
            prices in prop::array::uniform4(0..=1_000_000_000_000_000_i64),
            read in 0..=20_000_000_000_u64,
            kept in 0..=20_000_000_000_u64,
            written in 0..=20_000_000_000_u64,
        ) {
            let [input, cached, output, minimum] = prices.map(|price| u128::from(price.unsigned_abs()));
            let kept = kept.min(read);
            let parts = [(read - kept, input), (kept, cached), (written, output)];
            let sum: u128 = parts.iter().map(|(tokens, price)| u128::from(*tokens) * price).sum();
            let expected = sum.div_ceil(1_000_000).max(minimum);
            prop_assert_eq!(cost(prices, [read, kept, written]), i64::try_from(expected).ok());
        }

        #[test]
        fn an_estimate_covers_whatever_of_the_prompt_was_cached(
            prices in prop::array::uniform4(0..=1_000_000_000_i64),
            read in 0..=1_000_000_u64,
            kept in 0..=1_000_000_u64,
            written in 0..=1_000_000_u32,
        ) {
            let model = model(Tariff::Priced(price(prices)));
            let most = model.estimate(read, written).unwrap();
            let usage = Usage::new(read, written.into()).with_cached(kept);
            prop_assert!(model.cost(usage).unwrap() <= most);
        }
    }

    #[test]
    fn a_model_without_a_price_is_refused_unless_it_is_free() {
        let refused = model(Tariff::Unknown).estimate(1, 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ModelNotPriced);
        assert_eq!(model(Tariff::Free).estimate(1, 1).unwrap(), Credits::ZERO);
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        let huge = Tariff::Priced(price([i64::MAX; 4]));
        assert!(model(huge).estimate(u64::MAX, u32::MAX).is_err());
    }

    #[test]
    fn a_tariff_says_what_it_is() {
        let told = Tariff::Priced(price([150_000_000, 75_500_000, 600_000_000, 1]));
        let text = "per million 150 for input, 75.5 for cached input and 600 for output, \
                    at least 0.000001 a job";
        assert_eq!(told.to_string(), text);
        assert_eq!(
            (Tariff::Free.to_string(), Tariff::Unknown.to_string()),
            ("free".to_owned(), "none".to_owned())
        );
    }
}
