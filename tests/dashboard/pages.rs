//! Every page, light and dark, wide and narrow: a picture, nothing that keeps people out, nothing that sticks out.

use super::{
    browser::{Browser, Theme, WIDE},
    world::World,
};

const NARROW: u32 = 360;

#[test]
fn every_page_is_fit_for_everybody() {
    let world = World::with_owner();
    let pages = world.furnish();
    let stranger = world.browser();
    let mut wrong = look_at(&stranger, "sign-in", "/dashboard/jobs");
    drop(stranger);
    let browser = world.owner();
    for (name, path) in &pages {
        wrong.extend(look_at(&browser, name, path));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pages_without_anything_yet_say_what_to_do() {
    let world = World::with_owner();
    let browser = world.owner();
    let mut wrong = Vec::new();
    for (name, path) in super::world::LISTS {
        wrong.extend(look_at(&browser, &format!("empty-{name}"), path));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with a page.
fn look_at(browser: &Browser, name: &str, path: &str) -> Vec<String> {
    browser.open(path);
    look(browser, name)
}

/// What is wrong with what is shown.
pub(super) fn look(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for theme in Theme::ALL {
        browser.theme(theme);
        for width in [WIDE, NARROW] {
            browser.width(width);
            browser.screenshot(name, theme);
            browser.no_sideways_scroll();
            let found = browser.axe();
            wrong.extend(found.into_iter().map(|one| format!("{name}, {theme:?}, {width}: {one}")));
        }
    }
    browser.width(WIDE);
    let errors = browser.console_errors();
    wrong.extend(errors.into_iter().map(|error| format!("{name}: {error}")));
    wrong
}
