//! How many tokens a text has, without the tokenizer of any model.

use super::Message;

/// Bytes per token that an estimate assumes. English prose has some 4, code and other languages 2–4.
const BYTES_PER_TOKEN: u64 = 4;

/// What a chat template may put around one message: the marks of its beginning and end, its role,
/// line breaks. OpenAI's and Llama's need 4 and 5 tokens.
const TOKENS_PER_MESSAGE: u64 = 16;

/// What a chat template may put around the conversation: its beginning, a short system message of
/// its own, the opening of the answer.
const TOKENS_PER_CONVERSATION: u64 = 64;

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
pub fn estimate_prompt_tokens(messages: &[Message]) -> u64 {
    sum(messages.iter().map(|message| estimate_tokens(&message.content)))
}

/// At least as many tokens as a provider can count for the prompt, for the credits to reserve.
///
/// A byte-level BPE tokenizer (GPT, Llama 3, Qwen, Mistral's Tekken) starts with one token per byte
/// of UTF-8 and only ever merges tokens, so a text never has more tokens than bytes. Around the
/// messages the chat template adds some, for which there is a generous allowance, and a provider
/// that enforces `output_schema` (JSON) may put it into the prompt.
pub fn prompt_upper_bound(messages: &[Message], output_schema: Option<&str>) -> u64 {
    let contents = messages
        .iter()
        .map(|message| bytes_of(&message.content).saturating_add(TOKENS_PER_MESSAGE));
    let schema =
        output_schema.map_or(0, |schema| bytes_of(schema).saturating_add(TOKENS_PER_MESSAGE));
    sum(contents.chain([schema, TOKENS_PER_CONVERSATION]))
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

    use super::*;
    use crate::domain::Role;

    fn user(content: impl Into<String>) -> Message {
        Message { role: Role::User, content: content.into() }
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

    proptest! {
        #[test]
        fn an_estimate_stays_below_the_bound(texts in prop::collection::vec(".{0,40}", 0..5)) {
            let messages: Vec<_> = texts.into_iter().map(user).collect();
            prop_assert!(estimate_prompt_tokens(&messages) <= prompt_upper_bound(&messages, None));
        }
    }
}
