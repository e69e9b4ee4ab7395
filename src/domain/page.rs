//! Lists in pages: newest first, stable while rows are added.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{Error, Result};

/// A cursor's key, at most: it may end with the name of an end user.
const KEY_MAX: usize = 320;

/// Which page of a list is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// Rows on the page, 1–100.
    pub limit: usize,
    /// The page starts after the row that this names; `None` for the first page.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Rows on a page where the client names no number.
    pub const DEFAULT_LIMIT: usize = 20;
    /// Rows on a page at most.
    pub const MAX_LIMIT: usize = 100;

    /// Reads `limit` and `cursor` as the client gives them.
    pub fn parse(limit: Option<&str>, cursor: Option<&str>) -> Result<Self> {
        let limit = limit.map_or(Ok(Self::DEFAULT_LIMIT), |text| {
            text.parse().ok().filter(|limit| (1..=Self::MAX_LIMIT).contains(limit)).ok_or_else(
                || Error::invalid("limit", "limit must be a whole number from 1 to 100"),
            )
        })?;
        let after = cursor.map(Cursor::parse).transpose()?;
        Ok(Self { limit, after })
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, after: None }
    }
}

/// A place in a list: the key of its last row, opaque to clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// The place after the row with this sort key, at most 320 bytes of it.
    pub fn from_key(key: &[u8]) -> Self {
        Self(key[..key.len().min(KEY_MAX)].to_vec())
    }

    /// The place after the row with this id.
    pub fn from_uuid(id: Uuid) -> Self {
        Self(id.as_bytes().to_vec())
    }

    /// The place after the row with this number.
    pub fn from_number(number: i64) -> Self {
        Self(number.to_be_bytes().to_vec())
    }

    /// The number of the row before, in lists that are sorted by number.
    pub fn number(&self) -> Result<i64> {
        let bytes = self.0.as_slice().try_into().map_err(|_| Self::refused())?;
        Ok(i64::from_be_bytes(bytes))
    }

    /// The sort key of the row before.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// The id of the row before, in lists that are sorted by id.
    pub fn uuid(&self) -> Result<Uuid> {
        Uuid::from_slice(&self.0).map_err(|_| Self::refused())
    }

    /// Reads what [`Cursor::text`] wrote.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > KEY_MAX * 2 {
            return Err(Self::refused());
        }
        let key = URL_SAFE_NO_PAD.decode(text).map_err(|_| Self::refused())?;
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(Self::refused());
        }
        Ok(Self(key))
    }

    /// What is said of a cursor that is none of the list.
    pub fn refused() -> Error {
        Error::invalid(
            "cursor",
            "cursor is not one of this list; take it from next_cursor of the page before",
        )
    }

    /// The cursor as clients see it: base64url without padding (RFC 4648 §5).
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

/// Rows as they were read for a page, which may end before its limit where the rows are large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Page<T> {
    /// Always `list`.
    #[schemars(extend("const" = "list"))]
    object: &'static str,
    /// The rows.
    pub data: Vec<T>,
    /// Whether there are more rows after these.
    pub has_more: bool,
    /// Gives the next page as `cursor`; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to `limit` rows. Whoever reads the rows asks for one more than that:
    /// if it is there, there is a next page, after the row whose cursor is `key`.
    pub fn cut(mut rows: Vec<T>, limit: usize, key: impl FnOnce(&T) -> Cursor) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Self::read(Rows { rows, has_more }, key)
    }

    /// Makes a page of all these rows; the next begins after the row whose cursor is `key`.
    pub fn read(Rows { rows, has_more }: Rows<T>, key: impl FnOnce(&T) -> Cursor) -> Self {
        let last = rows.last().filter(|_| has_more);
        Self { object: "list", next_cursor: last.map(|row| key(row).text()), has_more, data: rows }
    }

    /// A page of rows that were made from another page's.
    pub fn of(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { object: "list", data, has_more: next_cursor.is_some(), next_cursor }
    }

    /// The same page with every row changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            object: self.object,
            data: self.data.into_iter().map(change).collect(),
            has_more: self.has_more,
            next_cursor: self.next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let key = |row: &u8| Cursor::from_key(&[*row]);
        let page = Page::cut(vec![9, 8, 7], 2, key);
        assert_eq!((page.data.as_slice(), page.has_more), (&[9, 8][..], true));
        let next = PageRequest::parse(Some("2"), page.next_cursor.as_deref()).unwrap();
        assert_eq!(next.after.unwrap().key(), [8]);
        let last = serde_json::to_string(&Page::cut(vec![7], 2, key)).unwrap();
        assert_eq!(last, r#"{"object":"list","data":[7],"has_more":false,"next_cursor":null}"#);
    }

    #[test]
    fn refuses_bad_limits_and_cursors() {
        for limit in ["0", "101", "-1", "1.5", "", "x", "99999999999999999999999"] {
            let error = PageRequest::parse(Some(limit), None).unwrap_err();
            assert_eq!(error.param(), Some("limit"), "{limit}");
        }
        let long = "A".repeat(1_000);
        for cursor in ["", "*", "AA==", &long] {
            let error = PageRequest::parse(None, Some(cursor)).unwrap_err();
            assert_eq!(error.param(), Some("cursor"), "{cursor}");
        }
        assert_eq!(PageRequest::parse(None, None).unwrap(), PageRequest::default());
        assert!(Cursor::from_key(&[1]).uuid().is_err());
        let id = Uuid::from_u128(7);
        let text = Cursor::from_uuid(id).text();
        assert_eq!(Cursor::parse(&text).unwrap().uuid().unwrap(), id);
        assert_eq!(Cursor::from_number(7).number().unwrap(), 7);
        assert!(Cursor::from_uuid(id).number().is_err());
    }
}
