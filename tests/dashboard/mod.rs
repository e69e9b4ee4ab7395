//! The dashboard, as somebody uses it in a browser.

mod browser;
mod bulk;
