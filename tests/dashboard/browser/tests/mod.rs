//! The browser on pages that the tests serve themselves: verbs that lie make every test of the dashboard worthless.

use std::{fs, sync::Arc};

use serde_json::{Value, json};

use super::{
    Browser, Theme,
    driver::{Chromedriver, Turn},
};
use crate::support::{Answer, Received, scripted::Scripted, server::TestServer};

const HTML: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("script.js");
const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:";

const FRAME: &str = "<!doctype html><html lang=en><head><title>t</title><link rel=icon href=data:,></head><body><iframe></iframe></body></html>";

fn typed(kind: &str, body: &str) -> Answer {
    Answer::new(200, body.to_owned())
        .header("content-type", kind)
        .header("content-security-policy", POLICY)
}

fn page(body: &str) -> Answer {
    let head = "<meta charset=utf-8><title>t</title><link rel=icon href=data:,><script src=/ready.js></script>";
    typed(
        "text/html",
        &format!(
            "<!doctype html><html lang=en><head>{head}</head><body><main><h1>t</h1>{body}</main></body></html>"
        ),
    )
}

fn answer(request: &Received) -> Answer {
    match request.path.split('?').next().unwrap() {
        "/keys" => {
            typed("text/html", HTML).header("set-cookie", "seen=yes; HttpOnly; SameSite=Lax")
        }
        "/script.js" => typed("text/javascript", SCRIPT),
        "/ready.js" => {
            typed("text/javascript", "document.documentElement.dataset.ready = location.pathname")
        }
        "/broken.js" => typed(
            "text/javascript",
            "document.documentElement.dataset.ready = location.pathname; absent()",
        ),
        "/style.css" => typed("text/css", STYLE),
        "/other" => page("<p>Another page</p>"),
        "/wide" => page("<svg width=900 height=10></svg>"),
        "/unfit" => page("<img src=data:,x><button></button>"),
        "/broken" => page("<script src=/broken.js></script>"),
        "/breach" => page("<img src=http://127.0.0.1:9/x alt=x><script>window.ran = 1</script>"),
        "/frame" => Answer::new(200, FRAME).header("content-type", "text/html"),
        "/unframed" => {
            Answer::new(200, "").header("content-security-policy", "frame-ancestors 'none'")
        }
        "/v1/refused" => Answer::json(403, &json!({"code": "INSUFFICIENT_SCOPE"})),
        _ => Answer::new(404, "nothing here"),
    }
}

fn site() -> Scripted {
    Scripted::start(answer)
}

#[test]
fn a_page_is_used_by_names_and_texts() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/keys?a=1");
    assert_eq!(
        (&*browser.place(), browser.buttons()),
        (
            "/keys?a=1",
            vec!["Create key".to_owned()]
                .into_iter()
                .chain(["Live", "Test"].map(String::from))
                .collect()
        )
    );
    browser.tab("Test");
    browser.see("Test keys");
    browser.see_no("Live keys");
    browser.click("Create key");
    assert!(browser.dialog().starts_with("A new key"));
    assert_eq!(browser.value("Name"), "old");
    browser.fill("Name", "ci <b>");
    browser.fill("Note", "one\ntwo");
    browser.choose("Role", "owner");
    browser.tick("I am sure");
    browser.confirm("Create key");
    let row = browser.see_row(&["ci <b>"]);
    assert_eq!(row, ["ci <b>", "otrueone two", "Revoke"]);
    assert_eq!(browser.rows(), [row]);
    browser.click_in("ci <b>", "Revoke");
    browser.see_no("ci <b>");
    browser.follow("The other page");
    browser.arrive("/other");
    assert!(browser.text().contains("Another page"));
    browser.back();
    browser.arrive("/keys");
    // A script that waits while the page is left goes on at the next.
    browser.js("setTimeout(() => { location.href = given[0]; }, 50)", &[json!("/other")]);
    browser.settle("location.pathname === given[0]", &[json!("/other")]);
}

#[test]
fn keys_go_where_the_focus_is() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/keys");
    browser.keys("\u{e004}\u{e004}");
    assert_eq!(browser.focused(), "Create key");
    browser.keys("\u{e007}");
    browser.dialog();
    browser.keys("\u{e00c}");
    browser.no_dialog();
}

