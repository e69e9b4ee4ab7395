//! The chromedriver that all browsers of this process share, and how many of them there may be.

use std::{
    env,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, Weak, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::LIMIT;

/// Names another chromedriver than the one on the path.
pub(super) const CHROMEDRIVER: &str = "SKAI_TEST_CHROMEDRIVER";
/// Names another Chromium than the one that chromedriver finds.
pub(super) const CHROMIUM: &str = "SKAI_TEST_CHROMIUM";

/// Browsers at once: each keeps a core busy, and the server needs one too.
const AT_ONCE: usize = 2;
/// How long a test waits for others to close their browsers.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs chromedriver until its own input ends, which is when the tests' process does, in whatever way. A browser is
/// tied to chromedriver by a pipe and ends with it, but where no test closed it, it takes a moment and writes until
/// then.
const KEEPER: &str = r#"
    folder=$1; shift
    "$@" & driver=$!
    closed=; read -r closed
    kill "$driver"; wait "$driver"
    [ -n "$closed" ] || sleep 3
    rm -rf "$folder"
"#;

static SHARED: Mutex<Weak<Chromedriver>> = Mutex::new(Weak::new());

/// A running chromedriver. It ends with the last browser.
pub(super) struct Chromedriver {
    url: String,
    folder: TempDir,
    keeper: Child,
    input: Option<ChildStdin>,
}

impl Chromedriver {
    /// The one that runs, or a new one.
    pub(super) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Self::start());
            *shared = Arc::downgrade(&new);
            new
        })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A folder for what browsers write, which is gone with it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn start() -> Self {
        let program = program();
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(folder.path()).arg(&program).arg("--port=0");
        // A browser inherits the environment; its clock and language are those of no machine in particular.
        keeper.env("TMPDIR", folder.path()).env("TZ", "UTC").env("LANG", "C.UTF-8");
        // Ctrl-C is for the tests: what ends with them ends in order.
        keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = keeper.spawn().unwrap();
        let input = keeper.stdin.take();
        let port = port(keeper.stdout.take().unwrap());
        Self { url: format!("http://127.0.0.1:{port}"), folder, keeper, input }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let mut input = self.input.take().unwrap();
        input.write_all(b"closed\n").ok();
        drop(input);
        self.keeper.wait().ok();
    }
}

/// The program to start, which is there.
fn program() -> String {
    let program = env::var(CHROMEDRIVER).unwrap_or_else(|_| "chromedriver".to_owned());
    let asked = Command::new(&program).arg("--version").output();
    if let Err(error) = &asked {
        let missing = error.kind() == ErrorKind::NotFound;
        let why = if missing { "is missing" } else { "does not start" };
        panic!(
            "{program} {why} ({error}). Tests of the dashboard need Chromium and its driver: `apt-get install chromium \
             chromium-driver`, or tests/run.sh as root, or name them in {CHROMEDRIVER} and {CHROMIUM}"
        );
    }
    program
}

/// The port that chromedriver says it has taken. Reads what it says on, lest it waits for a reader.
fn port(output: impl Read + Send + 'static) -> u16 {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                sender.send(port.trim_end_matches('.').parse().unwrap()).ok();
            }
        }
    });
    receiver.recv_timeout(LIMIT).expect("chromedriver names its port")
}

static OPEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to have a browser open.
pub(super) struct Turn;

impl Turn {
    pub(super) fn wait() -> Self {
        let (open, closed) = &OPEN;
        let full = |open: &mut usize| *open >= AT_ONCE;
        let (mut open, waited) =
            closed.wait_timeout_while(open.lock().unwrap(), PATIENCE, full).unwrap();
        assert!(!waited.timed_out(), "other tests keep their browsers open");
        *open += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *OPEN.0.lock().unwrap() -= 1;
        OPEN.1.notify_one();
    }
}
