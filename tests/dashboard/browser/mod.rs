//! A real Chromium without a window, told what to do in a user's words. Nothing in it is waited for by asking again: a
//! script in the page watches for changes and answers when what is wanted is there.
//!
//! A test fails at its end where the page had an error or a violation of its policy, unless it took them.

mod driver;
mod looks;
mod tests;
mod verbs;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    Capabilities, Cookie, TimeoutConfiguration, WebDriver, WebElement,
    error::{WebDriverErrorInner as Fault, WebDriverResult},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::LIMIT;
use driver::{Chromedriver, Turn};
pub(crate) use looks::Theme;

const PAGE: &str = include_str!("page.js");
const RECORDER: &str = include_str!("recorder.js");

/// How high a window is, in pixels.
const HEIGHT: u32 = 900;
/// How wide, where a test does not say.
pub(crate) const WIDE: u32 = 1_280;

const FLAGS: [&str; 13] = [
    "--headless=new",
    // As root there is no other way; it sees the tests' own pages alone.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    // It ends with its driver, however that ends.
    "--remote-debugging-pipe",
];

/// A browser with a profile of its own. Dropping it closes it.
pub(crate) struct Browser {
    driver: Option<WebDriver>,
    runtime: Runtime,
    base: String,
    _profile: TempDir,
    chromedriver: Arc<Chromedriver>,
    turn: Arc<Turn>,
}

