//! Questions whose answers are handed over piece by piece.

use std::ops::ControlFlow;

use serde_json::value::RawValue;
use skai_server::{
    app::asking::{Asked, Question},
    domain::{ChatMessage, ChatRole, Contract, Deadline, Environment, JobErrorCode, Parameters},
};

use super::{Bench, DEADLINE, schema};
use crate::support::{
    Answer, Piece,
    provider::{DONE, completion, ends, error, events, says, streamed},
};

/// A stream that says `text`, and ends well or breaks off.
fn stream(text: &str, ends_well: bool) -> Answer {
    let end = if ends_well { events([&ends("stop")]) + DONE } else { String::new() };
    streamed([Piece::text(events([&says(text)]) + &*end)])
}

impl Bench {
    /// Asks `m`, or else `s`; the pieces, and the end.
    fn stream(&self, contract: Option<&Contract>, stopped: bool) -> (Vec<String>, Asked) {
        let parameters =
            Parameters { fallback_models: vec!["s".to_owned()], ..Parameters::default() };
        let question = Question {
            environment: Environment::Live,
            model: "m",
            messages: &[ChatMessage::text_of(ChatRole::User, "Hello")],
            parameters: &parameters,
            completion_bound: u32::MAX,
            price_list: self.deeds.app.catalog.current().price_list(),
            output_schema: None,
            contract,
            as_is: false,
            max_repairs: 3,
            user: None,
            request_id: "req-1",
            trace: None,
            deadline: Deadline::within(self.deeds.ambient.monotonic(), DEADLINE),
        };
        let mut pieces = Vec::new();
        let asked = self.deeds.app.ask_streaming(
            &question,
            &mut |delta| {
                pieces.push(delta.delta.get().to_owned());
                ControlFlow::Continue(())
            },
            &|| stopped,
        );
        (pieces, asked.unwrap())
    }
}

#[test]
fn another_model_is_asked_while_nothing_was_handed_over() {
    let bench = Bench::new();
    bench.provider.always(error(503, "down"));
    bench.spare.always(stream("Hi", true));
    let (pieces, asked) = bench.stream(None, false);
    assert_eq!(pieces, [r#"{"content":"Hi"}"#, "{}"]);
    let Asked::Answered(answer) = asked else { panic!("{asked:?}") };
    assert_eq!((answer.model.name.as_str(), answer.completion.text.as_str()), ("s", "Hi"));
    assert_eq!(answer.trail.tried[0].code, JobErrorCode::ServerError);
}

#[test]
fn a_stream_that_began_is_not_begun_again() {
    let bench = Bench::new();
    bench.provider.always(stream("Hi", false));
    let (pieces, asked) = bench.stream(None, false);
    assert_eq!(pieces.len(), 1);
    let Asked::Unanswered { error, trail } = asked else { panic!("{asked:?}") };
    assert_eq!((error.message.as_str(), trail.tried.len()), ("the stream broke off", 1));
    assert!(bench.spare.received().is_empty());
}

#[test]
fn what_nobody_wants_is_not_asked() {
    let bench = Bench::new();
    let (pieces, asked) = bench.stream(None, true);
    assert!(pieces.is_empty() && matches!(asked, Asked::Abandoned));
    assert!(bench.provider.received().is_empty());
}

#[test]
fn an_output_is_given_where_the_stream_happens_to_keep_the_contract() {
    let bench = Bench::new();
    let contract = Contract::compile(&schema()).unwrap();
    for (text, output) in [("{\"a\":1}", Some("{\"a\":1}")), ("{\"a\":\"x\"}", None)] {
        bench.provider.always(stream(text, true));
        let (_, asked) = bench.stream(Some(&contract), false);
        let Asked::Answered(answer) = asked else { panic!("{asked:?}") };
        assert_eq!(answer.output.as_deref().map(RawValue::get), output);
        assert_eq!(answer.trail.repairs, 0);
    }
    assert_eq!(bench.provider.received().len(), 2, "nothing is repaired");
}

#[test]
fn no_stream_begins_after_the_deadline() {
    let bench = Bench::new();
    bench.answers_after(DEADLINE, error(503, "down"));
    bench.spare.always(completion("late"));
    let (pieces, asked) = bench.stream(None, false);
    let Asked::Unanswered { error, .. } = asked else { panic!("{asked:?}") };
    assert_eq!((pieces.len(), error.code), (0, JobErrorCode::Timeout));
    assert!(error.message.contains("took 12m together"), "{error}");
    assert!(bench.spare.received().is_empty());
}
