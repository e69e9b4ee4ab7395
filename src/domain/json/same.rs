//! Equality of JSON values, with numbers by their value: `1` and `1.0` are the same.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two values are equal. The order of members does not matter.
///
/// ```
/// use serde_json::json;
/// use skai_server::domain::json::same;
/// assert!(same(&json!({"a": [1.0, "x"]}), &json!({"a": [1, "x"]})));
/// assert!(!same(&json!(1), &json!("1")));
/// ```
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => order(one, other) == Ordering::Equal,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_in = |(name, one): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(one, other))
            };
            one.len() == other.len() && one.iter().all(is_in)
        }
        _ => one == other,
    }
}

/// Compares two numbers by their value, whole ones exactly.
pub fn order(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        // Numbers of JSON are never NaN.
        _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// The number, if it is whole and not far beyond those of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
fn whole(number: &Number) -> Option<i128> {
    const RANGE: f64 = 1e30;
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < RANGE);
    integer.or_else(|| float().map(|float| float as i128))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_their_value() {
        let large = 9_007_199_254_740_993_i64;
        for (one, other, are_same) in [
            (json!(1), json!(1.0), true),
            (json!(-0.0), json!(0), true),
            (json!(large), json!(large - 1), false),
            (json!(large), json!(9_007_199_254_740_992_f64), false),
            (json!(u64::MAX), json!(-1), false),
            (json!(1e300), json!(1e300), true),
            (json!(0.5), json!(1), false),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1.0}), true),
            (json!({"a": 1}), json!({"a": 1, "b": null}), false),
            (json!([1]), json!([1, 2]), false),
            (json!(null), json!(false), false),
        ] {
            assert_eq!(same(&one, &other), are_same, "{one} {other}");
        }
    }
}
