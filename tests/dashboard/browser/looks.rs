//! How a page looks, and what is wrong with it.

use std::{fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Browser, HEIGHT, WIDE, pictures};

const AXE: &str = include_str!("vendor/axe.min.js");

/// Pictures end there, in pixels.
const LONGEST_PICTURE: f64 = 6_000.0;

/// Light or dark.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 2] = [Self::Light, Self::Dark];

    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Browser {
    /// The system prefers a dark theme.
    pub(crate) fn dark(&self) {
        self.theme(Theme::Dark);
    }

    /// The system prefers a light theme.
    pub(crate) fn light(&self) {
        self.theme(Theme::Light);
    }

    /// What the system prefers; and no motion, so that pictures are those of a page at rest.
    pub(crate) fn theme(&self, theme: Theme) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": theme.name()},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.cdp("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Makes the window so many pixels wide.
    pub(crate) fn width(&self, pixels: u32) {
        let size =
            json!({"width": pixels, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether there is a network.
    pub(crate) fn network(&self, there: bool) {
        self.cdp("Network.enable", json!({}));
        let conditions = json!({"offline": !there, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.cdp("Network.emulateNetworkConditions", conditions);
    }

    /// A picture of all of the page: `<name>-<theme>.png`, with `-<width>` where the window is not wide.
    pub(crate) fn screenshot(&self, name: &str, theme: Theme) -> PathBuf {
        let width = self.js("return innerWidth", &[]);
        let narrow = if width == WIDE { String::new() } else { format!("-{width}") };
        self.picture(&format!("{name}-{}{narrow}", theme.name()))
    }

    fn picture(&self, name: &str) -> PathBuf {
        let size = &self.cdp("Page.getLayoutMetrics", json!({}))["cssContentSize"];
        let height = size["height"].as_f64().unwrap().clamp(f64::from(HEIGHT), LONGEST_PICTURE);
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let taken = self
            .cdp("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}));
        let path = pictures().join(format!("{name}.png"));
        fs::write(&path, STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()).unwrap();
        path
    }

    /// Of a test that fails: a picture of what it saw, by its name. Never panics, since it panics already.
    pub(super) fn keep_last_sight(&self) {
        let Ok(bytes) = self.run(self.driver().screenshot_as_png()) else {
            return;
        };
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("test").replace("::", "-");
        let folder = pictures().join("failed");
        let path = folder.join(format!("{name}.png"));
        if fs::create_dir_all(folder).is_ok() && fs::write(&path, bytes).is_ok() {
            eprintln!("what the browser showed: {}", path.display());
        }
    }

    /// What axe-core calls serious or critical on this page: rule, help, and where.
    #[track_caller]
    pub(crate) fn axe(&self) -> Vec<String> {
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'], preload: false }).then(({ violations }) => done(violations
                .filter(({ impact }) => impact === 'serious' || impact === 'critical')
                .flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html} (${node.any.map((one) => one.message)})`))),
              (error) => done([String(error)]));";
        let script = format!("if (!window.axe) {{ {AXE}\n }}\n{script}");
        let found = self.run(self.driver().execute_async(script, Vec::<Value>::new())).unwrap();
        serde_json::from_value(found.json().clone()).unwrap()
    }

    /// What went wrong in pages since this was last asked: errors of scripts, breaches of their policies, and loads
    /// that failed but for refusals by the API.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        let log = self.run(self.driver().browser_log()).unwrap();
        let wrong = log.into_iter().filter(|entry| {
            let refused =
                ["/v1/", "/dashboard/api/"].iter().any(|path| entry.message.contains(path))
                    && entry.message.contains("responded with a status of 4");
            entry.level == "SEVERE" && !refused
        });
        wrong.map(|entry| entry.message).collect()
    }

    /// What the policy of this page kept from happening.
    pub(crate) fn violations(&self) -> Vec<String> {
        serde_json::from_value(self.js("return window.__seen.violations", &[])).unwrap()
    }

    /// Fails where the page is wider than the window.
    #[track_caller]
    pub(crate) fn no_sideways_scroll(&self) {
        let script = "const { scrollWidth } = document.documentElement;
            const wide = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
            return scrollWidth > innerWidth ? [scrollWidth, innerWidth, wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))] : null;";
        let wide = self.js(script, &[]);
        assert!(wide.is_null(), "{} is wider than the window: {wide:#}", self.place());
    }

    /// From the beginning of the navigation until the page showed its data.
    #[track_caller]
    pub(crate) fn timing(&self) -> Duration {
        let first = self.js(
            "return window.__seen.ready.find(([path]) => path === location.pathname)?.[1]",
            &[],
        );
        Duration::from_secs_f64(first.as_f64().expect("the page is ready") / 1_000.0)
    }
}