#[test]
fn a_page_is_looked_at_in_light_and_dark_and_narrow() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/keys");
    let ground = |browser: &Browser| {
        browser.js("return getComputedStyle(document.body).backgroundColor", &[])
    };
    for (theme, colour) in Theme::ALL.into_iter().zip(["rgb(255, 255, 255)", "rgb(16, 16, 16)"]) {
        browser.theme(theme);
        assert_eq!(ground(&browser), colour);
        let picture = fs::read(browser.screenshot("rig", theme)).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 1_000);
        assert_eq!(browser.axe(), [""; 0]);
    }
    browser.dark();
    browser.open("/keys");
    assert_eq!(ground(&browser), "rgb(16, 16, 16)", "it lasts from page to page");
    browser.light();
    browser.width(360);
    assert_eq!(browser.js("return [innerWidth, devicePixelRatio]", &[]), json!([360, 1]));
    browser.no_sideways_scroll();
    assert!(browser.screenshot("rig", Theme::Light).ends_with("rig-light-360.png"));
    let took = browser.timing();
    assert!((60..5_000).contains(&took.as_millis()), "{took:?}");
}

#[test]
#[should_panic(expected = "is wider than the window")]
fn a_page_that_is_too_wide_is_found() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.width(360);
    browser.open("/wide");
    browser.no_sideways_scroll();
}

#[test]
fn axe_finds_what_keeps_people_out() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/unfit");
    let found = browser.axe();
    assert!(
        ["image-alt", "button-name"]
            .iter()
            .all(|rule| found.iter().any(|one| one.starts_with(rule))),
        "{found:?}"
    );
    browser.console_errors();
}

#[test]
fn errors_and_breaches_are_heard() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/broken");
    let errors = browser.console_errors();
    assert!(errors.len() == 1 && errors[0].contains("absent is not defined"), "{errors:?}");
    browser.open("/breach");
    let (errors, breaches) = (browser.console_errors(), browser.violations());
    assert!(errors.iter().any(|error| error.contains("Content Security Policy")), "{errors:?}");
    assert!(
        breaches.len() == 2 && breaches.iter().any(|one| one.starts_with("script-src")),
        "{breaches:?}"
    );
    assert!(browser.js("return window.ran ?? null", &[]).is_null());
    assert!(browser.console_errors().is_empty(), "they are told once");
}

#[test]
#[should_panic(expected = "errors of the page")]
fn errors_that_nobody_took_fail_a_test() {
    let site = site();
    Browser::at(site.address()).open("/broken");
}

#[test]
fn the_page_asks_with_its_cookies_and_without_a_network() {
    let site = site();
    let browser = Browser::at(site.address());
    browser.open("/keys");
    let cookies = browser.cookies();
    assert_eq!((&*cookies[0].name, &*cookies[0].value), ("seen", "yes"));
    let refused = browser.fetch("POST", "/v1/refused", &json!({"a": 1}));
    assert_eq!(refused, (403, json!({"code": "INSUFFICIENT_SCOPE"})));
    let asked = site.wait_for_one(|request| request.path == "/v1/refused");
    assert_eq!(
        (asked.header("cookie"), asked.header("sec-fetch-site")),
        (Some("seen=yes"), Some("same-origin"))
    );
    browser.network(false);
    assert_eq!(browser.fetch("GET", "/v1/refused", &Value::Null).0, 0);
    browser.network(true);
    assert_eq!(browser.fetch("GET", "/v1/refused", &Value::Null).0, 403);
    // That there was no network.
    assert_eq!(browser.console_errors().len(), 1);
}

#[test]
fn browsers_know_nothing_of_each_other() {
    let site = site();
    let one = Browser::at(site.address());
    let other = one.beside(site.address());
    one.open("/keys");
    other.open("/other");
    assert_eq!((one.cookies().len(), other.cookies().len()), (1, 0));
}

#[test]
fn nothing_is_left_when_the_last_browser_is_closed() {
    let site = site();
    let chromedriver = Arc::new(Chromedriver::start());
    let folder = chromedriver.folder().to_owned();
    let browser = Browser::of(chromedriver, Arc::new(Turn::wait()), site.address());
    browser.open("/other");
    assert!(processes(&folder.display().to_string()) > 2);
    drop(browser);
    assert_eq!(processes(&folder.display().to_string()), 0);
    assert!(!folder.exists());
}

/// How many processes were started with this word.
fn processes(word: &str) -> usize {
    let folders = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = folders.filter_map(|folder| fs::read(folder.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(word)).count()
}

#[test]
fn the_reference_can_be_read_by_everybody() {
    let server = TestServer::start();
    let browser = Browser::at(server.address());
    browser.visit("/docs");
    browser.see("/v1/jobs/generations");
    for theme in Theme::ALL {
        browser.theme(theme);
        browser.screenshot("docs", theme);
    }
    browser.width(360);
    browser.no_sideways_scroll();
}

#[test]
fn a_page_that_refuses_to_be_framed_is_heard() {
    let site = site();
    let browser = Browser::at(site.address());
    for (path, heard) in [("/other", false), ("/unframed", true)] {
        browser.visit("/frame");
        browser.frame(path);
        let refused = browser.console_errors().iter().any(|one| one.contains("frame-ancestors"));
        assert_eq!(refused, heard, "{path}");
    }
}
