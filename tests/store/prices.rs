//! Versions of prices.

use skai_server::{
    domain::{Credits, Price, PriceVersion, Result, Tariff},
    store::{SystemScope, prices},
};

use super::Rig;

fn priced(micros: i64) -> Tariff {
    Tariff::Priced(Price { output_per_million: Credits::from_micros(micros), ..Price::default() })
}

fn record(rig: &Rig, model: &'static str, tariff: Tariff) -> Result<(i64, u32)> {
    let record = rig.store.write(SystemScope::new(), move |tx| prices::record(tx, model, tariff));
    record.wait().map(|PriceVersion { row, version }| (row, version))
}

#[test]
fn only_a_change_makes_a_version() {
    let rig = Rig::new();
    let list = || rig.store.read(SystemScope::new(), prices::price_list).unwrap();
    assert_eq!(list(), 0);
    for (model, tariff, row, version) in [
        ("a", priced(1), 1, 1),
        ("b", Tariff::Free, 2, 1),
        ("a", priced(1), 1, 1),
        ("a", priced(2), 3, 2),
        ("b", Tariff::Free, 2, 1),
        ("b", priced(0), 4, 2),
        ("a", priced(1), 5, 3),
    ] {
        assert_eq!(record(&rig, model, tariff).unwrap(), (row, version), "{model} {tariff}");
    }
    assert!(record(&rig, "a", Tariff::Unknown).is_err());
    assert_eq!(list(), 5);

    for (model, up_to, found) in [
        ("a", 0, None),
        ("a", 2, Some((1, priced(1)))),
        ("a", 4, Some((3, priced(2)))),
        ("a", i64::MAX, Some((5, priced(1)))),
        ("b", 3, Some((2, Tariff::Free))),
        ("c", 9, None),
    ] {
        let price = rig.store.read(SystemScope::new(), |it| prices::find(it, model, up_to));
        let price = price.unwrap().map(|price| (price.record.row, price.tariff));
        assert_eq!(price, found, "{model} up to {up_to}");
    }
}

#[test]
fn a_version_is_never_changed_or_removed() {
    let rig = Rig::new();
    record(&rig, "a", priced(1)).unwrap();
    for sql in ["update price set free = 1", "delete from price"] {
        let refused = rig.outside().execute_batch(sql).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
}
