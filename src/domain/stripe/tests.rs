use super::*;
use crate::domain::Credits;

fn read(kind: &str, object: &str) -> StripeEvent {
    let body = format!(r#"{{"id":"evt_1","type":"{kind}","data":{{"object":{object}}}}}"#);
    StripeEvent::read(body.as_bytes()).unwrap().unwrap()
}

fn is_paid(event: &StripeEvent) -> bool {
    matches!(event.meaning, Meaning::Paid(_))
}

const INVOICE: &str = "in_1MtHbELkdIwHu7";
const SESSION: &str = "cs_test_a1MPUwrfTJDnVr";

/// Who grants where a payment has several objects.
#[test]
fn a_payment_intent_leaves_the_word_to_its_invoice_or_session() {
    let intent = |more: &str| {
        let object = format!(
            r#"{{"id":"pi_1","amount_received":5,"currency":"usd","customer":"cus_1"{more}}}"#
        );
        read("payment_intent.succeeded", &object)
    };
    let account = r#","metadata":{"account_id":"a"}"#;
    let order = |order: &str| format!(r#","payment_details":{{"order_reference":"{order}"}}"#);
    for (more, grants) in [
        (String::new(), true),
        (r#","invoice":null,"description":"Subscription update""#.to_owned(), true),
        (r#","invoice":"in_1""#.to_owned(), false),
        (format!(r#","invoice":{{"id":"in_1"}}{account}"#), false),
        (order(INVOICE), false),
        (format!("{}{account}", order(INVOICE)), false),
        (order(SESSION), false),
        (format!("{}{account}", order(SESSION)), false),
        (order("cs_live_a1MPUwrfTJDnVr"), false),
        (order("cs_a1MPUwrfTJDnVrPf"), false),
        (format!(r#"{},"capture_method":"manual""#, order(SESSION)), true),
        (format!(r#"{},"capture_method":"automatic""#, order(SESSION)), false),
        (
            format!(
                r#"{},"payment_method_options":{{"card":{{"capture_method":"manual"}}}}"#,
                order(SESSION)
            ),
            true,
        ),
        (format!(r#"{},"capture_method":"manual""#, order(INVOICE)), false),
        (order("order 7"), true),
        (order("in_store"), true),
        (order("in_store_number_seven"), true),
        (order("cs_test_1"), true),
        (format!(r#"{},"description":"Payment for Invoice""#, order("in_store")), true),
        (r#","description":"Payment for Invoice""#.to_owned(), false),
        (format!(r#","description":"Payment for Invoice"{account}"#), true),
    ] {
        assert_eq!(is_paid(&intent(&more)), grants, "{more}");
    }
    let unnamed = r#"{"id":"pi_1","amount_received":5,"currency":"usd",
        "description":"Payment for Invoice"}"#;
    assert!(is_paid(&read("payment_intent.succeeded", unnamed)));
    let own = intent(r#","payment_details":{"order_reference":"order_7"},"latest_charge":"py_1""#);
    assert_eq!(own.objects, ["pi_1", "py_1"]);
}

#[test]
fn objects_and_accounts_are_found_in_every_shape() {
    let invoice = r#"{"id":"in_1","amount_paid":5,"currency":"USD","customer":{"id":"cus_1"},
        "payment_intent":{"id":"pi_1"},"charge":"ch_1","metadata":{"account_id":"one"},
        "payments":{"data":[{"payment":{"payment_intent":"pi_2"}},{"payment":{"payment_intent":"pi_1"}}]},
        "subscription_details":{"metadata":{"account_id":"three"}},
        "parent":{"subscription_details":{"metadata":{"account_id":"two"}}}}"#;
    let event = read("invoice.paid", invoice);
    assert_eq!(event.objects, ["in_1", "pi_1", "ch_1", "pi_2"]);
    assert_eq!(event.accounts, ["one", "two", "three"]);
    assert_eq!((event.customer.as_deref(), event.payment()), (Some("cus_1"), "pi_1"));
    let Meaning::Paid(paid) = event.meaning else { panic!("it is paid") };
    assert_eq!((paid.amount, &*paid.currency), (5, "usd"));
}

#[test]
fn amounts_are_exact() {
    let credits = |text: &str| text.parse::<Credits>().unwrap();
    let policy = CreditPolicy {
        per_unit: [("usd".to_owned(), credits("0.000001"))].into(),
        per_price: [("p".to_owned(), credits("2.5"))].into(),
        refuses_test_events: false,
    };
    let line = |price: Option<&str>, quantity, amount| Line {
        price: price.map(str::to_owned),
        quantity,
        amount,
    };
    let buys = |amount, lines: Vec<Line>| {
        let currency = "usd".to_owned();
        let paid = Paid { amount, currency, lines, better_known_by: None };
        policy.credits(&paid).map(|credits| credits.to_string())
    };
    assert_eq!(buys(1, vec![]).unwrap(), "0.000001");
    assert_eq!(buys(1_000_000_000_000_000, vec![]).unwrap(), "1000000000");
    assert!(buys(1_000_000_000_000_001, vec![]).unwrap_err().contains("more than"));
    assert!(buys(i64::MAX, vec![]).is_err());
    assert_eq!(buys(7, vec![line(Some("p"), 3, None)]).unwrap(), "7.5");
    assert_eq!(buys(7, vec![line(Some("q"), 3, Some(7))]).unwrap(), "0.000007");
    let mixed =
        vec![line(Some("p"), 1, Some(5)), line(None, 1, Some(-2)), line(Some("q"), 9, None)];
    assert_eq!(buys(3, mixed).unwrap(), "2.499998");
    assert!(buys(3, vec![line(Some("p"), 0, Some(3))]).unwrap_err().contains("no credits"));
    assert!(buys(3, vec![line(Some("p"), i64::MAX, Some(3)); 3]).is_err());
}

#[test]
fn a_part_of_a_grant_goes_back_with_its_part_of_the_money() {
    let granted = Credits::from_micros(i64::MAX);
    for (paid, returned, expected) in [
        (3, 0, 0),
        (3, -5, 0),
        (3, 1, i64::MAX / 3),
        (3, 3, i64::MAX),
        (3, i64::MAX, i64::MAX),
        (0, 1, i64::MAX),
        (i64::MAX, i64::MAX - 1, i64::MAX - 1),
    ] {
        let back = [Returned { amount: returned, currency: None, whole: None }];
        let micros = taken_back(granted, paid, "usd", &back).micros();
        assert_eq!(micros, expected, "{returned} of {paid}");
    }
}

#[test]
fn money_in_another_currency_is_a_part_of_its_own_charge() {
    let in_yen = |amount, whole| Returned { amount, currency: Some("jpy".to_owned()), whole };
    let in_dollars =
        |amount| Returned { amount, currency: Some("usd".to_owned()), whole: Some(1000) };
    for (returned, expected) in [
        (vec![in_yen(1500, Some(3000))], 50),
        (vec![in_yen(1, Some(300))], 0),
        (vec![in_yen(0, None)], 0),
        (vec![in_yen(1, None)], 100),
        (vec![in_yen(300, Some(3000)), in_dollars(500)], 35),
        // Two charges paid it, and one of them was refunded.
        (vec![in_dollars(1000)], 50),
        (vec![in_dollars(1000), in_dollars(1000), in_yen(1, Some(2))], 100),
    ] {
        let back = taken_back(Credits::from_micros(100), 2000, "usd", &returned);
        assert_eq!(back.micros(), expected, "{returned:?}");
    }
}

#[test]
fn who_may_tell_of_payments() {
    let of = |more: &str| {
        let body =
            format!(r#"{{"id":"evt_1","type":"charge.refunded","data":{{"object":{{}}}}{more}}}"#);
        StripeEvent::read(body.as_bytes()).unwrap().unwrap()
    };
    let (any, live) = (
        CreditPolicy::default(),
        CreditPolicy { refuses_test_events: true, ..CreditPolicy::default() },
    );
    for (more, by_any, by_live) in [
        ("", false, false),
        (r#","livemode":true,"account":null"#, false, false),
        (r#","livemode":false"#, false, true),
        (r#","livemode":true,"account":"acct_1""#, true, true),
    ] {
        let event = of(more);
        let refused = (any.refuses(&event).is_some(), live.refuses(&event).is_some());
        assert_eq!(refused, (by_any, by_live), "{more}");
    }
}

#[test]
fn a_long_invoice_has_a_rest() {
    let invoice = r#"{"id":"in_1","amount_paid":100,"currency":"usd","lines":{"has_more":true,
        "data":[{"amount":30,"price":{"id":"p"}},{"amount":20,"quantity":2}]}}"#;
    let Meaning::Paid(paid) = read("invoice.paid", invoice).meaning else { panic!("it is paid") };
    let amounts: Vec<_> = paid.lines.iter().map(|line| (line.quantity, line.amount)).collect();
    assert_eq!(amounts, [(1, Some(30)), (2, Some(20)), (1, Some(50))]);
}

#[test]
fn where_prices_are_sold_those_who_know_them_grant() {
    let session = r#"{"id":"cs_1","invoice":"in_1","amount_total":5,"currency":"usd"}"#;
    let Meaning::Paid(paid) = read("checkout.session.completed", session).meaning else {
        panic!("it is paid")
    };
    let mut policy = CreditPolicy::default();
    assert_eq!(policy.left_to(&paid), None);
    policy.per_price.insert("p".to_owned(), Credits::ZERO);
    assert_eq!(policy.left_to(&paid), Some("invoice.paid"));
    assert_eq!(policy.left_to(&Paid { better_known_by: None, ..paid }), None);
}
