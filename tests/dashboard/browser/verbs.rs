//! What a user does and sees. Controls go by the name that a screen reader says, texts by what is shown.

use http::Method;
use serde_json::json;
use thirtyfour::{
    ElementId, Key, RequestData, SessionId, WebElement,
    common::command::FormatRequestData,
    error::{WebDriverErrorInner as Fault, WebDriverResult},
};

use super::Browser;
use crate::support::eventually;

impl Browser {
    /// Clicks a button, in the dialog if one is open.
    #[track_caller]
    pub(crate) fn click(&self, name: &str) {
        self.press("button", name, None);
    }

    /// Clicks a button in the row that holds this text, by its name or the beginning of it.
    #[track_caller]
    pub(crate) fn click_in(&self, row: &str, name: &str) {
        self.press("button", name, Some(row));
    }

    /// Follows a link.
    #[track_caller]
    pub(crate) fn follow(&self, name: &str) {
        self.press("link", name, None);
    }

    /// Chooses a tab.
    #[track_caller]
    pub(crate) fn tab(&self, name: &str) {
        self.press("tab", name, None);
    }

    /// Clicks the button in the dialog that asks, and waits until the dialog is gone.
    #[track_caller]
    pub(crate) fn confirm(&self, name: &str) {
        self.dialog();
        self.click(name);
        self.no_dialog();
    }

    /// Writes into the field with this label what it shall hold.
    #[track_caller]
    pub(crate) fn fill(&self, label: &str, text: &str) {
        self.act("field", label, None, &async |field| {
            field.send_keys(Key::Control + "a").await?;
            if text.is_empty() {
                field.send_keys(Key::Delete + "").await
            } else {
                field.send_keys(text).await
            }
        });
    }

    /// Chooses an option by its text.
    #[track_caller]
    pub(crate) fn choose(&self, label: &str, option: &str) {
        let what = format!("the option {option:?} of {label:?}");
        let expression = "[...(usable('field', given[0])?.options ?? [])].find((one) => clean(one.text) === given[1])";
        let given = [json!(label), json!(option)];
        eventually(&what, || done(&what, self.run(self.find(&what, expression, &given).click())));
    }

    /// Clicks the box with this label.
    #[track_caller]
    pub(crate) fn tick(&self, label: &str) {
        self.press("field", label, None);
    }

    /// What the field with this label holds.
    #[track_caller]
    pub(crate) fn value(&self, label: &str) -> String {
        let field = self.one("field", label, None);
        self.run(field.value()).unwrap().unwrap_or_default()
    }

    /// Types keys wherever the focus is.
    pub(crate) fn keys(&self, keys: &str) {
        self.run(async { self.driver().active_element().await?.send_keys(keys).await }).unwrap();
    }

    /// The name of what has the focus.
    pub(crate) fn focused(&self) -> String {
        let name =
            self.js("return document.activeElement ? nameOf(document.activeElement) : ''", &[]);
        name.as_str().unwrap().to_owned()
    }

    /// Waits until the page shows this text.
    #[track_caller]
    pub(crate) fn see(&self, text: &str) {
        self.await_that(
            &format!("the page shows {text:?}"),
            "shown().includes(clean(given[0]))",
            &[json!(text)],
        );
    }

    /// Waits until the page shows it no more.
    #[track_caller]
    pub(crate) fn see_no(&self, text: &str) {
        let expression = "!shown().includes(clean(given[0]))";
        self.await_that(&format!("the page does not show {text:?}"), expression, &[json!(text)]);
    }

    /// Waits for a row of a table that shows all of this; gives its cells.
    #[track_caller]
    pub(crate) fn see_row(&self, texts: &[&str]) -> Vec<String> {
        let expression = "rowsOf().find((row) => given[0].every((text) => row.some((cell) => cell.includes(text))))";
        let row = self.await_that(&format!("a row with {texts:?}"), expression, &[json!(texts)]);
        serde_json::from_value(row).unwrap()
    }

    /// The cells of all rows of tables.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        serde_json::from_value(self.js("return rowsOf()", &[])).unwrap()
    }

    /// Waits for an open dialog; gives what it shows.
    #[track_caller]
    pub(crate) fn dialog(&self) -> String {
        let shown =
            self.await_that("a dialog is open", "reach() !== document.body && shown(reach())", &[]);
        shown.as_str().unwrap().to_owned()
    }

    /// Waits until no dialog is open.
    #[track_caller]
    pub(crate) fn no_dialog(&self) {
        self.await_that("no dialog is open", "reach() === document.body", &[]);
    }

    /// Names of the buttons that are there and can be used.
    pub(crate) fn buttons(&self) -> Vec<String> {
        let script = "return [...reach().querySelectorAll(KINDS.button)]
            .filter((one) => visible(one) && !one.disabled).map(nameOf)";
        serde_json::from_value(self.js(script, &[])).unwrap()
    }

    /// What the page shows.
    pub(crate) fn text(&self) -> String {
        self.js("return shown()", &[]).as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn press(&self, kind: &str, name: &str, row: Option<&str>) {
        self.act(kind, name, row, &async |element| {
            if matches!(kind, "button" | "link") {
                let heard =
                    self.driver().cmd(Label(element.element_id())).await?.value::<String>()?;
                let heard = heard.trim();
                let is_said =
                    heard == name || row.is_some() && heard.starts_with(&format!("{name} "));
                assert!(is_said, "a screen reader calls the {kind} {name:?} {heard:?}");
            }
            element.click().await
        });
    }

    /// Does something with the one control of this kind and name; again where the page was drawn anew meanwhile.
    #[track_caller]
    fn act(
        &self,
        kind: &str,
        name: &str,
        row: Option<&str>,
        deed: &impl AsyncFn(&WebElement) -> WebDriverResult<()>,
    ) {
        let what = format!("the {kind} {name:?} can be used");
        eventually(&what, || {
            let element = self.one(kind, name, row);
            done(&what, self.run(deed(&element)))
        });
    }

    #[track_caller]
    fn one(&self, kind: &str, name: &str, row: Option<&str>) -> WebElement {
        let place = row.map_or(String::new(), |row| format!(" in the row {row:?}"));
        let what = format!("the {kind} {name:?}{place}");
        self.find(
            &what,
            "usable(given[0], given[1], given[2])",
            &[json!(kind), json!(name), json!(row)],
        )
    }
}

/// `None` where the page was drawn anew between a look and a deed.
#[track_caller]
fn done<T>(what: &str, outcome: WebDriverResult<T>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => match error.as_inner() {
            Fault::StaleElementReference(_)
            | Fault::ElementClickIntercepted(_)
            | Fault::ElementNotInteractable(_)
            | Fault::NoSuchElement(_) => None,
            _ => panic!("{what}: {error}"),
        },
    }
}

/// Asks for the name of an element in the browser's own tree of what screen readers are told.
#[derive(Debug)]
struct Label(ElementId);

impl FormatRequestData for Label {
    fn format_request(&self, session: &SessionId) -> RequestData {
        let element = &self.0;
        RequestData::new(Method::GET, format!("session/{session}/element/{element}/computedlabel"))
    }
}
