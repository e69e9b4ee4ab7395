//! The tokens of cookies and links: 256 random bits that are shown once and stored as their SHA-256. Nobody guesses
//! them, so that hashing them slowly would help nobody.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{ambient::Ambient, domain::Secret, store::dashboard_sessions::TokenHash};

/// What a token opens. Its first letters say so, by which redaction knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::app) enum TokenKind {
    /// A session on the dashboard.
    Session,
    /// A link to come in by.
    Link,
}

/// Characters of a token after its first letters.
const LENGTH: usize = 43;

impl TokenKind {
    const fn start(self) -> &'static str {
        match self {
            Self::Session => "ss_",
            Self::Link => "sl_",
        }
    }

    /// A new token.
    pub(in crate::app) fn draw(self, ambient: &Ambient) -> Secret<String> {
        let random: [u8; 32] = ambient.random();
        Secret::new(format!("{}{}", self.start(), URL_SAFE_NO_PAD.encode(random)))
    }

    /// What is stored of a token; `None` where the text is none of this kind, which needs no look at the store.
    pub(in crate::app) fn hash(self, text: &str) -> Option<TokenHash> {
        let rest = text.strip_prefix(self.start())?;
        (rest.len() == LENGTH).then(|| Sha256::digest(text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Timestamp, observe::redact};

    #[test]
    fn a_token_is_of_its_kind_and_is_never_shown() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let token = TokenKind::Session.draw(&ambient);
        let text = token.expose();
        assert!(TokenKind::Session.hash(text).is_some() && TokenKind::Link.hash(text).is_none());
        assert!(TokenKind::Session.hash(&text[1..]).is_none());
        assert_ne!(text, TokenKind::Session.draw(&ambient).expose());
        for text in [text, TokenKind::Link.draw(&ambient).expose()] {
            for shown in [format!("GET /x#{text}"), format!("skai_session={text}; a=b")] {
                assert!(!redact::text(&shown).contains(&text[3..]), "{shown}");
                assert!(!redact::credentials(&shown).contains(&text[3..]), "{shown}");
            }
        }
    }
}
