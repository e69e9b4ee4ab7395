//! What the pages call things: the names of controls, in one place.

pub(super) const EMAIL: &str = "E-mail";
pub(super) const PASSWORD: &str = "Password";
pub(super) const SET_UP: &str = "Create the owner";
pub(super) const JOIN: &str = "Join";
pub(super) const SIGN_IN: &str = "Sign in";
pub(super) const SIGN_OUT: &str = "Sign out";

pub(super) const NAME: &str = "Name";
pub(super) const CREATE_KEY: &str = "Create key";
pub(super) const COPY_KEY: &str = "Copy the key";
/// Closes the dialog that shows a new key.
pub(super) const DONE: &str = "Done";
pub(super) const REVOKE: &str = "Revoke";
pub(super) const ROTATE: &str = "Rotate";

pub(super) const CREATE_AGENT: &str = "Create agent";
pub(super) const MODEL: &str = "Model";
pub(super) const INPUT: &str = "Input";
pub(super) const RUN: &str = "Run";

pub(super) const REDRIVE: &str = "Redrive";
/// The tab of a page with dead letters.
pub(super) const DEAD_LETTERS: &str = "Dead letters";
/// The tab of a page with deliveries.
pub(super) const DELIVERIES: &str = "Deliveries";

/// What changes something: a viewer can use none of these.
pub(super) const WRITES: [&str; 13] = [
    CREATE_KEY,
    CREATE_AGENT,
    RUN,
    REVOKE,
    REDRIVE,
    ROTATE,
    "Cancel job",
    "Retry",
    "Create batch",
    "Create project",
    "Create endpoint",
    "Create schedule",
    "Invite",
];
