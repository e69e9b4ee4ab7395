//! How many tokens a text has, without the tokenizer of any model.

use super::{
    ChatMessage,
    chat::{Content, Part},
};

/// Bytes per token that an estimate assumes. English prose has some 4, code and other languages 2–4.
const BYTES_PER_TOKEN: u64 = 4;

/// What a chat template may put around one message: the marks of its beginning and end, its role,
/// line breaks. OpenAI's and Llama's need 4 and 5 tokens.
const TOKENS_PER_MESSAGE: u64 = 16;

/// What a chat template may put around the conversation: its beginning, a short system message of
/// its own, the opening of the answer.
const TOKENS_PER_CONVERSATION: u64 = 64;

/// What an image, a sound or a file may cost at most, unless its data are longer: gpt-4o-mini counts up
/// to 48,169 tokens for one image, however small its file. What a URL leads to nobody knows before.
const TOKENS_PER_MEDIUM: u64 = 50_000;

/// What an estimate assumes for one: about the most that other models count for an image.
const TOKENS_OF_A_MEDIUM: u64 = 1_000;

/// About how many tokens `text` has, for usage that a provider does not report.
///
/// ```
/// use skai_server::domain::estimate_tokens;
/// assert_eq!(estimate_tokens(""), 0);
/// assert_eq!(estimate_tokens("Hello, world"), 3);
/// ```
pub fn estimate_tokens(text: &str) -> u64 {
    bytes_of(text).div_ceil(BYTES_PER_TOKEN)
}

/// About how many tokens a provider counts for the prompt. Never above [`prompt_upper_bound`].
pub fn estimate_prompt_tokens(messages: &[ChatMessage]) -> u64 {
    let estimate = |part: &Part<'_>| match &part.text {
        Some(text) => estimate_tokens(text),
        None => TOKENS_OF_A_MEDIUM,
    };
    sum(messages.iter().map(|message| {
        let content = match &message.content {
            Some(Content::Text(text)) => estimate_tokens(text),
            _ => sum(message.parts().iter().map(estimate)),
        };
        let others = message.beside_content().map(|other| estimate_tokens(other.get()));
        sum(others.chain([content]))
    }))
}

/// At least as many tokens as a provider can count for the prompt, for the credits to reserve.
///
/// A byte-level BPE tokenizer (GPT, Llama 3, Qwen, Mistral's Tekken) starts with one token per byte
/// of UTF-8 and only ever merges tokens, so a text never has more tokens than bytes. Around the
/// messages the chat template adds some, for which there is a generous allowance, and a provider
/// puts `others` (the JSON of an `output_schema`, of tools) into the prompt may add as much to each.
/// Parts, calls of tools and thoughts count as they are written; an image, a sound or a file counts 50,000 at
/// least.
pub fn prompt_upper_bound<'a>(
    messages: &[ChatMessage],
    others: impl IntoIterator<Item = &'a str>,
) -> u64 {
    let others = others.into_iter().map(|other| bytes_of(other).saturating_add(TOKENS_PER_MESSAGE));
    sum(messages.iter().map(most).chain(others).chain([TOKENS_PER_CONVERSATION]))
}

/// The most tokens that one message can have.
fn most(message: &ChatMessage) -> u64 {
    let most_of = |part: Part<'_>| match part.text {
        Some(_) => bytes_of(part.raw.get()),
        None => bytes_of(part.raw.get()).max(TOKENS_PER_MEDIUM),
    };
    let content = match &message.content {
        Some(Content::Text(text)) => bytes_of(text),
        _ => sum(message.parts().into_iter().map(most_of)),
    };
    let others = sum(message.beside_content().map(|other| bytes_of(other.get())));
    let sound = message.audio.as_ref().map_or(0, |_| TOKENS_PER_MEDIUM);
    let labels = [&message.name, &message.tool_call_id, &message.refusal];
    let labels = labels.into_iter().map(|label| label.as_deref().map_or(0, bytes_of));
    sum(labels.chain([content, others, sound, TOKENS_PER_MESSAGE]))
}

fn bytes_of(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn sum(tokens: impl Iterator<Item = u64>) -> u64 {
    tokens.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::domain::ChatRole;

    fn user(content: impl Into<String>) -> ChatMessage {
        ChatMessage::text_of(ChatRole::User, content)
    }

    fn with_parts(parts: &serde_json::Value) -> ChatMessage {
        let parts = Content::Parts(to_raw_value(parts).unwrap());
        ChatMessage { content: Some(parts), ..user("") }
    }

    #[test]
    fn the_bound_counts_bytes_not_characters() {
        let bound = |text| prompt_upper_bound(&[user(text)], None);
        assert_eq!(bound("aaaa"), bound("😀"));
        assert!(bound("😀") >= 4 + TOKENS_PER_MESSAGE);
    }

    #[test]
    fn every_message_and_the_schema_count() {
        let one = prompt_upper_bound(&[user("")], None);
        let two = prompt_upper_bound(&[user(""), user("")], None);
        let with_schema = prompt_upper_bound(&[user("")], Some("{}"));
        assert_eq!(two - one, TOKENS_PER_MESSAGE);
        assert_eq!(with_schema - one, TOKENS_PER_MESSAGE + 2);
    }

    #[test]
    fn images_count_as_much_as_they_may_cost() {
        let text = with_parts(&json!([{"type": "text", "text": "a"}]));
        let image = with_parts(&json!([{"type": "image_url", "image_url": {"url": "https://x"}}]));
        assert!(prompt_upper_bound(std::slice::from_ref(&text), None) < 200);
        assert!(prompt_upper_bound(std::slice::from_ref(&image), None) > TOKENS_PER_MEDIUM);
        assert_eq!(estimate_prompt_tokens(&[text, image]), 1 + TOKENS_OF_A_MEDIUM);
        let url = format!("data:image/png;base64,{}", "A".repeat(100_000));
        let inlined = with_parts(&json!([{"type": "image_url", "image_url": {"url": url}}]));
        assert!(prompt_upper_bound(&[inlined], None) > 100_000);
    }

    #[test]
    fn calls_of_tools_and_thoughts_count() {
        let calls = Some(to_raw_value(&json!([{"id": "1"}])).unwrap());
        let message = ChatMessage { tool_calls: calls, ..user("") };
        let bare = prompt_upper_bound(&[user("")], None);
        assert_eq!(estimate_prompt_tokens(std::slice::from_ref(&message)), 3);
        assert_eq!(prompt_upper_bound(&[message], None) - bare, 12);
        let reasoning = Some(to_raw_value("0123456789").unwrap());
        let message = ChatMessage { reasoning_content: reasoning, ..user("") };
        assert_eq!(prompt_upper_bound(&[message], None) - bare, 12);
    }

    proptest! {
        #[test]
        fn an_estimate_stays_below_the_bound(texts in prop::collection::vec(".{0,40}", 0..5)) {
            let messages: Vec<_> = texts.into_iter().map(user).collect();
            prop_assert!(estimate_prompt_tokens(&messages) <= prompt_upper_bound(&messages, None));
        }
    }
}
