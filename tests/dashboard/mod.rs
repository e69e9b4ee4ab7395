//! The dashboard: who comes in, what they may do, and how it is in a browser.

mod auth;
mod browser;
mod bulk;
mod csrf;
mod forms;
mod guesses;
mod hostile;
mod journeys;
mod links;
mod lists;
mod members;
mod pages;
mod races;
mod roles;
mod sessions;
mod speed;
mod strangers;
mod words;
mod world;
mod written;

use serde_json::Value;

use crate::support::server::TestServer;

const SESSION: &str = "/dashboard/api/session";
const SIGN_IN: &str = "/dashboard/api/sign-in";
const SIGN_OUT: &str = "/dashboard/api/sign-out";
const OPEN: &str = "/dashboard/api/links/open";
const ACCEPT: &str = "/dashboard/api/links/accept";
const SESSIONS: &str = "/dashboard/api/sessions";
const ACCOUNTS: &str = "/dashboard/api/accounts";
const USERS: &str = "/v1/users";

/// The token of a new link for the first person.
fn setup(server: &TestServer) -> String {
    let made = skai_server::app::sign_in::new_setup_link(&server.app()).unwrap();
    made.expect("nobody can sign in yet").expose().clone()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
