//! Looking into an object of Stripe's. What is not there, or not of the type that Stripe documents, is `None`.

use serde_json::Value;

/// The longest id that is taken for one. Stripe promises that none has more than 255 characters.
const ID_MAX: usize = 255;

/// An object, or null where there is none.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Value);

impl<'a> Object<'a> {
    /// What a JSON pointer (RFC 6901) leads to, unless that is null.
    pub(super) fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer).filter(|value| !value.is_null())
    }

    /// Text.
    pub(super) fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer)?.as_str()
    }

    /// An id, also where the whole object stands in its place ("expanded").
    pub(super) fn id(self, pointer: &str) -> Option<&'a str> {
        let value = self.at(pointer)?;
        let id = value.as_str().or_else(|| value.get("id")?.as_str())?;
        is_id(id).then_some(id)
    }

    /// A whole number.
    pub(super) fn whole(self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    /// The objects of a list.
    pub(super) fn list(self, pointer: &str) -> impl Iterator<Item = Self> + use<'a> {
        self.at(pointer).and_then(Value::as_array).into_iter().flatten().map(Object)
    }
}

/// Whether a text can be an id of Stripe's.
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
