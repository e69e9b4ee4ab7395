//! The server under test: its installation on disk, and its process.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use skai_server::ambient::Ambient;
use tempfile::TempDir;

use crate::outside::Outside;

/// As many tenants, so that neither one balance row nor one rate limit is what is measured.
const ACCOUNTS: usize = 64;
const CREDITS: &str = "100000000";

/// What differs between cases.
pub(crate) struct Settings {
    /// Whether generation jobs are accepted but not run.
    pub(crate) paused: bool,
    /// Generation jobs that may run at a time.
    pub(crate) generations: usize,
    /// Whether what happens is recorded.
    pub(crate) telemetry: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { paused: false, generations: 50, telemetry: true }
    }
}

/// A binary and a data folder with accounts in it. No process runs on it.
pub(crate) struct Installation {
    binary: PathBuf,
    folder: TempDir,
    keys: Arc<Vec<String>>,
    outside: Arc<Outside>,
    clock: Ambient,
}

/// What `account create --json` and the endpoint routes answer, as far as it matters here.
#[derive(Deserialize)]
struct Account {
    key: String,
}
#[derive(Deserialize)]
struct Endpoint {
    secret: String,
}

impl Installation {
    /// Makes the accounts, each with a key and a webhook endpoint, by the means that a user has.
    pub(crate) fn prepare(binary: &Path) -> Result<Self> {
        let clock = Ambient::system();
        let mut new = Self {
            binary: binary.to_owned(),
            folder: tempfile::tempdir()?,
            keys: Arc::default(),
            outside: Outside::open(clock.clone())?,
            clock,
        };
        new.configure(&Settings::default())?;
        let keys: Result<Vec<_>> = (0..ACCOUNTS).map(|number| new.create_account(number)).collect();
        new.keys = Arc::new(keys?);
        let server = new.start(&Settings::default())?;
        let secrets: Result<Vec<_>> =
            (0..ACCOUNTS).map(|number| server.create_endpoint(number)).collect();
        server.installation.outside.sink().expect_signatures(&secrets?)?;
        server.stop()
    }

    /// The same accounts on a data folder of their own.
    pub(crate) fn copy(&self) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("data"))?;
        for entry in fs::read_dir(self.data())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.path().join("data").join(entry.file_name()))?;
            }
        }
        Ok(Self {
            binary: self.binary.clone(),
            folder,
            keys: self.keys.clone(),
            outside: self.outside.clone(),
            clock: self.clock.clone(),
        })
    }

    /// Starts the server and waits until it says that it is ready.
    pub(crate) fn start(self, settings: &Settings) -> Result<Server> {
        self.configure(settings)?;
        let log = File::create(self.log())?;
        let start = self.clock.monotonic();
        let mut process = Process(self.command().stdout(Stdio::piped()).stderr(log).spawn()?);
        let address = process.announced_address().with_context(|| self.last_words())?;
        ureq::get(format!("http://{address}/readyz")).call().context("asking for /readyz")?;
        let start_to_ready = self.clock.monotonic().saturating_sub(start);
        Ok(Server { process, address, start_to_ready, installation: self })
    }

    /// The provider and the webhook endpoints that its accounts use.
    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("skai.db")
    }

    /// The clock that all times here are told by.
    pub(crate) fn clock(&self) -> &Ambient {
        &self.clock
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config());
        command
    }

    fn configure(&self, settings: &Settings) -> Result<()> {
        let text = format!(
            r#"
            data_dir = '{data}'
            [http]
            listen = "127.0.0.1:0"
            [providers.mock]
            kind = "openai"
            base_url = "http://{outside}/v1"
            api_key = "sk-mock"
            [models.mock]
            provider = "mock"
            input_per_million = 150.0
            output_per_million = 600.0
            [queues."generation.create"]
            concurrency = {generations}
            paused = {paused}
            [queues."webhook.delivery"]
            concurrency = 16
            [rate_limit]
            default = "1000000,1s"
            operator = "1000000,1s"
            [webhooks]
            allow_networks = ["127.0.0.0/8"]
            [telemetry]
            enabled = {telemetry}
            "#,
            data = self.data().display(),
            outside = self.outside.address(),
            generations = settings.generations,
            paused = settings.paused,
            telemetry = settings.telemetry,
        );
        fs::write(self.config(), text).context("writing the configuration")
    }

    /// The end of its log, for the reader of an error.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn create_account(&self, number: usize) -> Result<String> {
        let name = format!("bench {number}");
        let output = self
            .command()
            .args(["account", "create", "--name", &name, "--credits", CREDITS, "--json"])
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "account create: {errors}");
        Ok(serde_json::from_slice::<Account>(&output.stdout)?.key)
    }
}

/// A child process. Dropped, it is killed.
struct Process(Child);

impl Process {
    /// Reads what the server prints until it tells its address.
    fn announced_address(&mut self) -> Result<String> {
        let output = self.0.stdout.as_mut().context("the server has no standard output")?;
        for line in BufReader::new(output).lines() {
            if let Some((_, address)) = line?.split_once("listening on http://") {
                return Ok(address.trim().to_owned());
            }
        }
        bail!("the server ended before it was ready")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    address: String,
    start_to_ready: Duration,
    installation: Installation,
}

impl Server {
    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The API keys, one for each account.
    pub(crate) fn keys(&self) -> &[String] {
        &self.installation.keys
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The clock that all times here are told by.
    pub(crate) fn clock(&self) -> &Ambient {
        &self.installation.clock
    }

    /// From the start of the process to the answer of `/readyz`.
    pub(crate) fn start_to_ready(&self) -> Duration {
        self.start_to_ready
    }

    /// Asks the server to end, as an operator would, and gives back what it ran on.
    pub(crate) fn stop(mut self) -> Result<Installation> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(asked.success(), "the server was gone already");
        let status = self.process.0.wait()?;
        ensure!(status.success(), "{status}: {}", self.installation.last_words());
        Ok(self.installation)
    }

    /// Posts on behalf of an account.
    pub(crate) fn post(&self, account: usize, path: &str, body: &Value) -> Result<Value> {
        let mut reply = ureq::post(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {}", self.installation.keys[account]))
            .header("content-type", "application/json")
            .send(body.to_string())?;
        Ok(serde_json::from_str(&reply.body_mut().read_to_string()?)?)
    }

    /// Asks on behalf of an account.
    pub(crate) fn get(&self, account: usize, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.text(account, path, "application/json")?)?)
    }

    /// Asks on behalf of an account for a media type.
    pub(crate) fn text(&self, account: usize, path: &str, accept: &str) -> Result<String> {
        let mut reply = ureq::get(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {}", self.installation.keys[account]))
            .header("accept", accept)
            .call()?;
        Ok(reply.body_mut().read_to_string()?)
    }

    fn create_endpoint(&self, number: usize) -> Result<String> {
        let url = format!("http://{}/sink/{number}", self.installation.outside.address());
        let body = json!({"url": url, "events": ["job.completed"]});
        let made = self.post(number, "/v1/webhooks/endpoints", &body)?;
        Ok(serde_json::from_value::<Endpoint>(made)?.secret)
    }
}
