//! Lists as CSV files (RFC 4180), for spreadsheets.

use std::sync::Arc;

use hyper::header::HeaderValue;

use super::{reply::Reply, request::Request};
use crate::{
    app::App,
    domain::{Error, Page, PageRequest, Result},
};

/// Rows of a file; what is beyond them comes with the next request.
const ROWS: usize = 10_000;

/// A file on its way.
pub(super) struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    /// A file whose first row is the names of its columns.
    pub(super) fn of(columns: &[&str]) -> Result<Self> {
        let mut csv = Self(
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new()),
        );
        csv.0.write_record(columns).map_err(Error::internal)?;
        Ok(csv)
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) -> Result<()> {
        self.0.write_record(cells).map_err(Error::internal)
    }

    /// The file's bytes.
    pub(super) fn bytes(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(|error| Error::internal(error.to_string()))
    }
}

/// A file that is written.
pub(super) struct Written {
    name: &'static str,
    bytes: Vec<u8>,
    next_cursor: Option<String>,
}

impl Written {
    /// The file, and in `Link` (RFC 8288) where it goes on.
    pub(super) fn reply(self, request: &Request) -> Result<Reply> {
        let reply = Reply::text("text/csv; charset=utf-8; header=present", self.bytes);
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        let disposition = HeaderValue::try_from(disposition).map_err(Error::internal)?;
        let reply = reply.header("content-disposition", disposition);
        let Some(cursor) = self.next_cursor else { return Ok(reply) };
        let link = format!("<{}>; rel=\"next\"", request.continued(&cursor));
        Ok(reply.header("link", HeaderValue::try_from(link).map_err(Error::internal)?))
    }
}

/// Writes a file, called `name`, of the page that `list` finds. It may be long, so that is done where blocking is
/// allowed.
pub(super) fn file<T>(
    name: &'static str,
    list: impl FnOnce(&Arc<App>) -> Result<Page<T>>,
    write: impl FnOnce(&[T]) -> Result<Csv>,
) -> impl FnOnce(&Arc<App>) -> Result<Written> {
    move |app| {
        let page = list(app)?;
        Ok(Written { name, bytes: write(&page.data)?.bytes()?, next_cursor: page.next_cursor })
    }
}

/// The answer with such a file.
pub(super) async fn reply<T: 'static>(
    request: &Request,
    name: &'static str,
    list: impl FnOnce(&Arc<App>) -> Result<Page<T>> + Send + 'static,
    write: impl FnOnce(&[T]) -> Result<Csv> + Send + 'static,
) -> Result<Reply> {
    request.blocking(file(name, list, write)).await?.reply(request)
}

/// The page of a list that is asked for, and whether it is wanted as a file. A file has more rows where no limit
/// is given.
pub(super) fn page(request: &Request) -> Result<(PageRequest, bool)> {
    let (mut page, is_csv) = (request.page()?, request.accepts("text/csv"));
    if is_csv && request.query_text("limit").is_none() {
        page.limit = ROWS;
    }
    Ok((page, is_csv))
}

/// Text that a spreadsheet would take for a formula (OWASP, CSV injection), marked as text.
pub(super) fn text(text: &str) -> String {
    let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    format!("{mark}{text}")
}

/// What is there as text, and nothing where there is nothing.
pub(super) fn some(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_marked() {
        for begins in ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx"] {
            assert_eq!(text(begins), format!("'{begins}"));
        }
        for plain in ["", "a=1", " =1", "'x"] {
            assert_eq!(text(plain), plain);
        }
    }
}
