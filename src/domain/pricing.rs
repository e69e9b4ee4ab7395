//! Which models can be asked for, and what they cost. Pricing is policy: providers know nothing of it.

use std::{collections::HashMap, sync::Arc};

use super::{Credits, Error, ErrorKind, Result, Usage};

/// Credits for a million tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Price {
    /// For a million prompt tokens.
    pub input_per_million: Credits,
    /// For a million completion tokens.
    pub output_per_million: Credits,
}

impl Price {
    /// The cost of these tokens, rounded up to a microcredit; `None` where it cannot be held.
    ///
    /// ```
    /// use skai_server::domain::{Credits, Price, Usage};
    /// let price = Price {
    ///     input_per_million: Credits::from_micros(150_000_000),
    ///     output_per_million: Credits::from_micros(600_000_000),
    /// };
    /// assert_eq!(price.of(Usage::new(10, 5)).unwrap().to_string(), "0.0045");
    /// ```
    pub fn of(&self, usage: Usage) -> Option<Credits> {
        let part = |tokens: u64, per_million: Credits| {
            i128::from(tokens).checked_mul(i128::from(per_million.micros()))
        };
        let input = part(usage.prompt_tokens, self.input_per_million)?;
        let output = part(usage.completion_tokens, self.output_per_million)?;
        let micros = input.checked_add(output)?.checked_add(999_999)?.checked_div(1_000_000)?;
        i64::try_from(micros).ok().map(Credits::from_micros)
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
    /// The most completion tokens of an answer where a job names no bound.
    pub max_tokens: u32,
}

impl Model {
    /// The cost of these tokens.
    pub fn cost(&self, usage: Usage) -> Result<Credits> {
        match self.tariff {
            Tariff::Free => Ok(Credits::ZERO),
            Tariff::Priced(price) => price.of(usage).ok_or_else(|| self.too_expensive()),
            Tariff::Unknown => Err(Error::new(
                ErrorKind::ModelNotPriced,
                format!(
                    "model `{}` has no price; the operator sets input_per_million and \
                     output_per_million, or free = true, under [models.\"{0}\"]",
                    self.name
                ),
            )
            .with_param("model")),
        }
    }

    /// What a job may cost at most: its prompt and as many completion tokens as it may ask for.
    pub fn estimate(&self, prompt_tokens: u64, max_tokens: Option<u32>) -> Result<Credits> {
        let completion = u64::from(max_tokens.unwrap_or(self.max_tokens));
        self.cost(Usage::new(prompt_tokens, completion))
    }

    fn too_expensive(&self) -> Error {
        let message = format!(
            "a job for `{}` of that size costs more than can be counted; lower max_tokens",
            self.name
        );
        Error::invalid("max_tokens", message)
    }
}

/// Models that an error names, at most.
const NAMED_MAX: usize = 12;

/// All models that can be asked for.
#[derive(Clone, Debug, Default)]
pub struct Catalog(HashMap<String, Arc<Model>>);

impl Catalog {
    /// Takes the models.
    pub fn new(models: impl IntoIterator<Item = Model>) -> Self {
        Self(models.into_iter().map(|model| (model.name.clone(), Arc::new(model))).collect())
    }

    /// The model of that name; `param` is the field that named it.
    pub fn find(&self, name: &str, param: &str) -> Result<&Arc<Model>> {
        self.0.get(name).ok_or_else(|| {
            let message = format!("there is no model `{name}` here; {}", self.suggestion());
            Error::new(ErrorKind::UnknownModel, message).with_param(param)
        })
    }

    /// All models, in no order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.0.values().map(|model| &**model)
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
    use super::*;

    fn model(tariff: Tariff) -> Model {
        Model {
            name: "m".to_owned(),
            provider: "p".to_owned(),
            upstream: "m".to_owned(),
            tariff,
            max_tokens: 100,
        }
    }

    #[test]
    fn rounds_up_to_a_microcredit() {
        let one = Credits::from_micros(1);
        let price = Price { input_per_million: one, output_per_million: one };
        assert_eq!(price.of(Usage::new(0, 0)), Some(Credits::ZERO));
        assert_eq!(price.of(Usage::new(1, 0)), Some(one));
        assert_eq!(price.of(Usage::new(600_000, 400_000)), Some(one));
        assert_eq!(price.of(Usage::new(600_000, 400_001)), Some(Credits::from_micros(2)));
    }

    #[test]
    fn a_model_without_a_price_is_refused_unless_it_is_free() {
        let refused = model(Tariff::Unknown).estimate(1, None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ModelNotPriced);
        assert_eq!(model(Tariff::Free).estimate(1, None).unwrap(), Credits::ZERO);
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        let huge = Credits::from_micros(i64::MAX);
        let price = Price { input_per_million: huge, output_per_million: huge };
        assert!(model(Tariff::Priced(price)).estimate(u64::MAX, Some(u32::MAX)).is_err());
    }
}