impl Browser {
    /// For the pages of the server at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::of(Chromedriver::shared(), Arc::new(Turn::wait()), address)
    }

    /// Another one for the same test, as of another user. It takes no turn, lest two tests wait for each other.
    pub(crate) fn beside(&self, address: SocketAddr) -> Self {
        Self::of(Arc::clone(&self.chromedriver), Arc::clone(&self.turn), address)
    }

    fn of(chromedriver: Arc<Chromedriver>, turn: Arc<Turn>, address: SocketAddr) -> Self {
        let profile = tempfile::tempdir_in(chromedriver.folder()).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let driver = runtime.block_on(start(chromedriver.url(), &profile)).unwrap();
        let browser = Self {
            driver: Some(driver),
            runtime,
            base: format!("http://{address}"),
            _profile: profile,
            chromedriver,
            turn,
        };
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": RECORDER}));
        browser.light();
        browser.width(WIDE);
        browser
    }

    /// Opens a page of the dashboard and waits until it shows its data.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) {
        self.visit(path);
        self.arrive(path);
    }

    /// Waits until the page shows the data of this path.
    #[track_caller]
    pub(crate) fn arrive(&self, path: &str) {
        let path = path.split(['?', '#']).next().unwrap();
        let script =
            "document.documentElement.dataset.ready === given[0] && location.pathname === given[0]";
        self.await_that(&format!("{path} is shown"), script, &[json!(path)]);
    }

    /// Loads a page of any kind: a path, or an address of another server.
    #[track_caller]
    pub(crate) fn visit(&self, path: &str) {
        let url =
            if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        self.run(self.driver().goto(url)).unwrap();
    }

    /// Goes back, as the browser's own button does.
    pub(crate) fn back(&self) {
        self.run(self.driver().back()).unwrap();
    }

    /// Path, query and fragment of the page that is shown.
    pub(crate) fn place(&self) -> String {
        let place = self.js("return location.pathname + location.search + location.hash", &[]);
        place.as_str().unwrap().to_owned()
    }

    /// Runs a script in the page; gives what it returns.
    #[track_caller]
    pub(crate) fn js(&self, script: &str, given: &[Value]) -> Value {
        let script = format!("{PAGE}\nconst given = arguments;\n{script}");
        let given = given.to_vec();
        self.run(self.driver().execute(script, given)).unwrap().json().clone()
    }

    /// Status and body of a request that a script of the page makes: with its cookies and its origin.
    #[track_caller]
    pub(crate) fn fetch(&self, method: &str, path: &str, body: &Value) -> (u64, Value) {
        let script = "const done = arguments[arguments.length - 1];
            const [method, path, body] = arguments;
            const headers = body === null ? {} : { 'content-type': 'application/json' };
            fetch(path, { method, headers, body: body === null ? undefined : JSON.stringify(body) })
              .then(async (reply) => done([reply.status, await reply.text()]), (error) => done([0, String(error)]));";
        let given = vec![json!(method), json!(path), body.clone()];
        let answer = self.run(self.driver().execute_async(script, given)).unwrap().json().clone();
        let text = answer[1].as_str().unwrap();
        (answer[0].as_u64().unwrap(), serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
    }

    /// The cookies that the page's server gets.
    pub(crate) fn cookies(&self) -> Vec<Cookie> {
        self.run(self.driver().get_all_cookies()).unwrap()
    }

    /// Loads an address into the frame of this page.
    #[track_caller]
    pub(crate) fn frame(&self, url: &str) {
        let script = "const frame = document.querySelector('iframe');
            frame.addEventListener('load', () => { frame.dataset.loaded = given[0]; });
            frame.src = given[0];";
        self.js(script, &[json!(url)]);
        self.settle("document.querySelector('iframe').dataset.loaded === given[0]", &[json!(url)]);
    }

    /// Waits until a script's expression is true of the page. For what no user sees.
    #[track_caller]
    pub(crate) fn settle(&self, expression: &str, given: &[Value]) {
        self.await_that(expression, expression, given);
    }

    /// Sends the browser's engine a command.
    #[track_caller]
    fn cdp(&self, method: &str, parameters: Value) -> Value {
        self.run(self.driver().cdp().send_raw(method, parameters)).unwrap()
    }

    /// Waits until the expression is true of the page; gives what it is then. `given` are what the test says.
    #[track_caller]
    fn await_that(&self, what: &str, expression: &str, given: &[Value]) -> Value {
        let script = format!(
            "{PAGE}\nconst given = [...arguments];\nconst done = given.pop();\nuntil(() => ({expression}), done);"
        );
        let mut left = 5;
        let mut answer = loop {
            left -= 1;
            match self.run(self.driver().execute_async(script.as_str(), given.to_vec())) {
                Ok(answer) => break answer.json().clone(),
                // It was of a page that has just been left.
                Err(error) if left > 0 && is_of_a_page_that_was_left(error.as_inner()) => {}
                Err(error) => panic!("{what}: {error}"),
            }
        };
        assert!(
            answer["missing"].is_null(),
            "it never came to this: {what}\n{:#}",
            answer["missing"]
        );
        answer["found"].take()
    }

    /// The same for an element.
    #[track_caller]
    fn find(&self, what: &str, expression: &str, given: &[Value]) -> WebElement {
        let found = self.await_that(what, expression, given);
        WebElement::from_json(found, self.driver().handle().clone()).unwrap()
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    fn run<T>(&self, deed: impl Future<Output = WebDriverResult<T>>) -> WebDriverResult<T> {
        self.runtime.block_on(deed)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let errors = if failed { Vec::new() } else { self.console_errors() };
        if failed {
            self.keep_last_sight();
        }
        let driver = self.driver.take().unwrap();
        let closed = self.runtime.block_on(driver.quit());
        if !failed {
            closed.unwrap();
            assert!(errors.is_empty(), "errors of the page: {errors:#?}");
        }
    }
}

async fn start(url: &str, profile: &TempDir) -> WebDriverResult<WebDriver> {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
    let mut options = json!({"args": flags});
    if let Ok(binary) = std::env::var(driver::CHROMIUM) {
        options["binary"] = json!(binary);
    }
    let mut wanted = Capabilities::new();
    wanted.set("browserName", "chrome")?;
    wanted.set("goog:chromeOptions", options)?;
    wanted.set("goog:loggingPrefs", json!({"browser": "ALL"}))?;
    let driver = WebDriver::builder(url, wanted).request_timeout(3 * LIMIT).connect().await?;
    let waits = TimeoutConfiguration::new(Some(LIMIT), Some(LIMIT), Some(Duration::ZERO));
    driver.update_timeouts(waits).await?;
    Ok(driver)
}

fn is_of_a_page_that_was_left(fault: &Fault) -> bool {
    let text = match fault {
        Fault::JavascriptError(info) | Fault::UnknownError(info) => &info.value.message,
        // On its page a script answers before, whatever it finds.
        Fault::ScriptTimeout(_) => return true,
        _ => return false,
    };
    ["unloaded", "navigation", "context"].iter().any(|word| text.contains(word))
}

/// Where pictures of pages go.
fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
