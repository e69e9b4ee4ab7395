//! Addresses in messages, which a provider in the operator's network must not fetch for tenants.

use std::{ops::ControlFlow, sync::Arc};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    domain::{ChatMessage, JobErrorCode, Secret},
    providers::{
        Call, Completion, Provider, ProviderError, ProviderSettings, Providers, RemoteSettings,
    },
};

use super::with_call;
use crate::support::{self, LIMIT};

fn remote(server: &support::Provider, allow_media_urls: bool) -> RemoteSettings {
    RemoteSettings {
        base_url: server.base_url(),
        api_key: Secret::default(),
        timeout: LIMIT,
        allow_media_urls,
    }
}

fn provider(settings: ProviderSettings) -> Arc<dyn Provider> {
    Providers::new(&Ambient::system(), [("p".to_owned(), settings)]).get("p").unwrap()
}

/// Asks with this part, whole and as a stream.
fn ask(provider: &dyn Provider, part: &Value) -> [Result<Completion, ProviderError>; 2] {
    let text = json!({"type": "text", "text": "See https://x.example/."});
    let message = json!({"role": "user", "content": [text, part]});
    let first: ChatMessage =
        serde_json::from_value(json!({"role": "user", "content": "hi"})).unwrap();
    let messages = [first, serde_json::from_str(&message.to_string()).unwrap()];
    with_call(
        |_| (),
        |call| {
            let call = Call { messages: &messages, ..*call };
            let go_on = &mut |_| ControlFlow::Continue(());
            [provider.complete(&call), provider.stream(&call, go_on)]
        },
    )
}

#[test]
fn addresses_are_refused_before_the_call() {
    let server = support::Provider::start();
    let kinds: [fn(RemoteSettings) -> ProviderSettings; 2] =
        [ProviderSettings::OpenAi, ProviderSettings::Anthropic];
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    for kind in kinds {
        let provider = provider(kind(remote(&server, false)));
        for result in ask(&*provider, &image("http://169.254.169.254/latest")) {
            let error = result.unwrap_err();
            assert_eq!((error.code, error.retryable), (JobErrorCode::BadRequest, false));
            assert!(error.message.starts_with("messages/1/content/1 "), "{error}");
        }
    }
    let provider = provider(ProviderSettings::OpenAi(remote(&server, false)));
    for part in [
        image(" HTTP://x"),
        image("//x/a.png"),
        image("/etc/passwd"),
        image(""),
        json!({"type": "image_url", "image_url": "https://x"}),
        json!({"type": "image_url", "image_url": ["data:,a", "file:///etc/passwd"]}),
        json!({"type": "input_image", "image_url": "https://x"}),
        json!({"type": "video_url", "video_url": {"URL": "localhost"}}),
        json!({"type": "file", "file": {"file_data": "https://x"}}),
        json!({"type": "input_file", "file_url": "x"}),
        json!({"type": "image", "image": "https://x"}),
    ] {
        assert!(ask(&*provider, &part).iter().all(Result::is_err), "{part}");
    }
    assert!(server.received().is_empty());
}

#[test]
fn what_is_inlined_or_allowed_is_sent() {
    let server = support::Provider::start();
    let image =
        |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}});
    let inlined = [
        image("data:image/png;base64,AAAA"),
        image("DATA:image/png;base64,AAAA"),
        json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
        json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
        json!({"type": "file", "file": {"file_id": "file-1"}}),
    ];
    let strict = provider(ProviderSettings::OpenAi(remote(&server, false)));
    for part in inlined {
        let _answers = ask(&*strict, &part).map(Result::unwrap);
    }
    let trusting = provider(ProviderSettings::OpenAi(remote(&server, true)));
    let _answers = ask(&*trusting, &image("https://x.example/a.png")).map(Result::unwrap);
    assert_eq!(server.received().len(), 12);
}
